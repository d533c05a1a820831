"""What is written within one turn of the loop leaves together, at its end.

A write to a socket wakes whoever reads at its other end. Between two writes of a busy gateway lies
the work of half a request: whoever was woken by the first is asleep again at the second, and waking
is what costs most in the kernel. Written one behind the other, the first wakes for all.
"""

import asyncio
from collections import deque
from collections.abc import Sequence

MOST = 16
"""So many wait at most: what came first in a long turn must not wait for all that follows."""


class Departures:
    """What waits to be written. `rounds` counts how often what waited was written."""

    __slots__ = ("_is_due", "_waiting", "rounds")

    def __init__(self) -> None:
        self.rounds = 0
        self._is_due = False
        self._waiting: deque[tuple[asyncio.Transport, Sequence[bytes]]] = deque()

    def add(self, transport: asyncio.Transport, parts: Sequence[bytes]) -> None:
        """Write `parts` to `transport` at the end of the turn, behind what waits already."""
        waiting = self._waiting
        waiting.append((transport, parts))
        if not self._is_due:
            self._is_due = True
            asyncio.get_running_loop().call_soon(self._turn)
        elif len(waiting) >= MOST:
            self.go()

    def go(self) -> None:
        """Write all that waits now, save to connections that are gone."""
        self.rounds += 1
        waiting = self._waiting
        while waiting:
            transport, parts = waiting.popleft()
            if not transport.is_closing():
                try:
                    transport.writelines(parts)
                except (OSError, RuntimeError):
                    transport.abort()  # nobody who writes behind it shall hear of that

    def _turn(self) -> None:
        self._is_due = False
        self.go()
