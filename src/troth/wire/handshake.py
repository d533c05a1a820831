"""A connection until TLS stands: then the inner protocol takes it over, or it closes."""

import asyncio
import ssl
from collections.abc import Callable
from typing import Protocol, cast

from typing_extensions import override

from troth.wire.roles import Accepted
from troth.wire.secured import Cut, Secured, Session, new_session
from troth.wire.shared_buffer import SEALED

MS = 1_000_000


class Handshake(asyncio.BufferedProtocol):
    """The steps of a handshake, of either side. `inner` makes the protocol that follows."""

    __slots__ = ("_inner", "_session", "_transport")

    _transport: asyncio.Transport

    def __init__(self, session: Session, inner: Callable[[], asyncio.BufferedProtocol]) -> None:
        self._session = session
        self._inner = inner

    def _settled(self, inner: asyncio.BufferedProtocol | None) -> None:
        """Note the end: `inner` takes over, or None and the connection closes."""

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._step()

    @override
    def get_buffer(self, sizehint: int) -> memoryview:
        return SEALED

    @override
    def buffer_updated(self, nbytes: int) -> None:
        self._session.incoming.write(SEALED[:nbytes])
        self._step()

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        self._settled(None)

    def _step(self) -> None:
        try:
            self._session.tls.do_handshake()
        except ssl.SSLWantReadError:
            self._send()
        except ssl.SSLError:
            self._send()  # what is wrong, for the peer
            self._transport.close()
        else:
            self._send()
            inner = self._inner()
            secured = Secured(self._session, self._transport, inner)
            self._transport.set_protocol(secured)
            self._settled(inner)
            secured.begin()

    def _send(self) -> None:
        outgoing = self._session.outgoing
        if outgoing.pending:
            self._transport.write(outgoing.read())


class Doors(Protocol):
    """What an arriving connection needs of the server. `now_ns` is coarse."""

    now_ns: int

    def welcome(self, connection: Accepted) -> bool:
        """Count a connection."""
        ...

    def farewell(self, connection: Accepted) -> None:
        """Forget a connection."""
        ...


class Arriving(Handshake):
    """The answering side. It is counted, and cut when it takes too long."""

    __slots__ = ("_doors", "_ms", "_since_ns", "peer")

    def __init__(
        self,
        context: ssl.SSLContext,
        doors: Doors,
        ms: int,
        inner: Callable[[], asyncio.BufferedProtocol],
    ) -> None:
        super().__init__(new_session(context), inner)
        self.peer = ""
        self._doors = doors
        self._ms = ms
        self._since_ns = doors.now_ns

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        address = transport.get_extra_info("peername")
        self.peer = str(address[0]) if isinstance(address, tuple) else ""
        self._doors.welcome(self)  # who is too many is told so once it can be told
        super().connection_made(transport)

    @override
    def _settled(self, inner: asyncio.BufferedProtocol | None) -> None:
        self._doors.farewell(self)

    def check(self, now_ns: int) -> None:
        """Hold the handshake to its time."""
        if (now_ns - self._since_ns) // MS >= self._ms:
            self.break_off()

    def close_idle(self) -> None:
        """Close: no request is under way."""
        self.break_off()

    def break_off(self) -> None:
        """Cut it now."""
        self._transport.abort()


class Calling(Handshake):
    """The calling side."""

    __slots__ = ("_stands",)

    def __init__(
        self,
        context: ssl.SSLContext,
        server_name: str,
        inner: Callable[[], asyncio.BufferedProtocol],
        ticket: ssl.SSLSession | None = None,
    ) -> None:
        super().__init__(new_session(context, server_name, ticket), inner)
        self._stands: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def stands(self) -> ssl.SSLObject:
        """Wait until TLS stands, and return it. Whoever waits no longer cuts the connection.

        Raises:
            Cut: it will not.
        """
        has_ended = False
        try:
            await self._stands
            has_ended = True
        finally:
            if not has_ended:
                self._transport.abort()
        return self._session.tls

    @override
    def _settled(self, inner: asyncio.BufferedProtocol | None) -> None:
        if self._stands.done():
            return
        if inner is None:
            self._stands.set_exception(Cut())
        else:
            self._stands.set_result(None)
