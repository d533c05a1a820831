"""Every movement of money that is not a charge: what is debited, what credited, by a closed table.

Compose these in one transaction; each is made once by its key, however often it is asked for.
`credit` gives a wallet a new lot, `take` lets part of a lot leave it, `reverse` gives back what an
earlier movement took, `transfer` moves between the operator's own books. What is lent to gateways
is never taken: a wallet's row is locked first, and what leaves is at most what is not lent.
"""

from collections.abc import Mapping, Sequence
from enum import Enum
from typing import Final, Self

import msgspec

from troth.kernel.errors import invariant
from troth.kernel.presence import present
from troth.ledger.books import invariants, lot
from troth.ledger.books.entry import (
    WALLET,
    Entry,
    OperatorBook,
    entry_id,
    open_operator_book,
    wallet_purse,
    write,
)
from troth.ledger.books.lot import LotKind
from troth.ledger.books.purse import stand
from troth.store.transaction import Transaction

_Book = OperatorBook


class Kind(Enum):
    """What a movement is, as an entry names it (at most 16 characters); then debit and credit.

    No debit: a wallet. Neither: it reverses what others of its kind did.
    """

    TAX = "tax", _Book.CLEARING, _Book.TAX
    """With a top-up: the part of what was paid that is owed to a jurisdiction."""
    TAX_BACK = "tax_back", _Book.TAX, _Book.REFUNDS_PAYABLE
    """With a refund: the tax that goes back with it."""
    USAGE_TAX = "usage_tax", _Book.REVENUE, _Book.TAX
    """Where usage is the point of tax: what of the revenue is owed to a jurisdiction."""
    REFUND = "refund", None, _Book.REFUNDS_PAYABLE
    """Before the payment company is asked."""
    REFUND_FEE = "refund_fee", _Book.REFUNDS_PAYABLE, _Book.STRIPE_FEES
    """What a refund is less by, where the customer bears the fee."""
    REFUND_SENT = "refund_sent", _Book.REFUNDS_PAYABLE, _Book.CLEARING
    """The payment company has paid it back."""
    REFUND_BY_HAND = "refund_by_hand", _Book.REFUNDS_PAYABLE, _Book.BANK
    """The operator has paid it another way."""
    DISPUTE = "dispute", _Book.DISPUTED, _Book.CLEARING
    """The payment company has taken what is disputed."""
    DISPUTE_RESERVE = "dispute_reserve", None, _Book.DISPUTE_RESERVE
    """What the wallet still has of it."""
    DISPUTE_TAX = "dispute_tax", _Book.TAX, _Book.DISPUTED
    """Lost: the tax that is no longer owed."""
    DISPUTE_PAID = "dispute_paid", _Book.DISPUTE_RESERVE, _Book.DISPUTED
    """Lost: the reserve pays,"""
    DISPUTE_LOSS = "dispute_loss", _Book.DISPUTE_LOSS, _Book.DISPUTED
    """and the operator the rest."""
    EXPIRY = "expiry", None, _Book.PROMO_EXPENSE
    """A gift has ended."""
    BREAKAGE = "breakage", None, _Book.BREAKAGE
    """Bought credit has ended, or is less than can be paid back."""
    COST = "cost", _Book.PROVIDER_COST, _Book.PROVIDER_PAYABLE
    """A provider asks for money,"""
    COST_LESS = "cost_less", _Book.PROVIDER_PAYABLE, _Book.PROVIDER_COST
    """or for less than was thought,"""
    COST_PAID = "cost_paid", _Book.PROVIDER_PAYABLE, _Book.BANK
    """and has got it."""
    FEE = "fee", _Book.STRIPE_FEES, _Book.CLEARING
    """The payment company keeps it."""
    PAYOUT = "payout", _Book.BANK, _Book.CLEARING
    """The payment company sends it to the bank."""
    REFUND_FAILED = "refund_failed", None, None
    """Reverses any part of a refund."""
    DISPUTE_WON = "dispute_won", None, None
    """Reverses the opening of a dispute."""
    CORRECTION = "correction", None, None
    """Reverses anything, or a part of it."""

    _value_: str
    debit: OperatorBook | None
    credited: OperatorBook | None

    def __new__(cls, name: str, debit: OperatorBook | None, credited: OperatorBook | None) -> Self:
        """Make a member; what a database holds of it is its name."""
        made = object.__new__(cls)
        made._value_ = name
        made.debit = debit
        made.credited = credited
        return made


_PARTED: Final = frozenset({_Book.TAX, _Book.PROVIDER_COST, _Book.PROVIDER_PAYABLE})
_REVERSES: Final[Mapping[Kind, tuple[Kind, ...]]] = {
    Kind.REFUND_FAILED: (Kind.REFUND, Kind.TAX_BACK, Kind.REFUND_FEE, Kind.REFUND_SENT),
    Kind.DISPUTE_WON: (Kind.DISPUTE, Kind.DISPUTE_RESERVE),
}
_OVERCHARGE: Final = "overcharge"


class Credit(msgspec.Struct, frozen=True):
    """Credit for a wallet. `key` names the movement: the same key credits once.

    `org` is the organization's sixteen bytes; `expires_at` unix milliseconds or None. An overcharge
    gives revenue back; else what was bought comes from clearing, what was given is an expense.
    """

    key: str
    org: bytes
    kind: LotKind
    amount: int
    expires_at: int | None = None
    is_overcharge: bool = False

    @property
    def lot(self) -> bytes:
        """Return the id of the lot, which is its entry's."""
        return entry_id("credit", self.kind.value, self.key)


class Transfer(msgspec.Struct, frozen=True):
    """A movement between the operator's books.

    `part` is the jurisdiction of a tax or the provider of a cost, empty for the others. `corrects`
    is the entry that this one sets right, if it does.
    """

    kind: Kind
    key: str
    amount: int
    part: str = ""
    corrects: bytes | None = None


class Take(msgspec.Struct, frozen=True):
    """What leaves a wallet: up to `amount` of one lot, in whole `unit`s."""

    kind: Kind
    key: str
    org: bytes
    lot: bytes
    amount: int
    unit: int = 1


class Reversal(msgspec.Struct, frozen=True):
    """Gives back what the movement `first` took: `amount` of it, or all that is left of it."""

    kind: Kind
    key: str
    first: bytes
    amount: int | None = None


def movement_id(kind: Kind, key: str) -> bytes:
    """Return the id of the entry that a movement of this key writes."""
    return entry_id(kind.value, key)


def moved(tx: Transaction, entry: bytes) -> int:
    """Return the amount of a movement, 0 when it was not made."""
    return tx.number("SELECT amount FROM entry WHERE id = ?", (entry,))


def credit(tx: Transaction, wanted: Credit, desk: int, now_ms: int) -> bool:
    """Put a lot of credit into a wallet; False when this movement was made before."""
    invariant(wanted.amount > 0, "credit is above zero")
    key = wanted.lot
    if moved(tx, key):
        return False
    purse = wallet_purse(wanted.org)
    invariant(stand(tx, purse, now_ms) is not None, "a movement's wallet stands")
    kind = _OVERCHARGE if wanted.is_overcharge else wanted.kind.value
    source = OperatorBook.CLEARING if wanted.kind is LotKind.PAID else OperatorBook.PROMO_EXPENSE
    giver = open_operator_book(tx, _Book.REVENUE if wanted.is_overcharge else source, desk)
    tx.execute(
        "INSERT INTO lot (id, book, kind, granted, expires_at, created_at)"
        " VALUES (?, ?, ?, ?, ?, ?)",
        opened := (key, purse, wanted.kind.value, wanted.amount, wanted.expires_at, now_ms),
    )
    entry = Entry(key, kind, giver, purse, wanted.amount, key)
    write(tx, [entry], desk, now_ms, lot=opened)
    return True


def transfer(tx: Transaction, wanted: Sequence[Transfer], desk: int, now_ms: int) -> int:
    """Move between the operator's books, all in one batch; return how many were new."""
    entries = [
        _between(tx, each, desk)
        for each in wanted
        if not moved(tx, movement_id(each.kind, each.key))
    ]
    if entries:
        write(tx, entries, desk, now_ms)
    return len(entries)


def _between(tx: Transaction, wanted: Transfer, desk: int) -> Entry:
    debit = present(wanted.kind.debit, "a transfer is between the operator's books")
    credited = present(wanted.kind.credited, "what is debited is credited")
    invariant(bool(wanted.part) == (not _PARTED.isdisjoint((debit, credited))), "a book's part")
    dr, cr = (
        open_operator_book(tx, book, desk, wanted.part if book in _PARTED else "")
        for book in (debit, credited)
    )
    key, kind = movement_id(wanted.kind, wanted.key), wanted.kind.value
    return Entry(key, kind, dr, cr, wanted.amount, corrects=wanted.corrects)


def take(tx: Transaction, wanted: Take, desk: int, now_ms: int) -> int:
    """Let part of a lot leave its wallet; return how much did.

    That is the least of what was asked, what is left of the lot, and what of the wallet is not
    lent, cut down to whole units: 0 when there is nothing. Once something has left, the same key
    moves no more and is answered with what it moved.
    """
    invariant(wanted.kind.debit is None, "only a wallet's movement takes from a lot")
    credited = present(wanted.kind.credited, "what is taken from a lot is credited")
    key = movement_id(wanted.kind, wanted.key)
    made = moved(tx, key)
    if made:
        return made
    purse = wallet_purse(wanted.org)
    rest = min(wanted.amount, lot.takeable(tx, purse, wanted.lot))
    amount = rest - rest % wanted.unit
    if amount > 0:
        taker = open_operator_book(tx, credited, desk)
        entry = Entry(key, wanted.kind.value, purse, taker, amount, wanted.lot)
        _write(tx, entry, desk, now_ms)
    return max(0, amount)


def reverse(tx: Transaction, wanted: Reversal, desk: int, now_ms: int) -> int:
    """Give back what an earlier movement took, or a part; return how much that was.

    Never more than it took, all its reversals together; and what is taken from a wallet by it is
    at most what is left of the lot and not lent. 0 when there is nothing; the same key moves once.

    Raises:
        InvariantBroken: there is no such movement, or this kind does not reverse it.
    """
    key = movement_id(wanted.kind, wanted.key)
    made = moved(tx, key)
    if made:
        return made
    first = _first(tx, wanted)
    reversed_before = "SELECT sum(amount) FROM entry WHERE corrects = ?"
    amount = first.amount - tx.number(reversed_before, (wanted.first,))
    if wanted.amount is not None:
        amount = min(amount, wanted.amount)
    if first.lot is not None and first.cr[:1] == WALLET:
        amount = min(amount, lot.takeable(tx, first.cr, first.lot))
    if amount <= 0:
        return 0
    entry = Entry(key, wanted.kind.value, first.cr, first.dr, amount, first.lot, wanted.first)
    _write(tx, entry, desk, now_ms)
    return amount


def _first(tx: Transaction, wanted: Reversal) -> Entry:
    """Return the movement to reverse, with its books locked: a wallet before an operator's."""
    statement = "SELECT id, kind, dr, cr, amount, lot, corrects FROM entry WHERE id = ?"
    first = present(tx.row(statement, (wanted.first,), Entry), "a reversal names a movement")
    reversible = [each.value for each in _REVERSES.get(wanted.kind, ())]
    is_known = wanted.kind is Kind.CORRECTION or first.kind in reversible
    invariant(is_known, "a reversal's kind is that of what it reverses")
    tx.rows("SELECT id FROM book WHERE id IN (?, ?) ORDER BY id DESC {lock}", (first.dr, first.cr))
    return first


def _write(tx: Transaction, entry: Entry, desk: int, now_ms: int) -> None:
    """Write an entry; where it moves a lot, note what left or came back, and check that."""
    is_leaving = entry.dr[:1] == WALLET
    wallet = entry.dr if is_leaving else entry.cr
    if entry.lot is not None:
        lot.give_back(tx, wallet, entry.lot, entry.amount if is_leaving else -entry.amount)
    write(tx, [entry], desk, now_ms)
    if entry.lot is not None:
        invariants.touched(tx, [wallet])
        invariants.moved(tx, entry.lot)
