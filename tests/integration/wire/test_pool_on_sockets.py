"""The answering side on real sockets: connections, kept ones, deadlines, names, back pressure."""

import asyncio
import socket

import pytest
from typing_extensions import override

from tests.builders.wire_plane import Listening
from tests.builders.wire_sockets import (
    eventually,
    listening_socket,
    request_head,
    serving,
    upstream,
)
from troth.kernel.clock import ManualClock, SystemClock
from troth.wire import Arrival, Call, ClientLimits, Deadlines, Origin, Pool, Sink

pytestmark = pytest.mark.anyio

HEAD = b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello"


def origin(port: int, host: str = "127.0.0.1") -> Origin:
    return Origin("http", host, port, "upstream.example")


async def told(pool: Pool, to: Origin, **deadlines: int) -> Listening:
    receiver = Listening()
    pool.send(to, HEAD, [b"hello"], receiver, Deadlines(**deadlines))
    async with asyncio.timeout(10):
        await receiver.over.wait()
    return receiver


async def answering(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while True:
        await request_head(reader)
        await reader.readexactly(5)
        writer.write(OK)


async def test_calls_share_a_kept_connection() -> None:
    pool = Pool(ClientLimits(), SystemClock())
    async with upstream(answering) as port:
        for _ in range(5):
            assert (await told(pool, origin(port))).told == (200, b"hello", ["ended"])
        assert (pool.connections, pool.in_flight) == (1, 0)
        await asyncio.gather(*(told(pool, origin(port)) for _ in range(5)))
        assert pool.connections == 5
        await pool.close()
        await eventually(lambda: pool.connections == 0)


async def test_an_upstream_that_closes_kept_connections_costs_no_call() -> None:
    async def once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await request_head(reader)
        await reader.readexactly(5)
        writer.write(OK)
        await request_head(reader)  # then it closes without a word

    pool = Pool(ClientLimits(), SystemClock())
    async with upstream(once) as port:
        for _ in range(6):
            assert (await told(pool, origin(port))).ends == ["ended"]
        await pool.close()


async def test_nobody_listens() -> None:
    sock = listening_socket()
    port = sock.getsockname()[1]
    sock.close()
    pool = Pool(ClientLimits(), SystemClock())
    assert (await told(pool, origin(port))).ends == ["connect"]
    await eventually(lambda: pool.connections == 0)
    await pool.close()


async def test_a_socket_that_never_accepts_runs_into_the_deadline() -> None:
    full = socket.socket()
    full.bind(("127.0.0.1", 0))
    full.listen(0)
    fillers = [socket.socket() for _ in range(3)]
    for filler in fillers:
        filler.setblocking(False)  # noqa: FBT003 - the socket's own signature
        filler.connect_ex(full.getsockname())
    clock = ManualClock()
    pool = Pool(ClientLimits(), clock)
    receiver = Listening()
    pool.send(origin(full.getsockname()[1]), HEAD, [b"hello"], receiver, Deadlines())
    await asyncio.sleep(0.05)
    assert receiver.ends == []
    clock.advance(3_000)
    pool.sweep()
    assert receiver.ends == ["connect_timeout"]
    await pool.close()
    assert pool.connections == 0
    for sock in (*fillers, full):
        sock.close()


async def test_an_upstream_that_closes_at_once_fails_the_call() -> None:
    async def closing(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.transport.abort()

    pool = Pool(ClientLimits(), SystemClock())
    async with upstream(closing) as port:
        for receiver in await asyncio.gather(*(told(pool, origin(port)) for _ in range(50))):
            assert receiver.ends == ["reset"]
        await eventually(lambda: pool.connections == 0)
        await pool.close()


async def test_calls_closed_while_they_connect_leave_nothing() -> None:
    pool = Pool(ClientLimits(), SystemClock())
    async with upstream(answering) as port:
        for turns in range(12):
            calls = [
                pool.send(origin(port), HEAD, [b"hello"], Listening(), Deadlines())
                for _ in range(3)
            ]
            for _ in range(turns):
                await asyncio.sleep(0)
            for call in calls:
                call.close()
            await eventually(lambda: not pool.in_flight and pool.connections <= 3)
        assert (await told(pool, origin(port))).ends == ["ended"]
        await pool.close()


async def test_the_sweep_runs_by_itself() -> None:
    async def silent(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        await reader.read()

    pool = Pool(ClientLimits(), SystemClock())
    async with upstream(silent) as port:
        assert (await told(pool, origin(port), first_byte_ms=100)).ends == ["first_byte_timeout"]
        await pool.close()


async def test_a_closed_call_closes_its_connection_at_once() -> None:
    closed = asyncio.Event()

    async def streaming(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await request_head(reader)
        writer.write(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\na\r\n")
        try:
            await reader.readexactly(5)
            await reader.read()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        closed.set()

    pool = Pool(ClientLimits(), SystemClock())
    async with upstream(streaming) as port:
        receiver = Listening()
        call = pool.send(origin(port), HEAD, [b"hello"], receiver, Deadlines())
        await eventually(lambda: receiver.pieces == [b"a"])
        call.close()
        async with asyncio.timeout(5):
            await closed.wait()
        assert receiver.ends == []
        await pool.close()


async def test_a_paused_call_holds_back_the_upstream() -> None:
    sent = 0
    finished = False

    async def flooding(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sent, finished
        await request_head(reader)
        writer.write(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
        for _ in range(1_000):
            writer.write(b"10000\r\n" + bytes(65_536) + b"\r\n")
            await writer.drain()
            sent += 65_536
        writer.write(b"0\r\n\r\n")
        finished = True
        await reader.read()

    pool = Pool(ClientLimits(), SystemClock())
    async with upstream(flooding) as port:
        receiver = Listening()
        call = pool.send(origin(port), HEAD, [b"hello"], receiver, Deadlines())
        await eventually(lambda: bool(receiver.pieces))
        call.pause()
        before = -1
        while before != sent:  # until what lies between is full
            before = sent
            await asyncio.sleep(0.2)
        assert not finished
        call.resume()
        async with asyncio.timeout(20):
            await receiver.over.wait()
        assert sum(map(len, receiver.pieces)) == 65_536_000
        await pool.close()


async def test_names_are_resolved_and_addresses_tried_in_turn() -> None:
    pool = Pool(ClientLimits(), SystemClock())
    async with upstream(answering) as port:
        receiver = await told(pool, origin(port, "localhost"))
        assert receiver.ends == ["ended"]
        await pool.close()


async def test_an_unknown_name_fails() -> None:
    pool = Pool(ClientLimits(), SystemClock())
    assert (await told(pool, origin(1, "nowhere.invalid"))).ends == ["resolve"]
    await pool.close()


async def test_a_stream_is_relayed_piece_by_piece() -> None:
    """What the gateway does with both sides, without the gateway."""
    events = [b"data: %d\n\n" % number for number in range(50)]

    async def streaming(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            await request_head(reader)
            await reader.readexactly(5)
            writer.write(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
            for event in events:
                writer.write(b"%x\r\n%b\r\n" % (len(event), event))
                await asyncio.sleep(0)
            writer.write(b"0\r\n\r\n")

    pool = Pool(ClientLimits(), SystemClock())

    async def relay(arrival: Arrival, sink: Sink) -> None:
        content = await arrival.body()
        receiver = Relay(sink)
        receiver.call = pool.send(origin(port), HEAD, [content.open()], receiver, Deadlines())
        arrival.on_client_left(receiver.call.close)
        await receiver.over.wait()
        sink.finish()

    async with upstream(streaming) as port, serving(relay) as running:
        client = await running.open()
        for _ in range(2):
            client.writer.write(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello")
            await client.until(b"\r\n\r\n")
            answer = await client.until(b"0\r\n\r\n")
            assert b"".join(answer.split(b"\r\n")[1::2]) == b"".join(events)
        await client.close()
        await pool.close()


class Relay(Listening):
    """Writes what comes to a sink."""

    def __init__(self, sink: Sink) -> None:
        super().__init__()
        self.call: Call | None = None
        self._sink = sink

    @override
    def head(self, status: int, headers: dict[bytes, bytes]) -> None:
        self._sink.begin(status, [(b"content-type", b"text/event-stream")])

    @override
    def piece(self, data: bytes) -> None:
        self._sink.write(data)
