"""The desk's side of the protocol: messages of seats in, messages to seats out.

The teller keeps in memory only who waits for a purse, in order of arrival; everything else is in
the books. When a transaction fails, call `left` for the seat and close its link: it asks again.
Nobody is told that a purse is short before the idle parts of others were recalled.
"""

from collections import deque
from collections.abc import Callable, Iterator

import msgspec

from troth.kernel.errors import InvariantBroken
from troth.ledger.books import lease, posting, seat
from troth.ledger.books.posting import WriteUsage
from troth.ledger.books.seat import Seat
from troth.ledger.shard.messages import (
    Ack,
    CloseSeat,
    Down,
    LeaseAsk,
    LeaseReturn,
    OpenSeat,
    Orphan,
    Posting,
    Recall,
    SeatClosed,
    SeatOpened,
    Up,
)
from troth.store.transaction import Transaction

Outgoing = tuple[bytes, Down]
"""A seat, and what to send it. The caller drops messages to seats it has no link to."""


class TellerTerms(msgspec.Struct, frozen=True):
    """Which desk this is, and how long things last, in milliseconds."""

    desk: int = 0
    valid_ms: int = 30_000
    """A seat lives this long after its last renewal,"""
    grace_ms: int = 5_000
    """and its leases are taken back this much later."""
    recall_ms: int = 50
    """An ask waits this long for idle parts of others."""


class _Waiting:
    """An ask that the purse cannot meet yet, and the seats that may still give back."""

    __slots__ = ("ask", "due_ms", "recalled", "seat")

    def __init__(self, owner: bytes, ask: LeaseAsk, due_ms: int) -> None:
        self.seat = owner
        self.ask = ask
        self.due_ms = due_ms
        self.recalled: set[bytes] | None = None
        """None until this ask is first in the queue."""


class Teller:
    """One a desk. Call it with one message at a time, inside a transaction."""

    def __init__(
        self, terms: TellerTerms, new_id: Callable[[], bytes], write_usage: WriteUsage
    ) -> None:
        self._terms = terms
        self._new_id = new_id
        self._write_usage = write_usage
        self._queues: dict[bytes, deque[_Waiting]] = {}
        self._present: set[bytes] = set()
        self._ops: dict[bytes, int] = {}

    def open(self, tx: Transaction, message: OpenSeat, now_ms: int) -> SeatOpened:
        """Begin a seat for a process whose old seats are posted and closed."""
        new = Seat(self._new_id(), self._terms.desk, message.slot)
        seat.open_seat(tx, new, now_ms, now_ms + self._terms.valid_ms)
        self._present.add(new.id)
        return SeatOpened(new.id, message.slot)

    def resume(self, tx: Transaction, owner: bytes, now_ms: int) -> SeatClosed | None:
        """Take a seat up again whose link or desk was lost; tells it if it has ended."""
        self.left(owner)
        if not seat.renew(tx, owner, now_ms + self._terms.valid_ms):
            return SeatClosed(owner)
        self._present.add(owner)
        return None

    def left(self, owner: bytes) -> None:
        """A link is gone: nobody waits for its asks, and it will not answer a recall."""
        self._present.discard(owner)
        for purse, queue in list(self._queues.items()):
            kept = deque(each for each in queue if each.seat != owner)
            self._set_queue(purse, kept)
            for each in kept:
                if each.recalled is not None:
                    each.recalled.discard(owner)

    def renew(self, tx: Transaction, now_ms: int) -> list[Outgoing]:
        """Let the seats with a link live on; call it every few seconds."""
        until = now_ms + self._terms.valid_ms
        ended = [owner for owner in sorted(self._present) if not seat.renew(tx, owner, until)]
        return [(owner, SeatClosed(owner)) for owner in ended]

    def receive(self, tx: Transaction, owner: bytes, message: Up, now_ms: int) -> list[Outgoing]:
        """Do what a seat asks; return what to send once the transaction is committed."""
        if isinstance(message, OpenSeat):
            opened = self.open(tx, message, now_ms)
            return [(opened.seat, opened)]
        if isinstance(message, CloseSeat):
            return self._close(tx, owner, message, now_ms)
        if isinstance(message, Posting):
            return [(owner, self._post(tx, message, now_ms))]
        found = seat.find(tx, owner)
        if found is None or found.closed_at is not None:
            return [(owner, SeatClosed(owner))]
        return self._lend(tx, owner, message, now_ms)

    def _lend(
        self, tx: Transaction, owner: bytes, message: LeaseAsk | LeaseReturn, now_ms: int
    ) -> list[Outgoing]:
        if message.op <= self._ops.get(owner, 0):
            return []  # brought by a link that broke; the seat has asked anew since
        self._ops[owner] = message.op
        if isinstance(message, LeaseReturn):
            return self._return(tx, owner, message, now_ms)
        return self._ask(tx, owner, message, now_ms)

    def _post(self, tx: Transaction, message: Posting, now_ms: int) -> Ack:
        found = seat.find(tx, message.seat)
        if found is None:
            raise InvariantBroken("a posting's seat is known")
        return posting.post(tx, found, message, self._write_usage, now_ms=now_ms)

    def _close(
        self, tx: Transaction, owner: bytes, message: CloseSeat, now_ms: int
    ) -> list[Outgoing]:
        freed = close_seat(tx, message.seat, message.orphans, now_ms)
        self.left(message.seat)
        self._ops.pop(message.seat, None)
        sent = [out for purse in freed for out in self._serve(tx, purse, now_ms)]
        return [(owner, SeatClosed(message.seat)), *sent]

    def _return(
        self, tx: Transaction, owner: bytes, message: LeaseReturn, now_ms: int
    ) -> list[Outgoing]:
        answer = lease.give_back(tx, owner, message)
        if answer is None:
            return []
        for each in self._queues.get(message.purse, ()):
            if each.recalled is not None:
                each.recalled.discard(owner)
        return [(owner, answer), *self._serve(tx, message.purse, now_ms)]

    def _ask(self, tx: Transaction, owner: bytes, ask: LeaseAsk, now_ms: int) -> list[Outgoing]:
        if not lease.offer(tx, owner, ask):
            return []
        waiting = self._queues.get(ask.purse, ())
        self._set_queue(ask.purse, deque(each for each in waiting if each.seat != owner))
        if ask.need == 0:
            return [(owner, lease.sync(tx, owner, ask))]
        queue = self._queues.setdefault(ask.purse, deque())
        queue.append(_Waiting(owner, ask, now_ms + self._terms.recall_ms))
        for each in queue:
            if each.recalled is not None:
                each.recalled.discard(owner)  # it has offered all that is idle
        return self._serve(tx, ask.purse, now_ms)

    def _serve(self, tx: Transaction, purse: bytes, now_ms: int) -> list[Outgoing]:
        """Answer those who wait for a purse, in order, as far as it goes."""
        sent: list[Outgoing] = []
        queue = self._queues.get(purse, deque())
        seats = max(1, seat.live_count(tx)) if queue else 1
        while queue:
            first = queue[0]
            is_last = now_ms >= first.due_ms or first.recalled == set()
            answer = lease.grant(tx, first.seat, first.ask, now_ms, seats=seats, is_last=is_last)
            if answer is None and first.recalled is None:
                sent += self._recall(tx, first, queue)
                continue
            if answer is None:
                break
            sent.append((first.seat, answer))
            queue.popleft()
        self._set_queue(purse, queue)
        return sent

    def call_back(self, tx: Transaction, purse: bytes) -> list[Outgoing]:
        """Ask every seat for what it has of a purse and does not need now."""
        lent = lease.recall(tx, purse, b"")
        return [
            (each.seat, Recall(each.purse, each.epoch))
            for each in lent
            if each.seat in self._present
        ]

    def _recall(
        self, tx: Transaction, first: _Waiting, queue: deque[_Waiting]
    ) -> Iterator[Outgoing]:
        waiting = {each.seat for each in queue}
        lent = [
            each
            for each in lease.recall(tx, first.ask.purse, first.seat)
            if each.seat in self._present and each.seat not in waiting
        ]
        first.recalled = {each.seat for each in lent}
        return ((each.seat, Recall(each.purse, each.epoch)) for each in lent)

    def _set_queue(self, purse: bytes, queue: deque[_Waiting]) -> None:
        if queue:
            self._queues[purse] = queue
        else:
            self._queues.pop(purse, None)

    @property
    def due_ms(self) -> int | None:
        """Return when `tick` is next needed, None when nobody waits."""
        return min((queue[0].due_ms for queue in self._queues.values()), default=None)

    def tick(self, tx: Transaction, now_ms: int) -> list[Outgoing]:
        """Answer those who have waited long enough, and take back what silent seats held."""
        sent: list[Outgoing] = []
        for purse in [*self._queues]:
            if self._queues[purse][0].due_ms <= now_ms:
                sent += self._serve(tx, purse, now_ms)
        return sent

    def reclaim(self, tx: Transaction, now_ms: int) -> list[Outgoing]:
        """Close the seats of all desks that were silent too long; their postings will be late."""
        sent: list[Outgoing] = []
        for owner in seat.silent(tx, now_ms - self._terms.grace_ms):
            freed = close_seat(tx, owner, (), now_ms)
            self.left(owner)
            sent.append((owner, SeatClosed(owner)))
            sent += [out for purse in freed for out in self._serve(tx, purse, now_ms)]
        return sent


def close_seat(
    tx: Transaction, owner: bytes, orphans: list[Orphan] | tuple[Orphan, ...], now_ms: int
) -> list[bytes]:
    """End a seat: what its journal held is posted, what is left of its leases is free again.

    Orphans are only listed, for nothing was charged. Return the purses that were freed.
    """
    seat.find(tx, owner)
    lent = lease.of_seat(tx, owner)
    for each in lent:
        lease.drop(tx, each)
    seat.end(tx, owner, now_ms)
    for orphan in orphans:
        tx.execute(
            "INSERT INTO orphan (reservation, seat, amount, at) SELECT ?, ?, ?, ?"
            " WHERE NOT EXISTS (SELECT 1 FROM seen WHERE reservation = ?) ON CONFLICT DO NOTHING",
            (orphan.reservation, owner, orphan.amount, now_ms, orphan.reservation),
        )
    return [each.purse for each in lent]
