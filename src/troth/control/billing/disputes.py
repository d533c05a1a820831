"""Disputes: a bank takes a payment back. What the wallet still has of it is set aside.

The organization is frozen, its wallet never falls below zero, and the operator bears what is gone.
"""

from enum import Enum
from typing import Final

import msgspec

from troth.control import accounts
from troth.control.audit import Action, append
from troth.control.billing import ports
from troth.control.billing.automatic import stop_automatic
from troth.control.billing.queue import ItemKind, raise_item, settle_item
from troth.control.billing.terms import MS_OF_DAY, NUSD_PER_CENT, Till, automatic, lock_wallet
from troth.control.billing.topups import Topup, read_topups, topup_of
from troth.kernel import ids
from troth.ledger import books
from troth.ledger.books import Kind
from troth.store.transaction import Transaction, Value

_LOANS_BACK_MS: Final = 7 * MS_OF_DAY
"""So long after a dispute was lost is looked for loans that come back."""


class DisputeState(Enum):
    """How a dispute stands; WON and LOST are final."""

    OPEN = "open"
    WON = "won"
    LOST = "lost"


class Dispute(msgspec.Struct, frozen=True, array_like=True):
    """A dispute. `cents` is what the bank took, `tax_cents` the part of it that was tax."""

    raw: bytes
    org: bytes
    topup: bytes
    state: DisputeState
    cents: int
    tax_cents: int
    is_freezing: bool
    opened_at_ms: int

    @property
    def ref(self) -> str:
        """Return its outer form."""
        return ids.text("dsp", self.raw)

    @property
    def key(self) -> str:
        """Return what names its movements."""
        return self.raw.hex()


_SELECT: Final = (
    "SELECT id, org, topup, state, cents, tax_cents, is_freezing, opened_at FROM dispute "
)


def read_disputes(tx: Transaction, rest: str, params: tuple[Value, ...]) -> list[Dispute]:
    """Return the rows that the rest of a statement names."""
    return msgspec.convert(tx.rows(_SELECT + rest, params), list[Dispute], strict=False)


def disputes_of(tx: Transaction, org: bytes, limit: int) -> list[Dispute]:
    """Return an organization's disputes, the newest first."""
    return read_disputes(tx, "WHERE org = ? ORDER BY id DESC LIMIT ?", (org, limit))


def disputed(tx: Transaction, topup: bytes) -> DisputeState | None:
    """Tell whether a payment is (OPEN) or was (LOST) taken back, so that no refund can go there."""
    found = read_disputes(tx, "WHERE topup = ? AND state <> 'won' ORDER BY state DESC", (topup,))
    return found[0].state if found else None


def apply_dispute(
    tx: Transaction, till: Till, told: ports.Dispute, topup_ref: str, *, now_ms: int
) -> str:
    """Bring our books to how the company says a dispute stands; any order, any number of times.

    `topup_ref` is our reference that the disputed payment carries. Return the organization whose
    freezing changed, empty for none.
    """
    topup = topup_of(tx, topup_ref)
    if topup is not None:
        lock_wallet(tx, topup.org)
    if topup is None or topup.lot is None:
        kind, org = ItemKind.UNKNOWN_DISPUTE, topup.org if topup else None
        raise_item(tx, kind, _subject(till, told), org=org, cents=told.cents, now_ms=now_ms)
        return ""
    if told.status is ports.DisputeStatus.WARNING:
        kind, subject = ItemKind.DISPUTE_WARNING, topup.ref
        raise_item(tx, kind, subject, org=topup.org, cents=told.cents, now_ms=now_ms)
        return ""
    mark = till.sealer.mark(told.ref)
    found = read_disputes(tx, "WHERE ref_mark = ? {lock}", (mark,))
    changed = "" if found else _open(tx, till, told, topup, now_ms=now_ms)
    dispute = read_disputes(tx, "WHERE ref_mark = ?", (mark,))[0]
    if dispute.state is not DisputeState.OPEN:
        return changed
    if told.status is ports.DisputeStatus.WON:
        return _won(tx, till, dispute, now_ms)
    if told.status is ports.DisputeStatus.LOST:
        _lost(tx, till, dispute, now_ms)
    return changed


def _subject(till: Till, told: ports.Dispute) -> str:
    return till.sealer.mark(told.ref).hex()


def _open(tx: Transaction, till: Till, told: ports.Dispute, topup: Topup, *, now_ms: int) -> str:
    raw, actor = till.new_id(), automatic(now_ms)
    owner = accounts.find(tx, ids.text("org", topup.org))
    is_freezing = not owner.frozen_at_ms
    tx.execute(
        "INSERT INTO dispute (id, org, topup, state, cents, tax_cents, is_freezing, ref_sealed,"
        " ref_mark, opened_at) VALUES (?, ?, ?, 'open', ?, ?, ?, ?, ?, ?)",
        (
            raw,
            topup.org,
            topup.raw,
            told.cents,
            topup.tax_cents * told.cents // topup.paid_cents,
            int(is_freezing),
            till.kept(told.ref),
            till.sealer.mark(told.ref),
            now_ms,
        ),
    )
    amount = told.cents * NUSD_PER_CENT
    books.transfer(tx, [books.Transfer(Kind.DISPUTE, raw.hex(), amount)], till.desk, now_ms)
    ref = ids.text("dsp", raw)
    append(tx, actor, Action.DISPUTE_OPEN, ref, other=owner.ref, amount_nusd=amount)
    stop_automatic(tx, actor, owner)
    kind, org = ItemKind.DISPUTE, topup.org
    raise_item(tx, kind, ref, org=org, cents=told.cents, now_ms=now_ms)
    reserve_more(tx, till, topup.org, now_ms)
    if is_freezing:
        accounts.freeze(tx, actor, owner.ref)
    return owner.ref if is_freezing else ""


def reserve_more(tx: Transaction, till: Till, org: bytes, now_ms: int) -> None:
    """Set aside for an organization's disputes what its wallet has of what was bought before them.

    The disputed payment's own credit comes first, then other bought credit, the newest first. What
    was on loan when a dispute was lost pays when it is back, and the operator bears less.
    """
    lock_wallet(tx, org)
    disputes = read_disputes(tx, "WHERE org = ? AND state <> 'won' ORDER BY opened_at, id", (org,))
    for dispute in disputes:
        _reserve(tx, till, dispute, now_ms)


def short_disputes(tx: Transaction, now_ms: int) -> list[bytes]:
    """Return the organizations whose wallets have, free again, what a dispute still lacks."""
    disputes = read_disputes(
        tx,
        "WHERE state = 'open' OR (state = 'lost' AND ended_at > ?)",
        (now_ms - _LOANS_BACK_MS,),
    )
    return sorted({each.org for each in disputes if _is_fillable(tx, each)})


def _is_fillable(tx: Transaction, dispute: Dispute) -> bool:
    wallet = books.wallet(tx, dispute.org)
    has_free = wallet is not None and wallet.available > 0
    return has_free and _need(tx, dispute) > 0 and bool(_lots(tx, dispute))


def _need(tx: Transaction, dispute: Dispute) -> int:
    """Return what of a dispute is not set aside yet, nor is tax."""
    set_aside = sum(amount for _, amount in _parts(tx, dispute))
    return (dispute.cents - dispute.tax_cents) * NUSD_PER_CENT - set_aside


def _lots(tx: Transaction, dispute: Dispute) -> list[books.Lot]:
    """Return the lots that a dispute may draw on, those with something left, in order."""
    own = read_topups(tx, "WHERE id = ?", (dispute.topup,))[0].lot
    return sorted(
        (
            lot
            for lot in books.lots(tx, dispute.org)
            if lot.rest
            and lot.kind is books.LotKind.PAID
            and lot.created_at <= dispute.opened_at_ms
        ),
        key=lambda lot: (lot.id != own, -lot.created_at, lot.id),
    )


def _reserve(tx: Transaction, till: Till, dispute: Dispute, now_ms: int) -> None:
    need, n = _need(tx, dispute), len(_parts(tx, dispute))
    for lot in _lots(tx, dispute) if need > 0 else ():
        key = f"{dispute.key} {n + 1}"
        wanted = books.Take(Kind.DISPUTE_RESERVE, key, dispute.org, lot.id, need)
        amount = books.take(tx, wanted, till.desk, now_ms) if need else 0
        if amount:
            entry = books.movement_id(Kind.DISPUTE_RESERVE, key)
            tx.execute(
                "INSERT INTO dispute_part (dispute, n, entry, amount) VALUES (?, ?, ?, ?)",
                (dispute.raw, n + 1, entry, amount),
            )
            n += 1
            need -= amount
            if dispute.state is DisputeState.LOST:
                _recover(tx, till, key, (dispute, amount), now_ms=now_ms)


def _recover(
    tx: Transaction, till: Till, key: str, part: tuple[Dispute, int], *, now_ms: int
) -> None:
    """Let the reserve pay what the operator bore of a dispute that was lost."""
    dispute, amount = part
    paid = books.Transfer(Kind.DISPUTE_PAID, key, amount)
    books.transfer(tx, [paid], till.desk, now_ms)
    loss = books.movement_id(Kind.DISPUTE_LOSS, dispute.key)
    less = books.Reversal(Kind.CORRECTION, f"dispute {key}", loss, amount)
    books.reverse(tx, less, till.desk, now_ms)


def _parts(tx: Transaction, dispute: Dispute) -> list[tuple[bytes, int]]:
    return tx.rows(
        "SELECT entry, amount FROM dispute_part WHERE dispute = ? ORDER BY n",
        (dispute.raw,),
        tuple[bytes, int],
    )


def _won(tx: Transaction, till: Till, dispute: Dispute, now_ms: int) -> str:
    """Undo the opening; let the organization go on if this dispute had stopped it."""
    entries = [books.movement_id(Kind.DISPUTE, dispute.key)]
    entries += [entry for entry, _ in _parts(tx, dispute)]
    for n, entry in enumerate(entries):
        undo = books.Reversal(Kind.DISPUTE_WON, f"{dispute.key} {n}", entry)
        books.reverse(tx, undo, till.desk, now_ms)
    _end(tx, dispute, DisputeState.WON, now_ms)
    reserve_more(tx, till, dispute.org, now_ms)
    if not dispute.is_freezing or accounts.is_closed(tx, dispute.org):
        return ""
    heirs = tx.execute(
        "UPDATE dispute SET is_freezing = 1 WHERE org = ? AND state <> 'won'", (dispute.org,)
    )
    if heirs:
        return ""
    ref = ids.text("org", dispute.org)
    accounts.thaw(tx, automatic(now_ms), ref)
    return ref


def _lost(tx: Transaction, till: Till, dispute: Dispute, now_ms: int) -> None:
    """The reserve pays, the tax is no longer owed, and the operator bears the rest."""
    _reserve(tx, till, dispute, now_ms)
    reserved = sum(amount for _, amount in _parts(tx, dispute))
    tax = dispute.tax_cents * NUSD_PER_CENT
    loss = dispute.cents * NUSD_PER_CENT - tax - reserved
    moves = [
        books.Transfer(Kind.DISPUTE_TAX, dispute.key, tax, till.terms.tax_part or "unknown"),
        books.Transfer(Kind.DISPUTE_PAID, dispute.key, reserved),
        books.Transfer(Kind.DISPUTE_LOSS, dispute.key, loss),
    ]
    books.transfer(tx, [each for each in moves if each.amount], till.desk, now_ms)
    _end(tx, dispute, DisputeState.LOST, now_ms)


def _end(tx: Transaction, dispute: Dispute, state: DisputeState, now_ms: int) -> None:
    actor = automatic(now_ms)
    tx.execute(
        "UPDATE dispute SET state = ?, ended_at = ? WHERE id = ?",
        (state.value, now_ms, dispute.raw),
    )
    org = ids.text("org", dispute.org)
    append(tx, actor, Action.DISPUTE_END, dispute.ref, other=org)
    settle_item(tx, ItemKind.DISPUTE, dispute.ref, actor)
