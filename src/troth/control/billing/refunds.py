"""Refunds: credit leaves the wallet before the company is asked, and comes back if it fails.

Bought credit only, the newest payment first, never what is lent to gateways, in whole cents. What
cannot go back to where it came from waits for a person and is never silently kept.
"""

from enum import Enum
from typing import Final

import msgspec

from troth.control.accounts import Organization, is_closed
from troth.control.audit import Action, Actor, append
from troth.control.billing import ports
from troth.control.billing.automatic import is_below, stop_automatic
from troth.control.billing.disputes import DisputeState, disputed, reserve_more
from troth.control.billing.queue import ItemKind, raise_item, settle_item
from troth.control.billing.terms import (
    MS_OF_DAY,
    MS_OF_HOUR,
    NUSD_PER_CENT,
    Till,
    automatic,
    lock_wallet,
)
from troth.control.billing.topups import Topup, read_topups
from troth.kernel import ids
from troth.kernel.errors import InvalidValue, Missing
from troth.ledger import books
from troth.ledger.books import Kind
from troth.store.transaction import Transaction, Value

_RETRY_MS: Final = 60_000
_RETRY_MS_MAX: Final = 6 * MS_OF_HOUR
_CHECK_MS: Final = MS_OF_HOUR
_MARK_LETTERS: Final = 8


class RefundState(Enum):
    """UNDERWAY: left the wallet, not yet asked for. RETURNED: back in the wallet."""

    UNDERWAY = "underway"
    SENT = "sent"
    DONE = "done"
    RETURNED = "returned"
    BY_HAND = "by_hand"
    PAID_BY_HAND = "paid_by_hand"


class Refund(msgspec.Struct, frozen=True, array_like=True):
    """Part of one payment on its way back. `cents` left the wallet; taxes go with it, a fee not.

    `is_final` for an account that closes: nothing goes back into the wallet of one.
    """

    raw: bytes
    org: bytes
    topup: bytes | None
    state: RefundState
    cents: int
    tax_cents: int
    fee_cents: int
    is_final: bool
    ref_sealed: bytes | None
    attempts: int
    created_at_ms: int
    ended_at_ms: int | None

    @property
    def ref(self) -> str:
        """Return its outer form."""
        return ids.text("rfd", self.raw)

    @property
    def sent_cents(self) -> int:
        """Return what the payer gets."""
        return self.cents + self.tax_cents - self.fee_cents

    def undo_key(self, kind: Kind) -> str:
        """Return what names the reversal of one of its movements."""
        return f"{self.raw.hex()} {kind.value}"


class Asked(msgspec.Struct, frozen=True):
    """What to give back: `cents` or, with None, all; at once `by_hand`, or of a closing account."""

    cents: int | None = None
    by_hand: bool = False
    is_final: bool = False


_SELECT: Final = (
    "SELECT id, org, topup, state, cents, tax_cents, fee_cents, is_final, ref_sealed, attempts,"
    " created_at, ended_at FROM refund "
)


def read_refunds(tx: Transaction, rest: str, params: tuple[Value, ...]) -> list[Refund]:
    """Return the rows that the rest of a statement names."""
    return msgspec.convert(tx.rows(_SELECT + rest, params), list[Refund], strict=False)


def refund_of(tx: Transaction, ref: str) -> Refund:
    """Return and lock a refund.

    Raises:
        Missing: there is none.
    """
    raw = ids.raw_of("rfd", ref)
    found = read_refunds(tx, "WHERE id = ? {lock}", (raw,)) if raw else []
    if not found:
        raise Missing("refund")
    return found[0]


def find_refund(tx: Transaction, ref: str) -> Refund:
    """Return a refund.

    Raises:
        Missing: there is none.
    """
    raw = ids.raw_of("rfd", ref)
    found = read_refunds(tx, "WHERE id = ?", (raw,)) if raw else []
    if not found:
        raise Missing("refund")
    return found[0]


def refunds_of(tx: Transaction, org: bytes, limit: int) -> list[Refund]:
    """Return an organization's refunds, the newest first."""
    return read_refunds(tx, "WHERE org = ? ORDER BY id DESC LIMIT ?", (org, limit))


_Part = tuple[books.Lot, Topup | None, int]


def _parts(tx: Transaction, till: Till, org: bytes, now_ms: int, *, asked: Asked) -> list[_Part]:
    """Return bought lots that may be given back, the newest first, with the cents left of each.

    Nothing goes back to a payment that a bank took back, not even what it left of it: when that is
    decided, the rest can be paid by hand.
    """
    days = till.terms.refund_window_days
    since_ms = now_ms - days * MS_OF_DAY if days and not asked.is_final else 0
    payable = {None, DisputeState.LOST} if asked.by_hand or asked.is_final else {None}
    found: list[_Part] = []
    for lot in reversed(books.lots(tx, org)):
        cents = lot.rest // NUSD_PER_CENT
        if lot.kind is not books.LotKind.PAID or lot.created_at < since_ms or not cents:
            continue
        topups = read_topups(tx, "WHERE lot = ?", (lot.id,))
        topup = topups[0] if topups else None
        if topup is None or disputed(tx, topup.raw) in payable:
            found.append((lot, topup, cents))
    return found


def begin_refund(
    tx: Transaction, till: Till, actor: Actor, owner: Organization, *, asked: Asked
) -> list[Refund]:
    """Let bought credit leave the wallet, payment by payment; return what to ask the company for.

    Raises:
        InvalidValue: more than can be given back, or nothing.
    """
    reserve_more(tx, till, owner.raw, actor.at_ms)
    wallet = books.wallet(tx, owner.raw) or books.Wallet(0, 0)
    parts = _parts(tx, till, owner.raw, actor.at_ms, asked=asked)
    most = min(sum(part for _, _, part in parts), wallet.available // NUSD_PER_CENT)
    left = most if asked.cents is None else asked.cents
    if left > most or (not left and not asked.is_final):
        reason = f"{most // 100}.{most % 100:02d} US dollars can be given back now"
        raise InvalidValue("amount_usd", reason)
    begun: list[Refund] = []
    for lot, topup, cents in parts:
        part = min(cents, left)
        if part:
            begun.append(_take(tx, till, actor, (owner, asked), part=(lot, topup, part)))
            left -= begun[-1].cents
    if begun and is_below(tx, owner.raw):
        stop_automatic(tx, actor, owner)
    return begun


def _take(
    tx: Transaction, till: Till, actor: Actor, wish: tuple[Organization, Asked], *, part: _Part
) -> Refund:
    (owner, asked), (lot, topup, cents) = wish, part
    raw, desk, now_ms = till.new_id(), till.desk, actor.at_ms
    amount = cents * NUSD_PER_CENT
    moved = books.take(
        tx,
        books.Take(Kind.REFUND, raw.hex(), owner.raw, lot.id, amount, NUSD_PER_CENT),
        desk,
        now_ms,
    )
    cents = moved // NUSD_PER_CENT
    is_by_hand = topup is None or asked.by_hand or disputed(tx, topup.raw) is not None
    tax_cents = _tax(tx, topup, cents) if topup else 0
    fee_cents = _fee(till, topup, cents) if topup and not is_by_hand else 0
    beside = [
        books.Transfer(Kind.TAX_BACK, raw.hex(), tax_cents * NUSD_PER_CENT, _tax_part(till)),
        books.Transfer(Kind.REFUND_FEE, raw.hex(), fee_cents * NUSD_PER_CENT),
    ]
    books.transfer(tx, [each for each in beside if each.amount], desk, now_ms)
    state = RefundState.BY_HAND if is_by_hand else RefundState.UNDERWAY
    tx.execute(
        "INSERT INTO refund (id, org, topup, state, cents, tax_cents, fee_cents, is_final, next_at,"
        " created_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            raw,
            owner.raw,
            topup.raw if topup else None,
            state.value,
            cents,
            tax_cents,
            fee_cents,
            int(asked.is_final),
            now_ms,
            now_ms,
        ),
    )
    ref = ids.text("rfd", raw)
    append(tx, actor, Action.REFUND_BEGIN, ref, other=owner.ref, amount_nusd=moved)
    begun = refund_of(tx, ref)
    if is_by_hand:
        _by_hand(tx, begun, now_ms)
    return begun


def _tax_part(till: Till) -> str:
    return till.terms.tax_part or "unknown"


def _tax(tx: Transaction, topup: Topup, cents: int) -> int:
    """Return the tax that goes back with a part; with the last part all that is left of it."""
    before = read_refunds(tx, "WHERE topup = ? AND state <> 'returned'", (topup.raw,))
    done = sum(each.cents for each in before) + cents
    through = topup.tax_cents * done // topup.cents
    return through - sum(each.tax_cents for each in before)


def _fee(till: Till, topup: Topup, cents: int) -> int:
    """Return the part of the company's fee that the organization bears; 0 while it is unknown."""
    if till.terms.refund_fee == "operator" or not topup.fee_cents:
        return 0
    return min(cents, topup.fee_cents * cents // topup.cents)


def _by_hand(tx: Transaction, refund: Refund, now_ms: int) -> None:
    raise_item(
        tx,
        ItemKind.REFUND_BY_HAND,
        refund.ref,
        org=refund.org,
        cents=refund.sent_cents,
        now_ms=now_ms,
    )


def due_refunds(tx: Transaction, now_ms: int, limit: int) -> list[tuple[Refund, Topup]]:
    """Return refunds to ask for, or to ask about, and put off the next time."""
    found = read_refunds(
        tx,
        "WHERE state IN ('underway', 'sent') AND next_at <= ? ORDER BY next_at, id LIMIT ?",
        (now_ms, limit),
    )
    for each in found:
        is_new = each.state is RefundState.UNDERWAY
        pause_ms = min(_RETRY_MS << min(each.attempts, 16), _RETRY_MS_MAX) if is_new else _CHECK_MS
        tx.execute(
            "UPDATE refund SET attempts = attempts + 1, next_at = ? WHERE id = ?",
            (now_ms + pause_ms, each.raw),
        )
    return [(each, read_topups(tx, "WHERE id = ?", (each.topup,))[0]) for each in found]


def apply_refund(tx: Transaction, till: Till, told: ports.Refund, now_ms: int) -> Refund:
    """Bring our books to how the company says a refund stands; any order, any number of times.

    Raises:
        Missing: it is none of ours.
    """
    refund = refund_of(tx, told.refund)
    is_open = refund.state in {RefundState.UNDERWAY, RefundState.SENT, RefundState.DONE}
    if not is_open:
        return refund
    if told.ref and refund.state is RefundState.UNDERWAY:
        _sent(tx, till, refund, told.ref, now_ms=now_ms)
        refund = refund_of(tx, refund.ref)
    if told.status is ports.RefundStatus.FAILED:
        _failed(tx, till, refund, now_ms)
    elif told.status is ports.RefundStatus.SUCCEEDED:
        _end(tx, refund, RefundState.DONE, now_ms)
    elif told.status is ports.RefundStatus.NEEDS_ACTION:
        kind, cents = ItemKind.REFUND_NEEDS_OWNER, refund.sent_cents
        raise_item(tx, kind, refund.ref, org=refund.org, cents=cents, now_ms=now_ms)
    return refund_of(tx, refund.ref)


def note_elsewhere(tx: Transaction, till: Till, told: ports.Refund, now_ms: int) -> None:
    """Tell a person of a refund that was made at the company, not here: its credit is still there.

    Once a refund, unless it fails; one of a payment that is none of ours is none of ours.
    """
    mark = till.sealer.mark(told.intent)
    for topup in read_topups(tx, "WHERE intent_mark = ?", (mark,)):
        subject = f"{topup.ref} {till.sealer.mark(told.ref).hex()[:_MARK_LETTERS]}"
        kind, org = ItemKind.REFUNDED_ELSEWHERE, topup.org
        if told.status is ports.RefundStatus.FAILED:
            settle_item(tx, kind, subject, automatic(now_ms))
        else:
            raise_item(tx, kind, subject, org=org, cents=told.cents, now_ms=now_ms)


def _end(tx: Transaction, refund: Refund, state: RefundState, now_ms: int) -> None:
    tx.execute(
        "UPDATE refund SET state = ?, ended_at = ? WHERE id = ?", (state.value, now_ms, refund.raw)
    )


def _sent(tx: Transaction, till: Till, refund: Refund, ref: str, *, now_ms: int) -> None:
    amount = refund.sent_cents * NUSD_PER_CENT
    if amount:
        sent = books.Transfer(Kind.REFUND_SENT, refund.raw.hex(), amount)
        books.transfer(tx, [sent], till.desk, now_ms)
    tx.execute(
        "UPDATE refund SET state = 'sent', ref_sealed = ?, ref_mark = ?, next_at = ? WHERE id = ?",
        (till.kept(ref), till.sealer.mark(ref), now_ms + _CHECK_MS, refund.raw),
    )


def _failed(tx: Transaction, till: Till, refund: Refund, now_ms: int) -> None:
    """Take back what was sent; then the wallet has it again, or a person has to pay it."""
    lock_wallet(tx, refund.org)
    if refund.state is not RefundState.UNDERWAY:
        _undo(tx, till, refund, Kind.REFUND_SENT, now_ms=now_ms)
    if refund.is_final or is_closed(tx, refund.org):
        tx.execute("UPDATE refund SET state = 'by_hand' WHERE id = ?", (refund.raw,))
        _by_hand(tx, refund, now_ms)
        return
    for kind in (Kind.REFUND_FEE, Kind.TAX_BACK, Kind.REFUND):
        _undo(tx, till, refund, kind, now_ms=now_ms)
    _end(tx, refund, RefundState.RETURNED, now_ms)
    why, cents = ItemKind.REFUND_FAILED, refund.sent_cents
    raise_item(tx, why, refund.ref, org=refund.org, cents=cents, now_ms=now_ms)
    ref, org = refund.ref, ids.text("org", refund.org)
    amount = refund.cents * NUSD_PER_CENT
    append(tx, automatic(now_ms), Action.REFUND_RETURN, ref, other=org, amount_nusd=amount)
    reserve_more(tx, till, refund.org, now_ms)


def _undo(tx: Transaction, till: Till, refund: Refund, kind: Kind, *, now_ms: int) -> None:
    first = books.movement_id(kind, refund.raw.hex())
    if books.moved(tx, first):
        undo = books.Reversal(Kind.REFUND_FAILED, refund.undo_key(kind), first)
        books.reverse(tx, undo, till.desk, now_ms)


def paid_by_hand(tx: Transaction, till: Till, actor: Actor, ref: str) -> Refund:
    """Note that a person has paid a refund another way.

    Raises:
        Missing: there is no such refund.
        InvalidValue: it does not wait for that.
    """
    refund = refund_of(tx, ref)
    if refund.state is not RefundState.BY_HAND:
        raise InvalidValue("item", "this refund does not wait to be paid by hand")
    amount = refund.sent_cents * NUSD_PER_CENT
    if amount:
        paid = books.Transfer(Kind.REFUND_BY_HAND, refund.raw.hex(), amount)
        books.transfer(tx, [paid], till.desk, actor.at_ms)
    _end(tx, refund, RefundState.PAID_BY_HAND, actor.at_ms)
    org = ids.text("org", refund.org)
    append(tx, actor, Action.REFUND_BY_HAND, refund.ref, other=org, amount_nusd=amount)
    return refund_of(tx, ref)
