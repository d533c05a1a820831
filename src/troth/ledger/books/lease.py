"""Leases: parts of a purse lent to a seat. What is lent is `held`; nobody else can have it.

`held` of a purse is the sum of `granted - settled` over its leases, always (I11). A lease belongs
to an epoch; whoever speaks of another epoch speaks of a lease that is gone.
"""

from typing import Final

import msgspec
from msgspec import structs

from troth.kernel.errors import invariant
from troth.ledger.books import budget
from troth.ledger.books.entry import WALLET
from troth.ledger.shard.messages import Lease, LeaseAsk, LeaseReturn, Returned
from troth.store.transaction import Transaction

SELECT: Final = "SELECT purse, seat, epoch, granted, settled, op, starts_at FROM lease"
_BOUNDS: Final = 4
_SMALL_BOUNDS: Final = 8


class Standing(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What a purse has left to lend, what is lent, and which period of it this is."""

    available: int
    held: int
    starts_at: int
    ends_at: int


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


def stand(tx: Transaction, purse: bytes, now_ms: int) -> Standing | None:
    """Return and lock a purse; None when there is no such wallet or budget."""
    if purse[:1] == WALLET:
        statement = "SELECT posted - held, held, 0, 0 FROM book WHERE id = ? {lock}"
        return tx.row(statement, (purse,), Standing)
    period = budget.current(tx, purse, now_ms)
    if period is None:
        return None
    return Standing(period.available, period.held, period.starts_at, period.ends_at)


def offer(tx: Transaction, seat: bytes, ask: LeaseAsk) -> bool:
    """Take back what an ask offers; False when this operation is behind the lease's last."""
    lent = find(tx, ask.purse, seat)
    if lent is None:
        return True
    if ask.op <= lent.op:
        return False
    _give_back(tx, lent, ask.offer if lent.epoch == ask.epoch else 0, ask.op)
    return True


def sync(tx: Transaction, seat: bytes, ask: LeaseAsk) -> Lease:
    """Tell a shard that lost an answer where its lease stands."""
    return _answer(ask, find(tx, ask.purse, seat))


def give_back(tx: Transaction, seat: bytes, message: LeaseReturn) -> Returned | None:
    """Take back what a shard returns; None when the operation is behind the lease's last."""
    lent = find(tx, message.purse, seat)
    if lent is None:
        return Returned(message.op, message.purse, 0, 0)
    if message.op <= lent.op:
        return None
    if lent.epoch != message.epoch:
        _give_back(tx, lent, 0, message.op)
        return Returned(message.op, message.purse, lent.epoch, lent.granted)
    _give_back(tx, lent, message.amount, message.op)
    return Returned(message.op, message.purse, lent.epoch, lent.granted - message.amount)


def _give_back(tx: Transaction, lent: Lent, amount: int, op: int) -> None:
    invariant(0 <= amount <= lent.rest, "I3 a return within the lease")
    tx.execute(
        "UPDATE lease SET granted = granted - ?, op = ?, recall = 0 WHERE purse = ? AND seat = ?",
        (amount, op, lent.purse, lent.seat),
    )
    if amount:
        _set_aside(tx, lent.purse, lent.starts_at, -amount)


def grant(
    tx: Transaction, seat: bytes, ask: LeaseAsk, now_ms: int, *, seats: int, is_last: bool
) -> Lease | None:
    """Answer an ask whose offer was taken; None when it is worth waiting for a recall.

    `seats` is how many share; `is_last` says that nothing more can be recalled.
    """
    standing = stand(tx, ask.purse, now_ms)
    lent = find(tx, ask.purse, seat)
    if lent is not None and (
        standing is None or (lent.epoch, lent.starts_at) != (ask.epoch, standing.starts_at)
    ):
        drop(tx, lent)
        lent = None
        standing = stand(tx, ask.purse, now_ms)
    if standing is None:
        return _answer(ask, None, is_short=True)
    if standing.available < ask.need and not is_last:
        return None
    is_direct = standing.available < _SMALL_BOUNDS * ask.bound * seats
    wanted = ask.need if is_direct else max(ask.need, _size(ask, standing.available, seats))
    amount = max(0, min(wanted, standing.available))
    if lent is not None:
        lent = _lend_more(tx, lent, amount, ask.op)
    elif amount:
        lent = _lend(tx, seat, ask, amount, starts_at=standing.starts_at)
    return structs.replace(
        _answer(ask, lent, is_short=amount < ask.need),
        is_direct=is_direct,
        available=standing.available - amount,
        held=standing.held + amount - (lent.rest if lent else 0),
        ends_at_ms=standing.ends_at,
    )


def _answer(ask: LeaseAsk, lent: Lent | None, *, is_short: bool = False) -> Lease:
    epoch, granted = (lent.epoch, lent.granted) if lent else (0, 0)
    return Lease(
        op=ask.op, purse=ask.purse, epoch=epoch, granted=granted, is_direct=False,
        is_short=is_short, available=0, held=0, ends_at_ms=0,
    )  # fmt: skip


def _size(ask: LeaseAsk, available: int, seats: int) -> int:
    """Return a grant for about two seconds, but never more than half of a fair share."""
    return min(max(ask.recent, _BOUNDS * ask.bound), available // (2 * seats))


def _lend_more(tx: Transaction, lent: Lent, amount: int, op: int) -> Lent:
    if amount:
        _set_aside(tx, lent.purse, lent.starts_at, amount)
    tx.execute(
        "UPDATE lease SET granted = granted + ?, op = ? WHERE purse = ? AND seat = ?",
        (amount, op, lent.purse, lent.seat),
    )
    return structs.replace(lent, granted=lent.granted + amount, op=op)


def _lend(tx: Transaction, seat: bytes, ask: LeaseAsk, amount: int, *, starts_at: int) -> Lent:
    """Begin a lease in an epoch this purse never had."""
    _set_aside(tx, ask.purse, starts_at, amount)
    epoch = _next_epoch(tx, ask.purse)
    tx.execute(
        "INSERT INTO lease (purse, seat, epoch, granted, op, starts_at) VALUES (?, ?, ?, ?, ?, ?)",
        (ask.purse, seat, epoch, amount, ask.op, starts_at),
    )
    return Lent(ask.purse, seat, epoch, amount, 0, ask.op, starts_at)


def _next_epoch(tx: Transaction, purse: bytes) -> int:
    statement = (
        "UPDATE book SET epoch = epoch + 1 WHERE id = ? RETURNING epoch"
        if purse[:1] == WALLET
        else "UPDATE budget_rule SET epoch = epoch + 1 WHERE purse = ? RETURNING epoch"
    )
    return tx.number(statement, (purse,))


def _set_aside(tx: Transaction, purse: bytes, starts_at: int, amount: int) -> None:
    if purse[:1] == WALLET:
        touched = tx.execute("UPDATE book SET held = held + ? WHERE id = ?", (amount, purse))
    else:
        touched = tx.execute(
            "UPDATE budget SET held = held + ? WHERE purse = ? AND starts_at = ?",
            (amount, purse, starts_at),
        )
    invariant(touched == 1, "a lease has a purse")


def drop(tx: Transaction, lent: Lent) -> None:
    """End a lease: what was not settled is free again; later settlements of it are late."""
    _set_aside(tx, lent.purse, lent.starts_at, -lent.rest)
    tx.execute("DELETE FROM lease WHERE purse = ? AND seat = ?", (lent.purse, lent.seat))


def of_seat(tx: Transaction, seat: bytes) -> list[Lent]:
    """Return and lock all leases of a seat, in the order in which purses are locked."""
    return tx.rows(SELECT + " WHERE seat = ? ORDER BY purse {lock}", (seat,), Lent)


def is_recalled(tx: Transaction, purse: bytes) -> bool:
    """Tell whether a seat has still to answer a recall of a purse."""
    return tx.row("SELECT 1 FROM lease WHERE purse = ? AND recall = 1", (purse,)) is not None


def recall(tx: Transaction, purse: bytes, but: bytes) -> list[Lent]:
    """Mark the leases of a purse that other seats could give back from; return them."""
    tx.execute(
        "UPDATE lease SET recall = 1 WHERE purse = ? AND seat <> ? AND granted > settled",
        (purse, but),
    )
    return tx.rows(
        SELECT + " WHERE purse = ? AND recall = 1 AND seat <> ? ORDER BY seat", (purse, but), Lent
    )
