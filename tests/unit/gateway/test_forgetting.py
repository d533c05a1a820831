"""What was asked is let go of as soon as it is not needed again: a stream may take minutes."""

import pytest

from tests.builders.dialect_world import chat, messages
from tests.builders.gateway_world import scene, streams
from troth.gateway.exchange import Ask
from troth.gateway.receive import receive
from troth.kernel.content import Content

pytestmark = pytest.mark.anyio

ASK = b'{"model":"m","messages":[{"role":"user","content":"Say a word."}],"stream":true}'
PIECE = (
    b'data: {"id":"x","object":"chat.completion.chunk","created":1,"model":"m","choices":'
    b'[{"index":0,"delta":{"content":"word"},"finish_reason":%b}]}\n\n'
)


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def test_a_body_that_was_read_is_not_kept() -> None:
    body = Content([ASK])
    ask = receive("chat", body, "org", b"k" * 32)
    with pytest.raises(AttributeError, match="_parts"):
        body.open()
    assert ask.fields["messages"]


@pytest.mark.parametrize("ask", [chat(stream=True), chat(stream=True, n=2), messages(stream=True)])
def test_what_is_forgotten_leaves_names_sizes_and_bounds(ask: Ask) -> None:
    before = (ask.model, ask.size, ask.max_tokens, ask.streamed, ask.choices, ask.needs)
    ask.forget()
    assert not any((ask.fields, ask.plain, ask.given_on, ask.encoded))
    assert (ask.model, ask.size, ask.max_tokens, ask.streamed, ask.choices, ask.needs) == before


async def test_a_stream_that_has_begun_holds_nothing_of_its_prompt() -> None:
    stage = scene(streams(PIECE % b"null", PIECE % b"null", PIECE % b'"stop"'))
    held: list[bool] = []
    play = stage.upstreams._play

    def looking(receiver: object, *rest: object) -> None:
        ask: Ask = receiver._ask  # type: ignore[attr-defined]
        held.append(bool(ask.plain or ask.kept or ask.given_on or ask.encoded))
        play(receiver, *rest)  # type: ignore[arg-type]

    stage.upstreams._play = looking  # type: ignore[method-assign,assignment]
    reply = await stage.ask(ASK)
    assert reply.status == 200
    assert held[0]
    assert not held[-1]
