"""A process that relays requests to an upstream with nothing but the wire; for memory searches.

Takes the upstream's port, the name of a loop and, for TLS, a certificate and its key; prints the
port it listens on. Ends with its standard input.
"""

import asyncio
import gc
import sys

import uvloop
from typing_extensions import override

from tests.builders.wire_plane import Listening, refuse
from tests.builders.wire_sockets import listening_socket
from troth.kernel.clock import SystemClock
from troth.wire import (
    Arrival,
    ClientLimits,
    Deadlines,
    Origin,
    Pool,
    Server,
    ServerLimits,
    Sink,
    Splitter,
)
from troth.wire.tls import client_context, server_context


class Relay(Listening):
    """Writes each event of the answer to the client."""

    def __init__(self, sink: Sink) -> None:
        super().__init__()
        self._sink = sink
        self._splitter = Splitter()

    @override
    def head(self, status: int, headers: dict[bytes, bytes]) -> None:
        self._sink.begin(status, [(b"content-type", b"text/event-stream")])

    @override
    def piece(self, data: bytes) -> None:
        for event in self._splitter.feed(data):
            self._sink.write(b"data: %b\n\n" % event.data)


async def relaying(upstream_port: int, pair: tuple[str, str] | None) -> None:
    """Relay until standard input ends; with a certificate and its key, over TLS both ways."""
    gc.disable()  # what needs a collection to be freed is residue
    listening = server_context(*pair, "1.3") if pair is not None else None
    calling = client_context("1.3", pair[0]) if pair is not None else None
    pool = Pool(ClientLimits(), SystemClock(), calling)
    scheme = "http" if pair is None else "https"
    origin = Origin(scheme, "127.0.0.1", upstream_port, "upstream.example")

    async def handle(arrival: Arrival, sink: Sink) -> None:
        content = await arrival.body()
        relay = Relay(sink)
        head = b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n" % content.size
        call = pool.send(origin, head, [content.open()], relay, Deadlines())

        def left() -> None:
            call.close()
            relay.over.set()

        arrival.on_client_left(left)
        await relay.over.wait()
        content.release()
        sink.finish(b"data: [DONE]\n\n")

    server = Server(handle, ServerLimits(), SystemClock(), refuse, tls=listening)
    sock = listening_socket()
    port = sock.getsockname()[1]
    await server.start(sock)
    sys.stdout.write(f"{port}\n")
    sys.stdout.flush()
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    server.close()
    await pool.close()


def main() -> None:
    """Run on the loop that is named."""
    pair = (sys.argv[3], sys.argv[4]) if len(sys.argv) > 3 else None
    run = relaying(int(sys.argv[1]), pair)
    if sys.argv[2] == "uvloop":
        uvloop.run(run)
    else:
        asyncio.run(run)


if __name__ == "__main__":
    main()
