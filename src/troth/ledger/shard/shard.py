"""A gateway process's part of the purses: reserve and settle without leaving memory.

The four calls of a request are `admit`, `extend`, `settle` and `abort`; each is one step of the
loop. All or nothing: a reservation holds from every purse or from none. What a purse has free is
what the desk granted, less what was spent in this epoch, less what is reserved; so no message to
or from the desk can make two requests spend the same nano-dollar.
"""

from collections import deque
from typing import Final

import msgspec

from troth.kernel.clock import Clock
from troth.kernel.errors import invariant
from troth.ledger.shard import messages, records
from troth.ledger.shard.journal import Journal
from troth.ledger.shard.leases import Leases
from troth.ledger.shard.purse import Block, Group, Purse, ShardTerms, Short, ShortKind

PurseIds = tuple[bytes, ...]
"""What a request draws on: a wallet, and budgets."""
_MS: Final = 1_000_000


class _Reservation(msgspec.Struct):
    """What is set aside, of which purses, in which epochs."""

    amount: int
    group: Group
    block: Block


class Shard:
    """One seat's leases, open reservations, and settlements on their way to the books."""

    def __init__(self, seat: bytes, journal: Journal, clock: Clock, terms: ShardTerms) -> None:
        self.seat = seat
        self._journal = journal
        self._clock = clock
        self._terms = terms
        self._leases = Leases(terms)
        self._groups: dict[PurseIds, Group] = {}
        self._open: dict[bytes, _Reservation] = {}
        self._number = 0
        self._unsent: deque[tuple[int, bytes]] = deque()
        self._sent: deque[tuple[int, bytes]] = deque()
        self._valid_until_ns = 0
        self.is_over = False
        """The books have closed this seat: the process must be replaced."""
        journal.carry(self._promised)

    def _promised(self) -> list[tuple[bytes, int]]:
        return [(reservation, held.amount) for reservation, held in self._open.items()]

    # --- a request -----------------------------------------------------------------------------

    def admit(
        self, reservation: bytes, purses: PurseIds, want: int, least: int, *, enough: int = 0
    ) -> int | Short:
        """Set aside `want` nano-USD from all purses, or less when there is no more to be had.

        Less is at least `least`, and at most half of what is there while other requests run,
        unless that half is below `enough`. A `DRY` answer names a purse that will be asked: send
        `wanted`, apply the answer, admit again. One purse that has not even `least` is a no.
        """
        group = self._groups.get(purses) or self._group(purses)
        if self._clock.monotonic_ns() > self._valid_until_ns or self.is_over:
            return Short(ShortKind.STALE)
        amount = want
        for purse in group.purses:
            if purse.free < want:
                found = self._clamp(group, want, least, enough)
                if isinstance(found, Short):
                    return found
                amount = found
                break
        invariant(reservation not in self._open, "a reservation is made once")
        if not self._journal.reserve(reservation, amount):
            return Short(ShortKind.UNWRITABLE)
        for purse in group.purses:
            purse.free = free = purse.free - amount
            if free < purse.low:
                self._leases.ran_low(purse, want)
        self._open[reservation] = _Reservation(amount, group, group.block)
        return amount

    def _group(self, purses: PurseIds) -> Group:
        invariant(0 < len(set(purses)) == len(purses) <= records.PURSES_MAX, "a request's purses")
        group = self._groups[purses] = Group(tuple(self._leases.purse(each) for each in purses))
        return group

    def _clamp(self, group: Group, want: int, least: int, enough: int) -> int | Short:
        """Return what can be had when not all of `want` is there, or what is missing."""
        now_ns = self._clock.monotonic_ns()
        lacking = [purse for purse in group.purses if purse.free < want]
        told = [purse for purse in lacking if purse.short_until_ns > now_ns]
        poorest = min(told or lacking, key=lambda purse: purse.free)
        reach = poorest.free if told else want
        # What one purse cannot give need not be asked of the others: words on two of them that
        # come at different times would else outlive each other in turn, and nobody be answered.
        unasked = [purse for purse in lacking if purse.free < reach] if reach >= least else []
        if unasked:
            for purse in unasked:
                self._leases.note_need(purse, reach, least)
            poorest = min(unasked, key=lambda purse: purse.free)
            return Short(ShortKind.DRY, poorest.id, reach, poorest.free)
        amount = poorest.free
        in_flight = poorest.held + poorest.granted - poorest.spent - poorest.free
        if in_flight and amount // 2 >= max(enough, least):
            amount //= 2
        if amount >= least:
            return amount
        available = poorest.free + poorest.available
        kind = ShortKind.IN_FLIGHT if available + in_flight >= least else ShortKind.BROKE
        return Short(kind, poorest.id, least, max(0, available), in_flight)

    def free(self, purses: PurseIds) -> int:
        """Return what every one of these purses has free here."""
        group = self._groups.get(purses) or self._group(purses)
        return min([purse.free for purse in group.purses])

    def reach(self, purses: PurseIds) -> int:
        """Return what every one of these purses has free, here and at the desk as it last said."""
        group = self._groups.get(purses) or self._group(purses)
        return min([purse.free + purse.available for purse in group.purses])

    def extend(self, reservation: bytes, amount: int) -> Short | None:
        """Add `amount` nano-USD to an open reservation; None when that was done.

        A purse that changed its epoch meanwhile (a budget's new period) is asked for the whole.
        """
        held = self._open[reservation]
        if self._clock.monotonic_ns() > self._valid_until_ns or self.is_over:
            return Short(ShortKind.STALE)
        wants = self._wants(held, amount)
        if any(purse.free < want for purse, want in wants):
            return self._missing(wants)
        if not self._journal.extend(reservation, held.amount + amount):
            return Short(ShortKind.UNWRITABLE)
        for purse, want in wants:
            purse.free -= want
        held.amount += amount
        held.block = held.group.block
        return None

    def _wants(self, held: _Reservation, amount: int) -> list[tuple[Purse, int]]:
        return [
            (purse, amount if epoch == purse.epoch else held.amount + amount)
            for purse, (_, epoch) in zip(held.group.purses, held.block.purses, strict=True)
        ]

    def _missing(self, wants: list[tuple[Purse, int]]) -> Short:
        """Note the need of an extension, unless the desk has said that one purse has no more."""
        now_ns = self._clock.monotonic_ns()
        lacking = [(purse, want) for purse, want in wants if purse.free < want]
        told = [(purse, want) for purse, want in lacking if purse.short_until_ns > now_ns]
        if not told:
            for purse, want in lacking:
                self._leases.note_need(purse, want, want)
        purse, want = (told or lacking)[0]
        kind = ShortKind.BROKE if told else ShortKind.DRY
        return Short(kind, purse.id, want, purse.free, purse.held)

    def cover(self, reservation: bytes, nusd: int) -> int:
        """Return how much of `nusd` can be charged: the reservation, and the rest if it is free."""
        held = self._open[reservation]
        if nusd <= held.amount:
            return nusd
        if held.block is not held.group.block:
            return held.amount
        return min(nusd, held.amount + max(0, min(purse.free for purse in held.group.purses)))

    def settle(self, reservation: bytes, charge: int, record: bytes, overrun: int = 0) -> None:
        """Journal what is owed with its usage record, and free the rest of the reservation.

        `charge` is at most what `cover` said; `overrun` is what was used beyond it, for the
        operator's account. Returns only when the journal holds both.
        """
        held = self._open[reservation]
        reserved = held.amount
        if charge > reserved:
            invariant(charge <= self.cover(reservation, charge), "I5 charge within reservation")
        invariant(charge >= 0 and len(record) <= records.RECORD_BYTES_MAX, "a settlement's form")
        del self._open[reservation]
        self._number = number = self._number + 1
        block = held.block
        body = self._journal.settle(
            (number, reservation, charge, overrun, reserved if reserved > charge else charge),
            block.data,
            record,
        )
        self._unsent.append((number, body))
        self._free(held, charge)

    def abort(self, reservation: bytes) -> None:
        """Free a reservation of which nothing was forwarded; nothing is owed, nothing posted."""
        held = self._open.pop(reservation)
        self._journal.release(reservation)
        self._free(held, 0)

    def _free(self, held: _Reservation, charge: int) -> None:
        rest = held.amount - charge
        if held.block is held.group.block:
            for purse in held.group.purses:
                purse.free += rest
                purse.spent += charge
                purse.recent += charge
                if purse.is_direct:
                    self._leases.give(purse)
            return
        for purse, (_, epoch) in zip(held.group.purses, held.block.purses, strict=True):
            if purse.epoch == epoch:
                purse.free += rest
                purse.spent += charge

    # --- the desk ------------------------------------------------------------------------------

    def wanted(self) -> list[messages.LeaseAsk]:
        """Return what to ask the desk now; each is outstanding until its answer is applied."""
        return self._leases.asks()

    def idle(self) -> list[messages.LeaseReturn]:
        """Return what to give back now: recalled, freed in a small wallet, or unused for long."""
        return self._leases.returns()

    def apply(self, message: messages.Down) -> bytes:
        """Take the desk's word; return the purse whose waiters should try again, or b""."""
        if isinstance(message, messages.OfPurse):
            return self._leases.apply(message, self._clock.monotonic_ns())
        if message.seat == self.seat:  # not one before this one
            if isinstance(message, messages.Ack):
                self.acknowledged(message.upto)
            elif isinstance(message, messages.SeatClosed):
                self.is_over = True
        return b""

    def beat(self, at_ns: int) -> None:
        """The desk was alive at `at_ns` of the machine's monotonic clock: leases stay valid.

        Also moves the clock of recent spending and of idle leases: call it each half second.
        """
        until = at_ns + (self._terms.valid_ms - self._terms.skew_ms) * _MS
        self._valid_until_ns = max(self._valid_until_ns, until)
        self._leases.tick(self._clock.now_ms(), self._clock.monotonic_ns() // _MS)

    def lost(self) -> None:
        """The link broke: what was outstanding is asked again, what was sent is sent again."""
        self._leases.lost()
        self._unsent.extendleft(reversed(self._sent))
        self._sent.clear()

    def unposted(self, limit: int) -> messages.Posting | None:
        """Return the next settlements for the books; they stay until acknowledged."""
        part = [self._unsent.popleft() for _ in range(min(limit, len(self._unsent)))]
        if not part:
            return None
        self._sent.extend(part)
        return messages.Posting(self.seat, part[0][0], part[-1][0], [body for _, body in part])

    def acknowledged(self, upto: int) -> None:
        """Forget what the books hold."""
        for queue in (self._sent, self._unsent):
            while queue and queue[0][0] <= upto:
                queue.popleft()
        self._journal.acknowledged(upto)

    def is_open(self, reservation: bytes) -> bool:
        """Tell whether a reservation is neither settled nor freed."""
        return reservation in self._open

    @property
    def open_count(self) -> int:
        """Return how many reservations are open."""
        return len(self._open)

    @property
    def unposted_count(self) -> int:
        """Return how many settlements the books have not acknowledged."""
        return len(self._sent) + len(self._unsent)

    def is_unposted(self, reservation: bytes) -> bool:
        """Tell whether a reservation is open here or its settlement is not yet posted."""
        return reservation in self._open or any(
            records.settlement(body).reservation == reservation
            for _, body in (*self._sent, *self._unsent)
        )
