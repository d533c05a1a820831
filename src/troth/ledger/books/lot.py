"""Lots: one credit each. Gifts that end soonest are spent first, then the oldest paid one."""

from collections.abc import Mapping

from troth.kernel.errors import invariant
from troth.store.transaction import Column, Transaction

Draw = tuple[bytes, bytes, int]
"""Wallet, lot, amount."""


def draw(tx: Transaction, wanted: Mapping[bytes, int]) -> list[Draw]:
    """Take amounts from wallets' lots, and return what came from which, by wallet."""
    rests: dict[bytes, list[tuple[bytes, int]]] = {}
    for wallet, lot, rest in _open(tx, sorted(wanted)):
        rests.setdefault(wallet, []).append((lot, rest))
    draws = [part for wallet in sorted(wanted) for part in _from(wallet, rests, wanted[wallet])]
    touched = tx.bulk(
        "UPDATE lot SET spent = spent + d.column2 FROM {rows} AS d WHERE lot.id = d.column1",
        (Column.BLOB, Column.INT),
        [(lot, amount) for _, lot, amount in draws],
    )
    invariant(touched == len(draws), "I8 each lot is drawn once a batch")
    return draws


def _open(tx: Transaction, wallets: list[bytes]) -> list[Draw]:
    return tx.bulk_rows(
        "SELECT lot.book, lot.id, granted - spent - returned FROM {rows} AS d"
        " JOIN lot ON lot.book = d.column1 WHERE granted > spent + returned"
        " ORDER BY lot.book, CASE kind WHEN 'paid' THEN 1 ELSE 0 END,"
        " CASE WHEN expires_at IS NULL THEN 1 ELSE 0 END, expires_at, created_at, lot.id",
        (Column.BLOB,),
        [(wallet,) for wallet in wallets],
        tuple[bytes, bytes, int],
    )


def _from(wallet: bytes, rests: Mapping[bytes, list[tuple[bytes, int]]], amount: int) -> list[Draw]:
    draws = []
    for lot, rest in rests.get(wallet, ()):
        part = min(rest, amount)
        if part:
            draws.append((wallet, lot, part))
            amount -= part
    invariant(amount == 0, "I8 lots cover what a wallet pays")
    return draws
