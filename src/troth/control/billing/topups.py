"""Top-ups: a row before anybody pays, and one place that credits what was paid."""

from enum import Enum
from typing import Final

import msgspec

from troth.control.accounts import Organization, refuse_closed
from troth.control.audit import Action, Actor, append
from troth.control.billing.queue import ItemKind, raise_item, settle_item
from troth.control.billing.terms import MS_OF_DAY, NUSD_PER_CENT, Till, automatic
from troth.kernel import ids
from troth.kernel.errors import InvalidValue, Missing
from troth.ledger import books
from troth.store.transaction import Transaction, Value

ASK_AGAIN_MS: Final = 10 * 60_000
"""An open top-up is asked about this long after it was last looked at."""
ABANDONED_MS: Final = 2 * MS_OF_DAY
"""A page that was never paid is not asked about any more: it ended after a day."""


class TopupKind(Enum):
    """Who began it: a person on a page, or the wallet's own rule."""

    PAGE = "page"
    AUTOMATIC = "automatic"


class TopupState(Enum):
    """How a top-up stands; only PAID has credited anything."""

    OPEN = "open"
    PAID = "paid"
    DECLINED = "declined"
    EXPIRED = "expired"
    NEEDS_ACTION = "needs_action"
    REVIEW = "review"


class Topup(msgspec.Struct, frozen=True, array_like=True):
    """A top-up. Amounts in cents: `cents` is credited, `tax_cents` was paid on top.

    `fee_cents` is what the company kept, None until its books told us.
    """

    raw: bytes
    org: bytes
    kind: TopupKind
    state: TopupState
    cents: int
    tax_cents: int
    fee_cents: int | None
    currency: str
    saves_card: bool
    session_sealed: bytes | None
    intent_sealed: bytes | None
    intent_mark: bytes | None
    lot: bytes | None
    created_at_ms: int
    paid_at_ms: int | None

    @property
    def ref(self) -> str:
        """Return its outer form."""
        return ids.text("top", self.raw)

    @property
    def paid_cents(self) -> int:
        """Return what was paid in all."""
        return self.cents + self.tax_cents


class Paid(msgspec.Struct, frozen=True):
    """A payment that the company says is made, in its own figures; `cents` taxes included.

    `refunded_cents` of it were given back at the company: not by us, who give back credit only.
    """

    topup: str
    intent: str
    cents: int
    tax_cents: int
    currency: str
    payer: str | None = None
    card: str | None = None
    refunded_cents: int = 0


_SELECT: Final = (
    "SELECT id, org, kind, state, cents, tax_cents, fee_cents, currency, saves_card,"
    " session_sealed, intent_sealed, intent_mark, lot, created_at, paid_at FROM topup "
)


def read_topups(tx: Transaction, rest: str, params: tuple[Value, ...]) -> list[Topup]:
    """Return the rows that the rest of a statement names."""
    return msgspec.convert(tx.rows(_SELECT + rest, params), list[Topup], strict=False)


def topup_of(tx: Transaction, ref: str) -> Topup | None:
    """Return and lock the top-up of a reference, None when there is none."""
    raw = ids.raw_of("top", ref)
    found = read_topups(tx, "WHERE id = ? {lock}", (raw,)) if raw else []
    return found[0] if found else None


def find_topup(tx: Transaction, ref: str) -> Topup:
    """Return the top-up of a reference.

    Raises:
        Missing: there is none.
    """
    raw = ids.raw_of("top", ref)
    found = read_topups(tx, "WHERE id = ?", (raw,)) if raw else []
    if not found:
        raise Missing("top-up")
    return found[0]


def topups_of(tx: Transaction, org: bytes, limit: int) -> list[Topup]:
    """Return an organization's top-ups, the newest first."""
    return read_topups(tx, "WHERE org = ? ORDER BY id DESC LIMIT ?", (org, limit))


class Wanted(msgspec.Struct, frozen=True):
    """A top-up that somebody asks for."""

    cents: int
    saves_card: bool = False
    kind: TopupKind = TopupKind.PAGE


def begin_topup(
    tx: Transaction, till: Till, actor: Actor, owner: Organization, *, wanted: Wanted
) -> Topup:
    """Write the row that a payment will be for.

    Raises:
        InvalidValue: the amount is outside the operator's limits, or the organization may not.
    """
    terms = till.terms
    if not terms.topup_cents_min <= wanted.cents <= terms.topup_cents_max:
        least, most = (_dollars(each) for each in (terms.topup_cents_min, terms.topup_cents_max))
        raise InvalidValue("amount_usd", f"give {least} to {most} US dollars")
    refuse_stopped(tx, owner)
    raw = till.new_id()
    tx.execute(
        "INSERT INTO topup (id, org, kind, state, cents, currency, saves_card, created_at,"
        " checked_at) VALUES (?, ?, ?, 'open', ?, ?, ?, ?, ?)",
        (
            raw,
            owner.raw,
            wanted.kind.value,
            wanted.cents,
            terms.currency,
            int(wanted.saves_card),
            actor.at_ms,
            actor.at_ms,
        ),
    )
    append(
        tx,
        actor,
        Action.TOPUP_BEGIN,
        ids.text("top", raw),
        other=owner.ref,
        amount_nusd=wanted.cents * NUSD_PER_CENT,
    )
    return find_topup(tx, ids.text("top", raw))


def _dollars(cents: int) -> str:
    return f"{cents // 100}.{cents % 100:02d}"


def refuse_stopped(tx: Transaction, owner: Organization) -> None:
    """Refuse what would put money into an account that is closed, or whose credit is frozen.

    Raises:
        InvalidValue: it is.
    """
    refuse_closed(tx, owner)
    if owner.frozen_at_ms:
        raise InvalidValue("organization", "it is frozen; thaw it first")


def open_pages(tx: Transaction, org: bytes) -> list[Topup]:
    """Return the top-ups whose pages may still be paid."""
    return read_topups(
        tx, "WHERE org = ? AND state = 'open' AND session_sealed IS NOT NULL", (org,)
    )


def without_fee(tx: Transaction, org: bytes) -> list[Topup]:
    """Return an organization's payments of which we do not know what the company kept."""
    return read_topups(tx, "WHERE org = ? AND state = 'paid' AND fee_cents IS NULL", (org,))


def keep_fee(tx: Transaction, topup: Topup, cents: int) -> None:
    """Note what the company kept of a payment."""
    tx.execute("UPDATE topup SET fee_cents = ? WHERE id = ?", (cents, topup.raw))


def keep_session(tx: Transaction, till: Till, topup: Topup, session: str) -> None:
    """Note the page that a top-up is paid on, where references are kept."""
    tx.execute(
        "UPDATE topup SET session_sealed = ? WHERE id = ? AND session_sealed IS NULL",
        (till.kept(session), topup.raw),
    )


def end_topup(tx: Transaction, ref: str, state: TopupState) -> bool:
    """Note that a top-up was not paid; what is paid stays paid. False when it had ended before."""
    touched = tx.execute(
        "UPDATE topup SET state = ? WHERE id = ? AND state IN ('open', 'needs_action')"
        " AND state <> ?",
        (state.value, ids.raw_of("top", ref), state.value),
    )
    return touched == 1


def drop_review(tx: Transaction, ref: str) -> None:
    """Note that a payment which waited for a person was given back at the company."""
    tx.execute(
        "UPDATE topup SET state = 'expired' WHERE id = ? AND state = 'review'",
        (ids.raw_of("top", ref),),
    )


def unsure(tx: Transaction, now_ms: int, limit: int) -> list[Topup]:
    """Return open top-ups to ask the company about, and note that they are looked at."""
    found = read_topups(
        tx,
        "WHERE state IN ('open', 'needs_action') AND kind = 'page' AND checked_at <= ?"
        " AND created_at > ? ORDER BY checked_at, id LIMIT ?",
        (now_ms - ASK_AGAIN_MS, now_ms - ABANDONED_MS, limit),
    )
    for each in found:
        tx.execute("UPDATE topup SET checked_at = ? WHERE id = ?", (now_ms, each.raw))
    tx.execute(
        "UPDATE topup SET state = 'expired' WHERE state IN ('open', 'needs_action')"
        " AND created_at <= ?",
        (now_ms - ABANDONED_MS,),
    )
    return found


def unanswered(tx: Transaction, now_ms: int, limit: int) -> list[Topup]:
    """Return automatic charges of which no answer came, and note that they are looked at."""
    found = read_topups(
        tx,
        "WHERE state = 'open' AND kind = 'automatic' AND checked_at <= ? ORDER BY checked_at, id"
        " LIMIT ?",
        (now_ms - ASK_AGAIN_MS, limit),
    )
    for each in found:
        tx.execute("UPDATE topup SET checked_at = ? WHERE id = ?", (now_ms, each.raw))
    return found


def apply_payment(
    tx: Transaction, till: Till, paid: Paid, now_ms: int, *, is_accepted: bool = False
) -> Topup | None:
    """Credit what was paid: the only place that does. Return the top-up if it is credited now.

    Amount and currency are the company's, the organization is our row's. What does not fit waits
    for a person, who may accept the company's amount. Any order, any number of calls, one credit.
    """
    topup = topup_of(tx, paid.topup)
    mark = till.sealer.mark(paid.intent)
    if topup is None:
        _raise(tx, ItemKind.UNKNOWN_PAYMENT, paid, org=None, now_ms=now_ms)
        return None
    if topup.state is TopupState.PAID:
        if topup.intent_mark != mark:
            _raise(tx, ItemKind.PAID_TWICE, paid, org=topup.org, now_ms=now_ms)
        return None
    net_cents = paid.cents - paid.tax_cents
    is_ours = paid.currency == topup.currency and net_cents > 0 and not paid.refunded_cents
    if not is_ours or not (is_accepted or net_cents == topup.cents):
        tx.execute("UPDATE topup SET state = 'review' WHERE id = ?", (topup.raw,))
        _raise(tx, ItemKind.AMOUNT_MISMATCH, paid, org=topup.org, now_ms=now_ms)
        return None
    return _credit(tx, till, topup, paid, now_ms=now_ms)


def _raise(tx: Transaction, kind: ItemKind, paid: Paid, *, org: bytes | None, now_ms: int) -> None:
    cents = paid.cents - paid.refunded_cents
    raise_item(tx, kind, paid.topup, org=org, cents=cents, now_ms=now_ms)


def _credit(tx: Transaction, till: Till, topup: Topup, paid: Paid, *, now_ms: int) -> Topup:
    net_cents, days = paid.cents - paid.tax_cents, till.terms.paid_expiry_days
    wanted = books.Credit(
        key=f"topup {paid.intent}",
        org=topup.org,
        kind=books.LotKind.PAID,
        amount=net_cents * NUSD_PER_CENT,
        expires_at=now_ms + days * MS_OF_DAY if days else None,
    )
    books.credit(tx, wanted, till.desk, now_ms)
    if paid.tax_cents:
        amount = paid.tax_cents * NUSD_PER_CENT
        tax = books.Transfer(books.Kind.TAX, paid.topup, amount, till.terms.tax_part or "unknown")
        books.transfer(tx, [tax], till.desk, now_ms)
    tx.execute(
        "UPDATE topup SET state = 'paid', cents = ?, tax_cents = ?, intent_sealed = ?,"
        " intent_mark = ?, lot = ?, paid_at = ? WHERE id = ?",
        (
            net_cents,
            paid.tax_cents,
            till.kept(paid.intent),
            till.sealer.mark(paid.intent),
            wanted.lot,
            now_ms,
            topup.raw,
        ),
    )
    tx.execute("UPDATE automatic_topup SET declines = 0 WHERE org = ?", (topup.org,))
    tx.execute("UPDATE closing SET state = 'refunding' WHERE org = ?", (topup.org,))
    settle_item(tx, ItemKind.CARD_NEEDS_OWNER, topup.ref, automatic(now_ms))
    append(
        tx,
        automatic(now_ms),
        Action.TOPUP_CREDIT,
        topup.ref,
        other=ids.text("org", topup.org),
        amount_nusd=wanted.amount,
    )
    return find_topup(tx, topup.ref)
