"""One request on its way to an upstream: its stage, its deadlines, who is told."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

from troth.wire.origin import NOBODY, Deadlines, Failure, Receiver
from troth.wire.pulse import MS, Pulse

if TYPE_CHECKING:
    import asyncio

_CONNECTING, _TLS, _SENT, _ANSWERED, _OVER = range(5)


class Carrier(Protocol):
    """What a call needs of the connection that carries it."""

    touched_ns: int

    def drop(self) -> None:
        """Close at once; nobody waits for the answer any more."""
        ...

    def pause(self) -> None:
        """Read no more for now."""
        ...

    def resume(self) -> None:
        """Read on."""
        ...


class Calls(Protocol):
    """What a call needs of the pool's lane to its origin."""

    pulse: Pulse

    def over(self, call: "Call") -> None:
        """Forget a call that is over."""
        ...


class Call:
    """A request on its way. The caller may pause, resume or close it at any time."""

    __slots__ = (
        "_carrier",
        "_deadlines",
        "_lane",
        "_since_ns",
        "_soonest_ns",
        "_stage",
        "_whole_ns",
        "is_paused",
        "parts",
        "receiver",
        "task",
        "was_retried",
    )

    def __init__(
        self, lane: Calls, parts: Sequence[bytes], receiver: Receiver, deadlines: Deadlines
    ) -> None:
        now_ns = lane.pulse.clock_ns()
        self.parts = parts  # until the answer begins: a dead kept connection is replaced
        self.receiver = receiver
        self.task: asyncio.Task[None] | None = None
        self.is_paused = False
        self.was_retried = False
        self._carrier: Carrier | None = None
        self._deadlines = deadlines
        self._lane = lane
        self._since_ns = now_ns
        self._stage = _CONNECTING
        self._whole_ns = now_ns + deadlines.whole_ms * MS
        soonest_ms = deadlines.first_byte_ms
        if deadlines.between_ms < soonest_ms:
            soonest_ms = deadlines.between_ms
        self._soonest_ns = soonest_ms * MS

    # -- for the caller

    def close(self) -> None:
        """Give the call up: its connection closes, the receiver hears nothing more."""
        self._end()

    def pause(self) -> None:
        """Read no more of the answer for now."""
        self.is_paused = True
        if self._carrier is not None:
            self._carrier.pause()

    def resume(self) -> None:
        """Read on."""
        self.is_paused = False
        if self._carrier is not None:
            self._carrier.resume()

    # -- for the connection and the pool

    @property
    def is_over(self) -> bool:
        """Whether nothing more will come of it."""
        return self._stage == _OVER

    def connecting(self) -> None:
        """It starts (again) to look for a connection."""
        self._stage = _CONNECTING
        self._carrier = None
        self._enter()

    def securing(self) -> None:
        """The TLS handshake begins."""
        self._stage = _TLS
        self._enter()

    def sent(self, carrier: Carrier) -> None:
        """It was written to a connection. The sweep looks again before anything can be late."""
        self.task = None
        self._carrier = carrier
        self._stage = _SENT
        pulse = self._lane.pulse
        self._since_ns = now_ns = pulse.clock_ns()
        due_ns = now_ns + self._soonest_ns
        if due_ns < pulse.due_ns or self._whole_ns < pulse.due_ns:
            pulse.expect_by(min(due_ns, self._whole_ns))

    def answered(self) -> None:
        """The head of the answer came: what was sent is no longer needed."""
        self._stage = _ANSWERED
        self.parts = ()

    def end(self) -> Receiver:
        """Take leave of the connection, whose answer is whole; return who is to be told."""
        receiver = self.receiver
        self._stage = _OVER
        self.receiver = NOBODY
        self._carrier = None
        self._lane.over(self)
        return receiver

    def fail(self, failure: Failure) -> None:
        """End the call and tell the receiver."""
        receiver = self.receiver
        self._end()
        receiver.failed(failure)

    def check(self, now_ns: int) -> int:
        """Hold the call to its deadlines; return when to look again, in monotonic ns."""
        due_ns, failure = self._due()
        if now_ns < due_ns:
            return min(due_ns, now_ns + self._soonest_ns)
        self.fail(failure)
        return now_ns

    def _due(self) -> tuple[int, Failure]:
        deadlines = self._deadlines
        whole_ns = self._whole_ns
        stage = self._stage
        if stage == _ANSWERED:
            due_ns, failure = whole_ns, Failure.WHOLE_TIMEOUT
            if self._carrier is not None and not self.is_paused:
                due_ns = self._carrier.touched_ns + deadlines.between_ms * MS
                failure = Failure.BETWEEN_TIMEOUT
        elif stage == _SENT:
            due_ns = self._since_ns + deadlines.first_byte_ms * MS
            failure = Failure.FIRST_BYTE_TIMEOUT
        elif stage == _TLS:
            due_ns, failure = self._since_ns + deadlines.tls_ms * MS, Failure.TLS
        else:
            due_ns = self._since_ns + deadlines.connect_ms * MS
            failure = Failure.CONNECT_TIMEOUT
        return (due_ns, failure) if due_ns < whole_ns else (whole_ns, Failure.WHOLE_TIMEOUT)

    def _enter(self) -> None:
        pulse = self._lane.pulse
        self._since_ns = pulse.clock_ns()
        pulse.expect_by(self._due()[0])

    def _end(self) -> None:
        """Let go of everything, once."""
        if self._stage == _OVER:
            return
        self._stage = _OVER
        self.parts = ()
        self.receiver = NOBODY
        self._lane.over(self)
        task, carrier = self.task, self._carrier
        self.task = self._carrier = None
        if task is not None:
            task.cancel()
        if carrier is not None:
            carrier.drop()
