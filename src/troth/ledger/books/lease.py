"""Leases: parts of a purse lent to a seat. What is lent is `held`; nobody else can have it.

`held` of a purse is the sum of `granted - settled` over its leases, always (I11). A lease belongs
to an epoch; whoever speaks of another epoch speaks of a lease that is gone.
"""

from typing import Final

import msgspec
from msgspec import structs

from troth.kernel.errors import invariant
from troth.ledger.books import purse as purses
from troth.ledger.shard.messages import Lease, LeaseAsk, LeaseReturn, Returned
from troth.store.transaction import Transaction

_COLUMNS: Final = "purse, seat, epoch, granted, settled, op, starts_at"
SELECT: Final = f"SELECT {_COLUMNS} FROM lease"  # noqa: S608 - of constants
_LEND: Final = f"""INSERT INTO lease ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (purse, seat) DO UPDATE SET granted = excluded.granted"""  # noqa: S608 - of constants
_RECALL: Final = f"""UPDATE lease SET recall = 1
WHERE purse = ? AND seat <> ? AND granted > settled RETURNING {_COLUMNS}"""  # noqa: S608
_BOUNDS: Final = 4
_SMALL_BOUNDS: Final = 8


class Lent(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A lease as it stands in the books."""

    purse: bytes
    seat: bytes
    epoch: int
    granted: int
    settled: int
    op: int
    starts_at: int

    @property
    def rest(self) -> int:
        """Return what of `held` is this lease's."""
        return self.granted - self.settled


def find(tx: Transaction, purse: bytes, seat: bytes) -> Lent | None:
    """Return a seat's lease of a purse."""
    return tx.row(SELECT + " WHERE purse = ? AND seat = ?", (purse, seat), Lent)


def offer(tx: Transaction, seat: bytes, ask: LeaseAsk) -> bool:
    """Take back what an ask offers; False when this operation is behind the lease's last."""
    given = LeaseReturn(ask.op, ask.purse, ask.epoch, ask.offer)
    return give_back(tx, seat, given) is not None


def sync(tx: Transaction, seat: bytes, ask: LeaseAsk) -> Lease:
    """Tell a shard that lost an answer where its lease stands."""
    return Lease(ask.op, ask.purse, *_extent(find(tx, ask.purse, seat)))


def _extent(lent: Lent | None) -> tuple[int, int]:
    """Return epoch and grant, as the shard is told them."""
    return (lent.epoch, lent.granted) if lent else (0, 0)


def give_back(tx: Transaction, seat: bytes, message: LeaseReturn) -> Returned | None:
    """Take back what a shard returns; None when the operation is behind the lease's last."""
    lent = find(tx, message.purse, seat)
    if lent is None:
        return Returned(message.op, message.purse, 0, 0)
    if message.op <= lent.op:
        return None
    amount = message.amount if lent.epoch == message.epoch else 0
    invariant(0 <= amount <= lent.rest, "I3 a return within the lease")
    tx.execute(
        "UPDATE lease SET granted = granted - ?, op = ?, recall = 0 WHERE purse = ? AND seat = ?",
        (amount, message.op, lent.purse, seat),
    )
    if amount:
        purses.set_aside(tx, lent.purse, lent.starts_at, -amount)
    return Returned(message.op, message.purse, lent.epoch, lent.granted - amount)


def grant(
    tx: Transaction, seat: bytes, ask: LeaseAsk, now_ms: int, *, seats: int, is_last: bool
) -> Lease | None:
    """Answer an ask whose offer was taken; None when it is worth waiting for a recall.

    `seats` is how many share; `is_last` says that nothing more can be recalled.
    """
    standing = purses.stand(tx, ask.purse, now_ms)
    lent = find(tx, ask.purse, seat)
    if lent is not None and (
        standing is None or (lent.epoch, lent.starts_at) != (ask.epoch, standing.starts_at)
    ):
        drop(tx, lent)
        lent = None
        standing = purses.stand(tx, ask.purse, now_ms)
    if standing is None:
        return Lease(ask.op, ask.purse, 0, 0, is_short=True)
    if standing.available < ask.need and not is_last:
        return None
    is_direct = standing.available < _SMALL_BOUNDS * ask.bound * seats
    wanted = ask.need if is_direct else max(ask.need, _size(ask, standing.available, seats))
    amount = max(0, min(wanted, standing.available))
    if amount:
        new = Lent(ask.purse, seat, 0, 0, 0, ask.op, standing.starts_at)
        lent = _lend(tx, lent or new, amount)
    left, held = standing.available - amount, standing.held + amount
    return Lease(
        ask.op, ask.purse, *_extent(lent), is_direct=is_direct, is_short=amount < ask.need,
        available=left, held=held - (lent.rest if lent else 0), ends_at_ms=standing.ends_at,
    )  # fmt: skip


def _size(ask: LeaseAsk, available: int, seats: int) -> int:
    """Return a grant for about two seconds, but never more than half of a fair share."""
    return min(max(ask.recent, _BOUNDS * ask.bound), available // (2 * seats))


def _lend(tx: Transaction, lent: Lent, amount: int) -> Lent:
    """Lend more; a lease that begins gets an epoch that its purse never had."""
    purses.set_aside(tx, lent.purse, lent.starts_at, amount)
    epoch = lent.epoch or purses.next_epoch(tx, lent.purse)
    more = structs.replace(lent, epoch=epoch, granted=lent.granted + amount)
    tx.execute(_LEND, structs.astuple(more))
    return more


def drop(tx: Transaction, lent: Lent) -> None:
    """End a lease: what was not settled is free again; later settlements of it are late."""
    purses.set_aside(tx, lent.purse, lent.starts_at, -lent.rest)
    tx.execute("DELETE FROM lease WHERE purse = ? AND seat = ?", (lent.purse, lent.seat))


def of_seat(tx: Transaction, seat: bytes) -> list[Lent]:
    """Return and lock all leases of a seat, in the order in which purses are locked."""
    return tx.rows(SELECT + " WHERE seat = ? ORDER BY purse {lock}", (seat,), Lent)


def is_recalled(tx: Transaction, purse: bytes) -> bool:
    """Tell whether a seat has still to answer a recall of a purse."""
    return tx.row("SELECT 1 FROM lease WHERE purse = ? AND recall = 1", (purse,)) is not None


def recall(tx: Transaction, purse: bytes, but: bytes) -> list[Lent]:
    """Mark the leases of a purse that other seats could give back from; return them by seat."""
    return sorted(tx.rows(_RECALL, (purse, but), Lent), key=lambda lent: lent.seat)
