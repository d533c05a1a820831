"""The desk's side of the protocol: messages of seats in, messages to seats out.

The teller keeps in memory only who waits for a purse, in order of arrival; everything else is in
the books. Call it within `attempt`, around the transaction: when that fails, others wait as before.
Then call `left` for the seat and close its link: it asks again. Nobody is told that a purse is
short before the idle parts of others were recalled.
"""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import chain

import msgspec

from troth.ledger.books import lease, posting, seat
from troth.ledger.books.posting import WriteUsage
from troth.ledger.books.seat import Seat
from troth.ledger.shard import messages
from troth.store.transaction import Transaction

Outgoing = tuple[bytes, messages.Down]
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


class _Waiting(msgspec.Struct, eq=False):
    """An ask that the purse cannot meet yet, and the seats that may still give back."""

    seat: bytes
    ask: messages.LeaseAsk
    due_ms: int
    recalled: set[bytes] | None = None
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

    @contextmanager
    def attempt(self) -> Iterator[None]:
        """Go back to who was there and waited when the transaction within does not come about.

        Answers that were not sent are owed again, and so are recalls, a little later.
        """
        queues = {purse: [*queue] for purse, queue in self._queues.items()}
        present, ops = {*self._present}, {**self._ops}
        try:
            yield
        except BaseException:
            for each in chain.from_iterable(queues.values()):
                each.recalled, each.due_ms = None, each.due_ms + self._terms.recall_ms
            self._queues = {purse: deque(queue) for purse, queue in queues.items()}
            self._present, self._ops = present, ops
            raise

    def open(self, tx: Transaction, message: messages.OpenSeat, now_ms: int) -> messages.SeatOpened:
        """Begin a seat for a process whose old seats are posted and closed."""
        new = Seat(self._new_id(), self._terms.desk, message.slot)
        seat.open_seat(tx, new, now_ms, now_ms + self._terms.valid_ms)
        self._present.add(new.id)
        return messages.SeatOpened(new.id, message.slot)

    def resume(self, tx: Transaction, owner: bytes, now_ms: int) -> messages.SeatClosed | None:
        """Take a seat up again whose link or desk was lost; tells it if it has ended."""
        self.left(owner)
        if not seat.renew(tx, owner, now_ms + self._terms.valid_ms):
            return messages.SeatClosed(owner)
        self._present.add(owner)
        return None

    def left(self, owner: bytes) -> None:
        """A link is gone: nobody waits for its asks, and it will not answer a recall."""
        self._present.discard(owner)
        for purse in [*self._queues]:
            self._passed(purse, owner)

    def _passed(self, purse: bytes, owner: bytes, *, has_given: bool = True) -> None:
        """A seat asks anew or is gone: only others wait, nor for it if it gave back what it can."""
        kept = deque(each for each in self._queues.pop(purse, ()) if each.seat != owner)
        for each in kept:
            if has_given and each.recalled is not None:
                each.recalled.discard(owner)
        if kept:
            self._queues[purse] = kept

    def renew(self, tx: Transaction, now_ms: int) -> list[Outgoing]:
        """Let the seats with a link live on; call it every few seconds."""
        until = now_ms + self._terms.valid_ms
        ended = [owner for owner in sorted(self._present) if not seat.renew(tx, owner, until)]
        return [(owner, messages.SeatClosed(owner)) for owner in ended]

    def receive(
        self, tx: Transaction, owner: bytes, message: messages.Up, now_ms: int
    ) -> list[Outgoing]:
        """Do what a seat asks; return what to send once the transaction is committed."""
        if isinstance(message, messages.OpenSeat):
            opened = self.open(tx, message, now_ms)
            return [(opened.seat, opened)]
        if isinstance(message, messages.CloseSeat):
            freed = self._end(tx, message.seat, message.orphans, now_ms=now_ms)
            return [(owner, messages.SeatClosed(message.seat)), *freed]
        if isinstance(message, messages.Posting):
            return [(owner, posting.post(tx, message, self._write_usage, now_ms))]
        found = seat.find(tx, owner)
        if found is None or found.closed_at is not None:
            return [(owner, messages.SeatClosed(owner))]
        return self._lend(tx, owner, message, now_ms)

    def _lend(
        self, tx: Transaction, owner: bytes, message: messages.Lending, now_ms: int
    ) -> list[Outgoing]:
        if message.op <= self._ops.get(owner, 0):
            return []  # brought by a link that broke; the seat has asked anew since
        self._ops[owner] = message.op
        if isinstance(message, messages.LeaseAsk):
            return self._ask(tx, owner, message, now_ms)
        answer = lease.give_back(tx, owner, message)
        if answer is None:
            return []
        self._passed(message.purse, owner)
        return [(owner, answer), *self._serve(tx, message.purse, now_ms)]

    def _ask(
        self, tx: Transaction, owner: bytes, ask: messages.LeaseAsk, now_ms: int
    ) -> list[Outgoing]:
        if not lease.offer(tx, owner, ask):
            return []
        self._passed(ask.purse, owner, has_given=ask.need > 0)  # it offers all that is idle
        if ask.need == 0:
            return [(owner, lease.sync(tx, owner, ask))]
        waiting = _Waiting(owner, ask, now_ms + self._terms.recall_ms)
        self._queues.setdefault(ask.purse, deque()).append(waiting)
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
            if answer is not None:
                sent.append((first.seat, answer))
                queue.popleft()
            elif first.recalled is None:
                recalls = self._recall(tx, purse, first.seat, {each.seat for each in queue})
                first.recalled = {owner for owner, _ in recalls}
                sent += recalls
            else:
                return sent
        self._queues.pop(purse, None)
        return sent

    def call_back(self, tx: Transaction, purse: bytes) -> list[Outgoing]:
        """Ask every seat for what it has of a purse and does not need now."""
        return self._recall(tx, purse, b"", set())

    def _recall(
        self, tx: Transaction, purse: bytes, but: bytes, waiting: set[bytes]
    ) -> list[Outgoing]:
        """Mark what others could give back, and ask those who have not offered it already."""
        return [
            (each.seat, messages.Recall(each.purse, each.epoch))
            for each in lease.recall(tx, purse, but)
            if each.seat in self._present and each.seat not in waiting
        ]

    @property
    def due_ms(self) -> int | None:
        """Return when `tick` is next needed, None when nobody waits."""
        return min((queue[0].due_ms for queue in self._queues.values()), default=None)

    def tick(self, tx: Transaction, now_ms: int) -> list[Outgoing]:
        """Answer those who have waited long enough, and take back what silent seats held."""
        due = [purse for purse, queue in self._queues.items() if queue[0].due_ms <= now_ms]
        return [out for purse in due for out in self._serve(tx, purse, now_ms)]

    def reclaim(self, tx: Transaction, now_ms: int) -> list[Outgoing]:
        """Close the seats of all desks that were silent too long; their postings will be late."""
        sent: list[Outgoing] = []
        for owner in seat.silent(tx, now_ms - self._terms.grace_ms):
            freed = self._end(tx, owner, (), now_ms=now_ms)
            sent += [(owner, messages.SeatClosed(owner)), *freed]
        return sent

    def _end(
        self, tx: Transaction, owner: bytes, orphans: Sequence[messages.Orphan], *, now_ms: int
    ) -> list[Outgoing]:
        """End a seat: what its journal held is posted, what is left of its leases is free again."""
        freed = seat.close(tx, owner, orphans, now_ms)
        self.left(owner)
        self._ops.pop(owner, None)
        return [out for purse in freed for out in self._serve(tx, purse, now_ms)]
