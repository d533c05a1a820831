"""Forms of the answer that an Anthropic upstream gets as a tool, and what comes back."""

import msgspec
import pytest
from openai.types.chat import ChatCompletion

from tests.builders.dialect_world import (
    at,
    chat,
    ended,
    events_of,
    message_stream,
    messages,
    outlet,
    shown,
)
from tests.unit.gateway.dialects.test_chat_answers import check_chunks
from tests.unit.gateway.dialects.test_messages_answers import whole
from troth.catalog.model import Feature
from troth.catalog.offering import Offering
from troth.gateway.dialects import compose, dropped, unsupported
from troth.gateway.exchange import Ask
from troth.kernel.quantities import NOTHING

SCHEMA = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}
TOOL = {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}
CALL = {"type": "tool_use", "id": "t", "name": "facts", "input": {}}
TEXT = {"type": "text", "text": ""}
NATIVE = at("anthropic", "anthropic")


def able(*features: Feature) -> Offering:
    """Return an offering at Anthropic whose model can do just this."""
    model = msgspec.structs.replace(NATIVE.model, features=frozenset(features))
    return msgspec.structs.replace(NATIVE, model=model)


TOOLS = able("tools")


def form(schema: object = SCHEMA, name: str = "facts", **fields: object) -> Ask:
    """Return a chat request for an answer of a form."""
    inner = {"name": name, "schema": schema, "strict": True}
    wanted = {"type": "json_schema", "json_schema": inner}
    return chat(response_format=wanted, **fields)


def free(**fields: object) -> Ask:
    """Return a chat request for any JSON object."""
    return chat(response_format={"type": "json_object"}, **fields)


def sent(ask: Ask, offered: Offering) -> dict[str, object]:
    """Return the composed body."""
    assert unsupported(ask, offered) is None
    found: dict[str, object] = msgspec.json.decode(b"".join(compose(ask, outlet(offered), 9).body))
    return found


def said(pieces: list[str], before: str = "", stop: str = "tool_use") -> bytes:
    """Return a messages stream: words, if any, then the call in pieces."""
    deltas = [{"type": "input_json_delta", "partial_json": piece} for piece in pieces]
    words = [(TEXT, [{"type": "text_delta", "text": before}])] if before else []
    return message_stream([*words, (CALL, deltas)], stop)


def content_of(stream: bytes) -> str:
    """Return the words that a chat client gets."""
    choices = [one["choices"][0] for one in events_of(stream)]  # type: ignore[index]
    assert all("tool_calls" not in one["delta"] for one in choices)
    return "".join(one["delta"].get("content") or "" for one in choices)


def test_a_model_with_a_field_for_it_gets_the_schema_there() -> None:
    body = sent(form(reasoning_effort="low"), NATIVE)
    assert body["output_config"] == {"format": {"type": "json_schema", "schema": SCHEMA}}
    assert "tools" not in body
    assert dropped(form(reasoning_effort="low"), NATIVE) == ()


def test_a_model_without_one_is_made_to_call_one_tool() -> None:
    ask = form(reasoning_effort="high", temperature=0.5, max_tokens=9_000)
    body = sent(ask, TOOLS)
    [tool] = body["tools"]  # type: ignore[misc]
    assert tool["name"] == "facts"  # type: ignore[has-type]
    assert tool["input_schema"] == SCHEMA  # type: ignore[has-type]
    assert body["tool_choice"] == {
        "type": "tool",
        "name": "facts",
        "disable_parallel_tool_use": True,
    }
    assert body["temperature"] == 0.5
    assert "output_config" not in body
    assert "thinking" not in body
    assert dropped(ask, TOOLS) == ("reasoning_effort",)


def test_any_object_goes_as_a_tool_even_where_there_is_a_field() -> None:
    for offered in (NATIVE, TOOLS):
        [tool] = sent(free(), offered)["tools"]  # type: ignore[misc]
        assert tool["name"] == "answer"  # type: ignore[has-type]
        assert tool["input_schema"] == {  # type: ignore[has-type]
            "type": "object",
            "additionalProperties": True,
        }


@pytest.mark.parametrize("name", ["a name", "é", "x" * 65])
def test_a_name_that_no_tool_may_have_is_not_sent(name: str) -> None:
    [tool] = sent(form({}, name), TOOLS)["tools"]  # type: ignore[misc]
    assert tool["name"] == "answer"  # type: ignore[has-type]
    assert tool["input_schema"] == {"type": "object"}  # type: ignore[has-type]


@pytest.mark.parametrize(
    ("ask", "offered"),
    [
        (form(tools=[TOOL]), TOOLS),
        (free(tools=[TOOL]), TOOLS),
        (form(functions=[{"name": "f"}]), TOOLS),
        (form({"type": "array"}), TOOLS),
        (form({"type": "object", "anyOf": [{}]}), TOOLS),
        (form({"$ref": "#/$defs/a"}), TOOLS),
        (form(5), TOOLS),
        (form(), able()),
        (free(), able("reasoning")),
        (form(), msgspec.structs.replace(TOOLS, lacks=frozenset({"tools"}))),
    ],
)
def test_a_form_that_no_tool_can_say_is_refused(ask: Ask, offered: Offering) -> None:
    assert unsupported(ask, offered) == "response_format"


def test_the_caller_s_own_tools_leave_the_field_to_those_who_have_it() -> None:
    for ask in (form(tools=[TOOL]), free(tools=[TOOL])):
        body = sent(ask, NATIVE)
        assert "output_config" in body
        assert "tool_choice" not in body


def test_a_messages_client_s_form_is_never_made_a_tool() -> None:
    wanted = {"format": {"type": "json_schema", "schema": SCHEMA}}
    assert unsupported(messages(output_config=wanted), TOOLS) == "output_config"


def test_plain_words_are_no_form() -> None:
    ask = chat(response_format={"type": "text"})
    assert sent(ask, TOOLS).keys() == {"model", "messages", "max_tokens"}
    out = ended(shown(chat(stream=True), TOOLS), said(['{"a":1}']))
    assert b'"finish_reason":"tool_calls"' in out


def test_the_arguments_of_a_streamed_call_are_the_answer() -> None:
    answer = shown(form(stream=True), TOOLS)
    out = ended(answer, said(["", '{"a"', ":1}"]))
    check_chunks(out)
    assert content_of(out) == '{"a":1}'
    assert b'"finish_reason":"stop"' in out
    assert answer.delivered_bytes == 7


def test_the_arguments_of_a_whole_call_are_the_answer() -> None:
    answer = shown(form(), TOOLS)
    answer.piece(whole({**CALL, "input": {"a": 1}}, stop="tool_use"))
    assert answer.ended()
    found = msgspec.json.decode(answer.whole(0, NOTHING))
    ChatCompletion.model_validate(found)
    [choice] = found["choices"]
    assert choice["finish_reason"] == "stop"
    assert choice["message"]["content"] == '{"a":1}'
    assert "tool_calls" not in choice["message"]


@pytest.mark.parametrize(
    ("pieces", "before", "content"),
    [(['{"a":1}'], "Here it is:", '{"a":1}'), ([], "", "{}"), ([""], "so", "{}")],
)
def test_words_beside_the_call_are_no_part_of_the_answer(
    pieces: list[str], before: str, content: str
) -> None:
    out = ended(shown(form(stream=True), TOOLS), said(pieces, before))
    assert content_of(out) == content
    answer = shown(form(), TOOLS)
    arguments = msgspec.json.decode("".join(pieces) or "{}")
    words = {"type": "text", "text": before}
    answer.piece(whole(words, {**CALL, "input": arguments}, stop="tool_use"))
    assert answer.ended()
    [choice] = msgspec.json.decode(answer.whole(0, NOTHING))["choices"]
    assert choice["message"]["content"] == content


def test_only_the_first_call_counts_and_words_after_it_are_gone() -> None:
    more = [{"type": "input_json_delta", "partial_json": '{"b":2}'}]
    late = [{"type": "text_delta", "text": "done"}]
    first = [{"type": "input_json_delta", "partial_json": '{"a":1}'}]
    data = message_stream([(CALL, first), (CALL, more), (TEXT, late)], "tool_use")
    assert content_of(ended(shown(form(stream=True), TOOLS), data)) == '{"a":1}'


def test_an_answer_without_a_call_is_shown_as_it_is() -> None:
    data = message_stream([(TEXT, [{"type": "text_delta", "text": "I won't."}])], "refusal")
    answer = shown(form(stream=True), TOOLS)
    out = ended(answer, data)
    check_chunks(out)
    assert content_of(out) == "I won't."
    assert b'"finish_reason":"content_filter"' in out
    assert answer.delivered_bytes == 8


def test_a_form_that_was_cut_says_so() -> None:
    out = ended(shown(form(stream=True), TOOLS), said(['{"a":'], stop="max_tokens"))
    assert content_of(out) == '{"a":'
    assert b'"finish_reason":"length"' in out
