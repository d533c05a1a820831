"""The listening side on real sockets."""

import asyncio
import socket
from itertools import pairwise

import pytest

from tests.builders.wire_plane import refuse
from tests.builders.wire_sockets import Running, eventually, listening_socket, serving
from troth.kernel.clock import ManualClock, SystemClock
from troth.wire import Arrival, BodyRefused, Server, ServerLimits, Sink
from troth.wire.starts import AT_ONCE

pytestmark = pytest.mark.anyio

GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
CLOSING = b"GET /last HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
ANSWER = b"HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nGET / "
POST = b"POST / HTTP/1.1\r\nHost: x\r\n"


async def sizing(arrival: Arrival, sink: Sink) -> None:
    try:
        content = await arrival.body()
    except BodyRefused as refused:
        sink.answer(refused.status, [], refused.code.encode())
    else:
        sink.answer(200, [], b"%d" % content.size)


async def test_requests_follow_each_other_on_one_connection() -> None:
    async with serving() as running:
        client = await running.open()
        for _ in range(3):
            assert await client.ask(GET) == ANSWER
        client.writer.write(GET * 20)
        for _ in range(20):
            assert await client.ask(b"") == ANSWER
        assert running.server.connections == 1
        await client.close()
        await eventually(lambda: running.server.connections == 0)


async def test_large_bodies_pass() -> None:
    size = 20_000_000
    async with serving(sizing) as running:
        client = await running.open()
        head = POST + b"Content-Length: %d\r\n\r\n" % size
        assert (await client.ask(head + bytes(size))).endswith(b"\r\n\r\n20000000")
        client.writer.write(POST + b"Transfer-Encoding: chunked\r\n\r\n")
        chunk = b"186a0\r\n" + bytes(100_000) + b"\r\n"
        for _ in range(200):
            client.writer.write(chunk)
        assert (await client.ask(b"0\r\n\r\n")).endswith(b"\r\n\r\n20000000")
        await client.close()


async def test_a_refused_client_reads_why_even_while_it_sends() -> None:
    async with serving(sizing) as running:
        head = POST + b"Content-Length: 40000000\r\n\r\n"
        client = await running.open()
        client.writer.write(head + bytes(20_000_000))
        answer = await client.rest()
        assert answer.startswith(b"HTTP/1.1 413 ")
        assert answer.endswith(b"413 request_too_large")
        await client.close()


async def test_a_client_that_stops_sending_is_answered_if_its_answer_is_ready() -> None:
    async with serving() as running:
        client = await running.open()
        client.writer.write(GET)
        client.writer.write_eof()
        assert await client.rest() == ANSWER
        await client.close()


async def test_a_client_that_stops_sending_has_left_an_answer_that_takes_time() -> None:
    left = asyncio.Event()

    async def wait(arrival: Arrival, sink: Sink) -> None:
        sink.begin(200, [])
        sink.write(b"first")
        arrival.on_client_left(left.set)
        await left.wait()

    async with serving(wait) as running:
        client = await running.open()
        client.writer.write(GET)
        assert await client.until(b"first\r\n")
        client.writer.write_eof()
        async with asyncio.timeout(5):
            await left.wait()
        assert await client.rest() == b""
        await client.close()


@pytest.mark.parametrize(
    "request_bytes",
    [
        POST + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        POST + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
        POST + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
        POST + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello0\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET http://x/ HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET / HTTP/1.1\nHost: x\n\n",
    ],
)
async def test_nothing_smuggled_is_served(request_bytes: bytes) -> None:
    async with serving(sizing) as running:
        answer = await running.talk(request_bytes + GET + CLOSING)
        assert answer.count(b"HTTP/1.1 ") == 1
        assert answer.startswith(b"HTTP/1.1 400 ")


async def test_continue_is_sent_once_the_body_is_wanted() -> None:
    async with serving(sizing) as running:
        client = await running.open()
        head = POST + b"Content-Length: 5\r\nExpect: 100-continue\r\n\r\n"
        client.writer.write(head)
        assert await client.until(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        assert (await client.ask(b"hello")).endswith(b"\r\n\r\n5")
        await client.close()


async def test_a_client_that_hangs_up_is_noticed() -> None:
    left = asyncio.Event()

    async def waiting(arrival: Arrival, _sink: Sink) -> None:
        arrival.on_client_left(left.set)
        await left.wait()

    async with serving(waiting) as running:
        client = await running.open()
        client.writer.write(GET)
        await eventually(lambda: running.server.in_flight == 1)
        await client.close()
        async with asyncio.timeout(5):
            await left.wait()


async def test_a_slow_reader_holds_back_the_stream() -> None:
    paused = asyncio.Event()
    resumed = asyncio.Event()
    written = 0

    async def streaming(_arrival: Arrival, sink: Sink) -> None:
        nonlocal written
        sink.on_drain(paused.set, resumed.set)
        sink.begin(200, [])
        while not paused.is_set():
            sink.write(b"a" * 65_536)
            written += 65_536
            await asyncio.sleep(0)
        await resumed.wait()
        sink.finish()

    async with serving(streaming) as running:
        client = await running.open()
        client.stop_reading()
        client.writer.write(GET[:-2] + b"Connection: close\r\n\r\n")
        async with asyncio.timeout(10):
            await paused.wait()
        assert written < 50_000_000
        assert not resumed.is_set()
        client.read_on()
        answer = await client.rest()
        assert answer.endswith(b"0\r\n\r\n")
        assert answer.count(b"a") > written
        await client.close()


async def test_deadlines_hold_without_waiting_for_them() -> None:
    clock = ManualClock()
    async with serving(sizing, clock=clock) as running:
        slow, silent, idle = [await running.open() for _ in range(3)]
        slow.writer.write(b"GET / HT")
        silent.writer.write(POST + b"Content-Length: 5\r\n\r\nhe")
        await idle.ask(GET)
        await eventually(lambda: running.server.in_flight == 1)
        await asyncio.sleep(0.05)
        clock.advance(15_000)
        running.server.sweep()
        assert (await slow.rest()).startswith(b"HTTP/1.1 408 ")
        assert (await silent.rest()).startswith(b"HTTP/1.1 408 ")
        assert running.server.connections >= 1
        clock.advance(60_000)
        running.server.sweep()
        assert await idle.rest() == b""
        for client in (slow, silent, idle):
            await client.close()


async def test_the_sweep_runs_by_itself() -> None:
    limits = ServerLimits(headers_ms=200)
    async with serving(limits=limits) as running:
        client = await running.open()
        client.writer.write(b"GET")
        assert (await client.rest()).startswith(b"HTTP/1.1 408 ")
        await client.close()


async def test_draining_finishes_what_runs_and_closes_what_idles() -> None:
    gate = asyncio.Event()

    async def waiting(_arrival: Arrival, sink: Sink) -> None:
        await gate.wait()
        sink.answer(200, [], b"done")

    async with serving(waiting) as running:
        server = running.server
        assert await server.drain(1) == 0
    async with serving(waiting) as running:
        server = running.server
        idle, busy = [await running.open() for _ in range(2)]
        busy.writer.write(GET + GET)
        await eventually(lambda: server.in_flight == 1 and server.connections == 2)
        assert await server.drain(0.01) == 1
        assert await idle.rest() == b""
        draining = asyncio.create_task(server.drain(10))
        await asyncio.sleep(0.01)
        gate.set()
        assert await draining == 0
        answer = await busy.rest()
        assert answer.count(b"HTTP/1.1 200 OK") == 1
        assert b"connection: close" in answer
        for client in (idle, busy):
            await client.close()
        with pytest.raises(OSError, match=r".*"):
            await running.open()


async def test_a_server_that_never_started_may_be_closed() -> None:
    server = Server(sizing, ServerLimits(), SystemClock(), refuse)
    assert await server.drain(1) == 0
    server.close()


async def test_closing_cuts_what_runs() -> None:
    left: list[bool] = []

    async def waiting(arrival: Arrival, _sink: Sink) -> None:
        over = asyncio.Event()
        arrival.on_client_left(over.set)
        await over.wait()
        left.append(arrival.client_left)

    async with serving(waiting) as running:
        client = await running.open()
        client.writer.write(GET)
        await eventually(lambda: running.server.in_flight == 1)
        running.server.close()
        await eventually(lambda: left == [True])
        assert await client.rest() == b""
        await client.close()


async def test_any_host_is_served_on_loopback_and_only_ours_elsewhere() -> None:
    limits = ServerLimits(hosts=frozenset(("api.example",)))
    async with serving(limits=limits) as running:
        assert (await running.talk(CLOSING)).startswith(b"HTTP/1.1 200 ")
    server = Server(sizing, limits, SystemClock(), refuse)
    sock = listening_socket("0.0.0.0")  # noqa: S104 - all addresses is what is tested
    port = sock.getsockname()[1]
    await server.start(sock)
    running = Running(server, port)
    assert (await running.talk(CLOSING)).startswith(b"HTTP/1.1 400 ")
    ours = CLOSING.replace(b"Host: x", b"Host: api.example:80")
    assert (await running.talk(ours)).startswith(b"HTTP/1.1 200 ")
    server.close()
    await eventually(lambda: server.connections == 0)


async def test_a_socket_file_may_be_listened_on(tmp_path: object) -> None:
    server = Server(sizing, ServerLimits(), SystemClock(), refuse)
    sock = socket.socket(socket.AF_UNIX)
    sock.bind(f"{tmp_path}/s")
    await server.start(sock)
    reader, writer = await asyncio.open_unix_connection(f"{tmp_path}/s")
    writer.write(CLOSING)
    assert (await reader.read()).startswith(b"HTTP/1.1 200 ")
    writer.close()
    server.close()
    await eventually(lambda: server.connections == 0)


async def test_a_connection_that_was_accepted_is_served_after_the_listener_closed() -> None:
    async with serving() as running:
        client = await running.open()
        await eventually(lambda: running.server.connections == 1)
        running.server.close_listener()
        assert b"connection: close" in await client.ask(GET)
        await client.close()


async def test_sockets_are_looked_at_between_two_requests_that_begin() -> None:
    begun = 0
    seen: list[int] = []
    gate = asyncio.Event()
    near, far = socket.socketpair()
    near.settimeout(0)

    async def handle(_arrival: Arrival, sink: Sink) -> None:
        nonlocal begun
        begun += 1
        far.send(b"x")
        await gate.wait()
        sink.answer(200, [])

    def look() -> None:
        near.recv(1_000)
        seen.append(begun)

    with near, far:
        async with serving(handle) as running:
            clients = [await running.open() for _ in range(AT_ONCE + 40)]
            asyncio.get_running_loop().add_reader(near, look)
            for client in clients:
                client.writer.write(GET)
            await eventually(lambda: begun == len(clients))
            await eventually(lambda: seen[-1] == len(clients))
            asyncio.get_running_loop().remove_reader(near)
            gate.set()
            for client in clients:
                await client.close()
    in_turns = [count for count in seen if count >= AT_ONCE]
    assert in_turns[-1] == AT_ONCE + 40
    assert max(after - before for before, after in pairwise(in_turns)) <= 2
