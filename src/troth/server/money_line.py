"""Those who wait for money that running requests have set aside, in the order in which they came.

One line a purse. What a settlement frees goes to the line in the same step, before a request that
comes later can see it; what others free at the desk is asked for a few times a second. Nobody waits
longer than the terms say, and no more wait than they say: the next one is refused at once.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Final, NamedTuple

import msgspec

from troth.ledger.shard import Shard, Short, ShortKind
from troth.server.handover import WaitTerms

_LOOK_SECONDS: Final = 0.05
_YIELD_SECONDS: Final = 0.15
"""So long what is freed goes to the desk first when another process has called for it."""
_LINES_MAX: Final = 64
"""Each settlement looks at the head of each line while there are any."""


class Wish(NamedTuple):
    """What is to be reserved, as `Shard.admit` takes it."""

    reservation: bytes
    purses: tuple[bytes, ...]
    want: int
    least: int
    enough: int


class _Waiter:
    """One who waits; `short` is why, as the purse last stood."""

    __slots__ = ("made", "short", "until", "wish")

    def __init__(self, wish: Wish, short: Short, until: float) -> None:
        self.wish = wish
        self.short = short
        self.until = until
        self.made: asyncio.Future[int | Short] = asyncio.get_running_loop().create_future()


class MoneyLine:
    """The lines of one process. `count` is how many wait in all of them."""

    def __init__(
        self,
        shard: Shard,
        terms: WaitTerms,
        *,
        ask: Callable[[], None],
        abort: Callable[[bytes], None],
    ) -> None:
        """`ask` sends the desk what the shard wants; `abort` frees a reservation."""
        self._shard = shard
        self._terms = terms
        self._ask = ask
        self._abort = abort
        self._lines: dict[bytes, deque[_Waiter]] = {}
        self._asked: dict[bytes, bytes] = {}
        """Lines whose first waits for the desk's word, and on which purse."""
        self._yielding: dict[bytes, float] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._kept_until = 0.0
        self.count = 0

    def takes(self, short: Short) -> bool:
        """Tell whether one who is short should stand in line, and there is room for him.

        Whose lease is only dry asks the desk himself, unless others came before him.
        """
        terms = self._terms
        line = self._lines.get(short.purse)
        if not line:
            may_stand = short.kind is ShortKind.IN_FLIGHT and len(self._lines) < _LINES_MAX
        else:
            is_worth_it = short.kind is ShortKind.IN_FLIGHT or short.kind is ShortKind.DRY
            may_stand = is_worth_it and len(line) < terms.for_one
        return may_stand and terms.wait_ms > 0 and self.count < terms.in_all

    async def stand(self, wish: Wish, short: Short) -> int | Short:
        """Wait until a wish can be had; return what was set aside, or what is missing still.

        Returns `short` itself where the line is full by now. One who is cancelled leaves the line
        and keeps nothing.
        """
        if not self.takes(short):
            return short
        loop = asyncio.get_running_loop()
        line = self._lines.setdefault(short.purse, deque())
        if short.kind is ShortKind.DRY and line:
            before = line[-1].short
            short = msgspec.structs.replace(before, purse=short.purse, needed=wish.least)
        waiter = _Waiter(wish, short, loop.time() + self._terms.wait_ms / 1_000)
        line.append(waiter)
        self.count += 1
        if self._timer is None:
            self._timer = loop.call_later(_LOOK_SECONDS, self._look)
        if line[0] is waiter and self._may_do(wish):
            self._serve(short.purse)  # it came free while nobody stood here
        is_used = False
        try:
            got = await waiter.made
            is_used = True
        finally:
            self.count -= 1
            if not is_used:
                self._left(waiter)
        return got

    def _left(self, waiter: _Waiter) -> None:
        """One has left the line, perhaps while his money was on its way."""
        for line in self._lines.values():
            if waiter in line:
                line.remove(waiter)
        if self._shard.is_open(waiter.wish.reservation):
            self._abort(waiter.wish.reservation)

    # --- when something has changed ------------------------------------------------------------

    def freed(self) -> bool:
        """Something was settled here: those who wait for its purses come first.

        Tells whether the desk should get its part at once, for another process.
        """
        is_awaited = False
        for purse, line in tuple(self._lines.items()):
            if purse in self._yielding:
                is_awaited = True
            elif line and self._may_do(line[0].wish):
                self._serve(purse)
        return is_awaited

    def _may_do(self, wish: Wish) -> bool:
        return self._shard.free(wish.purses) >= wish.least

    def answered(self, purse: bytes) -> None:
        """The desk has said how a purse stands."""
        for line in [line for line, asked in self._asked.items() if asked == purse]:
            del self._asked[line]
            self._serve(line)

    def called_back(self, purse: bytes) -> None:
        """Another process waits for this purse too: what is freed next goes to the desk."""
        if purse in self._lines:
            until = asyncio.get_running_loop().time() + _YIELD_SECONDS
            self._yielding.setdefault(purse, until)

    def gave(self, purse: bytes) -> None:
        """The desk got its part."""
        self._yielding.pop(purse, None)

    def keep(self, until: float) -> None:
        """Dismiss nobody before `until` (loop time): the desk is being replaced."""
        self._kept_until = until

    def lost(self) -> None:
        """The desk will not answer what it was asked."""
        self._asked.clear()

    def _look(self) -> None:
        """Let those go whose time is over, and see what the desk has by now."""
        loop = asyncio.get_running_loop()
        now = loop.time()
        for purse, line in tuple(self._lines.items()):
            self._dismiss(line, now)
            if self._yielding.get(purse, now) <= now:
                self._yielding.pop(purse, None)
                self._serve(purse)
        self._timer = loop.call_later(_LOOK_SECONDS, self._look) if self._lines else None

    def _dismiss(self, line: deque[_Waiter], now: float) -> None:
        waiting = [waiter for waiter in line if not waiter.made.done()]
        line.clear()
        for waiter in waiting:
            if max(waiter.until, self._kept_until) <= now:
                waiter.made.set_result(waiter.short)
            else:
                line.append(waiter)

    # --- in order ------------------------------------------------------------------------------

    def _serve(self, purse: bytes) -> None:
        """Let the first ones of a line reserve, until one of them must go on waiting."""
        line = self._lines.get(purse)
        if line is None:
            return
        while line and self._is_done(purse, line[0]):
            line.popleft()
        if not line:
            del self._lines[purse]
            self._asked.pop(purse, None)
            self._yielding.pop(purse, None)

    def _is_done(self, purse: bytes, waiter: _Waiter) -> bool:
        """Try for the first of a line; tell whether he need not stand there any more."""
        if waiter.made.done():
            return True
        wish = waiter.wish
        if purse in self._asked and self._shard.free(wish.purses) < wish.want:
            return False
        got = self._shard.admit(
            wish.reservation, wish.purses, wish.want, wish.least, enough=wish.enough
        )
        if isinstance(got, Short) and got.kind is ShortKind.DRY:
            self._asked[purse] = got.purse
            self._ask()
            return False
        if isinstance(got, Short) and got.kind is ShortKind.IN_FLIGHT:
            waiter.short = got
            if got.purse == purse:
                return False
            self._lines.setdefault(got.purse, deque()).append(waiter)
        else:
            waiter.made.set_result(got)
        return True
