"""Lots: one credit each. Gifts that end soonest are spent first, then the oldest paid one."""

from collections.abc import Mapping
from enum import Enum
from typing import Final

import msgspec

from troth.kernel.errors import invariant
from troth.kernel.presence import present
from troth.ledger.books.entry import wallet_purse
from troth.store.transaction import Column, Transaction

Draw = tuple[bytes, bytes, int]
"""Wallet, lot, amount."""

_SELECT: Final = (
    "SELECT id, book, kind, granted, spent, returned, expires_at, created_at FROM lot WHERE "
)


class LotKind(Enum):
    """Where credit came from: bought, given, or owed for downtime."""

    PAID = "paid"
    PROMO = "promo"
    SLA = "sla"


class Lot(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One credit. `returned` left the wallet otherwise than by charges; times in unix ms."""

    id: bytes
    wallet: bytes
    kind: LotKind
    granted: int
    spent: int
    returned: int
    expires_at: int | None
    created_at: int

    @property
    def rest(self) -> int:
        """Return what is left of it."""
        return self.granted - self.spent - self.returned


def lots(tx: Transaction, org: bytes) -> list[Lot]:
    """Return all lots of a wallet, the oldest first, those with nothing left too."""
    return tx.rows(_SELECT + "book = ? ORDER BY created_at, id", (wallet_purse(org),), Lot)


def takeable(tx: Transaction, purse: bytes, lot: bytes) -> int:
    """Lock a wallet and its lot; return what is left of the lot and not lent."""
    row = tx.row(
        "SELECT posted - held, granted - spent - returned FROM book JOIN lot ON lot.book = book.id"
        " WHERE book.id = ? AND lot.id = ? {lock}",
        (purse, lot),
        tuple[int, int],
    )
    return min(present(row, "a movement's lot is its wallet's"))


def give_back(tx: Transaction, purse: bytes, lot: bytes, amount: int) -> None:
    """Note that `amount` of a lot has left its wallet; below zero: that it came back."""
    touched = tx.execute(
        "UPDATE lot SET returned = returned + ? WHERE id = ? AND book = ?", (amount, lot, purse)
    )
    invariant(touched == 1, "a movement's lot is its wallet's")


def draw(tx: Transaction, wanted: Mapping[bytes, int]) -> list[Draw]:
    """Take amounts from wallets' lots, and return what came from which, by wallet."""
    left = dict(wanted)
    draws = []
    for wallet, lot, rest in _open(tx, sorted(wanted)):
        part = min(rest, left[wallet])
        if part:
            draws.append((wallet, lot, part))
            left[wallet] -= part
    invariant(not any(left.values()), "I8 lots cover what a wallet pays")
    touched = tx.bulk(
        "UPDATE lot SET spent = spent + d.column2 FROM {rows} AS d WHERE lot.id = d.column1",
        (Column.BLOB, Column.INT),
        [(lot, amount) for _, lot, amount in draws],
    )
    invariant(touched == len(draws), "I8 each lot is drawn once a batch")
    return draws


def _open(tx: Transaction, wallets: list[bytes]) -> list[Draw]:
    """Return what is left of wallets' lots, in the order in which they are spent."""
    return tx.bulk_rows(
        "SELECT lot.book, lot.id, granted - spent - returned FROM {rows} AS d"
        " JOIN lot ON lot.book = d.column1 WHERE is_open = 1"
        " ORDER BY lot.book, CASE kind WHEN 'paid' THEN 1 ELSE 0 END,"
        " CASE WHEN expires_at IS NULL THEN 1 ELSE 0 END, expires_at, created_at, lot.id",
        (Column.BLOB,),
        [(wallet,) for wallet in wallets],
        tuple[bytes, bytes, int],
    )
