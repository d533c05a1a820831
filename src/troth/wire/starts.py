"""Requests on their way to their start: answers that are under way go before them.

What begins a request takes as long as many events of streams. Were all that come within one turn of
the loop begun in it, every stream would wait for all of them. So one is begun at each turn, in the
order in which they came, and what is under way goes on in between.
"""

import asyncio
from collections import deque
from collections.abc import Callable

AT_ONCE = 64
"""So few requests under way may begin within one turn: hardly anything waits for them."""


class Starts:
    """The requests of one server that have come and not begun. They count as under way."""

    __slots__ = ("_is_starting", "_waiting")

    def __init__(self) -> None:
        self._is_starting = False
        self._waiting: deque[Callable[[], None]] = deque()

    def __len__(self) -> int:
        """Return how many wait."""
        return len(self._waiting)

    def add(self, start: Callable[[], None], *, at_once: bool) -> None:
        """Call `start` now if it may begin at once, else at a turn of its own.

        Pipelined requests that are answered without a wait would start within each other: what
        comes while another starts waits for its turn in any case.
        """
        if self._is_starting or not at_once:
            self._waiting.append(start)
            if len(self._waiting) == 1:
                asyncio.get_running_loop().call_soon(self._turn)
        else:
            self._start(start)

    def _turn(self) -> None:
        """Begin the one that has waited longest."""
        start = self._waiting.popleft()
        if self._waiting:
            asyncio.get_running_loop().call_soon(self._turn)
        self._start(start)

    def _start(self, start: Callable[[], None]) -> None:
        self._is_starting = True
        try:
            start()
        finally:
            self._is_starting = False
