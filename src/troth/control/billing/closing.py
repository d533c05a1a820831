"""Closing an account: keys off, leases back, bought credit refunded, gifts back, wallet at zero."""

from enum import Enum
from typing import Final

import msgspec

from troth.control import accounts, keys
from troth.control.accounts import Organization
from troth.control.audit import Action, Actor, append
from troth.control.billing.automatic import drop_card
from troth.control.billing.disputes import read_disputes
from troth.control.billing.refunds import Asked, RefundState, begin_refund, read_refunds
from troth.control.billing.terms import MS_OF_DAY, NUSD_PER_CENT, Till, automatic, lock_wallet
from troth.kernel import ids
from troth.kernel.errors import InvalidValue
from troth.ledger import books
from troth.ledger.books import Kind, LotKind
from troth.store.transaction import Transaction

PLAN_MS_MAX: Final = 3_653 * MS_OF_DAY
_PLAN: Final = tuple[bytes, int]


class ClosingState(Enum):
    """RECALLING: gateways still hold parts of the wallet. REFUNDING: money is on its way."""

    RECALLING = "recalling"
    REFUNDING = "refunding"
    CLOSED = "closed"


class Statement(msgspec.Struct, frozen=True):
    """All that went through a wallet, in nano-USD. The parts sum to `balance_nusd`.

    `state` is empty for an account that is not being closed, `closes_at_ms` 0 for one that will
    not be. `refunded_nusd` has left the wallet; `owed_nusd` of it waits to be paid by hand.
    """

    organization: str
    state: str
    began_at_ms: int
    ended_at_ms: int
    bought_nusd: int
    given_nusd: int
    charged_nusd: int
    refunded_nusd: int
    disputed_nusd: int
    ended_nusd: int
    balance_nusd: int
    owed_nusd: int
    closes_at_ms: int = 0


def plan_closing(tx: Transaction, actor: Actor, owner: Organization, closes_at_ms: int) -> None:
    """Let an account be closed at a time to come; another time takes the place of the first.

    Raises:
        InvalidValue: the time is not to come, or the account is being closed already.
    """
    if not actor.at_ms < closes_at_ms <= actor.at_ms + PLAN_MS_MAX:
        raise InvalidValue("closes_at_ms", "give a time to come, within ten years")
    accounts.refuse_closed(tx, owner)
    tx.execute(
        "INSERT INTO closing_plan (org, closes_at, planned_at) VALUES (?, ?, ?)"
        " ON CONFLICT (org) DO UPDATE SET closes_at = excluded.closes_at,"
        " planned_at = excluded.planned_at",
        (owner.raw, closes_at_ms, actor.at_ms),
    )
    append(tx, actor, Action.CLOSING_PLAN, owner.ref)


def drop_closing_plan(tx: Transaction, actor: Actor, owner: Organization) -> None:
    """Let an account go on that was to be closed.

    Raises:
        InvalidValue: nothing was planned.
    """
    if not tx.execute("DELETE FROM closing_plan WHERE org = ?", (owner.raw,)):
        raise InvalidValue("organization", "no closing is planned for this account")
    append(tx, actor, Action.CLOSING_DROP, owner.ref)


def planned_closings(tx: Transaction) -> list[tuple[bytes, int]]:
    """Return which accounts will be closed, and when (unix milliseconds)."""
    return tx.rows("SELECT org, closes_at FROM closing_plan ORDER BY closes_at", (), _PLAN)


def due_closings(tx: Transaction, now_ms: int) -> list[str]:
    """Return the references of accounts whose time to be closed has come."""
    return [ids.text("org", org) for org, at_ms in planned_closings(tx) if at_ms <= now_ms]


def closed_since(tx: Transaction, since_ms: int) -> list[tuple[bytes, int]]:
    """Return which accounts were closed since a time, and when."""
    statement = "SELECT org, ended_at FROM closing WHERE state = 'closed' AND ended_at >= ?"
    return tx.rows(statement, (since_ms,), _PLAN)


def begin_closing(tx: Transaction, actor: Actor, owner: Organization) -> tuple[str, ...]:
    """Stop an account for good; return the public ids of the keys that ended. Twice is once."""
    touched = tx.execute(
        "INSERT INTO closing (org, state, began_at) VALUES (?, 'recalling', ?)"
        " ON CONFLICT DO NOTHING",
        (owner.raw, actor.at_ms),
    )
    if not touched:
        return ()
    tx.execute("DELETE FROM closing_plan WHERE org = ?", (owner.raw,))
    append(tx, actor, Action.ORGANIZATION_CLOSE, owner.ref)
    live = [key for key in keys.of_organization(tx, owner.raw) if not key.revoked_at_ms]
    for key in live:
        keys.revoke(tx, actor, key.ref)
    drop_card(tx, owner.raw)
    if not owner.frozen_at_ms:
        accounts.freeze(tx, actor, owner.ref)
    return tuple(key.public_id for key in live)


def closings(tx: Transaction) -> list[bytes]:
    """Return the organizations whose closing is under way."""
    found = tx.rows("SELECT org FROM closing WHERE state <> 'closed'", (), tuple[bytes])
    return [org for (org,) in found]


def reopen_closing(tx: Transaction, org: bytes) -> bool:
    """Let the closing of an account go on that has got credit since; False for an open account."""
    statement = "UPDATE closing SET state = 'recalling', ended_at = NULL WHERE org = ?"
    return bool(tx.execute(statement, (org,)))


def go_on_closing(tx: Transaction, till: Till, org: bytes, now_ms: int) -> ClosingState:
    """Do what can be done now; call it again until the account is closed."""
    lock_wallet(tx, org)
    wallet = books.wallet(tx, org) or books.Wallet(0, 0)
    if org not in closings(tx):
        return ClosingState.CLOSED
    if wallet.held:
        return ClosingState.RECALLING
    actor = automatic(now_ms)
    owner = accounts.find(tx, ids.text("org", org))
    begin_refund(tx, till, actor, owner, asked=Asked(is_final=True))
    _empty(tx, till, org, now_ms)
    state = ClosingState.REFUNDING if _is_waiting(tx, org) else ClosingState.CLOSED
    is_closed = state is ClosingState.CLOSED
    tx.execute(
        "UPDATE closing SET state = ?, ended_at = ? WHERE org = ?",
        (state.value, now_ms if is_closed else None, org),
    )
    if is_closed:
        append(tx, actor, Action.ORGANIZATION_CLOSED, owner.ref)
    return state


def _empty(tx: Transaction, till: Till, org: bytes, now_ms: int) -> None:
    """Let gifts go back, and what of a payment is less than a cent."""
    for lot in books.lots(tx, org):
        kind = Kind.BREAKAGE if lot.kind is LotKind.PAID else Kind.EXPIRY
        is_small = lot.rest < NUSD_PER_CENT
        if lot.rest and (is_small or lot.kind is not LotKind.PAID):
            key = f"closing {lot.id.hex()} {lot.returned}"
            books.take(tx, books.Take(kind, key, org, lot.id, lot.rest), till.desk, now_ms)


def _is_waiting(tx: Transaction, org: bytes) -> bool:
    """Tell whether something may still come back, or is still there."""
    wallet = books.wallet(tx, org)
    refunds = read_refunds(tx, "WHERE org = ? AND state IN ('underway', 'sent')", (org,))
    disputes = read_disputes(tx, "WHERE org = ? AND state = 'open'", (org,))
    return bool(refunds or disputes or (wallet and wallet.posted))


def statement(tx: Transaction, owner: Organization) -> Statement:
    """Return what went through an organization's wallet from its first day to now."""
    closing = tx.row(
        "SELECT state, began_at, coalesce(ended_at, 0) FROM closing WHERE org = ?",
        (owner.raw,),
        tuple[str, int, int],
    )
    state, began_at_ms, ended_at_ms = closing or ("", 0, 0)
    lots = books.lots(tx, owner.raw)
    refunds = [
        each
        for each in read_refunds(tx, "WHERE org = ?", (owner.raw,))
        if each.state is not RefundState.RETURNED
    ]
    refunded = sum(each.cents for each in refunds) * NUSD_PER_CENT
    disputed = _disputed(tx, owner.raw)
    returned = sum(lot.returned for lot in lots)
    return Statement(
        organization=owner.ref,
        state=state,
        began_at_ms=began_at_ms,
        ended_at_ms=ended_at_ms,
        bought_nusd=sum(lot.granted for lot in lots if lot.kind is LotKind.PAID),
        given_nusd=sum(lot.granted for lot in lots if lot.kind is not LotKind.PAID),
        charged_nusd=sum(lot.spent for lot in lots),
        refunded_nusd=refunded,
        disputed_nusd=disputed,
        ended_nusd=returned - refunded - disputed,
        balance_nusd=sum(lot.rest for lot in lots),
        owed_nusd=sum(each.sent_cents for each in refunds if each.state is RefundState.BY_HAND)
        * NUSD_PER_CENT,
        closes_at_ms=dict(planned_closings(tx)).get(owner.raw, 0),
    )


def _disputed(tx: Transaction, org: bytes) -> int:
    found = tx.row(
        "SELECT CAST(coalesce(sum(p.amount), 0) AS bigint) FROM dispute_part AS p"
        " JOIN dispute AS d ON d.id = p.dispute WHERE d.org = ? AND d.state <> 'won'",
        (org,),
        tuple[int],
    )
    assert found
    return found[0]
