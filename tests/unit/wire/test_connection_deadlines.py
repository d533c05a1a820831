"""Slow and silent clients, with the clock in hand."""

import asyncio

import pytest

from tests.builders.wire_plane import Line, turns
from troth.wire import Arrival, BodyRefused, ServerLimits, Sink

pytestmark = pytest.mark.anyio

GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
POST = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n"


async def reading(arrival: Arrival, sink: Sink) -> None:
    try:
        content = await arrival.body()
    except BodyRefused as refused:
        sink.answer(refused.status, [], refused.code.encode())
    else:
        sink.answer(200, [], b"%d" % content.size)


async def test_a_head_must_be_complete_in_time() -> None:
    line = Line()
    await line.send(b"GET / ")
    assert await line.after(9_000) == b""
    await line.send(b"HTTP/1.1\r\n")  # dribbling buys nothing
    sent = await line.after(1_000)
    assert sent.startswith(b"HTTP/1.1 408 ")
    assert line.transport.has_eof


async def test_a_connection_that_never_says_anything_is_closed_silently() -> None:
    line = Line()
    assert await line.after(9_999) == b""
    assert not line.is_gone
    assert await line.after(1) == b""
    assert line.transport.is_closed


async def test_an_idle_connection_is_kept_for_a_while() -> None:
    line = Line()
    await line.send(GET)
    await line.after(74_999)
    assert not line.is_gone
    assert await line.after(1) == b""
    assert line.transport.is_closed
    await line.after(59_000)
    assert not line.transport.is_aborted
    await line.after(1_000)
    assert line.transport.is_aborted  # its last answer was never read


@pytest.mark.parametrize("pieces", [(b"\r\n",), (b"\r", b"\n")])
async def test_an_empty_line_is_no_begun_head(pieces: tuple[bytes, ...]) -> None:
    line = Line()
    await line.send(GET)
    for piece in pieces:
        await line.send(piece)
    assert await line.after(74_999) == b""
    assert not line.is_gone
    assert await line.after(1) == b""
    assert line.transport.is_closed


async def test_a_new_request_starts_its_own_time() -> None:
    line = Line()
    await line.send(GET)
    await line.after(70_000)
    await line.send(b"GET / ")
    assert await line.after(9_000) == b""
    assert (await line.after(1_000)).startswith(b"HTTP/1.1 408 ")


async def test_a_silent_body_is_given_up() -> None:
    line = Line(reading)
    await line.send(POST + b"a" * 50_000)
    assert await line.after(14_999) == b""
    sent = await line.after(1)
    assert sent.startswith(b"HTTP/1.1 408 ")
    assert sent.endswith(b"request_timeout")
    assert b"connection: close" in sent
    assert line.transport.has_eof


async def test_a_dribbling_body_is_given_up_after_its_grace() -> None:
    line = Line(reading)
    await line.send(POST)
    sent = b""
    for second in range(9):
        sent += await line.send(b"a" * 100)
        assert await line.after(1_000) == b"", second
    assert (await line.after(1_000)).startswith(b"HTTP/1.1 408 ")


async def test_a_steady_body_may_take_its_time() -> None:
    line = Line(reading)
    await line.send(POST)
    sent = b""
    for _ in range(50):
        await line.after(1_000)
        sent += await line.send(b"a" * 2_000)
    assert sent.endswith(b"\r\n\r\n100000")


async def test_a_body_nobody_asked_for_is_not_judged() -> None:
    gate = asyncio.Event()

    async def later(arrival: Arrival, sink: Sink) -> None:
        await gate.wait()
        await reading(arrival, sink)

    line = Line(later)
    await line.send(POST)
    assert await line.after(600_000) == b""
    gate.set()
    await turns()
    assert await line.after(9_000) == b""
    assert (await line.send(b"a" * 100_000)).endswith(b"100000")


async def test_a_request_under_way_has_no_deadline_of_the_wire() -> None:
    gate = asyncio.Event()

    async def later(_arrival: Arrival, sink: Sink) -> None:
        await gate.wait()
        sink.answer(200, [])

    line = Line(later)
    await line.send(GET)
    await line.after(3_600_000)
    assert not line.is_gone
    gate.set()
    await turns()
    assert line.transport.take().startswith(b"HTTP/1.1 200 ")


async def test_a_stalled_reader_pauses_its_stream_and_is_cut_off() -> None:
    told: list[str] = []
    over = asyncio.Event()

    async def streaming(arrival: Arrival, sink: Sink) -> None:
        sink.begin(200, [])
        sink.on_drain(lambda: told.append("paused"), lambda: told.append("resumed"))
        arrival.on_client_left(lambda: told.append("left"))
        sink.write(b"a")
        await over.wait()

    line = Line(streaming)
    await line.send(GET)
    line.transport.unsent = 300_000
    line.connection.pause_writing()
    await line.after(59_000)
    line.transport.unsent = 250_000  # it reads a little
    await line.after(30_000)
    await line.after(59_000)
    assert told == ["paused"]
    line.connection.resume_writing()
    line.connection.pause_writing()
    assert told == ["paused", "resumed", "paused"]
    await line.after(60_000)
    assert told == ["paused", "resumed", "paused", "left"]
    assert line.transport.is_aborted
    over.set()
    await turns()


async def test_a_stream_that_starts_paused_is_told_so() -> None:
    told: list[str] = []

    async def streaming(_arrival: Arrival, sink: Sink) -> None:
        assert sink.is_paused
        sink.on_drain(lambda: told.append("paused"), lambda: told.append("resumed"))
        sink.answer(200, [])

    line = Line(streaming)
    line.transport.unsent = 300_000
    line.connection.pause_writing()
    await line.send(GET)
    line.connection.resume_writing()
    assert told == ["paused"]


async def test_limits_are_settings() -> None:
    line = Line(limits=ServerLimits(headers_ms=100, idle_ms=50))
    await line.send(GET)
    await line.after(50)
    assert line.transport.is_closed
