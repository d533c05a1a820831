"""What a shard asks of the desk and gives back: one operation outstanding a purse."""

from typing import Final

from troth.kernel.errors import invariant
from troth.ledger.shard.messages import LeaseAsk, LeaseReturn, OfPurse, Recall, Returned
from troth.ledger.shard.purse import Purse, ShardTerms

_MS: Final = 1_000_000
_LOW_PART: Final = 4


class Leases:
    """The purses of a shard and their operations."""

    def __init__(self, terms: ShardTerms) -> None:
        self._terms = terms
        self._purses: dict[bytes, Purse] = {}
        self._lent: dict[bytes, Purse] = {}
        self._op = 0
        self._wanting: dict[bytes, Purse] = {}
        self._giving: dict[bytes, Purse] = {}
        self._recalled: set[bytes] = set()

    def purse(self, purse: bytes) -> Purse:
        """Return a purse; unknown ones start with nothing."""
        found = self._purses.get(purse)
        if found is None:
            found = self._purses[purse] = Purse(purse)
        return found

    def note_need(self, purse: Purse, want: int, least: int) -> None:
        """Somebody waits for `want`."""
        purse.need += want
        purse.least = min(purse.least or least, least)
        purse.bound = max(purse.bound, want)
        self._wanting[purse.id] = purse

    def ran_low(self, purse: Purse, want: int) -> None:
        """Nobody waits yet, but soon somebody will: ask before that."""
        purse.low = 0
        purse.bound = max(purse.bound, want)
        self._wanting[purse.id] = purse

    def give(self, purse: Purse) -> None:
        """What is free of this purse should go back soon."""
        self._giving[purse.id] = purse

    def asks(self) -> list[LeaseAsk]:
        """Return the asks of all purses that want and wait for nothing else."""
        asks = []
        for purse in [purse for purse in self._wanting.values() if purse.op == 0]:
            del self._wanting[purse.id]
            self._op = purse.op = self._op + 1
            offer = purse.free if purse.need and not purse.is_unsure else 0
            purse.granted -= offer
            purse.free -= offer
            purse.available += offer
            need = 0 if purse.is_unsure else purse.need or purse.bound
            recent = purse.recent + purse.recent_before
            which = purse.op, purse.id, purse.epoch
            asks.append(LeaseAsk(*which, offer, need, purse.least, purse.bound, recent))
            purse.need = purse.least = purse.bound = 0
            purse.is_unsure = False
        return asks

    def returns(self) -> list[LeaseReturn]:
        """Return what to give back now; a recall is answered even with nothing."""
        returns = []
        for purse in [purse for purse in self._giving.values() if purse.op == 0]:
            del self._giving[purse.id]
            is_due = purse.free > 0 or purse.id in self._recalled
            self._recalled.discard(purse.id)
            if is_due and purse.id not in self._wanting:
                self._op = purse.op = self._op + 1
                amount, purse.free = purse.free, 0
                purse.granted -= amount
                purse.available += amount
                purse.low = 0
                returns.append(LeaseReturn(purse.op, purse.id, purse.epoch, amount))
        return returns

    def apply(self, message: OfPurse, now_ns: int) -> bytes:
        """Take the desk's answer; return the purse it was about when somebody may wait for it."""
        purse = self._purses.get(message.purse)
        if purse is None:
            return b""
        if isinstance(message, Recall):
            if purse.epoch == message.epoch:
                self._recalled.add(purse.id)  # answered even with nothing: somebody waits for it
                self.give(purse)
            return b""
        if purse.op != message.op:
            return b""
        purse.op = 0
        invariant(message.epoch == 0 or message.epoch >= purse.epoch, "epochs grow")
        before = purse.granted if message.epoch == purse.epoch else 0
        purse.become(message.epoch, message.granted)
        invariant(purse.free >= 0, "I3 free not below zero")
        if isinstance(message, Returned):
            return b""
        self._lent[purse.id] = purse
        purse.used_at_ms = 0
        purse.is_direct = message.is_direct
        purse.ends_at_ms = message.ends_at_ms
        purse.available = message.available
        purse.held = message.held
        is_plenty = not (message.is_direct or message.is_short)
        purse.low = (message.granted - before) // _LOW_PART if is_plenty else 0
        purse.short_until_ns = now_ns + (self._terms.short_ms * _MS if message.is_short else 0)
        return purse.id

    def tick(self, now_ms: int, monotonic_ms: int) -> None:
        """Move the buckets of recent spending; give back what is idle or of a period that is over.

        Whether something is idle the monotonic clock tells: no wall clock that is set back keeps
        it lent. Purses that nothing is lent of are not looked at.
        """
        for purse in [*self._lent.values()]:
            if purse.recent or not purse.used_at_ms:
                purse.used_at_ms = monotonic_ms
            elif purse.granted == purse.spent and not purse.op:
                del self._lent[purse.id]
            elif monotonic_ms - purse.used_at_ms >= self._terms.idle_ms:
                self.give(purse)
            purse.recent_before, purse.recent = purse.recent, 0
            if purse.ends_at_ms and now_ms >= purse.ends_at_ms:
                purse.ends_at_ms = 0
                self.give(purse)

    def lost(self) -> None:
        """No answer will come to what is outstanding: ask where each purse stands."""
        for purse in self._purses.values():
            if purse.op:
                purse.op = 0
                purse.is_unsure = True
                self._wanting[purse.id] = purse
