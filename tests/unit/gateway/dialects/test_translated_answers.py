import msgspec
import pytest
from anthropic.types import Message
from openai.types.chat import ChatCompletion

from tests.builders.dialect_world import (
    CHAT_USAGE,
    DONE,
    USAGE,
    at,
    chat,
    chunk,
    ended,
    event,
    events_of,
    message_stream,
    messages,
    shown,
)
from tests.unit.gateway.dialects.test_chat_answers import check_chunks
from tests.unit.gateway.dialects.test_messages_answers import (
    BLOCKS,
    CALL,
    EVERYTHING,
    TEXT,
    WORDS,
    check_events,
    whole,
)
from troth.kernel.errors import UpstreamError
from troth.kernel.quantities import Quantities

ANTHROPIC = at("anthropic", "anthropic")
OPENAI = at("openai", "vllm")
USED = Quantities(input=11, output=3)


def piece(number: int | None, arguments: str, name: str | None = None) -> dict[str, object]:
    """Return a delta with one piece of a tool call."""
    call: dict[str, object] = {"function": {"arguments": arguments}}
    if name is not None:
        call = {"id": f"id_{name}", "function": {"name": name, "arguments": arguments}}
    if number is not None:
        call["index"] = number
    return {"tool_calls": [call]}


def test_a_messages_stream_reaches_a_chat_client() -> None:
    ask = chat(stream=True, stream_options={"include_usage": True}, reasoning_effort="low")
    answer = shown(ask, ANTHROPIC)
    out = ended(answer, message_stream(EVERYTHING, "tool_use"))
    found = check_chunks(out)
    calls = [
        call
        for one in found[:-1]
        for call in one["choices"][0]["delta"].get("tool_calls", [])  # type: ignore[index]
    ]
    assert [call["index"] for call in calls] == [0, 0, 0, 1]
    assert "".join(call["function"].get("arguments", "") for call in calls) == '{"a":1}'
    assert b'"finish_reason":"tool_calls"' in out
    assert b'"reasoning":"hm"' in out
    assert b'"signature":"sig"' in out
    assert b"reasoning.encrypted" in out
    last = found[-1]["usage"]
    assert isinstance(last, dict)
    assert last["prompt_tokens"] == 15
    assert last["completion_tokens"] == 7
    assert last["prompt_tokens_details"] == {"cached_tokens": 4, "audio_tokens": 0}
    assert events_of(answer.broken(UpstreamError()))[0].keys() == {"error"}


def test_thinking_is_not_shown_to_a_chat_client_that_did_not_ask() -> None:
    out = ended(shown(chat(stream=True), ANTHROPIC), message_stream(EVERYTHING, "max_tokens"))
    assert b"hm" not in out
    assert b"sig" not in out
    assert b'"finish_reason":"length"' in out


def test_text_at_the_start_of_a_block_is_shown() -> None:
    begun = {"type": "text", "text": "first "}
    data = message_stream([(begun, WORDS), ({"type": "odd"}, [{"type": "odd"}])], "refusal")
    out = ended(shown(chat(stream=True), ANTHROPIC), data)
    assert b'"content":"first "' in out
    assert b'"finish_reason":"content_filter"' in out


def test_a_buffered_message_reaches_a_chat_client() -> None:
    answer = shown(chat(reasoning_effort="low"), ANTHROPIC)
    answer.piece(whole(*BLOCKS, stop="tool_use"))
    assert answer.ended()
    body = answer.whole(7, Quantities(input=11, cache_read=4, output=7))
    assert b'"cost":0.000000007}' in body
    found = msgspec.json.decode(body)
    ChatCompletion.model_validate(found)
    message = found["choices"][0]["message"]
    assert message["content"] == "hé"
    assert message["reasoning"] == "hm"
    assert len(message["reasoning_details"]) == 2
    assert [call["function"]["arguments"] for call in message["tool_calls"]] == ['{"a":1}', "{}"]
    plain = shown(chat(), ANTHROPIC)
    plain.piece(whole(*BLOCKS, stop="end_turn"))
    assert plain.ended()
    assert b"reasoning" not in plain.whole(0, USED).replace(b"reasoning_tokens", b"")


def test_a_chat_stream_reaches_a_messages_client() -> None:
    data = b"".join(
        (
            chunk({"role": "assistant", "content": None}),
            chunk({"reasoning": "hm"}),
            chunk({"content": "hé"}),
            chunk({"refusal": "no"}),
            chunk(piece(0, "", "f")),
            chunk(piece(0, '{"a":')),
            chunk(piece(1, "{", "g")),
            chunk(piece(0, "1}")),
            chunk(piece(1, "}")),
            chunk({}, "tool_calls"),
            chunk({"content": "late"}, "stop"),
            CHAT_USAGE,
            DONE,
            b"data: never\n\n",
        )
    )
    answer = shown(messages(stream=True, thinking={"type": "adaptive"}), OPENAI)
    out = ended(answer, data)
    found = check_events(out)
    blocks = [one["content_block"] for one in found if one["type"] == "content_block_start"]
    assert [block["type"] for block in blocks] == [  # type: ignore[index]
        "thinking",
        "text",
        "tool_use",
        "tool_use",
    ]
    parts = [
        one["delta"]["partial_json"]  # type: ignore[index]
        for one in found
        if one["type"] == "content_block_delta" and "partial_json" in one["delta"]  # type: ignore[operator]
    ]
    assert parts == ['{"a":', "1}", "{", "}"]
    assert b'"stop_reason":"tool_use"' in out
    assert b"late" not in out
    assert answer.reported == USED
    start = found[0]["message"]
    assert isinstance(start, dict)
    assert start["usage"]["input_tokens"] > 0
    assert b"hm" not in ended(shown(messages(stream=True), OPENAI), data)


def test_calls_without_numbers_are_told_apart_by_their_ids() -> None:
    data = b"".join(
        map(
            chunk,
            (
                piece(None, "{", "f"),
                piece(None, "}"),
                piece(None, "{}", "g"),
                {"tool_calls": [{"index": 3}]},
            ),
        )
    )
    out = ended(shown(messages(stream=True), OPENAI), data + chunk({}, "stop"))
    names = [
        one["content_block"]["name"]  # type: ignore[index]
        for one in check_events(out)
        if one["type"] == "content_block_start"
    ]
    assert names == ["f", "g", ""]
    assert b'"stop_reason":"tool_use"' in out


def test_calls_that_wait_are_bounded() -> None:
    answer = shown(messages(stream=True), OPENAI)
    answer.piece(chunk(piece(0, "", "f")))
    for _ in range(12):
        answer.piece(chunk(piece(1, "x" * 100_000)))
    assert answer.failure is not None


@pytest.mark.parametrize(
    ("reason", "stop"),
    [
        ("stop", "end_turn"),
        ("length", "max_tokens"),
        ("content_filter", "refusal"),
        ("odd", "end_turn"),
    ],
)
def test_reasons_are_translated(reason: str, stop: str) -> None:
    answer = shown(messages(stream=True), OPENAI)
    out = ended(answer, chunk({"content": "a"}) + chunk({}, reason))
    assert f'"stop_reason":"{stop}"'.encode() in out
    assert answer.hit_length is (reason == "length")


@pytest.mark.parametrize(
    "data",
    [
        b"data: <html>\n\n",
        b"data: {}\n\n",
        event({"choices": [], "error": {"message": "secret"}}),
        b"data: " + b"x" * 1_100_000,
    ],
)
def test_garbage_for_a_messages_client_fails(data: bytes) -> None:
    answer = shown(messages(stream=True), OPENAI)
    assert answer.piece(data) == b""
    assert type(answer.failure) is UpstreamError
    assert answer.piece(data) == b""
    assert not answer.ended()


def test_a_buffered_completion_reaches_a_messages_client() -> None:
    call = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": '{"a":1}'}}
    odd = {"function": {"name": "g", "arguments": "no json"}}
    message = {"content": "hé", "reasoning_content": "hm", "tool_calls": [call, odd, {}]}
    body = {"choices": [{"message": message, "finish_reason": "stop"}], "usage": USAGE}
    answer = shown(messages(thinking={"type": "adaptive"}), OPENAI)
    answer.piece(msgspec.json.encode(body))
    assert answer.ended()
    found = msgspec.json.decode(answer.whole(0, USED))
    Message.model_validate(found)
    assert [block["type"] for block in found["content"]] == ["thinking", "text"] + ["tool_use"] * 3
    assert found["content"][2]["input"] == {"a": 1}
    assert found["content"][3]["input"] == {}
    assert found["stop_reason"] == "tool_use"
    assert found["model"] == "m"


def test_a_buffered_completion_without_words_is_an_empty_message() -> None:
    body = {"choices": [{"message": {"content": None}, "finish_reason": "length"}]}
    answer = shown(messages(), OPENAI)
    answer.piece(msgspec.json.encode(body))
    assert answer.ended()
    assert b'"content":[],"stop_reason":"max_tokens"' in answer.whole(0, USED)


def test_streamed_and_buffered_calls_are_the_same() -> None:
    streamed = ended(
        shown(chat(stream=True), ANTHROPIC),
        message_stream([(CALL, [{"type": "input_json_delta", "partial_json": "{}"}])], "tool_use"),
    )
    assert b'"arguments":"{}"' in streamed
    assert TEXT["text"] == ""
