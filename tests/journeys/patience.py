"""Time as the journeys see it: how long something took, and waiting for it to come true."""

import time
from collections.abc import Callable
from typing import Final

from troth.kernel.clock import SystemClock

_CLOCK: Final = SystemClock()


class Stopwatch:
    """Runs from where it was made."""

    def __init__(self) -> None:
        self._began_ns = _CLOCK.monotonic_ns()

    @property
    def seconds(self) -> float:
        """Return how many seconds have passed."""
        return (_CLOCK.monotonic_ns() - self._began_ns) / 1e9


def wait_until(is_true: Callable[[], bool], within: float, what: str) -> None:
    """Ask again and again until it is true; fail after `within` seconds."""
    watch = Stopwatch()
    while not is_true():
        assert watch.seconds < within, f"{what}: not within {within} seconds"
        time.sleep(0.02)


def unix_seconds() -> float:
    """Return the wall time."""
    return _CLOCK.now_ms() / 1_000
