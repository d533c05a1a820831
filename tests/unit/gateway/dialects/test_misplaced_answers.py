"""What vLLM does to answers: words in the wrong field, joined ends, forgotten nulls."""

import msgspec
import pytest

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
    messages,
    shown,
)
from tests.unit.gateway.dialects.test_chat_answers import check_chunks
from tests.unit.gateway.dialects.test_messages_answers import check_events
from troth.catalog.offering import Offering
from troth.gateway.dialects.misplaced import MAX_WAITING
from troth.gateway.exchange import Ask
from troth.kernel.quantities import NOTHING, Quantities

VLLM = at("openai", "vllm")
EXACT = at("openai", "vllm", exact=True)
TEMPLATED = msgspec.structs.replace(VLLM, extra_fields=frozenset({"chat_template_kwargs"}))
FIRST = chunk({"role": "assistant", "content": ""})
OFF = {"chat_template_kwargs": {"enable_thinking": False}}
CALL = {"index": 0, "id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}


def words_of(stream: bytes, index: int = 0) -> tuple[str, bool]:
    """Return the content a chat client gets of a choice, and whether reasoning is shown."""
    said, reasons = "", False
    for one in check_chunks(stream):
        for choice in one["choices"]:  # type: ignore[attr-defined]
            if choice["index"] == index:
                said += choice["delta"].get("content") or ""
                reasons |= any(name.startswith("reasoning") for name in choice["delta"])
    return said, reasons


def streamed(*pieces: bytes) -> bytes:
    return FIRST + b"".join(pieces) + DONE


def whole(message: dict[str, object], finish: str = "stop") -> bytes:
    """Return a whole answer as vLLM writes it."""
    full = {"role": "assistant", "content": None, "refusal": None, **message}
    choice = {"index": 0, "message": full, "logprobs": None, "finish_reason": finish}
    head = {"id": "up-1", "object": "chat.completion", "created": 5, "model": "up/m"}
    return msgspec.json.encode({**head, "choices": [choice], "usage": USAGE})


def message_of(ask: Ask, offered: Offering, data: bytes) -> dict[str, object]:
    """Return the message that a chat client gets."""
    answer = shown(ask, offered)
    answer.piece(data)
    assert answer.ended()
    found: dict[str, object] = msgspec.json.decode(answer.whole(0, NOTHING))["choices"][0][
        "message"
    ]
    return found


@pytest.mark.parametrize("offered", [VLLM, EXACT])
@pytest.mark.parametrize("field", ["reasoning", "reasoning_content"])
def test_an_answer_in_the_wrong_field_is_the_content(field: str, offered: Offering) -> None:
    found = message_of(chat(), offered, whole({field: "hé"}))
    assert found == {"role": "assistant", "content": "hé", "refusal": None}
    pieces = [chunk({field: "h"}), chunk({field: "é"}), chunk({}, "stop")]
    for cut in (pieces, [*pieces[:1], chunk({field: "é"}, "stop")]):
        answer = shown(chat(stream=True), offered)
        out = b"".join(map(answer.piece, [FIRST, *cut, DONE]))
        assert answer.ended()
        assert words_of(out + answer.tail(0, NOTHING)) == ("hé", False)
        assert answer.delivered_bytes == 3


@pytest.mark.parametrize("offered", [VLLM, EXACT])
def test_reasoning_before_an_answer_stays_reasoning(offered: Offering) -> None:
    found = message_of(chat(top_k=1), VLLM, whole({"content": "a", "reasoning": "hm"}))
    assert found["content"] == "a"
    pieces = (chunk({"reasoning": "hm"}), chunk({"content": "a"}), chunk({"content": "b"}))
    answer = shown(chat(stream=True), offered)
    out = b"".join(map(answer.piece, [FIRST, *pieces, chunk({}, "stop"), DONE]))
    assert answer.ended()
    assert words_of(out + answer.tail(0, NOTHING)) == ("ab", False)
    assert answer.delivered_bytes == 4


def test_reasoning_after_a_piece_that_went_straight_is_no_answer() -> None:
    answer = shown(chat(stream=True), EXACT)
    pieces = [FIRST, chunk({"content": "a"}), chunk({"reasoning": "hm"}), chunk({}, "stop")]
    out = b"".join(map(answer.piece, pieces))
    assert answer.ended()
    assert words_of(out + answer.tail(0, NOTHING))[0] == "a"


def test_reasoning_that_was_asked_for_is_shown_as_it_is() -> None:
    found = message_of(chat(reasoning_effort="low"), VLLM, whole({"reasoning": "hm"}))
    assert (found["content"], found["reasoning"]) == (None, "hm")
    data = streamed(chunk({"reasoning": "hm"}), chunk({}, "stop"))
    asked = shown(chat(stream=True, reasoning_effort="low"), VLLM)
    assert words_of(ended(asked, data)) == ("", True)


@pytest.mark.parametrize("provider", ["openai", "llamacpp", "groq", "somebody"])
def test_no_other_provider_s_reasoning_becomes_content(provider: str) -> None:
    offered = at("openai", provider)
    assert message_of(chat(), offered, whole({"reasoning": "hm"}))["content"] is None
    data = streamed(chunk({"reasoning": "hm"}), chunk({}, "stop"))
    assert words_of(ended(shown(chat(stream=True), offered), data)) == ("", False)


@pytest.mark.parametrize(
    ("fields", "offered", "content"),
    [
        ({}, VLLM, ""),
        (OFF, VLLM, ""),
        (OFF, TEMPLATED, "hm"),
        ({"chat_template_kwargs": {"thinking": True}}, TEMPLATED, ""),
        ({"reasoning_effort": "none"}, VLLM, "hm"),
    ],
)
def test_what_was_cut_is_an_answer_only_where_thinking_is_off(
    fields: dict[str, object], offered: Offering, content: str
) -> None:
    found = message_of(chat(**fields), offered, whole({"reasoning": "hm"}, "length"))
    assert (found["content"] or "") == content
    data = streamed(chunk({"reasoning": "hm"}), chunk({}, "length"))
    answer = shown(chat(stream=True, **fields), offered)
    assert words_of(ended(answer, data)) == (content, False)
    assert answer.hit_length


def test_a_call_is_an_answer_and_what_led_to_it_is_none() -> None:
    found = message_of(chat(), VLLM, whole({"reasoning": "hm", "tool_calls": [CALL]}))
    assert found["content"] is None
    pieces = (chunk({"reasoning": "hm"}), chunk({"tool_calls": [CALL]}), chunk({}, "stop"))
    out = ended(shown(chat(stream=True), VLLM), streamed(*pieces))
    assert words_of(out) == ("", False)
    assert b'"finish_reason":"tool_calls"' in out


def test_choices_are_put_right_one_by_one() -> None:
    for offered in (VLLM, EXACT):
        pieces = [
            chunk({"reasoning": "a"}),
            chunk({"content": "b"}, index=1),
            chunk({"reasoning": "c"}, index=1),
            chunk({}, "stop", 1),
            chunk({}, "stop"),
        ]
        answer = shown(chat(stream=True, n=2), offered)
        out = b"".join(map(answer.piece, pieces))
        assert answer.ended()
        out += answer.tail(0, NOTHING)
        assert words_of(out, 0) == ("a", False)
        assert words_of(out, 1)[0] == "b"


def test_a_messages_client_gets_the_answer_too() -> None:
    data = streamed(chunk({"reasoning": "hé"}), chunk({}, "stop"))
    for fields in ({}, {"thinking": {"type": "disabled"}}):
        out = ended(shown(messages(stream=True, **fields), VLLM), data)
        check_events(out)
        assert '"text":"hé"'.encode() in out
        answer = shown(messages(**fields), VLLM)
        answer.piece(whole({"reasoning": "hé"}))
        assert answer.ended()
        found = msgspec.json.decode(answer.whole(0, NOTHING))
        assert [block["text"] for block in found["content"]] == ["hé"]


def test_words_that_wait_are_bounded() -> None:
    answer = shown(chat(stream=True), VLLM)
    piece = chunk({"reasoning": "x" * 100_000})
    for _ in range(MAX_WAITING // 100_000 + 1):
        assert len(answer.piece(piece)) < len(piece)
    out = answer.piece(chunk({}, "stop"))
    assert answer.ended()
    assert len(out) < len(piece)


def test_an_end_that_is_joined_with_content_comes_apart() -> None:
    data = streamed(chunk({"content": "a"}), chunk({"content": "b"}, "stop"), CHAT_USAGE)
    out = ended(shown(chat(stream=True), VLLM), data)
    assert words_of(out)[0] == "ab"
    [last] = [one["choices"][0] for one in events_of(out)][-1:]  # type: ignore[index]
    assert (last["delta"], last["finish_reason"]) == ({}, "stop")
    assert b'"stop_reason":"end_turn"' in ended(shown(messages(stream=True), VLLM), data)


def test_a_forgotten_null_of_usage_is_put_back() -> None:
    joined = {"index": 0, "delta": {"content": "b"}, "finish_reason": "length"}
    data = FIRST + event({"id": "up-1", "choices": [joined]}) + CHAT_USAGE + DONE
    answer = shown(chat(stream=True, stream_options={"include_usage": True}), VLLM)
    found = events_of(ended(answer, data))
    assert all(one["usage"] is None for one in found[:-1])
    assert found[-1]["choices"] == []
    assert answer.reported == Quantities(input=11, output=3)
    assert answer.hit_length
    plain = events_of(ended(shown(chat(stream=True), VLLM), data))
    assert all("usage" not in one for one in plain)
