"""A pool whose one upstream is played: connections that end nowhere, the clock in hand."""

import asyncio

from typing_extensions import override

from tests.builders.wire_plane import LineTransport, Listening, deliver, turns
from troth.kernel.clock import ManualClock
from troth.wire import Call, ClientLimits, Deadlines, Failure, Origin, Pool
from troth.wire.client import Lane as LaneOf
from troth.wire.client import Upstream
from troth.wire.dial import Dialer, DialFailed
from troth.wire.pool import Lane
from troth.wire.resolver import Resolver

ORIGIN = Origin("http", "127.0.0.1", 9, "upstream.example")
HEAD = b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 4\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"


class PlayedDialer(Dialer):
    """Opens connections that end nowhere, when it is let."""

    def __init__(self, clock: ManualClock) -> None:
        super().__init__(ORIGIN, Resolver(ClientLimits(), clock), None)
        self.upstreams: list[Upstream] = []
        self.lines: list[LineTransport] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.failure: Failure | None = None

    @override
    async def connect(self, call: Call, lane: LaneOf) -> Upstream:
        call.securing()
        await self.gate.wait()
        if self.failure is not None:
            raise DialFailed(self.failure)
        upstream = Upstream(lane)
        line = LineTransport()
        upstream.connection_made(line)
        self.upstreams.append(upstream)
        self.lines.append(line)
        return upstream


class Played:
    """A pool whose one origin is played."""

    def __init__(self, limits: ClientLimits | None = None) -> None:
        limits = limits or ClientLimits()
        self.clock = ManualClock()
        self.pool = Pool(limits, self.clock)
        self.dialer = PlayedDialer(self.clock)
        self.lane = Lane(self.dialer, limits, self.pool._pulse, self.pool._calls)
        self.pool._lanes[ORIGIN] = self.lane

    async def send(self, **deadlines: int) -> tuple[Listening, Call]:
        receiver = Listening()
        call = self.pool.send(ORIGIN, HEAD, [b"bo", b"dy"], receiver, Deadlines(**deadlines))
        assert receiver.told == (0, b"", [])
        await turns()
        return receiver, call

    def call(self) -> Call:
        """Begin a call; nobody listens to its answer."""
        return self.pool.send(ORIGIN, HEAD, [b"bo", b"dy"], Listening(), Deadlines())

    async def answer(self, data: bytes, number: int = -1) -> None:
        deliver(self.dialer.upstreams[number], data)
        await turns()

    async def after(self, ms: int) -> None:
        self.clock.advance(ms)
        self.pool.sweep()
        await turns()

    async def lose(self, error: Exception | None = None, number: int = -1) -> None:
        upstream = self.dialer.upstreams[number]
        upstream.eof_received()
        upstream.connection_lost(error)
        await turns()

    @property
    def line(self) -> LineTransport:
        return self.dialer.lines[-1]
