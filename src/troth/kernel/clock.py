"""The only reader of time. Everything else is handed a `Clock`."""

import datetime as dt
import time
from typing import Protocol


class Clock(Protocol):
    """Wall time for records, monotonic time for durations."""

    def now_ms(self) -> int:
        """Return the unix time in milliseconds, UTC."""
        ...

    def monotonic_ns(self) -> int:
        """Return nanoseconds of a clock that never goes back."""
        ...


class SystemClock:
    """The machine's clocks."""

    __slots__ = ()

    def now_ms(self) -> int:
        """Return the unix time in milliseconds, UTC."""
        return time.time_ns() // 1_000_000

    monotonic_ns = staticmethod(time.monotonic_ns)
    """The kernel's monotonic clock, one for all processes of the machine."""


class ManualClock:
    """A clock that moves when told: the clock of tests and simulations."""

    __slots__ = ("_monotonic_ns", "_now_ms")

    def __init__(self, now_ms: int = 1_800_000_000_000, monotonic_ns: int = 1_000_000_000) -> None:
        self._now_ms = now_ms
        self._monotonic_ns = monotonic_ns

    def now_ms(self) -> int:
        """Return the unix time in milliseconds, UTC."""
        return self._now_ms

    def monotonic_ns(self) -> int:
        """Return nanoseconds of a clock that never goes back."""
        return self._monotonic_ns

    def advance(self, ms: int) -> None:
        """Let `ms` milliseconds pass on both clocks."""
        self._now_ms += ms
        self._monotonic_ns += ms * 1_000_000

    def step(self, ms: int) -> None:
        """Set the wall clock forward or back, as an administrator would; durations stay true."""
        self._now_ms += ms


def iso(at_ms: int) -> str:
    """Return a moment, in unix milliseconds, as an ISO time in UTC to the second."""
    return dt.datetime.fromtimestamp(at_ms // 1_000, dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
