"""Is this offering worth a try? A breaker per offering and a budget of retries per provider.

Durations in nanoseconds of the monotonic clock; state is this process's own.
"""

from collections import deque
from typing import Final

from troth.kernel.clock import Clock

SECOND_NS: Final = 1_000_000_000
FAILURES_IN_A_ROW: Final = 5
WINDOW_NS: Final = 10 * SECOND_NS
WINDOW_CALLS: Final = 10
COOLDOWN_NS: Final = 5 * SECOND_NS
COOLDOWN_MAX_NS: Final = 60 * SECOND_NS
PROBE_EVERY_NS: Final = SECOND_NS
RETRY_SHARE: Final = 10
RETRY_FLOOR: Final = 3


class Breaker:
    """Opens after five failures in a row, or when half of ten calls in ten seconds failed.

    Open, it lets one probe a second through once its cooldown is over; the cooldown doubles with
    each failed probe, to a minute at most. `is_limited` tells that it is open because the upstream
    limits our rate.
    """

    __slots__ = (
        "_calls",
        "_cooldown_ns",
        "_in_a_row",
        "_open_until_ns",
        "_probe_at_ns",
        "_tripped",
        "is_limited",
    )

    def __init__(self) -> None:
        self._calls: deque[tuple[int, bool]] = deque()
        self._in_a_row = 0
        self._cooldown_ns = COOLDOWN_NS
        self._open_until_ns = 0
        self._probe_at_ns = 0
        self._tripped = False
        self.is_limited = False

    @property
    def is_closed(self) -> bool:
        """Tell whether calls flow freely."""
        return not self._tripped

    def allows(self, now_ns: int) -> bool:
        """Tell whether a call may go now; an open breaker spends its probe by answering yes."""
        if not self._tripped:
            return True
        if now_ns < self._open_until_ns or now_ns < self._probe_at_ns:
            return False
        self._probe_at_ns = now_ns + PROBE_EVERY_NS
        return True

    def retry_at_ns(self) -> int:
        """Return when the next probe may go."""
        return max(self._open_until_ns, self._probe_at_ns)

    def succeeded(self) -> None:
        """Count a good call; a good probe closes the breaker."""
        if self._in_a_row or self._calls or self._tripped:
            self._in_a_row = 0
            self._tripped = self.is_limited = False
            self._cooldown_ns = COOLDOWN_NS
            if self._calls:
                self._calls.append((self._calls[-1][0], True))
                if len(self._calls) > 2 * WINDOW_CALLS:
                    self._calls.popleft()

    def failed(self, now_ns: int) -> None:
        """Count a failed call."""
        self._in_a_row += 1
        calls = self._calls
        calls.append((now_ns, False))
        while calls and calls[0][0] < now_ns - WINDOW_NS:
            calls.popleft()
        failures = sum(not good for _, good in calls)
        half = len(calls) >= WINDOW_CALLS and 2 * failures >= len(calls)
        if self._tripped or half or self._in_a_row >= FAILURES_IN_A_ROW:
            self.is_limited = False
            self._open(now_ns, self._cooldown_ns)
            self._cooldown_ns = min(2 * self._cooldown_ns, COOLDOWN_MAX_NS)

    def rests(self, now_ns: int, for_ns: int, *, is_limited: bool = False) -> None:
        """Open for a stated time: the upstream said when to come back, or refused our key."""
        self.is_limited = is_limited
        self._open(now_ns, for_ns)

    def _open(self, now_ns: int, for_ns: int) -> None:
        self._tripped = True
        self._open_until_ns = max(self._open_until_ns, now_ns + for_ns)


class RetryBudget:
    """Retries are at most a tenth of a provider's calls, but three a second are always allowed."""

    __slots__ = ("_calls", "_floor", "_refilled_ns", "_retries")

    def __init__(self) -> None:
        self._calls = 0
        self._retries = 0
        self._floor = RETRY_FLOOR
        self._refilled_ns = 0

    def called(self) -> None:
        """Count a first attempt."""
        self._calls += 1

    def draw(self, now_ns: int) -> bool:
        """Take one retry from the budget; tell whether there was one."""
        if now_ns - self._refilled_ns >= SECOND_NS:
            self._refilled_ns = now_ns
            self._floor = RETRY_FLOOR
            self._calls //= 2
            self._retries //= 2
        if self._retries * RETRY_SHARE < self._calls:
            self._retries += 1
            return True
        if self._floor:
            self._floor -= 1
            return True
        return False


class Health:
    """All breakers and budgets of one process."""

    __slots__ = ("_breakers", "_budgets", "clock")

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self._breakers: dict[tuple[str, str], Breaker] = {}
        self._budgets: dict[str, RetryBudget] = {}

    def breaker(self, upstream: str, model: str) -> Breaker:
        """Return the breaker of a model at an upstream."""
        found = self._breakers.get((upstream, model))
        if found is None:
            found = self._breakers[(upstream, model)] = Breaker()
        return found

    def budget(self, provider: str) -> RetryBudget:
        """Return the retry budget of a provider."""
        found = self._budgets.get(provider)
        if found is None:
            found = self._budgets[provider] = RetryBudget()
        return found
