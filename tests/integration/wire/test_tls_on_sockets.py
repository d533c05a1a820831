"""TLS on real sockets: streams that are cut, readers that are slow, peers that misbehave."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from tests.builders.wire_plane import Listening, echo, refuse
from tests.builders.wire_sockets import (
    Running,
    certificate,
    eventually,
    listening_socket,
    request_head,
    serving,
    upstream,
)
from troth.kernel.clock import ManualClock, SystemClock
from troth.wire import (
    Arrival,
    BodyRefused,
    ClientLimits,
    Deadlines,
    Origin,
    Pool,
    Server,
    ServerLimits,
    Sink,
)
from troth.wire.tls import client_context, server_context

pytestmark = pytest.mark.anyio

GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
POST = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n"
UNTIL_END = b"HTTP/1.1 200 OK\r\n\r\n"
LARGE = bytes(range(256)) * 16_384


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    return certificate(tmp_path_factory.mktemp("tls"))


@pytest.fixture(scope="module")
def calling(pair: tuple[str, str]) -> ssl.SSLContext:
    return client_context("1.2", pair[0])


@pytest.fixture(scope="module")
def serves(pair: tuple[str, str]) -> ssl.SSLContext:
    return server_context(*pair, "1.2")


async def asked(pool: Pool, port: int, body: bytes = b"") -> Listening:
    receiver = Listening()
    head = b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n" % len(body)
    origin = Origin("https", "127.0.0.1", port, "upstream.example")
    pool.send(origin, head, [body], receiver, Deadlines())
    async with asyncio.timeout(10):
        await receiver.over.wait()
    return receiver


async def sizing(arrival: Arrival, sink: Sink) -> None:
    try:
        content = await arrival.body()
    except BodyRefused as refused:
        sink.answer(refused.status, [], refused.code.encode())
    else:
        sink.answer(200, [], b"%d" % content.size)


async def test_large_bodies_pass_both_ways(calling: ssl.SSLContext, serves: ssl.SSLContext) -> None:
    pool = Pool(ClientLimits(), SystemClock(), calling)
    async with serving(tls=serves) as running:
        receiver = await asked(pool, running.port, LARGE)
        assert receiver.told == (200, b"POST / " + LARGE, ["ended"])
        assert pool.connections == 1
        await pool.close()


async def test_an_answer_without_length_is_whole_only_if_its_end_was_said(
    calling: ssl.SSLContext, serves: ssl.SSLContext
) -> None:
    async def say(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await request_head(reader)
        writer.write(UNTIL_END + b"all of it")

    async def cut(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await say(reader, writer)
        await asyncio.sleep(0.05)
        writer.transport.abort()

    pool = Pool(ClientLimits(), SystemClock(), calling)
    for play, end in ((say, "ended"), (cut, "cut")):
        async with upstream(play, serves) as port:
            assert (await asked(pool, port)).told == (200, b"all of it", [end])
    await pool.close()


async def test_a_slow_reader_gets_all_and_holds_up_nobody(
    calling: ssl.SSLContext, serves: ssl.SSLContext
) -> None:
    async def large(_arrival: Arrival, sink: Sink) -> None:
        sink.answer(200, [], LARGE * 4)

    async with serving(large, tls=serves) as running:
        client = await running.open(calling)
        client.stop_reading()
        client.writer.write(GET)
        await asyncio.sleep(0.1)
        client.read_on()
        head = await client.until(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200 OK")
        async with asyncio.timeout(10):
            assert await client.reader.readexactly(len(LARGE) * 4) == LARGE * 4
        await client.close()


async def test_a_reader_that_takes_nothing_is_cut(
    calling: ssl.SSLContext, serves: ssl.SSLContext
) -> None:
    async def large(_arrival: Arrival, sink: Sink) -> None:
        sink.answer(200, [], LARGE * 8)

    clock = ManualClock()
    async with serving(large, clock=clock, tls=serves) as running:
        client = await running.open(calling)
        client.stop_reading()
        client.writer.write(GET)
        await asyncio.sleep(0.1)
        running.server.sweep()
        clock.advance(60_000)
        running.server.sweep()
        clock.advance(60_000)
        running.server.sweep()
        await eventually(lambda: running.server.connections == 0)
        await client.close()


async def test_a_refused_client_reads_why_even_while_it_sends(
    calling: ssl.SSLContext, serves: ssl.SSLContext
) -> None:
    async with serving(sizing, tls=serves) as running:
        client = await running.open(calling)
        client.writer.write(POST % 40_000_000)
        for _ in range(20):
            client.writer.write(bytes(100_000))
        answer = await client.rest()
        assert answer.startswith(b"HTTP/1.1 413 ")
        await client.close()


async def test_a_handshake_that_does_not_come_is_cut(serves: ssl.SSLContext) -> None:
    clock = ManualClock()
    async with serving(clock=clock, tls=serves) as running:
        client = await running.open()
        await eventually(lambda: running.server.connections == 1)
        clock.advance(9_999)
        running.server.sweep()
        assert running.server.connections == 1
        clock.advance(1)
        running.server.sweep()
        assert await client.rest() == b""
        await eventually(lambda: running.server.connections == 0)
        await client.close()


async def test_who_is_too_many_is_told_so(calling: ssl.SSLContext, serves: ssl.SSLContext) -> None:
    async with serving(limits=ServerLimits(connections=1), tls=serves) as running:
        first = await running.open(calling)
        assert (await first.ask(GET)).endswith(b"GET / ")
        second = await running.open(calling)
        assert (await second.rest()).startswith(b"HTTP/1.1 503 ")
        await second.close()
        await first.close()


async def test_plain_http_on_a_tls_port_is_refused(serves: ssl.SSLContext) -> None:
    async with serving(tls=serves) as running:
        assert await running.talk(GET) == b""


async def test_a_draining_server_ends_connections_in_order(
    calling: ssl.SSLContext, serves: ssl.SSLContext
) -> None:
    server = Server(echo, ServerLimits(), SystemClock(), refuse, tls=serves)
    sock = listening_socket()
    port = sock.getsockname()[1]
    await server.start(sock)
    running = Running(server, port)
    idle = await running.open(calling)
    waits = await running.open()
    await eventually(lambda: server.connections == 2)
    assert await server.drain(1) == 0
    assert await idle.rest() == b""  # an end that was said; a cut one raises
    assert await waits.rest() == b""
    for client in (idle, waits):
        await client.close()
    server.close()
    await eventually(lambda: server.connections == 0)


@asynccontextmanager
async def by_hand(port: int, *arguments: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """Talk to a server by the TLS program's own hand, which takes commands."""
    process = await asyncio.create_subprocess_exec(
        *("openssl", "s_client", "-connect", f"127.0.0.1:{port}", *arguments),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def typed(process: asyncio.subprocess.Process, text: bytes) -> bytes:
    """Type; return what comes until an answer's end, or all there is."""
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(text)
    try:
        async with asyncio.timeout(5):
            return await process.stdout.readuntil(b"GET / ")
    except asyncio.IncompleteReadError as ended:
        return ended.partial


async def test_a_peer_may_change_its_keys(serves: ssl.SSLContext) -> None:
    async with serving(tls=serves) as running, by_hand(running.port, "-tls1_3") as process:
        assert b"HTTP/1.1 200 OK" in await typed(process, GET)
        assert process.stdin is not None
        for command in (b"k\n", b"K\n", b"K\n"):
            process.stdin.write(command)
            await asyncio.sleep(0.05)
            assert b"HTTP/1.1 200 OK" in await typed(process, GET)


async def test_a_peer_may_not_negotiate_again(serves: ssl.SSLContext) -> None:
    async with serving(tls=serves) as running, by_hand(running.port, "-tls1_2") as process:
        assert b"HTTP/1.1 200 OK" in await typed(process, GET)
        assert process.stdin is not None
        process.stdin.write(b"R\n")
        assert process.stdout is not None
        async with asyncio.timeout(5):
            assert b"HTTP/" not in await process.stdout.read()
        await eventually(lambda: running.server.connections == 0)
