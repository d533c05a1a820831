"""A stream that is silent for a while says that it lives; one that speaks is left alone."""

import asyncio

import pytest

from tests.builders.gateway_world import Scene, Step, scene, streams
from troth.gateway.silence import LOOK_NS, LOOKS, Silences

pytestmark = pytest.mark.anyio

CHAT = b'{"model":"m","messages":[{"role":"user","content":"hi"}],"max_tokens":5,"stream":true}'
COMMENT = b": waiting for more\n\n"
PING = b'event: ping\ndata: {"type":"ping"}\n\n'
TURN: Step = ("piece", b"")


def event(delta: bytes, finish: bytes = b"null") -> bytes:
    return (
        b'data: {"id":"x","object":"chat.completion.chunk","created":1,"model":"m","choices":'
        b'[{"index":0,"delta":' + delta + b',"finish_reason":' + finish + b"}]}\n\n"
    )


WORD = event(b'{"role":"assistant","content":"wo"}')
REST = event(b'{"content":"rd"}')
LAST = event(b"{}", b'"stop"')


def with_time(stage: Scene, turns: int) -> None:
    """Let one look's time pass with each of so many turns of the loop."""
    stage.clock.advance(LOOK_NS // 1_000_000)
    stage.world.silences.look(stage.clock.monotonic_ns())
    if turns:
        asyncio.get_running_loop().call_soon(with_time, stage, turns - 1)


@pytest.mark.parametrize(
    ("path", "sign"), [("/v1/chat/completions", COMMENT), ("/v1/messages", PING)]
)
async def test_a_silent_stream_speaks_in_its_dialect_between_two_events(
    path: str, sign: bytes
) -> None:
    begin, word, rest, last, end = streams(WORD, REST, LAST)
    stage = scene([begin, word, *[TURN] * 4 * LOOKS, rest, last, end])
    with_time(stage, 4 * LOOKS)
    reply = await stage.ask(CHAT, path)
    assert 2 <= reply.body.count(sign) <= 4
    assert reply.body.index(b'"wo"') < reply.body.index(sign) < reply.body.index(b'"rd"')
    assert reply.body.endswith((b"data: [DONE]\n\n", b'{"type":"message_stop"}\n\n'))
    assert len(stage.world.silences) == 0


async def test_a_stream_that_speaks_is_left_alone() -> None:
    begin, word, rest, last, end = streams(WORD, REST, LAST)
    stage = scene([begin, word, *[rest, TURN, TURN] * LOOKS, last, end])
    with_time(stage, 4 * LOOKS)
    assert COMMENT not in (await stage.ask(CHAT)).body


async def test_nothing_leaves_before_the_first_event() -> None:
    begin, word, _, last, end = streams(WORD, REST, LAST)
    stage = scene([begin, *[TURN] * 4 * LOOKS, word, last, end])
    with_time(stage, 4 * LOOKS)
    assert COMMENT not in (await stage.ask(CHAT)).body


async def test_a_client_that_left_is_told_nothing() -> None:
    begin, word, *_ = streams(WORD, REST, LAST)
    stage = scene([begin, word, *[TURN] * 4 * LOOKS, ("ended",)])
    stage.leaves_after = 4
    with_time(stage, 4 * LOOKS)
    assert COMMENT not in (await stage.ask(CHAT)).body
    assert len(stage.world.silences) == 0


class Speaker:
    """A stream that writes down when it speaks."""

    def __init__(self) -> None:
        self.size = 0
        self.said = 0

    def delivered(self) -> int:
        return self.size

    def say_alive(self) -> None:
        self.said += 1


async def test_silence_is_counted_from_the_last_word_and_again_from_each_sign() -> None:
    silences, stream = Silences(), Speaker()
    silences.begins(stream)
    now_ns = 0
    for look in range(1, 3 * LOOKS):
        for part in range(1, 5):
            now_ns = (look - 1) * LOOK_NS + part * LOOK_NS // 4
            silences.look(now_ns)
        stream.size += look == 3
    assert stream.said == 2
    silences.ends(stream)
    silences.look(now_ns + 9 * LOOKS * LOOK_NS)
    assert stream.said == 2
