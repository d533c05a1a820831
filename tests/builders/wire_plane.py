"""The wire without sockets: a transport that writes down what it is told, and ways to feed it."""

import asyncio
from collections.abc import Iterable, Sequence

from typing_extensions import override

from troth.kernel.clock import ManualClock
from troth.wire import Arrival, Failure, Handler, Server, ServerLimits, Sink
from troth.wire.connection import Connection
from troth.wire.framing import Head
from troth.wire.shared_buffer import VIEW
from troth.wire.sink import Header


class LineTransport(asyncio.Transport):
    """A transport that ends nowhere. `unsent` plays the client that does not read."""

    def __init__(self, peer: str = "127.0.0.1") -> None:
        super().__init__()
        self.peer = peer
        self.sent = bytearray()
        self.writes = 0
        self.unsent = 0
        self.is_closed = False
        self.is_aborted = False
        self.has_eof = False
        self._reads_on = True
        self.takes_eof = True

    @override
    def get_extra_info(self, name: str, default: object = None) -> tuple[str, int] | None:
        return (self.peer, 4711) if self.peer else None

    @override
    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        pass

    @override
    def get_write_buffer_size(self) -> int:
        return self.unsent

    @override
    def write(self, data: bytes | bytearray | memoryview) -> None:
        assert not self.has_eof
        if not self.is_closing():
            self.writes += 1
            self.sent += data

    @override
    def writelines(self, list_of_data: Iterable[bytes | bytearray | memoryview]) -> None:
        self.write(b"".join(list_of_data))

    @override
    def is_closing(self) -> bool:
        return self.is_closed or self.is_aborted

    @override
    def pause_reading(self) -> None:
        self._reads_on = self.is_closing() and self._reads_on

    @override
    def resume_reading(self) -> None:
        self._reads_on = not self.is_closing() or self._reads_on

    @override
    def can_write_eof(self) -> bool:
        return self.takes_eof

    @override
    def write_eof(self) -> None:
        self.has_eof = True

    @override
    def close(self) -> None:
        self.is_closed = True

    @override
    def abort(self) -> None:
        self.is_aborted = True

    def reads_on(self) -> bool:
        """Whether the loop would read."""
        return self._reads_on

    def take(self) -> bytes:
        """Return what was written since the last look."""
        sent = bytes(self.sent)
        self.sent.clear()
        return sent


def deliver(protocol: asyncio.BufferedProtocol, data: bytes) -> None:
    """Let bytes arrive, as a loop would: into the protocol's buffer, then the call."""
    at = 0
    while at < len(data):
        buffer = protocol.get_buffer(-1)
        assert isinstance(buffer, memoryview)
        part = data[at : at + len(buffer)]
        buffer[: len(part)] = part
        protocol.buffer_updated(len(part))
        assert bytes(VIEW[: len(part)]) == bytes(len(part)), "the buffer was not wiped"
        at += len(part)


async def turns(count: int = 4) -> None:
    """Let the loop run what is ready."""
    for _ in range(count):
        await asyncio.sleep(0)


def refuse(status: int, code: str, _head: Head | None) -> tuple[int, Sequence[Header], bytes]:
    """Shape a refusal as plainly as possible."""
    return status, [(b"content-type", b"text/plain")], b"%d %b" % (status, code.encode())


async def echo(arrival: Arrival, sink: Sink) -> None:
    """Answer with method, path and the body."""
    content = await arrival.body()
    head = arrival.head
    sink.answer(200, [], b"%b %b %b" % (head.method.encode(), head.path.encode(), content.open()))


class Line:
    """One connection of a server, without a socket."""

    def __init__(
        self,
        handle: Handler = echo,
        limits: ServerLimits | None = None,
        *,
        peer: str = "127.0.0.1",
        server: Server | None = None,
    ) -> None:
        self.clock = ManualClock()
        self.server = server or Server(handle, limits or ServerLimits(), self.clock, refuse)
        self.transport = LineTransport(peer)
        self.connection = Connection(self.server)
        self.connection.connection_made(self.transport)

    async def send(self, data: bytes) -> bytes:
        """Let bytes arrive; return what was answered."""
        deliver(self.connection, data)
        await turns()
        return self.transport.take()

    async def after(self, ms: int) -> bytes:
        """Let time pass and the sweep look; return what was answered."""
        self.clock.advance(ms)
        self.server.sweep()
        await turns()
        return self.transport.take()

    @property
    def is_gone(self) -> bool:
        """Whether the connection was closed, cut, or only still lingers."""
        return self.transport.is_closing() or self.transport.has_eof


class Listening:
    """A receiver that writes down what it is told."""

    def __init__(self) -> None:
        self.status = 0
        self.headers: dict[bytes, bytes] = {}
        self.pieces: list[bytes] = []
        self.ends: list[str] = []
        self.over = asyncio.Event()

    def head(self, status: int, headers: dict[bytes, bytes]) -> None:
        """Take status and headers."""
        assert not self.status
        assert not self.ends
        self.status = status
        self.headers = headers

    def piece(self, data: bytes) -> None:
        """Take bytes of the body."""
        assert self.status
        assert not self.ends
        self.pieces.append(data)

    def ended(self) -> None:
        """The answer is whole."""
        self.ends.append("ended")
        self.over.set()

    def failed(self, failure: Failure) -> None:
        """The answer is not whole."""
        self.ends.append(failure.value)
        self.over.set()

    @property
    def told(self) -> tuple[int, bytes, list[str]]:
        """Status, the whole body, how it ended."""
        return self.status, b"".join(self.pieces), self.ends
