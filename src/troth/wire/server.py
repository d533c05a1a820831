"""The listening side: accepts connections, begins their requests, holds all to their limits."""

import asyncio
import ipaddress
import socket
import ssl
from collections import Counter
from collections.abc import Coroutine
from functools import partial
from typing import Protocol

from troth.kernel.clock import Clock
from troth.wire.arrival import Arrival
from troth.wire.connection import Connection
from troth.wire.departures import Departures
from troth.wire.errand import Errand
from troth.wire.framing import Head
from troth.wire.handshake import Arriving
from troth.wire.known_heads import KnownHeads
from troth.wire.limits import ServerLimits
from troth.wire.roles import Accepted, Refuse
from troth.wire.sink import Sink
from troth.wire.starts import AT_ONCE, Starts

TICK_SECONDS = 0.25
TICKS_A_SWEEP = 4
HEALTH_PATHS = frozenset(("/healthz", "/readyz"))


class Handler(Protocol):
    """What answers a request. It must finish or abort its sink, and not raise."""

    def __call__(self, arrival: Arrival, sink: Sink, /) -> Coroutine[None, None, None]:
        """Return the coroutine that serves one request."""
        ...


class Server:
    """HTTP/1.1 on one listening socket.

    `handler` serves each request. `refuse(status, code, head)` shapes the answer to what is not
    served, its status too; `head` is None when it could not be read.
    """

    def __init__(
        self,
        handler: Handler,
        limits: ServerLimits,
        clock: Clock,
        refuse: Refuse,
        *,
        tls: ssl.SSLContext | None = None,
        paths: frozenset[str] = frozenset(),
    ) -> None:
        self.limits = limits
        self.is_draining = False
        self.now_ns = clock.monotonic_ns()
        self.clock_ns = clock.monotonic_ns
        self.refusal = refuse
        self.in_flight = 0
        self.heads = KnownHeads(limits, paths)
        self.hosts = frozenset(name.encode() for name in limits.hosts)
        self.departures = Departures()
        self._handler = handler
        self._tls = tls
        self._connections: set[Accepted] = set()
        self._addresses: Counter[str] = Counter()
        self._starts = Starts()
        self._listener: asyncio.Server | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._ticks = 0
        self._idle: asyncio.Future[None] | None = None

    @property
    def connections(self) -> int:
        """How many connections are open."""
        return len(self._connections)

    async def start(self, sock: socket.socket) -> None:
        """Listen on `sock`, which is bound. On loopback any `Host` is served."""
        loop = asyncio.get_running_loop()
        if _is_loopback(str(sock.getsockname()[0])):
            self.hosts = frozenset()
        self._listener = await loop.create_server(
            self._connection if self._tls is None else partial(self._arriving, self._tls),
            sock=sock,
            backlog=self.limits.backlog,
        )
        self._tick()

    def _connection(self) -> Connection:
        return Connection(self)

    def _arriving(self, tls: ssl.SSLContext) -> Arriving:
        return Arriving(tls, self, self.limits.headers_ms, self._connection)

    def close_listener(self) -> None:
        """Accept no more; each connection closes with its next answer."""
        self.is_draining = True
        if self._listener is not None:
            self._listener.close()

    def stop_accepting(self) -> None:
        """Accept no more; idle connections close, others with their answer."""
        self.close_listener()
        for connection in tuple(self._connections):
            connection.close_idle()

    async def drain(self, seconds: float) -> int:
        """Wait until nothing is under way, at most `seconds`; return what still is."""
        self.stop_accepting()
        if self.in_flight:
            self._idle = asyncio.get_running_loop().create_future()
            await asyncio.wait((self._idle,), timeout=seconds)
        return self.in_flight

    def close(self) -> None:
        """Cut every connection and stop the sweep."""
        self.stop_accepting()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        for connection in tuple(self._connections):
            connection.break_off()

    def sweep(self) -> None:
        """Hold every connection to its deadlines by the clock's present time."""
        self.now_ns = now_ns = self.clock_ns()
        for connection in tuple(self._connections):
            connection.check(now_ns)

    def _tick(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(TICK_SECONDS, self._tick)
        self._ticks += 1
        if self._ticks % TICKS_A_SWEEP:
            self.now_ns = self.clock_ns()
        else:
            self.sweep()

    # -- what a connection needs

    def welcome(self, connection: Accepted) -> bool:
        """Count a connection; tell whether there was room for it."""
        limits = self.limits
        self._connections.add(connection)
        has_room = len(self._connections) <= limits.connections
        address = self._counted(connection.peer)
        if address is None:
            return has_room
        self._addresses[address] += 1
        return has_room and self._addresses[address] <= limits.connections_per_address

    def farewell(self, connection: Accepted) -> None:
        """Forget a connection."""
        self._connections.discard(connection)
        address = self._counted(connection.peer)
        if address is not None:
            self._addresses[address] -= 1
            if not self._addresses[address]:
                del self._addresses[address]

    def serves_host(self, head: Head) -> bool:
        """Whether the `Host` is one of ours; health checks may come by any name."""
        if head.path in HEALTH_PATHS:
            return True
        name = head.headers[b"host"].lower()
        if not name.endswith(b"]"):
            name = name.rpartition(b":")[0] or name
        return name in self.hosts

    def serve(self, arrival: Arrival, sink: Sink) -> None:
        """Start one request: at once, or when its turn comes. A look at our health never waits."""
        self.in_flight += 1
        starts = self._starts
        at_once = not starts and self.in_flight <= AT_ONCE
        starts.add(
            partial(self._begin, arrival, sink),
            at_once=at_once or arrival.head.path in HEALTH_PATHS,
        )

    def _begin(self, arrival: Arrival, sink: Sink) -> None:
        if sink.is_open:
            Errand(self._handler(arrival, sink), partial(self._over, arrival, sink)).go()
        else:
            self._over(arrival, sink)  # its client has left

    def _over(self, arrival: Arrival, sink: Sink) -> None:
        """A request's errand is over."""
        self.in_flight -= 1
        if sink.is_open:
            self._answer_for(arrival, sink)
        if self._idle is not None and not self.in_flight and not self._idle.done():
            self._idle.set_result(None)

    def _answer_for(self, arrival: Arrival, sink: Sink) -> None:
        """A handler ended without an answer: never leave the client waiting."""
        if sink.begun:
            sink.abort()
        else:
            status, headers, content = self.refusal(500, "internal", arrival.head)
            sink.answer(status, headers, content)

    def _counted(self, peer: str) -> str | None:
        """Return what an address counts under: itself, or the /64 of IPv6. None: not counted."""
        peer = peer.removeprefix("::ffff:") if "." in peer else peer
        if not peer or peer in self.limits.trusted or _is_loopback(peer):
            return None
        address = ipaddress.ip_address(peer.partition("%")[0])
        if isinstance(address, ipaddress.IPv4Address):
            return peer
        if address.ipv4_mapped is not None:
            return str(address.ipv4_mapped)
        return str(ipaddress.IPv6Network((int(address) >> 64 << 64, 64)))


def _is_loopback(address: str) -> bool:
    return address == "::1" or address.startswith(("127.", "::ffff:127."))
