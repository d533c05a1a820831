"""What is written within one turn leaves together at its end, in order, and nothing is lost."""

import asyncio
import ssl

import pytest
from typing_extensions import override

from tests.builders.wire_plane import Line, LineTransport, deliver, turns
from tests.builders.wire_upstream import HEAD, OK, Played
from troth.wire import Arrival, Sink
from troth.wire.departures import MOST, Departures

pytestmark = pytest.mark.anyio

GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
CLOSES = b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"


class NamedTransport(LineTransport):
    """Writes down, with all others, in which order it was written to."""

    def __init__(self, name: str, order: list[str]) -> None:
        super().__init__()
        self._name = name
        self._order = order

    @override
    def write(self, data: bytes | bytearray | memoryview) -> None:
        self._order.append(self._name)
        super().write(data)


class FailingTransport(LineTransport):
    """Cannot be written to."""

    def __init__(self, error: Exception) -> None:
        super().__init__()
        self._error = error

    @override
    def write(self, data: bytes | bytearray | memoryview) -> None:
        raise self._error


async def test_what_is_written_within_a_turn_leaves_at_its_end_in_order() -> None:
    departures, order = Departures(), list[str]()
    first, second = NamedTransport("first", order), NamedTransport("second", order)
    departures.add(first, (b"a",))
    departures.add(second, (b"b", b"c"))
    departures.add(first, [b"d"])
    assert order == []
    await asyncio.sleep(0)
    assert order == ["first", "second", "first"]
    assert (bytes(first.sent), bytes(second.sent)) == (b"ad", b"bc")
    assert departures.rounds == 1
    await turns()
    assert departures.rounds == 1


async def test_in_a_long_turn_the_first_do_not_wait_for_all_that_follow() -> None:
    departures, line = Departures(), LineTransport()
    for number in range(1, 2 * MOST + 2):
        departures.add(line, (b"x",))
        assert line.writes == number // MOST * MOST
    await asyncio.sleep(0)
    assert line.writes == 2 * MOST + 1
    departures.add(line, (b"y",))
    assert line.take()[-1:] == b"x"
    await asyncio.sleep(0)
    assert line.take() == b"y"


async def test_a_connection_that_is_gone_is_passed_over() -> None:
    departures, gone, other = Departures(), LineTransport(), LineTransport()
    departures.add(gone, (b"x",))
    departures.add(other, (b"y",))
    gone.abort()
    await asyncio.sleep(0)
    assert (gone.writes, other.take()) == (0, b"y")


@pytest.mark.parametrize("error", [ssl.SSLError(), OSError(), RuntimeError()])
async def test_a_connection_that_fails_is_cut_and_keeps_no_other_from_leaving(
    error: Exception,
) -> None:
    departures, failing, other = Departures(), FailingTransport(error), LineTransport()
    departures.add(failing, (b"x",))
    for _ in range(MOST):
        departures.add(other, (b"y",))
    assert failing.is_aborted
    await asyncio.sleep(0)
    assert other.take() == b"y" * MOST


async def test_an_answer_leaves_before_its_connection_closes() -> None:
    line = Line()
    deliver(line.connection, CLOSES)
    await turns()
    assert line.transport.take().endswith(b"GET / ")
    assert line.transport.is_closed


async def test_an_answer_leaves_before_a_server_that_stops_closes_its_connection() -> None:
    async def handle(_arrival: Arrival, sink: Sink) -> None:
        sink.answer(200, [], b"said")

    line = Line(handle)
    deliver(line.connection, GET)
    assert line.transport.writes == 0
    line.server.stop_accepting()
    assert line.transport.is_closed
    assert line.transport.take().endswith(b"said")


async def test_what_was_said_leaves_before_a_stream_is_cut() -> None:
    async def handle(_arrival: Arrival, sink: Sink) -> None:
        sink.begin(200, [])
        sink.write(b"piece")
        sink.abort()

    line = Line(handle)
    deliver(line.connection, GET)
    assert line.transport.is_aborted
    assert line.transport.take().endswith(b"5\r\npiece\r\n")


async def test_requests_of_one_turn_leave_together() -> None:
    played = Played()
    sent = [await played.send() for _ in range(3)]
    await played.answer(OK, 0)
    await played.answer(OK, 1)
    await played.answer(OK, 2)
    assert [receiver.ends for receiver, _ in sent] == [["ended"]] * 3
    for line in played.dialer.lines:
        line.sent.clear()
    calls = [played.call() for _ in range(3)]
    assert [line.take() for line in played.dialer.lines] == [b"", b"", b""]
    await asyncio.sleep(0)
    assert [line.take() for line in played.dialer.lines] == [HEAD + b"body"] * 3
    for call in calls:
        call.close()


async def test_a_call_that_is_given_up_within_its_turn_is_never_sent() -> None:
    played = Played()
    await played.send()
    await played.answer(OK)
    played.line.sent.clear()
    played.call().close()
    await turns()
    assert played.line.is_aborted
    assert played.line.take() == b""


async def test_an_upstream_that_answers_before_anything_was_sent_is_not_used_again() -> None:
    played = Played()
    await played.send()
    await played.answer(OK)
    played.line.sent.clear()
    played.call()
    deliver(played.dialer.upstreams[-1], OK)
    assert played.line.is_aborted
    await turns()
    assert played.line.take() == b""
