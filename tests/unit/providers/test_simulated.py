import asyncio

import msgspec
import pytest
from typing_extensions import override

from tests.builders.dialect_world import at, chat, ended, messages, outlet, shown
from troth.catalog.offering import Offering
from troth.gateway.dialects import OPENAI_EMBEDDINGS, compose
from troth.gateway.exchange import Ask
from troth.providers.simulated import Simulated, SimulatedCall
from troth.providers.simulated_answers import value_of
from troth.wire import Deadlines, Failure, Receiver

DEADLINES = Deadlines(1, 1, 1, 1, 1)
OFFERED: Offering = at("simulated", "simulated", exact=True)
TOOL = {
    "type": "function",
    "function": {
        "name": "f",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
    },
}


class Heard(Receiver):
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.status = 0
        self.pieces: list[bytes] = []
        self.over = asyncio.get_running_loop().create_future()

    @override
    def head(self, status: int, headers: dict[bytes, bytes]) -> None:
        self.status = status

    @override
    def piece(self, data: bytes) -> None:
        self.pieces.append(data)

    @override
    def ended(self) -> None:
        self.over.set_result(None)

    @override
    def failed(self, failure: Failure) -> None:
        raise AssertionError(failure)


def send(ask: Ask, heard: Heard, token_ms: int = 0) -> SimulatedCall:
    made = compose(ask, outlet(OFFERED), ask.max_tokens or None)
    return Simulated(token_ms).send(OFFERED.upstream, made.head, made.body, heard, DEADLINES)


async def answered(ask: Ask) -> bytes:
    heard = Heard()
    send(ask, heard)
    await heard.over
    assert heard.status == 200
    return b"".join(heard.pieces)


@pytest.mark.anyio
async def test_streams_are_whole_and_say_nothing_of_the_prompt() -> None:
    marked = [{"role": "user", "content": "marker-4711"}]
    for ask in (
        chat(stream=True, messages=marked, n=2),
        chat(stream=True, tools=[TOOL], messages=marked),
        messages(stream=True, messages=marked),
    ):
        out = ended(shown(ask, OFFERED), await answered(ask))
        assert b"4711" not in out
        assert b"simulated" in out or b"This" in out


@pytest.mark.anyio
async def test_answers_depend_on_sizes_and_end_where_they_must() -> None:
    first, second = await answered(chat()), await answered(chat())
    assert first == second
    short = shown(chat(max_tokens=3), OFFERED)
    short.piece(await answered(chat(max_tokens=3)))
    assert short.ended()
    assert short.hit_length
    assert short.reported is not None
    assert short.reported.output == 3


@pytest.mark.anyio
async def test_a_stream_counts_and_says_what_a_buffered_answer_does() -> None:
    counted = []
    for ask in (chat(), chat(stream=True, stream_options={"include_usage": True})):
        answer = shown(ask, OFFERED)
        answer.piece(await answered(ask))
        assert answer.ended()
        counted.append(answer.reported)
    assert counted[0] is not None
    assert counted[0] == counted[1]


@pytest.mark.anyio
async def test_tools_and_schemas_are_answered_with_a_value_that_fits() -> None:
    schema = {"type": "json_schema", "json_schema": {"name": "s", "schema": {"type": "array"}}}
    two = [TOOL, {"type": "function", "function": {"name": "g"}}]
    forced = {"type": "function", "function": {"name": "g"}}
    done = [{"role": "tool", "content": "x", "tool_call_id": "a"}]
    for ask, want in (
        (chat(tools=[TOOL]), b'"arguments":"{\\"city\\":\\"simulated\\"}"'),
        (chat(tools=two, tool_choice=forced), b'"name":"g"'),
        (chat(tools=[TOOL], tool_choice="none"), b'"finish_reason":"stop"'),
        (chat(tools=[TOOL], messages=done), b'"finish_reason":"stop"'),
        (chat(tools=[TOOL], tool_choice={"type": "function", "function": {"name": "h"}}), b"This"),
        (chat(tools=[{"type": "custom", "custom": {"name": "c"}}]), b"This"),
        (chat(response_format={"type": "json_object"}), b'"content":"{}"'),
        (chat(response_format={"type": "text"}), b"This"),
        (chat(response_format=schema), b'"content":"[{}]"'),
    ):
        answer = shown(ask, OFFERED)
        answer.piece(await answered(ask))
        assert answer.ended()
        assert answer.reported is not None
        assert want in answer.whole(0, answer.reported)


@pytest.mark.anyio
async def test_embeddings_are_unit_vectors() -> None:
    for form, inputs in (("float", ["a", "b"]), ("base64", "a"), ("float", [1, 2])):
        body = {"model": "m", "input": inputs, "dimensions": 3, "encoding_format": form}
        ask = OPENAI_EMBEDDINGS.read(msgspec.json.encode(body))
        answer = shown(ask, OFFERED)
        answer.piece(await answered(ask))
        assert answer.ended()
    plain = OPENAI_EMBEDDINGS.read(b'{"model":"m","input":"a"}')
    found = msgspec.json.decode(await answered(plain))
    assert len(found["data"][0]["embedding"]) == 384


@pytest.mark.anyio
async def test_a_call_can_be_held_and_given_up() -> None:
    heard = Heard()
    call = send(chat(stream=True), heard, token_ms=1)
    call.pause()
    await asyncio.sleep(0.01)
    assert heard.status == 200
    assert heard.pieces == []
    call.resume()
    call.resume()
    await heard.over
    call.resume()
    call.close()
    call._begin()
    assert heard.status == 200
    left = Heard()
    send(chat(stream=True), left).close()
    other = send(chat(stream=True), left, token_ms=1)
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    count = len(left.pieces)
    other.close()
    other.close()
    await asyncio.sleep(0.01)
    assert len(left.pieces) == count


def test_values_fit_small_schemas() -> None:
    assert value_of({"const": 5}) == 5
    assert value_of({"enum": ["a", "b"]}) == "a"
    assert value_of({"anyOf": [{"type": "null"}]}) is None
    assert value_of({"type": ["integer", "null"]}) == 1
    assert value_of({"type": "object", "properties": 5}) == {}
    assert value_of(5) == {}
    deep: dict[str, object] = {"type": "integer"}
    for _ in range(40):
        deep = {"type": "array", "items": deep}
    assert value_of(deep) is not None  # type: ignore[arg-type]
