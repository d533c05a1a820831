"""Books and entries: one debit, one credit, an amount above zero; never changed, never removed.

A wallet's book has the id of its purse. The operator's books are cut into stripes, one a desk, so
that desks do not wait for each other.
"""

from collections.abc import Sequence
from enum import Enum
from hashlib import sha256
from typing import Final

import msgspec

from troth.kernel.errors import invariant
from troth.ledger.books import chain
from troth.ledger.books.chain import EntryRow, Roots
from troth.store.transaction import Transaction

STRIPES: Final = 16
WALLET: Final = b"w"


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

    def stripe(self, desk: int) -> bytes:
        """Return the id of this desk's part."""
        return f"={self.value}/{desk % STRIPES:02d}".encode()


class LotKind(Enum):
    """Where credit came from: bought, given, or owed for downtime."""

    PAID = "paid"
    PROMO = "promo"
    SLA = "sla"


class Credit(msgspec.Struct, frozen=True):
    """Credit for a wallet. `key` names the movement: the same key credits once.

    `org` is the organization's sixteen bytes; `expires_at` unix milliseconds or None.
    """

    key: str
    org: bytes
    kind: LotKind
    amount: int
    expires_at: int | None = None


class Entry(msgspec.Struct, frozen=True):
    """One movement to write."""

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


def open_operator_book(tx: Transaction, book: OperatorBook, desk: int) -> bytes:
    """Make the desk's part of an operator book unless it exists; return its id."""
    key = book.stripe(desk)
    tx.execute(
        "INSERT INTO book (id, kind, floor0) VALUES (?, ?, 0) ON CONFLICT DO NOTHING",
        (key, book.value),
    )
    return key


def credit(tx: Transaction, wanted: Credit, desk: int, now_ms: int) -> bool:
    """Put a lot of credit into a wallet; False when this movement was made before."""
    invariant(wanted.amount > 0, "credit is above zero")
    key = entry_id("credit", wanted.kind.value, wanted.key)
    if tx.row("SELECT 1 FROM entry WHERE id = ?", (key,)):
        return False
    purse = wallet_purse(wanted.org)
    paid = wanted.kind is LotKind.PAID
    source = OperatorBook.CLEARING if paid else OperatorBook.PROMO_EXPENSE
    giver = open_operator_book(tx, source, desk)
    tx.execute(
        "INSERT INTO lot (id, book, kind, granted, expires_at, created_at)"
        " VALUES (?, ?, ?, ?, ?, ?)",
        (key, purse, wanted.kind.value, wanted.amount, wanted.expires_at, now_ms),
    )
    write(tx, [Entry(key, wanted.kind.value, giver, purse, wanted.amount, key)], desk, now_ms)
    return True


def write(tx: Transaction, entries: Sequence[Entry], desk: int, now_ms: int) -> int:
    """Write entries as one batch; the schema moves the books. Return the batch's number."""
    day = chain.today(tx, now_ms)
    last = chain.head(tx, desk)
    rows: list[EntryRow] = [
        (each.id, each.kind, each.dr, each.cr, each.amount, each.lot, each.corrects, day, now_ms)
        for each in entries
    ]
    tx.insert(
        "INSERT INTO entry (id, kind, dr, cr, amount, lot, corrects, day, at, desk, batch)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [(*row, desk, last.n + 1) for row in rows],
    )
    return chain.append(tx, last, Roots(entries=chain.entries_root(rows)), (day, now_ms))
