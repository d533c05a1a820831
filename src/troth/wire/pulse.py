"""The coarse time of the answering side, and when its sweep must next look at the calls."""

from troth.kernel.clock import Clock

MS = 1_000_000
NEVER = 1 << 62


class Pulse:
    """`now_ns` is the clock as of the last tick: good enough for deadlines, free to read."""

    __slots__ = ("clock_ns", "due_ns", "now_ns")

    def __init__(self, clock: Clock) -> None:
        self.clock_ns = clock.monotonic_ns
        self.now_ns = clock.monotonic_ns()
        self.due_ns = NEVER

    def expect_by(self, due_ns: int) -> None:
        """Have the sweep look at the calls no later than this."""
        self.due_ns = min(self.due_ns, due_ns)
