"""Opening a connection: a name, a socket, then TLS where the origin wants it."""

import asyncio
import socket
import ssl
from collections.abc import Callable

from troth.wire.call import Call
from troth.wire.client import Lane, Upstream
from troth.wire.handshake import Calling
from troth.wire.origin import Failure, Origin
from troth.wire.resolver import Address, Resolver
from troth.wire.secured import Cut
from troth.wire.tickets import Tickets


class DialFailed(Exception):
    """No connection; `failure` says at which step."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.value)
        self.failure = failure


class Dialer:
    """How connections to one origin are made."""

    def __init__(self, origin: Origin, resolver: Resolver, tls: ssl.SSLContext | None) -> None:
        self._origin = origin
        self._resolver = resolver
        self._tickets = Tickets()
        self._tls = tls if origin.scheme == "https" else None
        self._lacks_tls = origin.scheme != "http" and tls is None

    async def connect(self, call: Call, lane: Lane) -> Upstream:
        """Return a connection that is ready to carry `call`.

        Raises:
            DialFailed: the name, the connection or the handshake failed.
        """
        if self._lacks_tls:
            raise DialFailed(Failure.TLS)
        origin = self._origin
        try:
            addresses = await self._resolver.addresses(origin.host)
        except OSError:
            raise DialFailed(Failure.RESOLVE) from None
        sock = await self._open(addresses)
        upstream = Upstream(lane)
        if self._tls is None:
            await _start(lambda: upstream, sock, Failure.CONNECT)
        else:
            call.securing()
            await self._secure(self._tls, sock, upstream, lane.pulse.clock_ns())
        if upstream.is_lost:
            raise DialFailed(Failure.RESET)
        return upstream

    def look(self) -> None:
        """See what a connection leaves to later ones; it is about to go."""
        self._tickets.look()

    async def _secure(
        self, tls: ssl.SSLContext, sock: socket.socket, upstream: Upstream, now_ns: int
    ) -> None:
        """Begin TLS, with the ticket of an earlier connection if there is one."""
        ticket = self._tickets.take(now_ns)
        calling = Calling(tls, self._origin.server_name, lambda: upstream, ticket)
        await _start(lambda: calling, sock, Failure.TLS)
        try:
            self._tickets.stands(await calling.stands(), now_ns)
        except Cut:
            self._tickets.drop()
            raise DialFailed(Failure.TLS) from None

    async def _open(self, addresses: tuple[Address, ...]) -> socket.socket:
        """Connect to the first address that answers."""
        loop = asyncio.get_running_loop()
        for family, host in addresses:
            sock = socket.socket(family, socket.SOCK_STREAM)
            is_open = False
            try:
                sock.settimeout(0)
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                await loop.sock_connect(sock, (host, self._origin.port))
                is_open = True
            except OSError:
                continue
            finally:
                if not is_open:
                    sock.close()
            return sock
        raise DialFailed(Failure.CONNECT)


async def _start(
    protocol: Callable[[], asyncio.BufferedProtocol], sock: socket.socket, failure: Failure
) -> None:
    """Let the loop read a connected socket."""
    try:
        await asyncio.get_running_loop().create_connection(protocol, sock=sock)
    except OSError:
        raise DialFailed(failure) from None
