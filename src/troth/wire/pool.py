"""Connections to upstreams, kept and counted per origin; one sweep holds all calls to time."""

import asyncio
import ssl
from collections import deque
from collections.abc import Sequence

from troth.kernel.clock import Clock
from troth.wire.call import Call
from troth.wire.client import Upstream
from troth.wire.departures import Departures
from troth.wire.dial import Dialer, DialFailed
from troth.wire.limits import ClientLimits
from troth.wire.origin import Deadlines, Failure, Origin, Receiver
from troth.wire.pulse import MS, NEVER, Pulse
from troth.wire.resolver import Resolver

TICK_SECONDS = 0.05


class Lane:
    """All connections to one origin. Kept ones serve newest first; beyond the cap, calls wait."""

    def __init__(
        self, dialer: Dialer, limits: ClientLimits, pulse: Pulse, calls: set[Call]
    ) -> None:
        self.pulse = pulse
        self.head_bytes = limits.head_bytes
        self.departures = Departures()
        self._calls = calls
        self._opening = 0
        self._open: set[Upstream] = set()
        self._dialer = dialer
        self._idle: dict[Upstream, int] = {}
        self._limits = limits
        self._tasks: set[asyncio.Task[None]] = set()
        self._waiting: deque[Call] = deque()

    @property
    def connections(self) -> int:
        """How many connections are open or opening."""
        return self._opening + len(self._open)

    def start(self, call: Call) -> None:
        """Send a call on a kept connection, or on a new one."""
        self._calls.add(call)
        idle = self._idle
        while idle:
            upstream, _ = idle.popitem()
            if upstream.is_usable():
                upstream.begin(call)
                return
        self.restart(call)

    def restart(self, call: Call) -> None:
        """Send a call on a new connection, as soon as there may be one more."""
        call.connecting()
        if self.connections < self._limits.connections_per_origin:
            self._connect(call)
        elif len(self._waiting) < self._limits.waiting_per_origin:
            self._waiting.append(call)
        else:
            asyncio.get_running_loop().call_soon(call.fail, Failure.CONNECT)

    def free(self, upstream: Upstream) -> None:
        """Use a connection for a call that waits, or keep it."""
        call = self._next_waiting() if self._waiting else None
        if call is not None:
            upstream.begin(call)
        else:
            self._idle[upstream] = self.pulse.now_ns

    def forget(self, upstream: Upstream) -> None:
        """Count a connection that is gone."""
        self._dialer.look()
        self._idle.pop(upstream, None)
        if upstream in self._open:
            self._open.discard(upstream)
            self._fill()

    def over(self, call: Call) -> None:
        """Forget a call."""
        self._calls.discard(call)

    def expire(self, before_ns: int | None) -> None:
        """Close connections that were kept unused since before `before_ns`; None: all."""
        for upstream, since_ns in tuple(self._idle.items()):
            if before_ns is None or since_ns <= before_ns:
                del self._idle[upstream]
                upstream.hang_up()

    def tasks(self) -> tuple[asyncio.Task[None], ...]:
        """Return the tasks that open connections."""
        return tuple(self._tasks)

    def _connect(self, call: Call) -> None:
        self._opening += 1
        task = asyncio.get_running_loop().create_task(self._dial(call))
        call.task = task
        self._tasks.add(task)
        task.add_done_callback(self._dialed)

    async def _dial(self, call: Call) -> None:
        try:
            upstream = await self._dialer.connect(call, self)
        except DialFailed as failed:
            call.task = None
            call.fail(failed.failure)
        else:
            self._open.add(upstream)
            upstream.begin(call)

    def _dialed(self, task: asyncio.Task[None]) -> None:
        """Count a dial that is over; its task may have been cancelled before it began."""
        self._tasks.discard(task)
        self._opening -= 1
        self._fill()

    def _fill(self) -> None:
        """Open a connection for a call that waits, if there may be one more."""
        if self._waiting and self.connections < self._limits.connections_per_origin:
            call = self._next_waiting()
            if call is not None:
                self._connect(call)

    def _next_waiting(self) -> Call | None:
        while self._waiting:
            call = self._waiting.popleft()
            if not call.is_over:
                return call
        return None


class Pool:
    """Calls to upstreams. `tls` is needed for https origins and always verifies."""

    def __init__(
        self, limits: ClientLimits, clock: Clock, tls: ssl.SSLContext | None = None
    ) -> None:
        self._calls: set[Call] = set()
        self._lanes: dict[Origin, Lane] = {}
        self._limits = limits
        self._pulse = Pulse(clock)
        self._resolver = Resolver(limits, clock)
        self._timer: asyncio.TimerHandle | None = None
        self._tls = tls

    @property
    def connections(self) -> int:
        """How many connections are open or opening."""
        return sum(lane.connections for lane in self._lanes.values())

    @property
    def in_flight(self) -> int:
        """How many calls are on their way."""
        return len(self._calls)

    def send(  # noqa: PLR0917 - the pool's one verb
        self,
        origin: Origin,
        head: bytes,
        body: Sequence[bytes],
        receiver: Receiver,
        deadlines: Deadlines,
    ) -> Call:
        """Send a request; `head` is complete, with its content-length. Tells `receiver` later."""
        lane = self._lanes.get(origin) or self._open_lane(origin)
        if self._timer is None:
            self._tick()
        call = Call(lane, [head, *body], receiver, deadlines)
        lane.start(call)
        return call

    async def close(self) -> None:
        """Give all calls up and close all connections."""
        for call in tuple(self._calls):
            call.close()
        tasks = [task for lane in self._lanes.values() for task in lane.tasks()]
        if tasks:
            await asyncio.wait(tasks)
        for lane in self._lanes.values():
            lane.expire(None)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def sweep(self) -> None:
        """Hold all calls to their deadlines, and close what was kept too long."""
        pulse = self._pulse
        pulse.now_ns = now_ns = pulse.clock_ns()
        if now_ns < pulse.due_ns:
            return
        pulse.due_ns = NEVER
        due_ns = now_ns + self._limits.idle_ms * MS
        for call in tuple(self._calls):
            due_ns = min(due_ns, call.check(now_ns))
        for lane in self._lanes.values():
            lane.expire(now_ns - self._limits.idle_ms * MS)
        pulse.expect_by(due_ns)

    def _tick(self) -> None:
        self.sweep()
        self._timer = asyncio.get_running_loop().call_later(TICK_SECONDS, self._tick)

    def _open_lane(self, origin: Origin) -> Lane:
        dialer = Dialer(origin, self._resolver, self._tls)
        self._lanes[origin] = lane = Lane(dialer, self._limits, self._pulse, self._calls)
        return lane
