"""Odd but usable answers of upstreams come out as published; and the shapes are what they say."""

from typing import Literal, get_args, get_origin

import anthropic.types as claude
import msgspec
import openai.types as openai
import pytest
from openai.types import chat as openai_chat
from pydantic import BaseModel

from tests.builders import published_shapes as shapes
from tests.builders.dialect_world import (
    DONE,
    at,
    chat,
    chunk,
    ended,
    message_stream,
    messages,
    shown,
)
from tests.builders.published_streams import check_chat_stream, check_message_stream
from troth.kernel.quantities import Quantities

USED = Quantities(input=3, output=2)
TOKEN = {
    "id": 5,
    "token": "a",
    "logprob": -0.5,
    "bytes": [97],
    "top_logprobs": [{"id": 5, "token": "a", "logprob": -0.5, "bytes": [97]}],
}
FIT: list[object] = [
    {"content": [TOKEN]},
    {"content": [TOKEN], "refusal": None},
    {"content": [{"token": "a", "logprob": -1}]},
    {"content": None},
]
UNFIT: list[object] = [
    {},
    {"tokens": ["a"], "token_logprobs": [-0.5]},
    {"content": "none"},
    {"content": [{"token": 5}]},
    "none",
    [],
]
CALLS: list[object] = [
    [],
    [{"function": {"name": "f", "arguments": "{}"}}],
    [{"id": None, "type": None, "function": {"name": "f"}}],
    [{"id": "a", "type": "function"}],
    [{"id": "a", "type": "function", "function": None, "index": 3}],
    [{"id": "a", "type": "custom", "custom": {"name": "f"}}],
    [{"id": "a", "type": "custom"}],
]
EXTRAS: list[dict[str, object]] = [
    {"annotations": None},
    {"annotations": []},
    {
        "annotations": [
            {
                "type": "url_citation",
                "url_citation": {
                    "start_index": 0,
                    "end_index": 1,
                    "url": "u",
                    "title": "t",
                    "odd_name": 1,
                },
            }
        ]
    },
    {"annotations": [{"type": "odd_kind"}, 5]},
    {"annotations": "none"},
    {"audio": None},
    {"function_call": {"name": "f"}},
    {"function_call": {}},
    {"refusal": "no"},
    {"reasoning_content": "hm", "reasoning_details": [], "odd_name": {}},
]


def whole(choice: dict[str, object], **more: object) -> bytes:
    message = {"role": "assistant", "content": "a", **more}
    return msgspec.json.encode(
        {"choices": [{"message": message, "finish_reason": "stop", **choice}]}
    )


def held(body: bytes, **fields: object) -> shapes.Completion:
    """Return what a chat client gets of a buffered answer of an OpenAI-style upstream."""
    answer = shown(chat(**fields), at("openai"))
    answer.piece(body)
    assert answer.ended()
    told = answer.whole(1_234, USED)
    openai_chat.ChatCompletion.model_validate(msgspec.json.decode(told), strict=True)
    return msgspec.json.decode(told, type=shapes.Completion)


@pytest.mark.parametrize("logprobs", FIT + UNFIT)
def test_log_probabilities_come_out_as_published_or_not_at_all(logprobs: object) -> None:
    told = held(whole({"logprobs": logprobs}), logprobs=True)
    data = chunk({"content": "a"}) + chunk({}, "stop")
    step = {"index": 0, "delta": {"content": "a"}, "logprobs": logprobs}
    odd = b"data: " + msgspec.json.encode({"choices": [step]}) + b"\n\n"
    stream = ended(shown(chat(stream=True, logprobs=True), at("openai")), odd + data + DONE)
    check_chat_stream(stream, has_usage=False)
    assert (told.choices[0].logprobs is not None) is (logprobs in FIT)
    assert (b'"top_logprobs"' in stream) is (logprobs in FIT[:-1])


@pytest.mark.parametrize("calls", CALLS)
def test_calls_come_out_as_published(calls: list[object]) -> None:
    message = held(whole({}, tool_calls=calls)).choices[0].message
    assert (message.tool_calls is msgspec.UNSET) is (calls == [])
    if calls and "custom" not in str(calls):
        pieces = [{"index": at, **call} for at, call in enumerate(calls) if isinstance(call, dict)]
        data = chunk({"tool_calls": pieces}) + chunk({}, "tool_calls") + DONE
        stream = ended(shown(chat(stream=True), at("openai")), data)
        check_chat_stream(stream, has_usage=False)
    answer = shown(messages(), at("openai"))
    answer.piece(whole({}, tool_calls=calls))
    assert answer.ended()
    msgspec.json.decode(answer.whole(0, USED), type=shapes.MessageAnswer)


@pytest.mark.parametrize("extra", EXTRAS)
def test_what_else_a_message_holds_comes_out_as_published(extra: dict[str, object]) -> None:
    told = held(whole({}, **extra), reasoning_effort="low")
    assert told.choices[0].message.content == "a"


BLOCKS: list[tuple[object, list[object]]] = [
    ({"type": "text"}, [{"type": "text_delta", "text": "a"}]),
    ({"type": "text", "text": "a", "citations": None}, []),
    (
        {"type": "tool_use", "id": "t", "name": "f"},
        [{"type": "input_json_delta", "partial_json": "{"}],
    ),
    ({"type": "tool_use", "id": "t", "input": "none"}, []),
    ({"type": "thinking", "thinking": "hm"}, [{"type": "signature_delta", "signature": "s"}]),
    ({"type": "redacted_thinking"}, []),
]


@pytest.mark.parametrize("stop", ["end_turn", "tool_use", "odd_reason"])
def test_odd_blocks_come_out_as_published(stop: str) -> None:
    for block in BLOCKS:
        data = message_stream([block], stop)
        check_message_stream(ended(shown(messages(stream=True), at("anthropic")), data))
        stream = ended(shown(chat(stream=True), at("anthropic")), data)
        check_chat_stream(stream, has_usage=False)
        body = {"content": [block[0]], "stop_reason": stop}
        answer = shown(messages(), at("anthropic"))
        answer.piece(msgspec.json.encode(body))
        assert answer.ended()
        msgspec.json.decode(answer.whole(0, USED), type=shapes.MessageAnswer)
        translated = shown(chat(), at("anthropic"))
        translated.piece(msgspec.json.encode(body))
        assert translated.ended()
        msgspec.json.decode(translated.whole(0, USED), type=shapes.Completion)


# --- the shapes themselves --------------------------------------------------------------


PAIRS: list[tuple[type[msgspec.Struct], type[BaseModel]]] = [
    (shapes.Completion, openai_chat.ChatCompletion),
    (shapes.Choice, openai_chat.chat_completion.Choice),
    (shapes.Message, openai_chat.ChatCompletionMessage),
    (shapes.Logprobs, openai_chat.chat_completion.ChoiceLogprobs),
    (shapes.TokenLogprob, openai_chat.ChatCompletionTokenLogprob),
    (shapes.Chunk, openai_chat.ChatCompletionChunk),
    (shapes.ChunkChoice, openai_chat.chat_completion_chunk.Choice),
    (shapes.Delta, openai_chat.chat_completion_chunk.ChoiceDelta),
    (shapes.CallPiece, openai_chat.chat_completion_chunk.ChoiceDeltaToolCall),
    (shapes.CompletionUsage, openai.CompletionUsage),
    (shapes.Embeddings, openai.CreateEmbeddingResponse),
    (shapes.Vector, openai.Embedding),
    (shapes.Model, openai.Model),
    (shapes.Error, openai.ErrorObject),
    (shapes.MessageAnswer, claude.Message),
    (shapes.BegunMessage, claude.Message),
    (shapes.Usage, claude.Usage),
    (shapes.DeltaUsage, claude.MessageDeltaUsage),
    (shapes.TextBlock, claude.TextBlock),
    (shapes.ToolUseBlock, claude.ToolUseBlock),
    (shapes.ThinkingBlock, claude.ThinkingBlock),
    (shapes.RedactedBlock, claude.RedactedThinkingBlock),
    (shapes.MessageStart, claude.RawMessageStartEvent),
    (shapes.BlockStart, claude.RawContentBlockStartEvent),
    (shapes.BlockDelta, claude.RawContentBlockDeltaEvent),
    (shapes.BlockStop, claude.RawContentBlockStopEvent),
    (shapes.MessageDelta, claude.RawMessageDeltaEvent),
    (shapes.EndDelta, claude.raw_message_delta_event.Delta),
    (shapes.MessageStop, claude.RawMessageStopEvent),
    (shapes.ModelInfo, claude.ModelInfo),
    (shapes.TokensCount, claude.MessageTokensCount),
]
OURS = {
    "cost",
    "x_troth",
    "reasoning",
    "reasoning_content",
    "reasoning_details",
    "name",
    "context_length",
    "architecture",
    "pricing",
    "top_provider",
    "supported_parameters",
}


@pytest.mark.parametrize(("shape", "model"), PAIRS)
def test_a_shape_has_the_names_that_the_official_client_knows(
    shape: type[msgspec.Struct], model: type[BaseModel]
) -> None:
    fields = {field.encode_name: field for field in msgspec.structs.fields(shape)}
    tag = shape.__struct_config__.tag_field
    names = fields.keys() | ({tag} if tag else set())
    published = model.model_fields
    assert names - published.keys() <= OURS
    needed = {name for name, field in published.items() if field.is_required()}
    assert needed <= names
    assert all(fields[name].required for name in needed - {tag})


@pytest.mark.parametrize(
    ("reasons", "model", "name"),
    [
        (shapes.FinishReason, openai_chat.chat_completion.Choice, "finish_reason"),
        (shapes.StopReason, claude.Message, "stop_reason"),
    ],
)
def test_the_reasons_are_those_that_the_official_client_knows(
    reasons: object, model: type[BaseModel], name: str
) -> None:
    told = model.model_fields[name].annotation
    while get_origin(told) is not Literal:
        told = get_args(told)[0]
    assert set(get_args(told)) == set(get_args(reasons))


def test_a_shape_refuses_what_lacks_a_field_or_has_one_more() -> None:
    answer = msgspec.to_builtins(held(whole({})))
    called = {"type": "tool_use", "id": "t", "name": "f", "input": {}, "caller": {"type": "direct"}}
    start = {"type": "content_block_start", "index": 0, "content_block": called}
    for fields, shape in ((answer, shapes.Completion), (start, shapes.MessageEvent)):
        msgspec.convert(fields, shape)
        for name in [*fields]:
            lacking = {key: value for key, value in fields.items() if key != name}
            with pytest.raises(msgspec.ValidationError):
                msgspec.convert(lacking, shape)
        with pytest.raises(msgspec.ValidationError):
            msgspec.convert({**fields, "timings": {}}, shape)
