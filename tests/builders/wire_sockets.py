"""The wire on real sockets of the loopback: a server under test, raw clients, played upstreams."""

import asyncio
import socket
import ssl
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import cast

from tests.builders.wire_plane import echo, refuse
from troth.kernel.clock import Clock, SystemClock
from troth.wire import Handler, Server, ServerLimits

PATIENCE_SECONDS = 10
Play = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def listening_socket(host: str = "127.0.0.1", port: int = 0) -> socket.socket:
    """Return a bound socket with an ephemeral port, or with one that was used before."""
    sock = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
    if port:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind((host, port))
    return sock


class Running:
    """A started server."""

    def __init__(self, server: Server, port: int) -> None:
        self.server = server
        self.port = port

    async def open(self, tls: ssl.SSLContext | None = None) -> "RawClient":
        """Return a client that speaks bytes."""
        name = "upstream.example" if tls is not None else None
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", self.port, ssl=tls, server_hostname=name, limit=1 << 26
        )
        return RawClient(reader, writer)

    async def talk(self, data: bytes) -> bytes:
        """Send bytes on a new connection; return all until the server closes it."""
        client = await self.open()
        client.writer.write(data)
        answer = await client.rest()
        await client.close()
        return answer


class RawClient:
    """One raw connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def ask(self, data: bytes) -> bytes:
        """Send bytes; return one answer, which has a length."""
        self.writer.write(data)
        head = await self.until(b"\r\n\r\n")
        size = int(head.partition(b"content-length: ")[2].partition(b"\r")[0])
        async with asyncio.timeout(PATIENCE_SECONDS):
            return head + await self.reader.readexactly(size)

    async def until(self, mark: bytes) -> bytes:
        """Return what comes, up to `mark`."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            return await self.reader.readuntil(mark)

    async def rest(self) -> bytes:
        """Return what comes until the end; a reset is an end."""
        parts: list[bytes] = []
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                while part := await self.reader.read(1 << 16):
                    parts.append(part)
        except ConnectionError:
            pass
        return b"".join(parts)

    def stop_reading(self) -> None:
        """Let what comes pile up."""
        self._transport().pause_reading()

    def read_on(self) -> None:
        """Take what piled up."""
        self._transport().resume_reading()

    def _transport(self) -> asyncio.Transport:
        return cast("asyncio.Transport", self.writer.transport)

    async def close(self) -> None:
        """Hang up."""
        self.writer.close()
        with suppress(ConnectionError, ssl.SSLError):
            await self.writer.wait_closed()


@asynccontextmanager
async def serving(
    handle: Handler = echo,
    limits: ServerLimits | None = None,
    clock: Clock | None = None,
    *,
    tls: ssl.SSLContext | None = None,
    port: int = 0,
) -> AsyncIterator[Running]:
    """Run a server for the time of a test; on `port` if it is given."""
    server = Server(handle, limits or ServerLimits(), clock or SystemClock(), refuse, tls=tls)
    sock = listening_socket(port=port)
    port = sock.getsockname()[1]
    await server.start(sock)
    try:
        yield Running(server, port)
    finally:
        server.close()
        await eventually(lambda: server.connections == 0 and server.in_flight == 0)


@asynccontextmanager
async def upstream(play: Play, tls: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    """Run a played upstream; yields its port."""
    writers: list[asyncio.StreamWriter] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        try:
            await play(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for writer in writers:
            writer.transport.abort()
        await asyncio.sleep(0)


async def request_head(reader: asyncio.StreamReader) -> bytes:
    """Read one request's head."""
    return await reader.readuntil(b"\r\n\r\n")


async def eventually(holds: Callable[[], bool]) -> None:
    """Wait, within bounds, until something holds."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not holds():  # noqa: ASYNC110 - nobody tells when a kernel has delivered
            await asyncio.sleep(0.001)


def certificate(folder: Path, name: str = "upstream.example") -> tuple[str, str]:
    """Make a certificate for `name` that signs itself; return its path and its key's."""
    paths = str(folder / "certificate.pem"), str(folder / "key.pem")
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt"]
    command += ["ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj", f"/CN={name}"]
    command += ["-addext", f"subjectAltName=DNS:{name}", "-out", paths[0], "-keyout", paths[1]]
    subprocess.run(command, check=True, capture_output=True)
    return paths
