import msgspec
import pytest

from troth.gateway.dialects import ANTHROPIC_MESSAGES, OPENAI_CHAT
from troth.gateway.exchange import Ask
from troth.kernel.errors import BadRequest, MalformedBody, RefusedByPolicy

HELLO = {"role": "user", "content": "hello"}
TOOL = {"name": "f", "input_schema": {"type": "object"}}
PIXEL = {"type": "base64", "media_type": "image/png", "data": "AA=="}


def read(**fields: object) -> Ask:
    body = {"model": "m", "max_tokens": 9, "messages": [HELLO], **fields}
    return ANTHROPIC_MESSAGES.read(msgspec.json.encode(body))


def user(*blocks: object) -> list[object]:
    return [{"role": "user", "content": [*blocks]}]


def test_a_plain_request_is_read() -> None:
    ask = read(system="be brief", stream=True, metadata={"user_id": "u"})
    assert ask.endpoint == "messages"
    assert ask.streamed
    assert ask.max_tokens == 9
    assert ask.size.text_bytes == 5 + 8
    assert ask.size.messages == 2
    assert "metadata" not in ask.fields


def test_every_block_is_counted() -> None:
    ask = read(
        system=[{"type": "text", "text": "s", "cache_control": {"type": "ephemeral"}}],
        messages=[
            *user(
                {"type": "image", "source": PIXEL},
                {"type": "image", "source": {"type": "url", "url": "https://a.example/b.png"}},
                {"type": "document", "source": {"type": "text", "data": "abc"}, "title": "t"},
                {"type": "document", "source": PIXEL, "context": "c"},
                {"type": "search_result", "content": [], "source": "a", "title": "b"},
            ),
            {
                "role": "assistant",
                "content": [
                    {"type": "thinking", "thinking": "hm", "signature": "s"},
                    {"type": "redacted_thinking", "data": "x"},
                    {"type": "tool_use", "id": "t1", "name": "f", "input": {"a": 1}},
                ],
            },
            *user(
                {"type": "tool_result", "tool_use_id": "t1", "content": "ok", "is_error": False},
                {"type": "tool_result", "tool_use_id": "t2"},
                {
                    "type": "tool_result",
                    "tool_use_id": "t3",
                    "content": [{"type": "text", "text": "z"}],
                },
            ),
            {"role": "assistant", "content": []},
        ],
        tools=[{**TOOL, "cache_control": {"type": "ephemeral"}}],
        tool_choice={"type": "tool", "name": "f", "disable_parallel_tool_use": True},
        thinking={"type": "enabled", "budget_tokens": 1024},
        output_config={"format": {"type": "json_schema", "schema": {}}},
        cache_control={"type": "ephemeral"},
    )
    assert ask.size.images == 2
    assert ask.size.files == 1
    assert ask.size.asks_cache
    assert ask.needs == {"image_input", "file_input", "tools", "json_schema"}
    assert ask.unknown_count == 0


def test_unknown_fields_are_taken_out_at_every_level() -> None:
    ask = read(
        system=[{"type": "text", "text": "s", "odd_name": 1}],
        messages=[
            {"role": "user", "content": "a", "odd_name": 1},
            *user(
                {
                    "type": "tool_result",
                    "tool_use_id": "t",
                    "content": [{"type": "text", "text": "b", "odd_name": 1}],
                }
            ),
        ],
        odd_name=1,
    )
    assert ask.unknown_count == 4
    assert b"odd_name" not in ask.encoded["messages"] + ask.encoded["system"]


def test_hosted_tools_have_no_effect_and_are_told() -> None:
    hosted = {"type": "web_search_20250305", "name": "web_search"}
    ask = read(tools=[hosted, TOOL])
    assert ask.dropped == ("web_search",)
    assert ask.encoded["tools"] == msgspec.json.encode([TOOL])
    alone = read(tools=[hosted], tool_choice={"type": "auto"})
    assert "tools" not in alone.fields
    assert "tool_choice" not in alone.fields
    assert alone.needs == frozenset()


@pytest.mark.parametrize(
    ("changes", "param"),
    [
        ({"max_tokens": None}, "max_tokens"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"temperature": 1.5}, "temperature"),
        ({"top_k": -1}, "top_k"),
        ({"stop_sequences": "a"}, "stop_sequences"),
        ({"tools": [{"name": "f"}]}, "tools[0].input_schema"),
        ({"tools": [{"type": 1}]}, "tools[0].type"),
        ({"tools": [TOOL] * 1025}, "tools"),
        ({"tool_choice": {"type": "some"}}, "tool_choice.type"),
        ({"tool_choice": {"type": "any"}}, "tool_choice"),
        ({"thinking": {"type": "enabled"}}, "thinking.budget_tokens"),
        ({"output_format": {"type": "xml"}}, "output_format.type"),
        ({"messages": [{"role": "god", "content": "a"}]}, "messages[0].role"),
        ({"messages": [{"role": "user"}]}, "messages[0].content"),
        ({"messages": user({"type": "tool_use"})}, "messages[0].content[0].type"),
        ({"messages": user({"type": "text"})}, "messages[0].content[0].text"),
    ],
)
def test_wrong_values_are_named_by_their_path(changes: dict[str, object], param: str) -> None:
    with pytest.raises(BadRequest) as caught:
        read(**changes)
    assert caught.value.param == param


@pytest.mark.parametrize(
    "changes",
    [
        {"container": "c"},
        {"mcp_servers": []},
        {"tools": [{"type": "code_execution_20250522", "name": "code_execution"}]},
        {"messages": user({"type": "image", "source": {"type": "file", "file_id": "f"}})},
    ],
)
def test_what_needs_content_at_rest_is_refused(changes: dict[str, object]) -> None:
    with pytest.raises(RefusedByPolicy):
        read(**changes)


def test_thinking_without_a_budget_is_taken_as_it_is() -> None:
    assert "thinking" in read(thinking={"type": "disabled"}).fields


def test_deep_values_are_refused_wherever_they_hide() -> None:
    deep: object = []
    for _ in range(200):
        deep = [deep]
    call = {"type": "tool_use", "id": "a", "name": "f", "input": {"a": deep}}
    turns = [{"role": "assistant", "content": [call]}]
    with pytest.raises(MalformedBody):
        read(messages=turns)
    with pytest.raises(MalformedBody):
        read(messages=turns, system="x" * 9_000)
    with pytest.raises(MalformedBody):
        read(system=[{"type": "text", "text": "x" * 9_000, "cache_control": {"a": deep}}])
    parts = [{"type": "image_url", "image_url": {"url": "x" * 9_000, "detail": deep}}]
    body = {"model": "m", "messages": [{"role": "user", "content": parts}]}
    with pytest.raises(MalformedBody):
        OPENAI_CHAT.read(msgspec.json.encode(body))


def test_unknown_fields_are_taken_out_without_a_system_prompt_too() -> None:
    ask = read(messages=user({"type": "text", "text": "a", "odd_name": 1}))
    assert b"odd_name" not in ask.encoded["messages"]


def test_edits_of_the_context_are_told_not_refused_for_they_keep_nothing() -> None:
    ask = read(context_management={"edits": [{"type": "clear_thinking_20251015"}]})
    assert ask.dropped == ("context_management",)
    assert "context_management" not in ask.fields


def test_a_tool_goes_on_with_its_known_fields_alone() -> None:
    own = {**TOOL, "description": "d", "strict": True, "input_examples": [{}]}
    screen = {"type": "computer_20250124", "name": "computer", "display_width_px": 9}
    plain = {"type": "bash_20250124", "name": "bash"}
    ask = read(
        tools=[
            {**own, "odd_name": 1, "type": None},
            {**screen, "input_schema": {}},
            {**plain, "defer_loading": True, "allowed_callers": ["direct"]},
        ]
    )
    kept = [{**own, "type": None}, screen, plain]
    assert ask.encoded["tools"] == msgspec.json.encode(kept)
    assert ask.fields["tools"] == kept
    assert ask.unknown_count == 4


@pytest.mark.parametrize(
    "kind",
    ["computer_toolset_20260801", "bash", "bash_1", "image_maker_20270101", "bash_20250124x"],
)
def test_a_kind_of_tool_that_nobody_knows_is_refused(kind: str) -> None:
    with pytest.raises(BadRequest) as caught:
        read(tools=[{"type": kind, "name": "f", "input_schema": {}}])
    assert caught.value.param == "tools[0].type"


def test_a_system_turn_is_words_alone() -> None:
    ask = read(messages=[HELLO, {"role": "system", "content": "be brief"}, HELLO])
    assert ask.size.messages == 3
    assert ask.size.text_bytes == 5 + 8 + 5
    texts = [{"type": "text", "text": "be brief"}]
    assert read(messages=[HELLO, {"role": "system", "content": texts}]).size.text_bytes == 5 + 8
    image = {"type": "image", "source": PIXEL}
    for wrong in ({"role": "system", "content": [image]}, {"role": "god", "content": "a"}):
        with pytest.raises(BadRequest) as caught:
            read(messages=[HELLO, wrong])
        assert str(caught.value.param).startswith("messages[1].")
