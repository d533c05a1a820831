"""Books and entries: one debit, one credit, an amount above zero; never changed, never removed.

A wallet's book has the id of its purse. The operator's books are cut into stripes, one a desk, so
that desks do not wait for each other.
"""

from collections.abc import Sequence
from enum import Enum
from hashlib import sha256
from typing import Final

import msgspec

from troth.kernel.hash_tree import EMPTY_ROOT
from troth.ledger.books import chain
from troth.ledger.books.chain import Batch, EntryRow, LotRow
from troth.store.transaction import Transaction

STRIPES: Final = 16
WALLET: Final = b"w"
_PART_BYTES_MAX: Final = 10
_DIGEST_BYTES: Final = 5


class OperatorBook(Enum):
    """The operator's side of every movement."""

    CLEARING = "stripe_clearing"
    REVENUE = "revenue"
    OVERRUN = "operator:overrun"
    ORPHAN = "operator:orphan"
    PROMO_EXPENSE = "promo_expense"
    REFUNDS_PAYABLE = "refunds_payable"
    DISPUTED = "disputed"
    DISPUTE_RESERVE = "dispute_reserve"
    DISPUTE_LOSS = "operator:dispute_loss"
    BREAKAGE = "breakage"
    PROVIDER_COST = "provider_cost"
    PROVIDER_PAYABLE = "provider_payable"
    BANK = "bank"
    STRIPE_FEES = "stripe_fees"
    TAX = "tax"

    def named(self, part: str) -> str:
        """Return the book's name; `part` is a provider or a jurisdiction, empty without parts."""
        return f"{self.value}:{part}" if part else self.value

    def stripe(self, desk: int, part: str = "") -> bytes:
        """Return the id of this desk's stripe: at most 32 bytes, a long part as its digest."""
        if len(part.encode()) > _PART_BYTES_MAX:
            part = sha256(part.encode()).digest()[:_DIGEST_BYTES].hex()
        return f"={self.named(part)}/{desk % STRIPES:02d}".encode()


def is_formed(book: bytes, kind: str, floor0: int) -> bool:
    """Tell whether a book's id, kind and floor fit each other."""
    if book[:1] == WALLET:
        return (kind, floor0) == ("wallet", 1)
    desk = int(book[-2:]) if book[-2:].isdigit() else 0
    return floor0 == 0 and any(
        each.stripe(desk, kind.removeprefix(each.value)[1:]) == book
        for each in OperatorBook
        if kind == each.value or kind.startswith(each.value + ":")
    )


class Entry(msgspec.Struct, frozen=True, array_like=True):
    """One movement."""

    id: bytes
    kind: str
    dr: bytes
    cr: bytes
    amount: int
    lot: bytes | None = None
    corrects: bytes | None = None


def wallet_purse(org: bytes) -> bytes:
    """Return the purse and book of an organization's wallet."""
    return WALLET + org


def entry_id(*parts: str) -> bytes:
    """Return the id of a movement: its own name, so that it happens once."""
    return sha256("\0".join(parts).encode()).digest()[:16]


def open_wallet(tx: Transaction, org: bytes, org_ref: str) -> None:
    """Make an organization's wallet unless it has one; `org_ref` is an opaque reference."""
    tx.execute(
        "INSERT INTO book (id, kind, org_ref, floor0) VALUES (?, 'wallet', ?, 1)"
        " ON CONFLICT DO NOTHING",
        (wallet_purse(org), org_ref),
    )


def open_operator_book(tx: Transaction, book: OperatorBook, desk: int, part: str = "") -> bytes:
    """Make the desk's stripe of an operator book unless it exists; return its id."""
    key = book.stripe(desk, part)
    tx.execute(
        "INSERT INTO book (id, kind, floor0) VALUES (?, ?, 0) ON CONFLICT DO NOTHING",
        (key, book.named(part)),
    )
    return key


def balance(tx: Transaction, book: OperatorBook, part: str = "") -> int:
    """Return what an operator book holds on all desks: credits less debits, in nano-USD."""
    return tx.number("SELECT sum(posted) FROM book WHERE kind = ?", (book.named(part),))


def write(
    tx: Transaction, entries: Sequence[Entry], desk: int, now_ms: int, *, lot: LotRow | None = None
) -> None:
    """Write entries as one batch; the schema moves the books.

    What the lot says that one of them opened is sealed with them.
    """
    day = chain.today(tx, now_ms)
    n, prev_hash = chain.head(tx, desk)
    rows: list[EntryRow] = [
        (each.id, each.kind, each.dr, each.cr, each.amount, each.lot, each.corrects, day, now_ms)
        for each in entries
    ]
    tx.insert(
        "INSERT INTO entry (id, kind, dr, cr, amount, lot, corrects, day, at, desk, batch)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [(*row, desk, n + 1) for row in rows],
    )
    root = chain.entries_root(rows, [lot] if lot else [])
    chain.append(tx, Batch(desk, n + 1, prev_hash, EMPTY_ROOT, EMPTY_ROOT, root, 0, day, now_ms))
