import msgspec
import pytest

from troth.gateway.dialects import OPENAI_CHAT
from troth.gateway.exchange import Ask, InputSize
from troth.kernel.errors import (
    BadRequest,
    InvalidValue,
    MissingParameter,
    RefusedByPolicy,
)

HELLO = {"role": "user", "content": "hello"}
STORED = {"type": "file", "file": {"file_id": "f"}}
TOOL = {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}


def read(**fields: object) -> Ask:
    return OPENAI_CHAT.read(msgspec.json.encode({"model": "m", "messages": [HELLO], **fields}))


def test_a_plain_request_is_read_to_its_sizes() -> None:
    ask = read(stream=True, stream_options={"include_usage": True}, max_tokens=7, n=2)
    assert ask.endpoint == "chat"
    assert ask.model == "m"
    assert ask.streamed
    assert ask.wants_usage
    assert ask.max_tokens == 7
    assert ask.choices == 2
    assert ask.needs == {"many_choices"}
    assert ask.size == InputSize(text_bytes=5, messages=1)
    assert ask.encoded["messages"] == b'[{"role":"user","content":"hello"}]'


def test_absent_and_null_fields_are_the_same() -> None:
    assert read(n=None, stop=None, tools=None).fields.keys() == {"model", "messages"}
    assert read().max_tokens == 0
    assert read(max_completion_tokens=3, max_tokens=9).max_tokens == 3


def test_text_counts_in_bytes_of_utf_8() -> None:
    messages = [{"role": "user", "content": "é"}, {"role": "user", "content": "aé", "name": "n"}]
    assert read(messages=messages).size.text_bytes == 2 + 3 + 1


def test_every_part_is_counted_and_told_as_a_need() -> None:
    parts = [
        {"type": "text", "text": "abc", "cache_control": {"type": "ephemeral"}},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}},
        {"type": "input_audio", "input_audio": {"data": "A" * 400, "format": "wav"}},
        {"type": "file", "file": {"file_data": "data:application/pdf;base64,AA=="}},
    ]
    call = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    custom = {"id": "c2", "type": "custom", "custom": {"name": "g", "input": "xy"}}
    ask = read(
        messages=[
            {"role": "developer", "content": [{"type": "text", "text": "d"}]},
            {"role": "user", "content": parts, "name": "ada"},
            {"role": "assistant", "content": None, "tool_calls": [call, custom]},
            {"role": "tool", "content": "done", "tool_call_id": "c1", "cache_control": {}},
            {
                "role": "assistant",
                "content": [{"type": "refusal", "refusal": "no"}],
                "reasoning_details": [],
                "refusal": "no",
            },
        ]
    )
    size = ask.size
    assert (size.messages, size.images, size.files, size.audio_bytes) == (5, 1, 1, 300)
    assert size.asks_cache
    assert size.text_bytes == 1 + 3 + 3 + 2 + 1 + 2 + 2 + 1 + 2 + 4 + 2 + 2 + 2 + 2
    assert ask.needs == {"image_input", "audio_input", "file_input"}


def test_needs_follow_the_fields() -> None:
    ask = read(
        tools=[TOOL, {"type": "custom", "custom": {"name": "g"}}],
        tool_choice={"type": "function", "function": {"name": "f"}},
        response_format={"type": "json_schema", "json_schema": {"name": "s", "schema": {}}},
        logprobs=True,
        top_logprobs=2,
        logit_bias={"1": -100},
        modalities=["text", "audio"],
        audio={"voice": "x"},
        prediction={"type": "content", "content": "abc"},
        stop=["a", "b"],
    )
    assert ask.needs == {"tools", "json_schema", "logprobs", "logit_bias", "audio_output"}
    assert ask.size.tool_bytes > 0
    assert ask.size.text_bytes > 5
    assert read(functions=[{"name": "f"}], function_call="auto").needs == {"tools"}
    assert read(tool_choice="required").needs == {"tools"}
    assert read(tool_choice="auto", logprobs=False, logit_bias={}).needs == frozenset()
    assert read(modalities=["text"], response_format={"type": "json_object"}).needs == frozenset()
    assert "tools" not in read(tools=[]).fields


def test_fields_without_effect_are_told_or_counted_and_never_kept() -> None:
    ask = read(
        user="u",
        metadata={"a": "b"},
        store=True,
        safety_identifier="s",
        provider={"order": ["a"], "zdr": False},
        models=["x"],
        api_base="http://elsewhere",
        price=0,
        nothing=None,
        background=False,
    )
    assert ask.fields.keys() == {"model", "messages"}
    assert set(ask.dropped) == {"provider", "models"}
    assert ask.unknown_count == 3
    assert not ask.terms


def test_unknown_fields_inside_messages_are_taken_out() -> None:
    part = {"type": "text", "text": "a", "secret_field": 1}
    ask = read(
        messages=[
            HELLO,
            {"role": "user", "content": "b", "x": 1},
            {"role": "user", "content": [part]},
            {"role": "user", "content": [{"type": "text", "text": "c"}]},
        ]
    )
    assert ask.unknown_count == 2
    assert b"secret_field" not in ask.encoded["messages"]
    assert msgspec.json.decode(ask.encoded["messages"]) == ask.fields["messages"]


@pytest.mark.parametrize(
    ("changes", "param"),
    [
        ({"temperature": 3}, "temperature"),
        ({"temperature": "1"}, "temperature"),
        ({"temperature": True}, "temperature"),
        ({"n": 0}, "n"),
        ({"n": 129}, "n"),
        ({"n": 1.0}, "n"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"max_completion_tokens": -1}, "max_completion_tokens"),
        ({"stop": ["a"] * 5}, "stop"),
        ({"stop": 1}, "stop"),
        ({"stop": [1]}, "stop[0]"),
        ({"stream": 1}, "stream"),
        ({"verbosity": "loud"}, "verbosity"),
        ({"service_tier": 1}, "service_tier"),
        ({"logit_bias": {"1": 101}}, "logit_bias"),
        ({"logit_bias": []}, "logit_bias"),
        ({"modalities": {}}, "modalities"),
        ({"stream_options": {"include_usage": 1}}, "stream_options.include_usage"),
        ({"tools": {}}, "tools"),
        ({"tools": [1]}, "tools[0]"),
        ({"tools": [{"type": "f"}]}, "tools[0].type"),
        ({"tools": [{"type": "function", "function": {}}]}, "tools[0].function.name"),
        (
            {"tools": [{"type": "function", "function": {"name": "f", "parameters": 1}}]},
            "tools[0].function.parameters",
        ),
        ({"tool_choice": "never"}, "tool_choice"),
        ({"tool_choice": 5}, "tool_choice"),
        ({"response_format": {"type": "xml"}}, "response_format.type"),
        ({"response_format": {"type": "json_schema"}}, "response_format.json_schema"),
        ({"messages": []}, "messages"),
        ({"messages": "a"}, "messages"),
        ({"messages": [1]}, "messages[0]"),
        ({"messages": [{"role": "god", "content": "a"}]}, "messages[0].role"),
        ({"messages": [{"role": "user"}]}, "messages[0].content"),
        ({"messages": [{"role": "user", "content": 1}]}, "messages[0].content"),
        (
            {"messages": [{"role": "system", "content": [{"type": "image_url"}]}]},
            "messages[0].content[0].type",
        ),
        (
            {"messages": [{"role": "tool", "content": "a"}]},
            "messages[0].tool_call_id",
        ),
        (
            {"messages": [{"role": "assistant", "tool_calls": [{"id": "a", "type": "x"}]}]},
            "messages[0].tool_calls[0].type",
        ),
    ],
)
def test_a_wrong_value_is_named_by_its_path_and_never_quoted(
    changes: dict[str, object], param: str
) -> None:
    with pytest.raises(BadRequest) as caught:
        read(**changes)
    assert caught.value.param == param
    assert param in caught.value.message


def test_missing_fields_are_named() -> None:
    with pytest.raises(MissingParameter) as caught:
        OPENAI_CHAT.read(b'{"messages":[{"role":"user","content":"a"}]}')
    assert caught.value.param == "model"
    with pytest.raises(MissingParameter) as caught:
        OPENAI_CHAT.read(b'{"model":"m"}')
    assert caught.value.param == "messages"
    with pytest.raises(InvalidValue):
        OPENAI_CHAT.read(b'{"model":5,"messages":[]}')


@pytest.mark.parametrize(
    ("changes", "param"),
    [
        ({"previous_response_id": "r"}, "previous_response_id"),
        ({"conversation": "c"}, "conversation"),
        ({"background": True}, "background"),
        ({"tools": [{"type": "file_search"}]}, "tools[0].type"),
        ({"tools": [{"type": "mcp"}]}, "tools[0].type"),
        (
            {
                "messages": [
                    {"role": "user", "content": [{"type": "file", "file": {"file_id": "f"}}]}
                ]
            },
            "messages[0].content[0].file.file_id",
        ),
    ],
)
def test_what_needs_content_at_rest_is_refused_with_its_clause(
    changes: dict[str, object], param: str
) -> None:
    with pytest.raises(RefusedByPolicy) as caught:
        read(**changes)
    assert caught.value.param == param
    assert caught.value.clause


def test_one_choice_needs_nothing() -> None:
    assert read(n=1).needs == frozenset()


@pytest.mark.parametrize(
    "choice",
    [
        {"type": "function", "function": {"name": "f"}},
        {"type": "custom", "custom": {"name": "f"}},
        {"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": [TOOL]}},
    ],
)
def test_a_choice_may_name_one_tool_or_several(choice: dict[str, object]) -> None:
    assert read(tools=[TOOL], tool_choice=choice).fields["tool_choice"] == choice


@pytest.mark.parametrize(
    ("choice", "error", "param"),
    [
        ({"type": "none_such"}, InvalidValue, "tool_choice.type"),
        ({"type": "function"}, MissingParameter, "tool_choice.function"),
        ({"type": "function", "function": {}}, MissingParameter, "tool_choice.function.name"),
        ({"type": "allowed_tools"}, MissingParameter, "tool_choice.allowed_tools"),
        (
            {"type": "allowed_tools", "allowed_tools": {"mode": "all", "tools": [TOOL]}},
            InvalidValue,
            "tool_choice.allowed_tools.mode",
        ),
        (
            {"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": []}},
            InvalidValue,
            "tool_choice.allowed_tools.tools",
        ),
    ],
)
def test_a_choice_that_names_nothing_is_refused(
    choice: dict[str, object], error: type[BadRequest], param: str
) -> None:
    with pytest.raises(error) as caught:
        read(tools=[TOOL], tool_choice=choice)
    assert caught.value.param == param


@pytest.mark.parametrize(
    "field", [{"store": 1}, {"user": 5}, {"safety_identifier": []}, {"metadata": "topic"}]
)
def test_what_has_no_effect_is_of_its_type_all_the_same(field: dict[str, object]) -> None:
    with pytest.raises(InvalidValue) as caught:
        read(**field)
    assert caught.value.param == next(iter(field))


def test_what_has_no_effect_is_taken_and_not_told() -> None:
    ask = read(store=True, user="u", safety_identifier="s", metadata={"topic": "x"})
    assert ask.dropped == ()
    assert ask.fields.keys() == {"model", "messages"}


def test_a_tool_goes_on_with_its_known_fields_alone() -> None:
    schema = {"type": "object", "x-own": {"odd_name": 1}}
    function = {"name": "f", "description": "d", "parameters": schema, "strict": True}
    mark = {"type": "ephemeral"}
    ask = read(
        tools=[
            {"type": "function", "function": {**function, "odd_name": 1}, "cache_control": mark},
            {"type": "custom", "custom": {"name": "g"}, "function": function, "odd_name": 1},
        ],
    )
    kept = [
        {"type": "function", "function": function, "cache_control": mark},
        {"type": "custom", "custom": {"name": "g"}},
    ]
    assert ask.fields["tools"] == kept
    assert ask.encoded["tools"] == msgspec.json.encode(kept)
    assert ask.size.tool_bytes == len(ask.encoded["tools"])
    assert ask.unknown_count == 3
    assert ask.size.asks_cache
    former = read(functions=[{**function, "odd_name": 1}])
    assert former.encoded["functions"] == msgspec.json.encode([function])
    wrong: list[list[object]] = [[1], [{}], []]
    for functions in wrong:
        with pytest.raises(BadRequest):
            read(functions=functions)
