"""TLS on a connection: what comes out is what went in, and its end is said, not guessed."""

import asyncio
import gc
import ssl
import weakref
from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.builders.tls_world import TlsPair
from tests.builders.wire_plane import turns
from tests.builders.wire_sockets import certificate
from troth.wire.secured import Cut
from troth.wire.tls import client_context, server_context

pytestmark = pytest.mark.anyio

SECOND = 1_000_000_000


class Contexts(NamedTuple):
    """Both sides' contexts, which fit."""

    serving: ssl.SSLContext
    calling: ssl.SSLContext


def contexts_of(folder: Path, most: ssl.TLSVersion) -> Contexts:
    paths = certificate(folder)
    contexts = Contexts(server_context(*paths, "1.2"), client_context("1.2", paths[0]))
    contexts.calling.maximum_version = most
    return contexts


@pytest.fixture(scope="module", params=["TLSv1_2", "TLSv1_3"])
def contexts(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Contexts:
    return contexts_of(tmp_path_factory.mktemp("tls"), ssl.TLSVersion[request.param])


def opened(contexts: Contexts) -> TlsPair:
    pair = TlsPair(*contexts)
    pair.pass_on()
    return pair


async def test_both_sides_are_told_once_tls_stands(contexts: Contexts) -> None:
    pair = TlsPair(*contexts)
    assert pair.doors.inside == {pair.server}
    assert pair.server.peer == "127.0.0.1"
    pair.pass_on()
    await pair.caller.stands()
    assert [inner.told for inner in pair.inners] == [["made"], ["made"]]
    assert pair.doors.inside == set()
    tls = pair.calling.get_extra_info("ssl_object")
    assert isinstance(tls, ssl.SSLObject)
    assert tls.selected_alpn_protocol() == "http/1.1"
    assert pair.calling.get_extra_info("peername") == ("127.0.0.1", 4711)


async def test_a_handshake_comes_in_single_bytes(contexts: Contexts) -> None:
    pair = TlsPair(*contexts)
    pair.pass_on([1] * 20_000)
    pair.calling.write(b"hello")
    pair.pass_on([1] * 1_000)
    assert pair.inners[1].text == b"hello"


async def test_a_certificate_for_another_name_is_refused_and_said(contexts: Contexts) -> None:
    pair = TlsPair(*contexts, "other.example")
    pair.pass_on()
    pair.lines[0].end()
    with pytest.raises(Cut):
        await pair.caller.stands()
    assert pair.inners[0].told == []
    assert pair.lines[1].is_closed
    pair.server.connection_lost(None)
    assert pair.doors.inside == set()


async def test_what_is_no_tls_is_refused_before_anything_is_served(contexts: Contexts) -> None:
    pair = TlsPair(*contexts)
    pair.lines[1].bring(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
    assert pair.lines[1].is_closed
    assert pair.inners[1].told == []


async def test_a_handshake_is_cut_when_its_time_is_over(contexts: Contexts) -> None:
    pair = TlsPair(*contexts)
    pair.server.check(pair.doors.now_ns + 10 * SECOND - 1)
    assert not pair.lines[1].is_aborted
    pair.server.check(pair.doors.now_ns + 10 * SECOND)
    assert pair.lines[1].is_aborted


async def test_a_draining_server_cuts_handshakes(contexts: Contexts) -> None:
    pair = TlsPair(*contexts)
    pair.server.close_idle()
    assert pair.lines[1].is_aborted


async def test_a_caller_that_waits_no_longer_cuts_its_handshake(contexts: Contexts) -> None:
    pair = TlsPair(*contexts)
    wait = pair.caller.stands()
    wait.send(None)
    wait.close()
    assert pair.lines[0].is_aborted
    pair.caller.connection_lost(None)


@given(
    texts=st.lists(st.binary(min_size=1, max_size=50_000), max_size=6),
    sizes=st.lists(st.integers(1, 40_000), max_size=60),
    most=st.integers(0, 100_000),
)
@settings(max_examples=25, deadline=None)
def test_what_is_written_arrives_at_any_split(
    contexts: Contexts, texts: list[bytes], sizes: list[int], most: int
) -> None:
    async def run() -> None:
        pair = opened(contexts)
        for line in pair.lines:
            line.most = most
        for at, text in enumerate(texts):
            pair.calling.write(text)
            pair.serving.writelines([text[:at], text[at:], b""])
        pair.pass_on(sizes)
        assert pair.inners[0].text == pair.inners[1].text == b"".join(texts)
        assert pair.calling.get_write_buffer_size() == 0
        pair.calling.close()
        pair.pass_on(sizes)
        assert "ended" in pair.inners[1].told

    asyncio.run(run())


async def test_small_parts_of_a_write_go_out_as_one_record(contexts: Contexts) -> None:
    pair = opened(contexts)
    before = pair.lines[0].writes
    pair.calling.writelines([b"head", b"", b"body"])
    assert pair.lines[0].writes == before + 1
    pair.pass_on()
    assert pair.inners[1].pieces == [b"headbody"]


async def test_the_end_is_said_and_answered(contexts: Contexts) -> None:
    pair = opened(contexts)
    pair.serving.write(b"the answer")
    pair.serving.close()
    pair.serving.write(b"too late")
    assert pair.lines[1].is_closed
    pair.pass_on()
    assert pair.inners[0].text == b"the answer"
    assert pair.inners[0].told == ["made", "ended"]
    assert pair.lines[0].is_closed
    pair.lines[0].end()
    assert (pair.inners[0].told[-1], pair.inners[0].lost) == ("lost", None)


@pytest.mark.parametrize("share", [0, 1, 20, 21])
async def test_a_stream_whose_end_was_not_said_was_cut(contexts: Contexts, share: int) -> None:
    pair = opened(contexts)
    pair.serving.write(b"the answer")
    pair.lines[0].bring(pair.lines[1].take()[: share or 1 << 20])
    pair.lines[0].end()
    assert pair.inners[0].text == (b"" if share else b"the answer")
    assert isinstance(pair.inners[0].lost, Cut)


async def test_an_end_that_is_said_behind_a_lost_piece_is_no_end(contexts: Contexts) -> None:
    pair = opened(contexts)
    pair.serving.write(b"lost")
    pair.lines[1].take()
    pair.serving.close()
    pair.lines[0].bring(pair.lines[1].take())
    assert pair.inners[0].told == ["made"]
    assert pair.lines[0].is_closed
    pair.lines[0].protocol.connection_lost(None)
    assert isinstance(pair.inners[0].lost, Cut)


async def test_what_was_tampered_with_is_not_handed_on(contexts: Contexts) -> None:
    pair = opened(contexts)
    pair.serving.write(b"the answer")
    sealed = bytearray(pair.lines[1].take())
    sealed[-1] ^= 1
    pair.lines[0].bring(bytes(sealed))
    assert pair.inners[0].pieces == []
    assert pair.lines[0].is_closed
    assert pair.lines[0].sent  # an alert
    pair.calling.write(b"more")
    pair.lines[0].protocol.connection_lost(None)
    assert isinstance(pair.inners[0].lost, Cut)
    assert str(pair.inners[0].lost) == ""


async def test_an_abort_says_nothing_and_a_reset_is_told_as_it_is(contexts: Contexts) -> None:
    pair = opened(contexts)
    pair.lines[0].take()
    pair.calling.abort()
    assert pair.lines[0].is_aborted
    assert not pair.lines[0].sent
    reset = ConnectionResetError()
    pair.lines[1].protocol.connection_lost(reset)
    assert pair.inners[1].lost is reset
    assert pair.serving.is_closing()


async def test_nothing_is_handed_on_while_reading_is_paused(contexts: Contexts) -> None:
    pair = opened(contexts)
    reader = pair.inners[0]
    reader.reads = 1
    for number in range(10):
        pair.serving.write(b"%d" % number * 9_000)
    pair.lines[0].bring(pair.lines[1].take())
    assert len(reader.pieces) == 1
    assert not pair.calling.is_reading()
    for expected in (3, 3, 10):
        reader.reads = 2 if expected == 3 else -1
        if len(reader.pieces) != expected:
            pair.calling.resume_reading()
        await turns()
        assert len(reader.pieces) == expected
    assert reader.text == b"".join(b"%d" % number * 9_000 for number in range(10))


async def test_an_end_behind_a_pause_is_told_when_it_is_read(contexts: Contexts) -> None:
    pair = opened(contexts)
    pair.inners[0].reads = 1
    pair.serving.write(b"first")
    pair.serving.write(b"second")
    pair.serving.close()
    pair.lines[0].bring(pair.lines[1].take())
    assert pair.inners[0].told == ["made"]
    pair.calling.resume_reading()
    await turns()
    assert pair.inners[0].told == ["made", "ended"]
    assert pair.inners[0].pieces == [b"first", b"second"]


async def test_a_large_write_waits_for_its_reader(contexts: Contexts) -> None:
    pair = opened(contexts)
    line, writer = pair.lines[1], pair.inners[1]
    line.most = 100_000
    text = bytes(range(256)) * 4_000
    pair.serving.write(text)
    assert writer.told == ["made", "full"]
    assert 100_000 < len(line.sent) < 200_000
    assert pair.serving.get_write_buffer_size() > len(text)
    pair.serving.write(b"behind it")
    pair.serving.close()
    assert not pair.lines[1].is_closed
    taken = 0
    while sent := line.take():
        taken += 1
        pair.lines[0].bring(sent)
    assert line.is_closed
    pair.pass_on()
    assert taken > 5
    assert writer.told == ["made", "full", "drained"]
    assert pair.inners[0].text == text + b"behind it"
    assert pair.inners[0].told == ["made", "ended"]


async def test_an_abort_drops_what_waits(contexts: Contexts) -> None:
    pair = opened(contexts)
    pair.lines[1].most = 1_000
    pair.serving.write(bytes(1_000_000))
    pair.serving.abort()
    assert pair.serving.get_write_buffer_size() == len(pair.lines[1].sent)


@pytest.mark.parametrize("most", [1_000, 1 << 40])
async def test_one_direction_may_end_before_the_other(contexts: Contexts, most: int) -> None:
    pair = opened(contexts)
    pair.lines[1].most = most
    assert pair.serving.can_write_eof()
    pair.serving.write(bytes(100_000))
    pair.serving.write_eof()
    pair.serving.write(b"too late")
    assert pair.lines[1].has_eof == (most > 1_000)
    pair.calling.write(b"still sending" * 2_000)
    sent = pair.lines[0].take()
    pair.lines[1].bring(sent)
    assert not pair.serving.is_closing()
    while pair.lines[1].sent:
        pair.lines[0].bring(pair.lines[1].take())
    assert pair.lines[1].has_eof
    assert pair.inners[0].told == ["made", "ended"]
    assert len(pair.inners[0].text) == 100_000
    pair.serving.close()
    assert pair.lines[1].is_closed
    pair.lines[1].protocol.connection_lost(None)
    assert pair.inners[1].lost is None


async def test_what_comes_with_the_handshake_is_read(contexts: Contexts) -> None:
    pair = TlsPair(*contexts)
    while not pair.inners[0].told:
        pair.lines[1].bring(pair.lines[0].take())
        pair.lines[0].bring(pair.lines[1].take())
    pair.calling.write(b"early")
    pair.lines[1].bring(pair.lines[0].take())  # with the last of the handshake, in TLS 1.3
    assert pair.inners[1].pieces == [b"early"]


async def test_a_lost_connection_is_freed_without_a_collection(contexts: Contexts) -> None:
    gc.disable()
    try:
        pair = opened(contexts)
        watched = weakref.ref(pair.inners[0])
        pair.lines[0].end()
        del pair
        assert watched() is None
    finally:
        gc.enable()
