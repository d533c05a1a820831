"""The way back: whole answers, pieces, heads without bodies, what is refused to be sent."""

from collections.abc import Callable

import pytest

from tests.builders.wire_plane import Line
from troth.wire import Arrival, Sink
from troth.wire.sink import UnsafeHeader

pytestmark = pytest.mark.anyio

GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
HEAD = b"HEAD / HTTP/1.1\r\nHost: x\r\n\r\n"


async def sent_by(act: Callable[[Sink], None], request: bytes = GET) -> bytes:
    async def handle(_arrival: Arrival, sink: Sink) -> None:
        act(sink)

    return await Line(handle).send(request)


async def test_an_answer_may_come_in_parts() -> None:
    sent = await sent_by(lambda sink: sink.answer(200, [(b"a", b"b")], [b"one", b"two"]))
    assert sent == b"HTTP/1.1 200 OK\r\na: b\r\ncontent-length: 6\r\n\r\nonetwo"
    large = [b"a" * 40_000, b"b" * 40_000]
    assert (await sent_by(lambda sink: sink.answer(200, [], large))).endswith(b"".join(large))


async def test_pieces_are_chunks_and_empty_ones_are_nothing() -> None:
    def act(sink: Sink) -> None:
        begun = [sink.begun]
        sink.begin(200, [])
        begun.append(sink.begun)
        sink.write(b"")
        sink.write(b"first")
        assert [*begun, sink.begun] == [False, False, True]
        sink.write(b"a" * 40_000)
        sink.begin(500, [])
        sink.answer(500, [])
        sink.finish()
        sink.finish(b"again")
        assert not sink.is_open

    sent = await sent_by(act)
    large = b"9c40\r\n" + b"a" * 40_000 + b"\r\n"
    head = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
    assert sent == head + b"5\r\nfirst\r\n" + large + b"0\r\n\r\n"


async def test_an_answer_without_pieces_is_still_whole() -> None:
    def act(sink: Sink) -> None:
        sink.begin(200, [])
        sink.finish()

    sent = await sent_by(act)
    assert sent == b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n"


async def test_an_answer_that_has_not_left_may_be_replaced() -> None:
    def act(sink: Sink) -> None:
        sink.begin(200, [])
        sink.answer(502, [], b"no")

    assert await sent_by(act) == b"HTTP/1.1 502 Bad Gateway\r\ncontent-length: 2\r\n\r\nno"


async def test_a_head_request_gets_no_body() -> None:
    def act(sink: Sink) -> None:
        sink.begin(200, [])
        sink.write(b"a")
        sink.write(b"b")
        sink.finish(b"c")

    assert await sent_by(act, HEAD) == b"HTTP/1.1 200 OK\r\n\r\n"
    sent = await sent_by(lambda sink: sink.answer(200, [], b"four"), HEAD)
    assert sent == b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\n"


async def test_some_statuses_have_no_body() -> None:
    sent = await sent_by(lambda sink: sink.answer(204, [], b"x"))
    assert sent == b"HTTP/1.1 204 No Content\r\n\r\n"

    def act(sink: Sink) -> None:
        sink.begin(304, [])
        sink.finish()

    assert await sent_by(act) == b"HTTP/1.1 304 Not Modified\r\n\r\n"
    assert (await sent_by(lambda sink: sink.answer(529, []))).startswith(
        b"HTTP/1.1 529 Overloaded\r\n"
    )


async def test_an_abort_is_no_end() -> None:
    async def handle(_arrival: Arrival, sink: Sink) -> None:
        sink.begin(200, [])
        sink.write(b"a")
        sink.abort()
        sink.abort()
        sink.finish()

    line = Line(handle)
    sent = await line.send(GET)
    assert sent.endswith(b"1\r\na\r\n")
    assert line.transport.is_aborted


@pytest.mark.parametrize("header", [(b"a", b"b\r\nc: d"), (b"a\nb", b"c"), (b"a", b"b\rc")])
async def test_no_header_can_hold_a_line_end(header: tuple[bytes, bytes]) -> None:
    def act(sink: Sink) -> None:
        with pytest.raises(UnsafeHeader):
            sink.answer(200, [header])
        with pytest.raises(UnsafeHeader):
            sink.begin(200, [header])
        sink.answer(500, [])

    assert await sent_by(act) == b"HTTP/1.1 500 Internal Server Error\r\ncontent-length: 0\r\n\r\n"


async def test_whoever_waits_for_room_is_told() -> None:
    told: list[str] = []

    async def handle(_arrival: Arrival, sink: Sink) -> None:
        sink.pause()
        sink.on_drain(lambda: told.append("paused"), lambda: told.append("resumed"))
        sink.resume()
        sink.pause()
        sink.answer(200, [])

    await Line(handle).send(GET)
    assert told == ["paused", "resumed", "paused"]


async def test_nobody_needs_to_wait_for_room() -> None:
    async def handle(_arrival: Arrival, sink: Sink) -> None:
        sink.pause()
        sink.resume()
        assert not sink.is_paused
        sink.answer(200, [])

    assert (await Line(handle).send(GET)).startswith(b"HTTP/1.1 200 ")
