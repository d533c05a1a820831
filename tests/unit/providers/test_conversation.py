from typing import Literal

import msgspec
import pytest

from troth.providers import anthropic_dialect, openai_dialect
from troth.providers.conversation import (
    Call,
    Choice,
    Conversation,
    Document,
    Effort,
    Form,
    Image,
    Result,
    Text,
    Thinking,
    Tool,
    Turn,
    effort_of,
    image_of_url,
    plain_id,
)
from troth.providers.json_values import Fields, Json

MARK: Fields = {"type": "ephemeral"}
CONVERSATION = Conversation(
    system=(Text("be brief"), Text("be kind", MARK)),
    turns=(
        Turn("user", (Text("look"), Image("image/png", "AA=="), Image(url="https://a.example/b"))),
        Turn(
            "assistant",
            (
                Thinking("hm", "sig"),
                Thinking(redacted="xx"),
                Text("calling"),
                Call("call_1", "f", '{"a":1}'),
                Call("call_2", "g", "{}"),
            ),
        ),
        Turn(
            "user",
            (
                Result("call_1", (Text("one"),)),
                Result("call_2", (), cache=MARK),
                Text("and", MARK),
                Document("application/pdf", "AA==", "paper"),
            ),
        ),
    ),
    tools=(
        Tool("f", "does f", {"type": "object"}, strict=True, cache=MARK),
        Tool("g", None, {"type": "object"}),
    ),
    choice=Choice("tool", "f"),
    is_parallel=False,
    top_p=0.5,
    top_k=3,
    stop=("x",),
    form=Form({"type": "object"}),
    effort="low",
)


def test_both_dialects_carry_the_whole_conversation() -> None:
    as_chat = openai_dialect.fields_from(CONVERSATION)
    assert openai_dialect.conversation_of(as_chat) == CONVERSATION
    as_messages = anthropic_dialect.fields_from(CONVERSATION, 9_000)
    assert anthropic_dialect.conversation_of(as_messages) == CONVERSATION


def test_what_is_said_in_chat_is_the_published_form() -> None:
    fields = openai_dialect.fields_from(CONVERSATION)
    assert fields["tool_choice"] == {"type": "function", "function": {"name": "f"}}
    assert [message["role"] for message in fields["messages"]] == [  # type: ignore[index,call-overload,union-attr]
        "system",
        "system",
        "user",
        "assistant",
        "tool",
        "tool",
        "user",
    ]


def test_what_is_said_in_messages_is_the_published_form() -> None:
    fields = anthropic_dialect.fields_from(CONVERSATION, 9_000)
    assert fields["max_tokens"] == 9_000
    assert fields["thinking"] == {"type": "enabled", "budget_tokens": 1_024}
    assert fields["tool_choice"] == {
        "type": "tool",
        "name": "f",
        "disable_parallel_tool_use": True,
    }
    assert fields["output_config"] == {
        "format": {"type": "json_schema", "schema": {"type": "object"}}
    }


@pytest.mark.parametrize("kind", ["none", "auto", "any"])
def test_tool_choices_are_translated(kind: str) -> None:
    tools = (Tool("f", None, {"type": "object"}),)
    said = Conversation(tools=tools, choice=msgspec.convert({"kind": kind}, Choice))
    assert openai_dialect.conversation_of(openai_dialect.fields_from(said)) == said
    assert anthropic_dialect.conversation_of(anthropic_dialect.fields_from(said, 9)) == said


def test_a_parallel_wish_alone_makes_an_automatic_choice() -> None:
    said = Conversation(tools=(Tool("f", None, None),), is_parallel=True)
    fields = anthropic_dialect.fields_from(said, 9)
    assert fields["tool_choice"] == {"type": "auto", "disable_parallel_tool_use": False}
    assert fields["tools"] == [{"name": "f", "input_schema": {"type": "object"}}]


@pytest.mark.parametrize(
    ("effort", "max_tokens", "thinking"),
    [
        ("none", 9_000, None),
        ("high", 20_000, 16_384),
        ("high", 5_000, 4_096),
        ("low", 1_000, None),
    ],
)
def test_thinking_fits_below_the_limit(
    effort: Effort, max_tokens: int, thinking: int | None
) -> None:
    said = Conversation(effort=effort, temperature=1.5)
    fields = anthropic_dialect.fields_from(said, max_tokens)
    if thinking is None:
        assert "thinking" not in fields
        assert fields["temperature"] == 1
    else:
        assert fields["thinking"] == {"type": "enabled", "budget_tokens": thinking}
        assert "temperature" not in fields


def test_neighbors_of_one_role_are_merged_and_empty_turns_are_gone() -> None:
    said = openai_dialect.conversation_of(
        {
            "messages": [
                {"role": "user", "content": "a"},
                {"role": "user", "content": [{"type": "text", "text": "b"}]},
                {"role": "assistant", "content": ""},
                {"role": "function", "content": "c"},
                {"role": "assistant", "content": [{"type": "refusal", "refusal": "no"}]},
                {"role": "user", "content": [{"type": "file", "file": {"file_data": "AA=="}}]},
            ],
            "response_format": {"type": "json_object"},
            "tool_choice": 5,
            "stop": "x",
            "reasoning_effort": "odd",
        }
    )
    assert said.turns == (
        Turn("user", (Text("a"), Text("b"), Text("c"))),
        Turn("assistant", (Text("no"),)),
        Turn("user", (Document("application/pdf", "AA=="),)),
    )
    assert said.form == Form(None, "answer")
    assert said.stop == ("x",)
    assert said.choice is None
    assert openai_dialect.fields_from(said)["response_format"] == {"type": "json_object"}
    assert anthropic_dialect.fields_from(said, 9)["output_config"] == {
        "format": {"type": "json_schema", "schema": {"type": "object"}}
    }


def test_what_only_messages_can_say_is_said_in_words() -> None:
    blocks: list[Fields] = [
        {"type": "document", "source": {"type": "text", "data": "words"}},
        {"type": "document", "source": {"type": "url", "url": "https://a.example"}},
        {"type": "search_result", "content": [{"type": "text", "text": "found"}]},
        {"type": "tool_result", "tool_use_id": "t", "is_error": True, "content": "bad"},
    ]
    said = anthropic_dialect.conversation_of(
        {
            "messages": [{"role": "user", "content": [*blocks]}, {"role": "user", "content": ""}],
            "output_config": {"effort": "max"},
        }
    )
    words, url, found, result = said.turns[0].parts
    assert words == Text("words")
    assert isinstance(url, Text)
    assert "a.example" in url.text
    assert isinstance(found, Text)
    assert "found" in found.text
    assert result == Result("t", (Text("bad"),), is_error=True)
    assert said.effort == "high"
    block = anthropic_dialect.fields_from(said, 9)["messages"][0]["content"][3]  # type: ignore[index,call-overload]
    assert block["is_error"] is True  # type: ignore[index,call-overload]


def test_disabled_thinking_is_no_effort() -> None:
    said = anthropic_dialect.conversation_of({"thinking": {"type": "disabled"}})
    assert said.effort == "none"
    said = anthropic_dialect.conversation_of({"thinking": {"type": "adaptive"}})
    assert said.effort is None
    assert [effort_of(budget) for budget in (1, 1_024, 1_025, 99_999)] == [
        "low",
        "low",
        "medium",
        "high",
    ]


def test_ids_that_only_one_dialect_takes_are_mapped_alike() -> None:
    assert plain_id("call-1_A") == "call-1_A"
    assert plain_id("functions.f:0") == plain_id("functions.f:0")
    assert plain_id("functions.f:0").startswith("call_")
    assert plain_id("x" * 65) != "x" * 65


def test_arguments_that_are_no_object_become_an_empty_one() -> None:
    assert anthropic_dialect.object_of('{"a":1}') == {"a": 1}
    for odd in ("", "no json", "[1]", "\udcff", "[" * 9_999):
        assert anthropic_dialect.object_of(odd) == {}


def test_addresses_stay_addresses_and_data_becomes_data() -> None:
    assert image_of_url("https://a.example/b.png") == Image(url="https://a.example/b.png")
    assert image_of_url("data:image/png;base64,AA==") == Image("image/png", "AA==")
    assert image_of_url("data:text/plain,abc") == Image(url="data:text/plain,abc")


def test_a_turn_of_results_alone_has_no_words() -> None:
    said = Conversation(turns=(Turn("user", (Result("a", (Text("done"),)),)),))
    fields = openai_dialect.fields_from(said)
    assert len(fields["messages"]) == 1  # type: ignore[arg-type]
    assert openai_dialect.conversation_of(fields) == said


def test_images_that_tools_gave_stand_behind_all_answers_for_tools_answer_in_text() -> None:
    results = (
        Result("a", (Text("a page"), Image(url="https://a.example"))),
        Result("b", (Image("image/png", "AA=="),)),
    )
    said = Conversation(turns=(Turn("user", (*results, Text("What is it?"))),))
    assert openai_dialect.fields_from(said)["messages"] == [
        {"role": "tool", "tool_call_id": "a", "content": "a page"},
        {"role": "tool", "tool_call_id": "b", "content": ""},
        {
            "role": "user",
            "content": [
                {"type": "image_url", "image_url": {"url": "https://a.example"}},
                {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}},
                {"type": "text", "text": "What is it?"},
            ],
        },
    ]


def test_tools_without_a_choice_are_offered_without_one() -> None:
    said = Conversation(tools=(Tool("f", None, {"type": "object"}),))
    assert "tool_choice" not in anthropic_dialect.fields_from(said, 9)


def test_a_choice_of_allowed_tools_leaves_the_others_out() -> None:
    tools: list[Json] = [
        {"type": "function", "function": {"name": name, "parameters": {"type": "object"}}}
        for name in ("one", "two", "three")
    ]
    listed: list[Json] = [{"type": "function", "function": {"name": name}} for name in ("two",)]
    wanted: tuple[tuple[str, Literal["auto", "any"]], ...] = (("auto", "auto"), ("required", "any"))
    for mode, kind in wanted:
        choice: Fields = {
            "type": "allowed_tools",
            "allowed_tools": {"mode": mode, "tools": listed},
        }
        said = openai_dialect.conversation_of(
            {"messages": [], "tools": tools, "tool_choice": choice}
        )
        assert [tool.name for tool in said.tools] == ["two"]
        assert said.choice == Choice(kind)
