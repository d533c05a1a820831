"""TLS without sockets: two sides whose bytes pass by hand, in any pieces."""

import asyncio
import ssl
from collections.abc import Iterable

from typing_extensions import override

from tests.builders.wire_plane import LineTransport
from troth.kernel.clock import ManualClock
from troth.wire.handshake import Arriving, Calling
from troth.wire.roles import Accepted
from troth.wire.secured import Secured
from troth.wire.shared_buffer import VIEW, ZEROS

NAME = "upstream.example"


class Inner(asyncio.BufferedProtocol):
    """What stands behind TLS: writes down what it is told."""

    def __init__(self) -> None:
        self.told: list[str] = []
        self.pieces: list[bytes] = []
        self.lost: Exception | None = None
        self.reads = -1  # pieces until it pauses

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, Secured)
        self.transport = transport
        self.told.append("made")

    @override
    def get_buffer(self, sizehint: int) -> memoryview:
        return VIEW

    @override
    def buffer_updated(self, nbytes: int) -> None:
        self.pieces.append(bytes(VIEW[:nbytes]))
        VIEW[:nbytes] = ZEROS[:nbytes]
        self.reads -= 1
        if not self.reads:
            self.transport.pause_reading()

    @override
    def eof_received(self) -> None:
        self.told.append("ended")

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        self.lost = exc
        self.told.append("lost")

    @override
    def pause_writing(self) -> None:
        self.told.append("full")

    @override
    def resume_writing(self) -> None:
        self.told.append("drained")

    @property
    def text(self) -> bytes:
        """All that came."""
        return b"".join(self.pieces)


class TlsLine(LineTransport):
    """A transport that hands its protocol over, and is full from `most` bytes on."""

    def __init__(self, protocol: asyncio.BufferedProtocol, most: int = 1 << 40) -> None:
        super().__init__()
        self.protocol = protocol
        self.most = most
        self.is_full = False

    @override
    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        assert isinstance(protocol, asyncio.BufferedProtocol)
        self.protocol = protocol

    @override
    def get_write_buffer_size(self) -> int:
        return len(self.sent)

    @override
    def write(self, data: bytes | bytearray | memoryview) -> None:
        super().write(data)
        if len(self.sent) > self.most and not self.is_full:
            self.is_full = True
            self.protocol.pause_writing()

    @override
    def writelines(self, list_of_data: Iterable[bytes | bytearray | memoryview]) -> None:
        self.write(b"".join(list_of_data))

    @override
    def take(self) -> bytes:
        """Return what was written, as the kernel would take it."""
        sent = super().take()
        if self.is_full:
            self.is_full = False
            self.protocol.resume_writing()
        return sent

    def bring(self, data: bytes) -> None:
        """Let bytes arrive, all at once where the buffer has room."""
        at = 0
        while at < len(data) and not self.is_closing():
            buffer = self.protocol.get_buffer(-1)
            assert isinstance(buffer, memoryview)
            part = data[at : at + len(buffer)]
            buffer[: len(part)] = part
            self.protocol.buffer_updated(len(part))
            at += len(part)
            assert VIEW[: len(part)] == ZEROS[: len(part)], "plain bytes stayed behind"

    def end(self) -> None:
        """Let the other side close its socket, as a loop would tell it."""
        self.protocol.eof_received()
        self.close()
        self.protocol.connection_lost(None)
        self.protocol = asyncio.BufferedProtocol()


class TlsDoors:
    """Counts who arrives."""

    def __init__(self) -> None:
        self.now_ns = ManualClock().monotonic_ns()
        self.inside: set[Accepted] = set()

    def welcome(self, connection: Accepted) -> bool:
        """Count one."""
        self.inside.add(connection)
        return True

    def farewell(self, connection: Accepted) -> None:
        """Forget one."""
        self.inside.remove(connection)


class TlsPair:
    """Both sides of one connection, before their handshake."""

    def __init__(self, serving: ssl.SSLContext, calling: ssl.SSLContext, name: str = NAME) -> None:
        self.doors = TlsDoors()
        self.inners = first, second = Inner(), Inner()
        self.caller = Calling(calling, name, lambda: first)
        self.server = Arriving(serving, self.doors, 10_000, lambda: second)
        self.lines = TlsLine(self.caller), TlsLine(self.server)
        self.server.connection_made(self.lines[1])
        self.caller.connection_made(self.lines[0])

    def pass_on(self, sizes: Iterable[int] = ()) -> None:
        """Carry bytes to and fro, in pieces of these sizes, until there are no more."""
        steps = iter(sizes)
        while self.lines[0].sent or self.lines[1].sent:
            for here, there in (self.lines, self.lines[::-1]):
                sent = here.take()
                at = 0
                while at < len(sent):
                    size = next(steps, len(sent))
                    there.bring(sent[at : at + size])
                    at += size

    @property
    def calling(self) -> Secured:
        """The caller's transport."""
        return self.inners[0].transport

    @property
    def serving(self) -> Secured:
        """The server's."""
        return self.inners[1].transport
