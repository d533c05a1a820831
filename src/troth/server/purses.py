"""The gateway's wallet: the shard, and what waits for the desk when a lease is dry.

Everything is a plain call; `admit` alone may wait, and only when the shard has too little.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, Protocol, assert_never

from troth.kernel.disk_errors import NoSpace
from troth.kernel.errors import CreditsEnded, CreditsExhausted, Overloaded, UpstreamFailed
from troth.kernel.stream_errors import JournalFull, MoneyUnreached
from troth.ledger.shard import Journal, Shard, Short, ShortKind
from troth.ledger.shard.messages import Down, LeaseAsk, LeaseReturn, Posting, Recall
from troth.server.handover import WaitTerms
from troth.server.messages import BudgetRefused
from troth.server.money_line import MoneyLine, Wish

POSTING_MS: Final = 20
POSTING_COUNT: Final = 200
_PATIENCE_SECONDS: Final = 1.0
_OUTSTANDING_MAX: Final = 32
_TELL_SECONDS: Final = 60.0
_TOLD_MAX: Final = 4_096
_SOURCES: Final = {
    b"w": "wallet",
    b"k": "key_budget",
    b"p": "project_budget",
    b"o": "org_budget",
}

Waiter = Callable[[], None]


class Way(Protocol):
    """The way to the desk, as far as money needs it."""

    @property
    def is_up(self) -> bool:
        """Whether the desk can be asked now."""
        ...

    def send(self, message: LeaseAsk | LeaseReturn | Posting | BudgetRefused) -> None:
        """Send a message up."""
        ...


class Purses:
    """The wallet port over one shard. Made once the seat is open."""

    def __init__(
        self, shard: Shard, journal: Journal, way: Way, terms: WaitTerms | None = None
    ) -> None:
        """`terms` say how long requests wait for money in flight."""
        self._shard = shard
        self._journal = journal
        self._way = way
        self._line = MoneyLine(shard, terms or WaitTerms(), ask=self._ask_if_up, abort=self.abort)
        self._noted: dict[bytes, list[Waiter]] = {}
        self._asked: dict[bytes, list[Waiter]] = {}
        self._is_due = False
        """Whether the next settlement finds a flush on its way; never while somebody waits."""
        self._is_timed = False
        self._unflushed = 0
        self.settled = 0
        """The number of the last settlement, as the desk acknowledges it."""
        self._outstanding: list[int] = []
        self._told: dict[bytes, float] = {}
        self._awaited_until = 0.0
        self.on_acknowledged: Callable[[int], None] = _nobody
        """Hears up to which settlement the books hold everything."""

    # --- a request -----------------------------------------------------------------------------

    def admit(
        self, reservation: bytes, purses: tuple[bytes, ...], want: int, least: int, *, enough: int
    ) -> int | Awaitable[int]:
        """Set aside between `least` and `want` nano-USD; if the lease is dry, once it is awaited.

        What is awaited also waits, for a while, for money that running requests have.

        Raises, at once or when it is awaited:
            CreditsExhausted: there is not so much, or running requests go on having it.
            Overloaded: the desk is away or the journal cannot be written.
        """
        got = self._shard.admit(reservation, purses, want, least, enough=enough)
        if isinstance(got, int):
            return got
        wish = Wish(reservation, purses, want, least, enough)
        if self._line.takes(got):
            return self._stood(wish, got)
        if got.kind is not ShortKind.DRY:
            raise self._refusal(got)
        return self._lent(wish, got.purse)

    async def _lent(self, wish: Wish, purse: bytes) -> int:
        """Wait for the desk's word on the lease."""
        got = await self._filled(purse, wish)
        if isinstance(got, int):
            return got
        if self._line.takes(got):
            return await self._stood(wish, got)
        raise self._refusal(got)

    async def _stood(self, wish: Wish, short: Short) -> int:
        """Wait for money in flight, behind those who came before."""
        self._is_due = False
        got = await self._line.stand(wish, short)
        if isinstance(got, int):
            return got
        if got.kind is ShortKind.DRY:
            return await self._lent(wish, got.purse)  # nobody stands there any more
        raise self._refusal(got)

    def _refusal(self, short: Short) -> CreditsExhausted | Overloaded:
        """Return why the money is not there; of a budget that refuses the desk hears, too."""
        error = _refused(short)
        is_budget = isinstance(error, CreditsExhausted) and error.source.endswith("_budget")
        if is_budget and self._way.is_up:
            now = asyncio.get_running_loop().time()
            if len(self._told) >= _TOLD_MAX:
                self._told.clear()
            if now - self._told.get(short.purse, -_TELL_SECONDS) >= _TELL_SECONDS:
                self._told[short.purse] = now
                self._way.send(BudgetRefused(short.purse))
        return error

    def free(self, purses: tuple[bytes, ...]) -> int:
        """Return what all of these purses have free in this process."""
        return self._shard.free(purses)

    def reach(self, purses: tuple[bytes, ...]) -> int:
        """Return what all of these purses have free here and at the desk, as it last said."""
        return self._shard.reach(purses)

    def extend(
        self, reservation: bytes, amount: int, done: Callable[[UpstreamFailed | None], None]
    ) -> None:
        """Add to a reservation; `done` hears None, or why that was impossible, at once or soon."""
        loop = asyncio.get_running_loop()
        self._extend(reservation, amount, done, loop.time() + _PATIENCE_SECONDS)

    def _extend(
        self,
        reservation: bytes,
        amount: int,
        done: Callable[[UpstreamFailed | None], None],
        until: float,
    ) -> None:
        short = self._shard.extend(reservation, amount)
        loop = asyncio.get_running_loop()
        until = max(until, self._awaited_until)
        if short is None or short.kind is not ShortKind.DRY or loop.time() >= until:
            done(None if short is None else _ended(short.kind))
            return
        is_over = False

        def retry() -> None:
            nonlocal is_over
            if not is_over and self._shard.is_open(reservation):
                self._extend(reservation, amount, done, until)
            is_over = True

        self._wait(short.purse, retry)
        loop.call_at(until, retry)

    def cover(self, reservation: bytes, nusd: int) -> int:
        """Return how much of `nusd` can be charged."""
        return self._shard.cover(reservation, nusd)

    def settle(self, reservation: bytes, charged: int, record: bytes, *, overrun: int) -> None:
        """Journal charge and record; the desk hears of it within 20 ms."""
        self._shard.settle(reservation, charged, record, overrun)
        self.settled += 1
        self._unflushed += 1
        if not self._is_due:
            self._due()
        elif self._unflushed >= POSTING_COUNT:
            self.flush()

    def abort(self, reservation: bytes) -> None:
        """Free a reservation of which nothing was forwarded."""
        self._shard.abort(reservation)
        if not self._is_due:
            self._due()

    # --- the desk ------------------------------------------------------------------------------

    @property
    def seat(self) -> bytes:
        """The life of this process."""
        return self._shard.seat

    @property
    def is_over(self) -> bool:
        """Whether the books closed this seat, so that the process must be replaced."""
        return self._shard.is_over or self._journal.has_failed

    @property
    def is_writable(self) -> bool:
        """Whether the journal would take another reservation."""
        return self._journal.has_room()

    @property
    def open_count(self) -> int:
        """How many reservations are open."""
        return self._shard.open_count

    @property
    def unposted_count(self) -> int:
        """How many settlements the books have not acknowledged."""
        return self._shard.unposted_count

    def is_unposted(self, reservation: bytes) -> bool:
        """Whether a request of this process is not yet in the books."""
        return self._shard.is_unposted(reservation)

    def beat(self, at_ns: int) -> None:
        """The desk lived at `at_ns`."""
        self._shard.beat(at_ns)
        self.flush()

    def apply(self, message: Down) -> None:
        """Take the desk's word, and let those go on who waited for it."""
        filled = self._shard.apply(message)
        if self._outstanding and not self._shard.unposted_count:
            self._outstanding.clear()
        if isinstance(message, Recall):
            self._line.called_back(message.purse)
        if filled:
            self._line.answered(filled)
            for waiter in self._asked.pop(filled, ()):
                waiter()
        self.flush()

    def acknowledged(self, upto: int) -> None:
        """The books hold everything up to `upto`. What was settled meanwhile waits for its time.

        Answering at once would make each request a posting of its own: one transaction of the
        desk, and two messages, for every one where twenty milliseconds' worth could share them.
        """
        self._shard.acknowledged(upto)
        was_full = len(self._outstanding) >= _OUTSTANDING_MAX
        self._outstanding = [last for last in self._outstanding if last > upto]
        self.on_acknowledged(upto)
        if was_full:
            self.flush()
        elif self._way.is_up:
            self._ask_and_give()

    def awaits(self, until: float) -> None:
        """The desk leaves: whoever needs it waits for its successor till `until` (loop time)."""
        self._awaited_until = until
        self._line.keep(until)

    def welcomed(self) -> None:
        """A desk has welcomed us: ask it what waits to be asked. It has a while for its answers."""
        self._line.keep(asyncio.get_running_loop().time() + _PATIENCE_SECONDS)
        self.flush()

    def lost(self) -> None:
        """The link broke: whoever waits is told to come back later."""
        self._shard.lost()
        self._line.lost()
        self._outstanding.clear()
        waiting = [*self._asked.values(), *self._noted.values()]
        self._asked, self._noted = {}, {}
        for waiters in waiting:
            for waiter in waiters:
                waiter()

    def flush(self) -> None:
        """Send what is due: asks, returns and settlements."""
        self._is_due = False
        self._unflushed = 0
        way = self._way
        if not way.is_up:
            return
        self._ask_and_give()
        while len(self._outstanding) < _OUTSTANDING_MAX:
            posting = self._shard.unposted(POSTING_COUNT)
            if posting is None:
                break
            self._outstanding.append(posting.upto)
            way.send(posting)

    def _ask_and_give(self) -> None:
        self._ask()
        for given in self._shard.idle():
            self._way.send(given)
            if given.amount:
                self._line.gave(given.purse)

    # --- waiting -------------------------------------------------------------------------------

    def _due(self) -> None:
        """Flush soon; while somebody waits for money, each settlement comes here and frees some."""
        if not self._is_timed:
            self._is_timed = True
            asyncio.get_running_loop().call_later(POSTING_MS / 1_000, self._flush_in_time)
        self._is_due = not self._line.count
        if not self._is_due and self._line.freed():
            self.flush()

    def _flush_in_time(self) -> None:
        self._is_timed = False
        self.flush()

    def _wait(self, purse: bytes, waiter: Waiter) -> None:
        """Let `waiter` try again when the desk has answered; its need is noted in the shard.

        A desk that is away may be back within a waiter's patience: then it is asked.
        """
        self._noted.setdefault(purse, []).append(waiter)
        self._ask_if_up()

    def _ask_if_up(self) -> None:
        if self._way.is_up:
            self._ask()

    def _ask(self) -> None:
        """Send what the shard wants: those whose need goes with it wait for its answer."""
        for ask in self._shard.wanted():
            self._way.send(ask)
            self._asked.setdefault(ask.purse, []).extend(self._noted.pop(ask.purse, ()))

    async def _filled(self, purse: bytes, wish: Wish) -> int | Short:
        """Wait until the desk's answers let the reservation be made, or say that it cannot.

        It is made in the same step in which an answer comes: what was lent for it would else be
        offered back with the next ask.

        Raises:
            Overloaded: the desk was away or silent for a second, or its successor did not come.
        """
        reservation, admit = wish.reservation, self._shard.admit
        made: asyncio.Future[int | Short] = asyncio.get_running_loop().create_future()

        def retry() -> None:
            if made.done():
                return
            got = admit(reservation, wish.purses, wish.want, wish.least, enough=wish.enough)
            if isinstance(got, Short) and got.kind is ShortKind.DRY:
                self._noted.setdefault(got.purse, []).append(retry)
            else:
                made.set_result(got)

        self._wait(purse, retry)
        timer = made.get_loop().call_later(_PATIENCE_SECONDS, self._give_up, made)
        is_used = False
        try:
            got = await made
            is_used = True
        finally:
            timer.cancel()
            if not is_used and self._shard.is_open(reservation):
                self.abort(reservation)  # the request ended while the answer was on its way
        return got

    def _give_up(self, made: asyncio.Future[int | Short]) -> None:
        """Tell whoever waits that the desk was silent too long; one that leaves is awaited."""
        if made.done():
            return
        if made.get_loop().time() < self._awaited_until:
            made.get_loop().call_at(self._awaited_until, self._give_up, made)
        else:
            made.set_exception(Overloaded())


def _nobody(upto: int) -> None:
    """Nobody asked to hear."""
    del upto


def _ended(kind: ShortKind) -> UpstreamFailed:
    """Return the error that tells a caller why an answer cannot go on."""
    match kind:
        case ShortKind.UNWRITABLE:
            return JournalFull()
        case ShortKind.STALE | ShortKind.DRY:
            return MoneyUnreached()
        case _:
            return CreditsEnded()


def _refused(short: Short) -> CreditsExhausted | Overloaded:
    """Return the error that tells a caller why the money is not there."""
    match short.kind:
        case ShortKind.BROKE | ShortKind.DRY:
            source = _SOURCES.get(short.purse[:1], "wallet")
            return CreditsExhausted(short.needed, short.available, short.in_flight, source)
        case ShortKind.IN_FLIGHT:
            return CreditsExhausted(short.needed, short.available, short.in_flight, "in_flight")
        case ShortKind.UNWRITABLE:
            return NoSpace()
        case ShortKind.STALE:
            return Overloaded()
        case _ as never:
            assert_never(never)
