"""TLS on a connection: towards the loop its protocol, towards HTTP its transport.

    loop -> sealed bytes -> Secured -> plain bytes in the shared buffer -> inner protocol
    loop <- sealed bytes <- Secured <- plain bytes                      <- inner protocol

A connection keeps no buffer of its own: OpenSSL lets its go between two records, and what passes
between it and the loop does so in portions of a record. Plain bytes wait nowhere here but in a
large write that the other side is slow to read: those are the writer's own, not copies.

The end of a stream is what its sender has said within TLS. A connection that ends without that was
cut, whoever cut it, and is told as such.
"""

import asyncio
import ssl
from collections import deque
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import NamedTuple, cast

from typing_extensions import override

from troth.wire.shared_buffer import BUFFER, SEALED, SIZE

RECORD = 16 * 1024  # what fits into one
RECORDS_A_WRITE = 4
UNASKED_BYTES = RECORD  # answers of TLS itself that a peer may leave unread

_OPEN, _SAID, _CLOSED = range(3)
_NOBODY = asyncio.BufferedProtocol()

Bytes = bytes | bytearray | memoryview


class Cut(ConnectionError):
    """The connection ended without the end of its stream, or with what is no TLS."""


class Session(NamedTuple):
    """One side of TLS, and the ways of sealed bytes into it and out of it."""

    tls: ssl.SSLObject
    incoming: ssl.MemoryBIO
    outgoing: ssl.MemoryBIO


def new_session(
    context: ssl.SSLContext,
    server_name: str | None = None,
    ticket: ssl.SSLSession | None = None,
) -> Session:
    """Return a session before its handshake: the calling side if it names a server.

    `ticket` is of an earlier session with the same server.
    """
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = context.wrap_bio(
        incoming,
        outgoing,
        server_side=server_name is None,
        server_hostname=server_name,
        session=ticket,
    )
    return Session(tls, incoming, outgoing)


class Secured(asyncio.Transport, asyncio.BufferedProtocol):
    """An open TLS connection. `begin` hands it to the inner protocol."""

    __slots__ = (
        "_backlog",
        "_backlog_bytes",
        "_incoming",
        "_inner",
        "_is_cut",
        "_is_full",
        "_is_reading",
        "_outgoing",
        "_read",
        "_state",
        "_tells_full",
        "_tls",
        "_transport",
    )

    def __init__(
        self, session: Session, transport: asyncio.Transport, inner: asyncio.BufferedProtocol
    ) -> None:
        super().__init__()
        self._tls, self._incoming, self._outgoing = session
        self._read = cast("Callable[[int, bytearray], int]", self._tls.read)
        self._transport = transport
        self._inner = inner
        self._backlog: deque[memoryview] | None = None
        self._backlog_bytes = 0
        self._is_cut = False
        self._is_full = False
        self._is_reading = True
        self._state = _OPEN
        self._tells_full = False

    def begin(self) -> None:
        """Take over from the handshake, with what came behind it."""
        self._inner.connection_made(self)
        if self._incoming.pending:
            self._unseal()

    # -- what the loop calls

    @override
    def get_buffer(self, sizehint: int) -> memoryview:
        return SEALED

    @override
    def buffer_updated(self, nbytes: int) -> None:
        if nbytes > RECORD or self._state != _OPEN:
            self._take(nbytes)
            return
        incoming = self._incoming
        incoming.write(SEALED[:nbytes])
        try:  # the usual read is one record
            size = self._read(SIZE, BUFFER)
        except ssl.SSLError:
            size = 0  # no record yet, the end or a fault: met again below
        if size:
            self._inner.buffer_updated(size)
            if not (incoming.pending or self._outgoing.pending):
                return
        self._unseal()

    @override
    def eof_received(self) -> None:
        if self._state == _OPEN:
            self._is_cut = True
            self._inner.eof_received()
        self._shut()  # the loop closes the socket

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        inner = self._inner
        self._inner = _NOBODY  # it refers back to here
        self._shut()
        inner.connection_lost(Cut() if exc is None and self._is_cut else exc)

    @override
    def pause_writing(self) -> None:
        self._is_full = True
        if not self._tells_full:
            self._tells_full = True
            self._inner.pause_writing()

    @override
    def resume_writing(self) -> None:
        self._is_full = False
        if self._outgoing.pending:
            self._transport.write(self._outgoing.read())
        if self._backlog is not None:
            self._seal_backlog()
        if self._tells_full and not self._is_full:
            self._tells_full = False
            self._inner.resume_writing()

    # -- what the inner protocol calls

    @override
    def write(self, data: Bytes) -> None:
        if self._state == _OPEN:
            if 0 < len(data) <= RECORD and self._backlog is None:
                self._tls.write(data)
                self._transport.write(self._outgoing.read())
            else:
                self._queue((data,))

    @override
    def writelines(self, list_of_data: Iterable[Bytes]) -> None:
        parts = tuple(list_of_data)
        if sum(map(len, parts)) <= RECORD:
            self.write(b"".join(parts))
        elif self._state == _OPEN:
            self._queue(parts)

    @override
    def can_write_eof(self) -> bool:
        return True

    @override
    def write_eof(self) -> None:
        """Say that nothing follows. What the peer still sends is dropped unread."""
        if self._state == _OPEN:
            self._state = _SAID
            if self._backlog is None:
                self._say_end()
                self._transport.write_eof()

    @override
    def close(self) -> None:
        """Send what waits, say that nothing follows, and close."""
        if self._state == _CLOSED:
            return
        has_said = self._state == _SAID
        self._state = _CLOSED
        if self._backlog is None:
            if not has_said:
                self._say_end()
            self._transport.close()

    @override
    def abort(self) -> None:
        """Close at once; the peer sees that the stream was cut."""
        self._shut()
        self._transport.abort()

    @override
    def is_closing(self) -> bool:
        return self._state == _CLOSED or self._transport.is_closing()

    @override
    def is_reading(self) -> bool:
        return self._is_reading

    @override
    def pause_reading(self) -> None:
        self._is_reading = False
        self._transport.pause_reading()

    @override
    def resume_reading(self) -> None:
        self._is_reading = True
        self._transport.resume_reading()
        if self._incoming.pending:
            asyncio.get_running_loop().call_soon(self._unseal)

    @override
    def get_write_buffer_size(self) -> int:
        return self._transport.get_write_buffer_size() + self._backlog_bytes

    @override
    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        self._transport.set_write_buffer_limits(high=high, low=low)

    @override
    def get_extra_info(self, name: str, default: object = None) -> object:
        if name == "ssl_object":
            return self._tls
        return cast("object", self._transport.get_extra_info(name, default))

    # -- records in

    def _take(self, nbytes: int) -> None:
        """Take a read of more than a record, in portions of one."""
        for at in range(0, nbytes, RECORD):
            if self._state != _OPEN:
                return
            self._incoming.write(SEALED[at : min(at + RECORD, nbytes)])
            self._unseal()

    def _unseal(self) -> None:
        """Hand on every whole record that is here, as long as they are read; then answer TLS."""
        while self._is_reading and self._state == _OPEN:
            try:
                size = self._read(SIZE, BUFFER)
            except ssl.SSLWantReadError:
                break
            except ssl.SSLError:
                self._break()
                return
            if not size:
                self._end()
                return
            self._inner.buffer_updated(size)
        if self._outgoing.pending and self._state == _OPEN:
            self._reply()

    def _reply(self) -> None:
        """Send what TLS itself has to say, unless its peer only talks and never listens."""
        if not self._is_full:
            self._transport.write(self._outgoing.read())
        elif self._outgoing.pending > UNASKED_BYTES:
            self._is_cut = True
            self.abort()

    def _end(self) -> None:
        """The peer has said that nothing follows."""
        self._inner.eof_received()
        self.close()

    def _break(self) -> None:
        """What came is no TLS: tell the peer, and close."""
        self._is_cut = True
        self._shut()
        if self._outgoing.pending:
            self._transport.write(self._outgoing.read())
        self._transport.close()

    # -- records out

    def _queue(self, parts: Iterable[Bytes]) -> None:
        """Send more than a record, or behind it."""
        backlog = self._backlog
        if backlog is None:
            self._backlog = backlog = deque()
        for part in parts:
            if part:
                backlog.append(memoryview(part))
                self._backlog_bytes += len(part)
        if not self._is_full:
            self._seal_backlog()

    def _seal_backlog(self) -> None:
        """Send as much of it as the loop takes; then what was to follow it."""
        backlog = self._backlog
        while backlog and not self._is_full:
            sealed: list[bytes] = []
            while backlog and len(sealed) < RECORDS_A_WRITE:
                part = backlog.popleft()
                size = self._tls.write(part[:RECORD])
                self._backlog_bytes -= size
                if size < len(part):
                    backlog.appendleft(part[size:])
                sealed.append(self._outgoing.read())
            self._transport.writelines(sealed)
        if backlog or self._backlog is None:
            return
        self._backlog = None
        if self._state != _OPEN:
            self._say_end()
            if self._state == _SAID:
                self._transport.write_eof()
            else:
                self._transport.close()

    def _say_end(self) -> None:
        """Send the end of the stream. What the peer still has to say is not waited for."""
        with suppress(ssl.SSLError):  # it has said nothing yet, or still sends
            self._tls.unwrap()
        if self._outgoing.pending:
            self._transport.write(self._outgoing.read())

    def _shut(self) -> None:
        """Take and send nothing more."""
        self._state = _CLOSED
        self._backlog = None
        self._backlog_bytes = 0
