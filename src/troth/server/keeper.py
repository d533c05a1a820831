"""The thread beside a gateway's loop that writes its journal to disk.

With `journal.durability = "strict"` an answer's end waits for it. Who has settled waits with all
others who settled meanwhile: one write to disk serves them all, and the loop never blocks. What the
books have acknowledged is kept as well, for they commit to a disk of their own: so a journal whose
disk has failed fails no answer while the desk is there.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import suppress
from threading import Event, Thread
from typing import Final

from troth.kernel.stream_errors import NotKept
from troth.ledger.shard import Journal
from troth.server.purses import Purses
from troth.wire import Moment

_KEEP_SECONDS: Final = 0.01
PATIENCE_SECONDS: Final = 5.0


class Keeper:
    """Runs `keep` of a journal each few milliseconds, which bounds what a power cut can take."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._ended = Event()
        self._thread = Thread(target=self._run, name="journal", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._journal.keep()
        self._thread.start()

    def _run(self) -> None:
        while not self._ended.wait(_KEEP_SECONDS):
            self._journal.keep()

    def stop(self) -> None:
        """Keep once more and end."""
        self._ended.set()
        self._thread.join()
        self._journal.keep()


class PromptKeeper:
    """Keeps a journal each 10 ms, as ever, and at once when somebody waits for it."""

    def __init__(self, journal: Journal, purses: Purses) -> None:
        self._journal = journal
        self._purses = purses
        self._loop = asyncio.get_running_loop()
        self._waiting: deque[tuple[int, float, Moment]] = deque()
        self._asked = Event()
        self._mark = 0
        """The last settlement that somebody waits for: it is in the journal, whole."""
        self._upto = 0
        self._is_timed = False
        self._has_ended = False
        self._thread = Thread(target=self._run, name="journal", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._journal.keep()
        self._thread.start()

    def stop(self) -> None:
        """Keep once more and end."""
        self._has_ended = True
        self._asked.set()
        self._thread.join()
        self._journal.keep()

    async def kept(self) -> None:
        """Wait until all that was settled so far survives a power cut.

        Raises:
            NotKept: neither disk nor desk said so in time.
        """
        number = self._purses.settled
        if number <= self._upto:
            return
        loop = self._loop
        moment = Moment()
        self._waiting.append((number, loop.time() + PATIENCE_SECONDS, moment))
        self._mark = number
        self._asked.set()
        if not self._is_timed:
            self._is_timed = True
            loop.call_later(PATIENCE_SECONDS, self._look)
        await moment
        if number > self._upto:
            raise NotKept

    def reached(self, upto: int) -> None:
        """Let those go on whose settlements are on a disk, the journal's or the desk's."""
        self._upto = max(self._upto, upto)
        waiting = self._waiting
        while waiting and waiting[0][0] <= upto:
            waiting.popleft()[2].happen()

    def turn(self) -> None:
        """Write to disk once, and tell the loop how far; called by the thread."""
        mark = self._mark
        self._journal.keep()
        if mark > self._upto and not self._journal.has_failed:
            with suppress(RuntimeError):  # the loop is closed: nobody waits
                self._loop.call_soon_threadsafe(self.reached, mark)

    def _run(self) -> None:
        while not self._has_ended:
            self._asked.wait(_KEEP_SECONDS)
            self._asked.clear()
            self.turn()

    def _look(self) -> None:
        """Let those go who have waited too long; they see for themselves that it was in vain."""
        now, waiting = self._loop.time(), self._waiting
        while waiting and waiting[0][1] <= now:
            waiting.popleft()[2].happen()
        self._is_timed = bool(waiting)
        if waiting:
            self._loop.call_at(waiting[0][1], self._look)


AnyKeeper = Keeper | PromptKeeper


def begun(journal: Journal, purses: Purses, *, is_strict: bool) -> AnyKeeper:
    """Return the thread that keeps a journal, as the operator wants it kept; it has begun."""
    keeper: AnyKeeper = Keeper(journal)
    if is_strict:
        keeper = PromptKeeper(journal, purses)
        purses.on_acknowledged = keeper.reached
    keeper.start()
    return keeper


def kept_by(keeper: AnyKeeper | None) -> Callable[[], Awaitable[None]] | None:
    """Return what an answer's end waits for, None where it waits for no disk."""
    return keeper.kept if isinstance(keeper, PromptKeeper) else None
