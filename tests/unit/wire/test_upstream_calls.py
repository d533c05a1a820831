"""Calls to an upstream: what is sent, how answers are read, what becomes of the connection."""

import pytest
from typing_extensions import override

from tests.builders.wire_plane import Listening, turns
from tests.builders.wire_upstream import HEAD, OK, ORIGIN, Played
from troth.wire import ClientLimits, Deadlines, Failure
from troth.wire.origin import NOBODY

pytestmark = pytest.mark.anyio

CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


async def test_a_call_is_sent_and_its_answer_told() -> None:
    played = Played()
    receiver, _ = await played.send()
    assert played.line.take() == HEAD + b"body"
    await played.answer(OK)
    assert receiver.told == (200, b"hello", ["ended"])
    assert receiver.headers == {b"content-length": b"5"}
    assert (played.pool.connections, played.pool.in_flight) == (1, 0)
    await played.pool.close()
    assert played.line.is_closed


async def test_a_connection_is_used_again() -> None:
    played = Played()
    for _ in range(3):
        receiver, _ = await played.send()
        assert played.line.take() == HEAD + b"body"
        await played.answer(OK)
        assert receiver.ends == ["ended"]
    assert played.pool.connections == 1


@pytest.mark.parametrize("step", [1, 2, 3, 7, 1_000])
async def test_an_answer_may_come_in_any_pieces(step: int) -> None:
    played = Played()
    receiver, _ = await played.send()
    interim = b"HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n"
    answer = interim + CHUNKED[:-2] + b"X-A: 1\r\nx-a: 2\r\n\r\n5\r\nhello\r\n6;x=y\r\n world\r\n"
    answer += b"0\r\ntrailer: t\r\n\r\n"
    for at in range(0, len(answer), step):
        await played.answer(answer[at : at + step])
    assert receiver.told == (200, b"hello world", ["ended"])
    assert receiver.headers == {b"transfer-encoding": b"chunked", b"x-a": b"1, 2"}
    assert not played.line.is_closing()


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 5\r\n\r\nhello",
        b"HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello",
        OK + b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nworld",
        OK + b"H",
        OK + b"\x00stray",
    ],
)
async def test_a_connection_that_cannot_be_trusted_again_is_closed(answer: bytes) -> None:
    played = Played()
    receiver, _ = await played.send()
    await played.answer(answer)
    assert receiver.told == (200, b"hello", ["ended"])
    assert played.line.is_aborted
    await played.lose()
    assert played.pool.connections == 0


async def test_an_answer_before_the_request_was_read_ends_the_connection() -> None:
    played = Played()
    receiver, _ = await played.send()
    played.line.unsent = 1
    await played.answer(b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n")
    assert receiver.told == (413, b"", ["ended"])
    assert played.line.is_aborted


async def test_statuses_without_a_body_end_with_their_head() -> None:
    played = Played()
    receiver, _ = await played.send()
    await played.answer(b"HTTP/1.1 204 No Content\r\n\r\n")
    assert receiver.told == (204, b"", ["ended"])


async def test_an_answer_may_end_with_its_connection() -> None:
    for error, end in ((None, "ended"), (ConnectionResetError(), "cut")):
        played = Played()
        receiver, _ = await played.send()
        await played.answer(b"HTTP/1.0 200 OK\r\n\r\nhel")
        await played.answer(b"lo")
        assert receiver.ends == []
        await played.lose(error)
        assert receiver.told == (200, b"hello", [end])


@pytest.mark.parametrize(
    ("begun", "end", "status"),
    [(b"", "reset", 0), (b"HTTP/1.1 2", "reset", 0), (OK[:-1], "cut", 200), (CHUNKED, "cut", 200)],
)
async def test_a_lost_connection_is_told(begun: bytes, end: str, status: int) -> None:
    played = Played()
    receiver, _ = await played.send()
    if begun:
        await played.answer(begun)
    await played.lose()
    assert (receiver.status, receiver.ends) == (status, [end])
    assert (played.pool.connections, played.pool.in_flight) == (0, 0)


async def test_a_dead_kept_connection_is_replaced_once() -> None:
    played = Played()
    await played.send()
    await played.answer(OK)
    played.line.take()
    receiver, call = await played.send()
    assert played.line.take() == HEAD + b"body"
    await played.lose(ConnectionResetError())
    assert len(played.dialer.lines) == 2
    assert call.was_retried
    assert played.line.take() == HEAD + b"body"
    await played.answer(OK)
    assert receiver.told == (200, b"hello", ["ended"])

    receiver, _ = await played.send()
    await played.lose()
    await played.lose()
    assert receiver.ends == ["reset"]

    await played.send()
    await played.answer(OK)
    receiver, _ = await played.send()
    await played.answer(b"H")
    await played.lose()
    assert receiver.ends == ["reset"]  # a byte came: it is not known what the upstream did


async def test_a_kept_connection_that_closes_is_forgotten() -> None:
    played = Played()
    await played.send()
    await played.answer(OK)
    await played.lose()
    assert played.pool.connections == 0
    await played.send()
    await played.answer(OK)
    played.line.is_closed = True  # closing, but not yet told
    await played.send()
    assert len(played.dialer.lines) == 3


async def test_bytes_that_nobody_asked_for_close_a_connection() -> None:
    played = Played()
    await played.send()
    await played.answer(OK)
    await played.answer(b"HTTP/1.1 200 OK\r\n\r\n")
    assert played.line.is_aborted


@pytest.mark.parametrize(
    ("answer", "failure", "status"),
    [
        (b"nonsense", "malformed", 0),
        (
            b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
            "malformed",
            0,
        ),
        (b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n", "malformed", 0),
        (
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\nConnection: upgrade\r\n\r\n",
            "malformed",
            0,
        ),
        (CHUNKED + b"x\r\n", "malformed", 200),
        (b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n\r\nab", "encoded", 0),
        (b"HTTP/1.1 200 OK\r\nA: " + b"b" * 70_000 + b"\r\n\r\n", "too_large", 0),
        (b"HTTP/1.1 200 OK\r\nA: " + b"b" * 70_000, "too_large", 0),
        (b"HTTP/1.1 100 Continue\r\n\r\n" * 3_000, "too_large", 0),
    ],
)
async def test_an_answer_that_cannot_be_used_fails(
    answer: bytes, failure: str, status: int
) -> None:
    played = Played()
    receiver, _ = await played.send()
    await played.answer(answer)
    assert (receiver.status, receiver.ends) == (status, [failure])
    assert played.line.is_aborted
    await played.lose()
    assert receiver.ends == [failure]


async def test_identity_is_no_encoding_and_large_bodies_are_no_large_heads() -> None:
    played = Played()
    receiver, _ = await played.send()
    body = b"a" * 200_000
    head = b"HTTP/1.1 200 OK\r\nContent-Encoding: Identity\r\nContent-Length: 200000\r\n\r\n"
    await played.answer(head + body)
    assert receiver.told == (200, body, ["ended"])


async def test_chunks_that_come_in_one_read_are_handed_on_as_one_piece() -> None:
    played = Played()
    receiver, _ = await played.send()
    await played.answer(CHUNKED + b"2\r\nab\r\n1\r\nc\r\n")
    await played.answer(b"1\r\nd\r\n0\r\n\r\n")
    assert receiver.pieces == [b"abc", b"d"]
    assert receiver.ends == ["ended"]


async def test_a_receiver_that_fails_costs_its_connection_and_ends_its_call() -> None:
    class Failing(Listening):
        @override
        def piece(self, data: bytes) -> None:
            raise ZeroDivisionError

    played = Played()
    receiver = Failing()
    played.pool.send(ORIGIN, HEAD, [], receiver, Deadlines())
    await turns()
    with pytest.raises(ZeroDivisionError):  # a loop closes what failed so
        await played.answer(OK)
    await played.lose(ZeroDivisionError())
    assert receiver.ends == ["cut"]


async def test_reading_pauses_and_goes_on() -> None:
    played = Played()
    receiver, call = await played.send()
    call.pause()
    call.pause()
    assert not played.line.reads_on()
    call.resume()
    call.resume()
    assert played.line.reads_on()
    await played.answer(CHUNKED)
    call.pause()
    await played.after(59_999)
    await played.after(120_000)
    assert receiver.ends == []  # nothing is expected while paused
    call.resume()
    await played.after(59_000)
    assert receiver.ends == []
    call.pause()
    await played.answer(b"0\r\n\r\n")
    assert receiver.ends == ["ended"]
    assert played.line.reads_on()  # the next call reads


async def test_a_call_paused_before_it_is_sent_stays_paused() -> None:
    played = Played()
    played.dialer.gate.clear()
    _, call = await played.send()
    call.pause()
    played.dialer.gate.set()
    await turns()
    assert not played.line.reads_on()
    played.line.is_closed = True
    call.resume()
    assert not played.line.reads_on()


@pytest.mark.parametrize(
    ("stage", "late_ms", "failure"),
    [
        ("connecting", 5_000, "tls"),
        ("waiting", 3_000, "connect_timeout"),
        ("sent", 60_000, "first_byte_timeout"),
        ("head", 60_000, "first_byte_timeout"),
        ("answering", 60_000, "between_timeout"),
    ],
)
async def test_each_stage_has_its_deadline(stage: str, late_ms: int, failure: str) -> None:
    played = Played(ClientLimits(connections_per_origin=1))
    if stage == "waiting":
        await played.send()
    elif stage == "connecting":
        played.dialer.gate.clear()
    receiver, _ = await played.send()
    if stage == "head":
        await played.answer(b"HTTP/1.1 200")
    if stage == "answering":
        await played.answer(CHUNKED)
        await played.after(40_000)
        await played.answer(b"1\r\na\r\n")
    await played.after(late_ms - 1)
    assert receiver.ends == []
    await played.after(1)
    assert receiver.ends == [failure]
    if stage in {"sent", "head", "answering"}:
        assert played.line.is_aborted


async def test_no_call_lasts_longer_than_the_whole() -> None:
    for paused in (False, True):
        played = Played()
        receiver, call = await played.send(whole_ms=100_000)
        await played.answer(CHUNKED)
        if paused:
            call.pause()
        for _ in range(9):
            await played.after(11_000)
            await played.answer(b"1\r\na\r\n")
        assert receiver.ends == []
        await played.after(1_000)
        assert receiver.ends == ["whole_timeout"]


@pytest.mark.parametrize("stage", ["connecting", "sent", "sent on a kept connection"])
async def test_a_short_whole_ends_each_stage(stage: str) -> None:
    played = Played()
    if stage == "connecting":
        played.dialer.gate.clear()
    if stage == "sent on a kept connection":
        await played.send()
        await played.answer(OK)
        await played.after(40_000)
    receiver, _ = await played.send(whole_ms=1_000)
    await played.after(999)
    assert receiver.ends == []
    await played.after(1)
    assert receiver.ends == ["whole_timeout"]


async def test_short_deadlines_between_events_are_seen_in_time() -> None:
    played = Played()
    receiver, _ = await played.send(first_byte_ms=600_000, between_ms=1_000)
    for _ in range(30):
        await played.after(1_000)
    assert receiver.ends == []
    await played.answer(CHUNKED)
    await played.after(1_000)
    assert receiver.ends == ["between_timeout"]


async def test_kept_connections_expire() -> None:
    played = Played()
    await played.send()
    await played.answer(OK)
    await played.after(49_999)
    assert not played.line.is_closed
    await played.after(60_000)
    assert played.line.is_closed


async def test_calls_beyond_the_cap_wait_for_a_connection() -> None:
    played = Played(ClientLimits(connections_per_origin=1, waiting_per_origin=2))
    first, _ = await played.send()
    second, _ = await played.send()
    third, call = await played.send()
    fourth, _ = await played.send()
    assert fourth.ends == ["connect"]
    assert len(played.dialer.lines) == 1
    call.close()
    await played.answer(OK)
    assert first.ends == ["ended"]
    await played.answer(OK)
    assert second.ends == ["ended"]
    assert third.told == (0, b"", [])
    fifth, _ = await played.send()
    sixth, _ = await played.send()
    await played.lose()
    assert fifth.ends == []  # retried: the connection was a kept one
    await played.answer(OK)
    await played.answer(OK)
    assert [fifth.ends, sixth.ends] == [["ended"], ["ended"]]
    assert played.pool.connections == 1


async def test_a_failed_connection_lets_the_next_call_try() -> None:
    played = Played(ClientLimits(connections_per_origin=1))
    played.dialer.gate.clear()
    played.dialer.failure = Failure.CONNECT
    first, _ = await played.send()
    second, _ = await played.send()
    played.dialer.gate.set()
    await turns(10)
    assert [first.ends, second.ends] == [["connect"], ["connect"]]
    assert played.pool.connections == 0


async def test_closing_the_pool_gives_everything_up() -> None:
    played = Played()
    running, _ = await played.send()
    played.dialer.gate.clear()
    connecting, _ = await played.send()
    await played.pool.close()
    assert (running.ends, connecting.ends) == ([], [])
    assert played.line.is_aborted
    await played.lose()
    assert (played.pool.connections, played.pool.in_flight) == (0, 0)
    await played.pool.close()


async def test_what_was_sent_is_not_kept() -> None:
    played = Played()
    _, call = await played.send()
    await played.answer(CHUNKED)
    assert call.parts == ()
    await played.answer(b"0\r\n\r\n")
    assert call.receiver is NOBODY
    upstream = played.dialer.upstreams[0]
    assert upstream._call is None
    assert upstream._headers == {}
