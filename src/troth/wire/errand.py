"""A request's coroutine, driven without the price of a task.

A task costs a registration, a context, and a turn of the loop at its start and at each wake-up:
about a fifth of a request. An errand runs at once until it first waits, and goes on in the very
call that ends its wait. It cannot be cancelled, so nothing needs to guard against that; code that
needs a current task (`asyncio.timeout`) makes one for itself.
"""

import asyncio
from collections.abc import Callable, Coroutine, Generator
from contextvars import Context
from typing import Protocol

from msgspec import Struct


def _nothing() -> None:
    """Nobody asked to be told."""


class Waitable(Protocol):
    """What a coroutine may wait for: a future of the loop, or a `Moment`."""

    def add_done_callback(self, callback: Callable[["Waitable"], None], /) -> None:
        """Call back once it is done."""
        ...


class Moment:
    """Something that will have happened; an errand that waits goes on within `happen`.

    For one waiter. A task may wait too; it goes on at the loop's next turn, as tasks do.
    """

    __slots__ = ("_asyncio_future_blocking", "_callback", "_is_task", "is_over")

    def __init__(self) -> None:
        self._callback: Callable[[Moment], None] | None = None
        self._asyncio_future_blocking = False
        self._is_task = False
        self.is_over = False

    def happen(self) -> None:
        """It has happened; a second time changes nothing."""
        if not self.is_over:
            self.is_over = True
            callback = self._callback
            self._callback = None
            if callback is None:
                return
            if self._is_task:
                self.get_loop().call_soon(callback, self)
            else:
                callback(self)

    def add_done_callback(
        self, callback: "Callable[[Moment], None]", *, context: Context | None = None
    ) -> None:
        """Call back when it happens; only a task names a context, and needs none of its own."""
        self._is_task = context is not None
        if self.is_over:
            self.get_loop().call_soon(callback, self)
        else:
            self._callback = callback

    def get_loop(self) -> asyncio.AbstractEventLoop:
        """Return the loop, for a task that waits: asked for then, for that is a system call."""
        return asyncio.get_running_loop()

    def result(self) -> None:
        """Return nothing, for a task that goes on."""

    def cancel(self, msg: str | None = None) -> bool:
        """Tell a task that what it waits for cannot be cancelled."""
        del msg
        return False

    def __await__(self) -> Generator["Moment", None, None]:
        """Wait until it has happened."""
        if not self.is_over:
            self._asyncio_future_blocking = True
            yield self


class Errand(Struct, eq=False):
    """Drives one coroutine to its end, then calls `over`.

    What the coroutine raises goes to whoever ended its last wait.
    """

    coroutine: Coroutine[Waitable | None, None, None]
    over: Callable[[], None] = _nothing

    def go(self, ended: Waitable | None = None) -> None:
        """Run until the next wait, or to the end; `ended` is what was waited for."""
        del ended
        try:
            waits_for = self.coroutine.send(None)
        except StopIteration:
            self.over()
            return
        except BaseException:
            self.over()
            raise
        if waits_for is None:
            asyncio.get_running_loop().call_soon(self.go)
        else:
            waits_for.add_done_callback(self.go)
