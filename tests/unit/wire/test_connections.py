"""One connection: requests in, answers out, in order, one at a time."""

import asyncio
from itertools import pairwise

import pytest

from tests.builders.wire_plane import Line, turns
from troth.wire import Arrival, BodyRefused, ClientLeft, ServerLimits, Sink

pytestmark = pytest.mark.anyio

GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
POST = b"POST /p HTTP/1.1\r\nHost: x\r\n"
FIVE = POST + b"Content-Length: 5\r\n\r\n"
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n\r\n"


def ok(body: bytes, *, closes: bool = False) -> bytes:
    end = b"connection: close\r\n\r\n" if closes else b"\r\n"
    return b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n%b%b" % (len(body), end, body)


def refusal(status: bytes, body: bytes) -> bytes:
    return (
        b"HTTP/1.1 %b\r\ncontent-type: text/plain\r\ncontent-length: %d\r\nconnection: close"
        b"\r\n\r\n%b" % (status, len(body), body)
    )


BAD = refusal(b"400 Bad Request", b"400 bad_framing")


async def test_a_connection_serves_request_after_request() -> None:
    line = Line()
    assert await line.send(GET) == ok(b"GET / ")
    assert await line.send(FIVE + b"hello") == ok(b"POST /p hello")
    assert await line.send(CHUNKED + b"5\r\nhello\r\n0\r\n\r\n") == ok(b"POST /p hello")
    assert not line.is_gone
    assert line.server.connections == 1
    assert line.server.in_flight == 0


async def test_a_request_may_come_byte_by_byte() -> None:
    for request in (FIVE + b"hello", CHUNKED + b"5\r\nhello\r\n0\r\n\r\n"):
        line = Line()
        sent = b""
        for at in range(len(request)):
            sent += await line.send(request[at : at + 1])
        assert sent == ok(b"POST /p hello")


@pytest.mark.parametrize("cuts", [(), (1,), (2,), (7,)])
async def test_an_empty_line_behind_a_body_is_no_fault(cuts: tuple[int, ...]) -> None:
    line = Line()
    assert await line.send(FIVE + b"hello\r\n") == ok(b"POST /p hello")
    pieces = [GET[begin:end] for begin, end in pairwise((0, *cuts, len(GET)))]
    assert [await line.send(piece) for piece in pieces][-1] == ok(b"GET / ")
    assert await line.send(b"\r\n\r\n" + GET) == BAD


async def test_pipelined_requests_are_answered_in_order() -> None:
    line = Line()
    second = CHUNKED + b"1\r\na\r\n0\r\n\r\n"
    sent = await line.send(FIVE + b"hello" + second + GET + GET[:10])
    assert sent == ok(b"POST /p hello") + ok(b"POST /p a") + ok(b"GET / ")
    assert await line.send(GET[10:]) == ok(b"GET / ")


async def test_a_request_waits_for_the_one_before() -> None:
    gates = [asyncio.Event() for _ in range(6)]
    started: list[int] = []

    async def handle(_arrival: Arrival, sink: Sink) -> None:
        number = len(started)
        started.append(number)
        await gates[number].wait()
        sink.answer(200, [], b"%d" % number)

    line = Line(handle, ServerLimits(pipelined_bytes=100))
    assert await line.send(GET + GET) == b""
    assert started == [0]
    assert line.transport.reads_on()
    await line.send(GET * 4)
    assert not line.transport.reads_on()
    gates[1].set()
    assert line.transport.take() == b""
    gates[0].set()
    await turns()
    assert line.transport.take() == ok(b"0") + ok(b"1")
    assert started == [0, 1, 2]
    for gate in gates:
        gate.set()
    await turns(20)
    assert line.transport.take() == ok(b"2") + ok(b"3") + ok(b"4") + ok(b"5")
    assert line.transport.reads_on()


async def test_nothing_behind_a_refused_request_is_served() -> None:
    smuggling = POST + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + GET
    line = Line()
    assert await line.send(smuggling) == BAD
    assert line.transport.has_eof
    assert await line.send(GET) == b""
    assert await line.send(b"\x00" * 100) == b""
    assert await line.after(3_000) == b""
    assert line.transport.is_aborted


async def test_a_refused_client_that_goes_on_sending_is_cut_off() -> None:
    line = Line()
    await line.send(b"nonsense\r\n\r\n")
    for _ in range(300):
        await line.send(b"a" * 256 * 1024)
    assert line.transport.is_aborted


async def test_a_client_that_still_reads_its_refusal_gets_more_time() -> None:
    line = Line()
    await line.send(b"nonsense\r\n\r\n")
    line.transport.unsent = 10
    await line.after(30_000)
    assert not line.transport.is_aborted
    await line.after(30_000)
    assert line.transport.is_aborted


async def test_a_head_that_cannot_be_right_is_refused_early() -> None:
    assert await Line().send(b"GET / HTTP/1.1\nHost: x\n\n") == BAD
    too_long = await Line().send(b"GET /" + b"a" * 10_000)
    assert too_long.startswith(b"HTTP/1.1 414 ")


async def test_bad_chunks_reach_whoever_reads_the_body() -> None:
    failures: list[tuple[int, str]] = []

    async def handle(arrival: Arrival, sink: Sink) -> None:
        try:
            await arrival.body()
        except BodyRefused as refused:
            failures.append((refused.status, refused.code))
            sink.answer(refused.status, [], b"no")

    line = Line(handle)
    sent = await line.send(CHUNKED + b"x\r\n" + GET)
    assert sent.startswith(b"HTTP/1.1 400 ")
    assert b"connection: close" in sent
    assert await line.send(GET) == b""
    assert line.is_gone
    line = Line(handle)
    await line.send(CHUNKED + b"1\r\na\r\n")
    assert (await line.send(b"x\r\n" + GET)).startswith(b"HTTP/1.1 400 ")
    assert failures == [(400, "bad_framing")] * 2


async def test_the_first_fault_of_a_body_counts() -> None:
    gate = asyncio.Event()

    async def handle(arrival: Arrival, sink: Sink) -> None:
        await gate.wait()
        with pytest.raises(BodyRefused) as caught:
            await arrival.body(limit=2)
        sink.answer(caught.value.status, [])

    line = Line(handle)
    await line.send(CHUNKED + b"5\r\nhello\r\n")
    await line.send(b"x\r\n")
    gate.set()
    await turns()
    assert line.transport.take().startswith(b"HTTP/1.1 400 ")


async def test_an_answer_to_a_connection_that_breaks_is_lost() -> None:
    gate = asyncio.Event()

    async def handle(_arrival: Arrival, sink: Sink) -> None:
        await gate.wait()
        sink.answer(200, [])

    line = Line(handle, ServerLimits(pipelined_bytes=1))
    await line.send(GET + GET[:-2] + b"Connection: close\r\n\r\n")
    line.transport.is_closed = True  # the loop saw an error and has not said so yet
    line.server.is_draining = True
    gate.set()
    await turns()
    assert line.transport.take() == b""
    assert not line.transport.has_eof
    line.connection.connection_lost(ConnectionResetError())
    assert line.server.connections == 0


async def test_a_declared_body_above_the_limit_is_refused_unread() -> None:
    line = Line(limits=ServerLimits(body_bytes=4))
    sent = await line.send(FIVE)
    assert sent.startswith(b"HTTP/1.1 413 ")
    assert sent.endswith(b"413 request_too_large")
    assert line.transport.has_eof


async def test_a_chunked_body_is_refused_at_the_limit() -> None:
    async def handle(arrival: Arrival, sink: Sink) -> None:
        with pytest.raises(BodyRefused) as caught:
            await arrival.body()
        sink.answer(caught.value.status, [])

    line = Line(handle, ServerLimits(body_bytes=4))
    assert await line.send(CHUNKED + b"3\r\nabc\r\n") == b""
    assert (await line.send(b"2\r\n")).startswith(b"HTTP/1.1 413 ")


async def test_an_endpoint_may_want_less() -> None:
    async def handle(arrival: Arrival, sink: Sink) -> None:
        with pytest.raises(BodyRefused) as caught:
            await arrival.body(limit=4)
        sink.answer(caught.value.status, [])

    assert (await Line(handle).send(FIVE + b"hello")).startswith(b"HTTP/1.1 413 ")
    assert (await Line(handle).send(FIVE)).startswith(b"HTTP/1.1 413 ")
    line = Line(handle)
    assert await line.send(CHUNKED + b"3\r\nabc\r\n") == b""
    assert (await line.send(b"2\r\nde\r\n")).startswith(b"HTTP/1.1 413 ")


async def test_continue_is_said_only_when_the_body_is_asked_for() -> None:
    gate = asyncio.Event()

    async def handle(arrival: Arrival, sink: Sink) -> None:
        await gate.wait()
        sink.answer(200, [], (await arrival.body()).open())

    waiting = POST + b"Content-Length: 5\r\nExpect: 100-continue\r\n\r\n"
    line = Line(handle)
    assert await line.send(waiting) == b""
    gate.set()
    await turns()
    assert line.transport.take() == b"HTTP/1.1 100 Continue\r\n\r\n"
    assert await line.send(b"hello") == ok(b"hello")
    assert await line.send(waiting + b"hello") == ok(b"hello")  # it did not wait


async def test_a_client_that_waits_for_continue_and_is_refused_is_let_go() -> None:
    async def handle(_arrival: Arrival, sink: Sink) -> None:
        sink.answer(401, [])

    line = Line(handle)
    sent = await line.send(POST + b"Content-Length: 5\r\nExpect: 100-continue\r\n\r\n")
    assert sent == b"HTTP/1.1 401 Unauthorized\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"


async def test_a_short_unread_body_is_skipped_and_the_connection_kept() -> None:
    async def handle(arrival: Arrival, sink: Sink) -> None:
        sink.answer(401 if arrival.head.path == "/p" else 200, [])

    none = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"
    refused = b"HTTP/1.1 401 Unauthorized\r\ncontent-length: 0\r\n\r\n"
    line = Line(handle)
    assert await line.send(FIVE) == refused
    assert await line.send(b"he") == b""
    assert await line.send(b"llo" + GET) == none
    assert await line.send(FIVE + b"hello") == refused
    assert await line.send(GET) == none
    assert await line.send(FIVE) == refused
    assert await line.send(b"hello") == b""
    assert await line.send(GET) == none
    assert await line.send(FIVE) == refused
    await line.after(15_000)
    assert line.transport.is_aborted


async def test_a_long_unread_body_ends_the_connection() -> None:
    async def handle(_arrival: Arrival, sink: Sink) -> None:
        sink.answer(401, [])

    line = Line(handle)
    sent = await line.send(POST + b"Content-Length: 65537\r\n\r\n")
    assert b"connection: close" in sent
    assert line.transport.has_eof
    line = Line(handle)
    assert b"connection: close" in await line.send(CHUNKED)


async def test_an_unasked_body_is_bounded() -> None:
    gate = asyncio.Event()

    async def handle(arrival: Arrival, sink: Sink) -> None:
        await gate.wait()
        sink.answer(200, [], b"%d" % (await arrival.body()).size)

    line = Line(handle, ServerLimits(unasked_bytes=1_000))
    await line.send(POST + b"Content-Length: 5000\r\n\r\n" + b"a" * 900)
    assert line.transport.reads_on()
    await line.send(b"a" * 900)
    assert not line.transport.reads_on()
    gate.set()
    await turns()
    assert line.transport.reads_on()
    assert await line.send(b"a" * 3_200) == ok(b"5000")


async def test_the_older_protocol_gets_an_answer_that_ends_with_the_connection() -> None:
    async def handle(_arrival: Arrival, sink: Sink) -> None:
        sink.begin(200, [(b"a", b"b")])
        sink.write(b"one")
        sink.write(b"two")
        sink.finish(b"three")

    line = Line(handle)
    sent = await line.send(b"GET / HTTP/1.0\r\nHost: x\r\n\r\n")
    assert sent == b"HTTP/1.1 200 OK\r\na: b\r\nconnection: close\r\n\r\nonetwothree"
    assert line.transport.is_closed
    assert await line.send(GET) == b""


async def test_close_is_honored() -> None:
    line = Line()
    sent = await line.send(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    assert sent == ok(b"GET / ", closes=True)
    assert line.transport.is_closed
    line = Line()
    await line.send(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n" + GET)
    assert line.transport.has_eof  # it sends on: lingering


async def test_a_client_without_half_close_is_lingered_for_all_the_same() -> None:
    line = Line()
    line.transport.takes_eof = False
    assert await line.send(b"nonsense\r\n\r\n") == BAD
    assert not line.is_gone
    await line.after(3_000)
    assert line.transport.is_aborted


async def test_upgrades_are_not_honored() -> None:
    line = Line()
    sent = await line.send(GET[:-2] + b"Connection: Upgrade\r\nUpgrade: h2c\r\n\r\n")
    assert sent == ok(b"GET / ", closes=True)


async def test_a_leaving_client_is_told_as_a_value() -> None:
    left: list[str] = []

    async def handle(arrival: Arrival, sink: Sink) -> None:
        arrival.on_client_left(lambda: left.append("callback"))
        try:
            await arrival.body()
        except ClientLeft:
            left.append("body")
        arrival.on_client_left(lambda: left.append("late"))
        assert arrival.client_left
        with pytest.raises(ClientLeft):
            await arrival.body()
        sink.answer(200, [], b"nobody reads this")
        sink.write(b"nor this")
        sink.finish()
        sink.abort()
        assert not sink.is_open

    line = Line(handle)
    await line.send(FIVE)
    line.connection.eof_received()
    await turns()
    line.connection.connection_lost(None)
    assert left == ["callback", "body", "late"]
    assert line.transport.take() == b""
    assert (line.server.connections, line.server.in_flight) == (0, 0)


async def test_a_whole_body_stays_readable_when_the_client_leaves() -> None:
    gate = asyncio.Event()
    sizes: list[int] = []

    async def handle(arrival: Arrival, _sink: Sink) -> None:
        await gate.wait()
        sizes.append((await arrival.body()).size)

    line = Line(handle)
    await line.send(FIVE + b"hello")
    line.connection.connection_lost(ConnectionResetError())
    gate.set()
    await turns()
    assert sizes == [5]


async def test_a_handler_that_gives_up_leaves_no_client_waiting() -> None:
    async def give_up(arrival: Arrival, sink: Sink) -> None:
        if arrival.head.path == "/p":
            sink.begin(200, [])
            sink.write(b"a")

    line = Line(give_up)
    sent = await line.send(GET)
    assert sent.startswith(b"HTTP/1.1 500 ")
    assert not line.is_gone
    await line.send(FIVE + b"hello")
    assert line.transport.is_aborted


async def test_a_loopback_address_and_ipv6_networks_are_told_apart() -> None:
    limits = ServerLimits(connections_per_address=2, trusted=frozenset(("192.0.2.9",)))
    first = Line(limits=limits, peer="2001:db8::1")
    server = first.server
    lines = [
        Line(server=server, peer=peer)
        for peer in ("2001:db8::2", "2001:db8::3%eth0", "2001:db8:0:1::1", "192.0.2.1")
    ]
    overloaded = refusal(b"503 Service Unavailable", b"503 overloaded")
    assert [line.transport.take() for line in lines] == [b"", overloaded, b"", b""]
    assert lines[1].transport.is_closed
    mapped = [Line(server=server, peer="::ffff:192.0.2.1") for _ in range(2)]
    assert [line.transport.take() for line in mapped] == [b"", overloaded]
    for peer in ("127.0.0.1", "::1", "192.0.2.9", "", "::ffff:127.0.0.1"):
        free = [Line(server=server, peer=peer) for _ in range(3)]
        assert [line.transport.take() for line in free] == [b"", b"", b""]
    for gone in (*lines, first, *mapped):
        gone.connection.connection_lost(None)
    assert Line(server=server, peer="2001:db8::9").transport.take() == b""
    assert len(server._addresses) == 1


async def test_connections_and_requests_in_flight_are_limited() -> None:
    gate = asyncio.Event()

    async def handle(_arrival: Arrival, sink: Sink) -> None:
        await gate.wait()
        sink.answer(200, [])

    line = Line(handle, ServerLimits(connections=2, in_flight=1))
    other = Line(server=line.server)
    third = Line(server=line.server)
    assert third.transport.take().startswith(b"HTTP/1.1 503 ")
    assert third.transport.is_closed
    await line.send(GET)
    assert (await other.send(GET)).startswith(b"HTTP/1.1 503 ")
    gate.set()
    await turns()
    assert line.transport.take().startswith(b"HTTP/1.1 200 ")


async def test_only_configured_hosts_are_served() -> None:
    line = Line(limits=ServerLimits(hosts=frozenset(("api.example", "[2001:db8::1]"))))

    async def status(host: str, path: str = "/") -> bytes:
        fresh = Line(server=line.server)
        sent = await fresh.send(f"GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
        return sent[9:12]

    for host in ("api.example", "API.example:8443", "[2001:db8::1]", "[2001:db8::1]:80"):
        assert await status(host) == b"200"
    for host in ("other.example", "api.example.other", "127.0.0.1", "[2001:db8::2]"):
        assert await status(host) == b"400"
        assert await status(host, "/healthz") == b"200"
        assert await status(host, "/readyz") == b"200"
        assert await status(host, "/readyz/") == b"400"
