"""Connections to an upstream begin with the ticket of an earlier one, for an hour."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from typing_extensions import override

from tests.builders.wire_plane import Listening, echo
from tests.builders.wire_sockets import Running, certificate, eventually, serving
from troth.kernel.clock import ManualClock
from troth.wire import Arrival, ClientLimits, Deadlines, Failure, Origin, Pool, Sink
from troth.wire.tickets import KEPT_NS
from troth.wire.tls import client_context, server_context

pytestmark = pytest.mark.anyio

HEAD = b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\n\r\n"
HOUR_MS = KEPT_NS // 1_000_000
NAME = "upstream.example"


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    return certificate(tmp_path_factory.mktemp("tickets"))


class Resuming:
    """A pool, and a server over TLS that tells of each connection whether it was resumed."""

    def __init__(self, running: Running, pool: Pool, clock: ManualClock) -> None:
        self.running = running
        self.pool = pool
        self.clock = clock

    async def call(self, name: str = NAME) -> bytes:
        """Return what the server told of the connection, or why there was none."""
        receiver = Listening()
        origin = Origin("https", "127.0.0.1", self.running.port, name)
        self.pool.send(origin, HEAD, [b"hello"], receiver, Deadlines())
        async with asyncio.timeout(10):
            await receiver.over.wait()
        return receiver.told[1] or receiver.ends[0].encode()

    async def hang_up(self) -> None:
        """Let the kept connections go."""
        self.clock.advance(ClientLimits().idle_ms)
        self.pool.sweep()
        await eventually(lambda: self.pool.connections == 0)


@asynccontextmanager
async def resuming(
    pair: tuple[str, str], calling: ssl.SSLContext | None = None
) -> AsyncIterator[Resuming]:
    """Run both for the time of a test."""
    clock = ManualClock()
    accepted: list[ssl.SSLObject] = []

    class Noting(ssl.SSLObject):
        @override
        def do_handshake(self) -> None:
            super().do_handshake()
            accepted.append(self)

    async def tell(_arrival: Arrival, sink: Sink) -> None:
        sink.answer(200, [], b"resumed" if accepted[-1].session_reused else b"whole")

    serves = server_context(*pair, "1.2")
    serves.sslobject_class = Noting
    pool = Pool(ClientLimits(), clock, calling or client_context("1.2", pair[0]))
    async with serving(tell, tls=serves) as running:
        yield Resuming(running, pool, clock)
        await pool.close()
        await eventually(lambda: pool.connections == 0)


async def test_the_second_connection_is_resumed(pair: tuple[str, str]) -> None:
    async with resuming(pair) as both:
        assert await both.call() == b"whole"
        await both.hang_up()
        assert await both.call() == b"resumed"
        await both.hang_up()
        assert await both.call() == b"resumed"


async def test_a_certificate_is_verified_every_hour(pair: tuple[str, str]) -> None:
    async with resuming(pair) as both:
        assert await both.call() == b"whole"
        await both.hang_up()
        both.clock.advance(HOUR_MS // 2)
        assert await both.call() == b"resumed"
        await both.hang_up()
        both.clock.advance(HOUR_MS // 2)
        assert await both.call() == b"whole"
        await both.hang_up()
        assert await both.call() == b"resumed"


async def test_the_older_protocol_is_not_resumed(pair: tuple[str, str]) -> None:
    older = client_context("1.2", pair[0])
    older.maximum_version = ssl.TLSVersion.TLSv1_2
    async with resuming(pair, older) as both:
        for _ in range(2):
            assert await both.call() == b"whole"
            await both.hang_up()


async def test_a_ticket_is_for_one_name(pair: tuple[str, str]) -> None:
    async with resuming(pair) as both:
        assert await both.call() == b"whole"
        await both.hang_up()
        assert await both.call("other.example") == Failure.TLS.value.encode()
        assert await both.call() == b"resumed"


async def test_an_upstream_that_forgot_its_tickets_is_called_all_the_same(
    pair: tuple[str, str],
) -> None:
    pool = Pool(ClientLimits(), ManualClock(), client_context("1.2", pair[0]))
    port = 0
    for _ in range(2):
        async with serving(echo, tls=server_context(*pair, "1.2"), port=port) as running:
            port = running.port
            receiver = Listening()
            origin = Origin("https", "127.0.0.1", port, NAME)
            pool.send(origin, HEAD, [b"hello"], receiver, Deadlines())
            async with asyncio.timeout(10):
                await receiver.over.wait()
            assert receiver.told == (200, b"POST / hello", ["ended"])
        await eventually(lambda: pool.connections == 0)
    await pool.close()
