"""Seats: one life of one gateway process. Its leases end with it."""

from collections.abc import Sequence

import msgspec

from troth.ledger.books import lease
from troth.ledger.shard.messages import Orphan
from troth.store.transaction import Transaction


class Seat(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A seat as the books know it."""

    id: bytes
    desk: int
    slot: int
    closed_at: int | None = None


def open_seat(tx: Transaction, seat: Seat, now_ms: int, valid_until: int) -> None:
    """Begin a seat."""
    tx.execute(
        "INSERT INTO seat (id, desk, slot, opened_at, valid_until) VALUES (?, ?, ?, ?, ?)",
        (seat.id, seat.desk, seat.slot, now_ms, valid_until),
    )


def find(tx: Transaction, seat: bytes) -> Seat | None:
    """Return a seat and lock it: all work for one seat is in order."""
    return tx.row("SELECT id, desk, slot, closed_at FROM seat WHERE id = ? {lock}", (seat,), Seat)


def renew(tx: Transaction, seat: bytes, valid_until: int) -> bool:
    """Let a living seat live longer; False when it was closed."""
    touched = tx.execute(
        "UPDATE seat SET valid_until = ? WHERE id = ? AND closed_at IS NULL", (valid_until, seat)
    )
    return touched == 1


def live_count(tx: Transaction) -> int:
    """Return how many seats are open."""
    return tx.number("SELECT count(*) FROM seat WHERE closed_at IS NULL")


def silent(tx: Transaction, before_ms: int) -> list[bytes]:
    """Return the open seats that were not renewed in time."""
    found = tx.rows(
        "SELECT id FROM seat WHERE closed_at IS NULL AND valid_until < ? ORDER BY id",
        (before_ms,),
        tuple[bytes],
    )
    return [each for (each,) in found]


def close(tx: Transaction, seat: bytes, orphans: Sequence[Orphan], now_ms: int) -> list[bytes]:
    """End a seat and its leases; return the purses that were freed.

    Orphans are only listed, for nothing was charged.
    """
    find(tx, seat)
    lent = lease.of_seat(tx, seat)
    for each in lent:
        lease.drop(tx, each)
    tx.execute("UPDATE seat SET closed_at = ? WHERE id = ? AND closed_at IS NULL", (now_ms, seat))
    for orphan in orphans:
        tx.execute(
            "INSERT INTO orphan (reservation, seat, amount, at) SELECT ?, ?, ?, ?"
            " WHERE NOT EXISTS (SELECT 1 FROM seen WHERE reservation = ?) ON CONFLICT DO NOTHING",
            (orphan.reservation, seat, orphan.amount, now_ms, orphan.reservation),
        )
    return [each.purse for each in lent]
