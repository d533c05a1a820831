"""Every kind of answer, in both dialects, over HTTP, held against the published documents."""

import msgspec
import pytest

from tests.builders.published_shapes import (
    AnthropicError,
    Completion,
    Embeddings,
    ErrorEnvelope,
    MessageAnswer,
    Model,
    ModelInfo,
    ModelPage,
    Models,
    TokensCount,
)
from tests.builders.published_streams import check_chat_stream, check_message_stream
from tests.journeys.raw_http import get, hello, hello_claude, post
from tests.journeys.serving import House, Key
from troth.gateway.exchange import Fields, Json

MODELS = [
    "chat",
    "claude",
    "as-openai",
    "bare",
    "claude-bare",
    "cached-3+reason-5",
    "claude-cached-3+reason-5",
    "nousage",
    "claude-nousage",
    "usage-negative",
    "claude-usage-absurd",
    "joined",
    "claude-torn-1",
    "fill",
    "claude-fill",
]
BROKEN = ["cut-4", "claude-cut-4", "claude-overload-4", "stop-4", "claude-stop-4"]
SCHEMA: Fields = {"type": "object", "properties": {"grams": {"type": "integer"}}}
FUNCTION: Fields = {"name": "weigh", "parameters": SCHEMA}
FORM: Fields = {"type": "json_schema", "json_schema": {"name": "s", "schema": SCHEMA}}
CHAT_ASKS: dict[str, Fields] = {
    "plain": {},
    "short": {"max_tokens": 3},
    "tools": {"tools": [{"type": "function", "function": FUNCTION}]},
    "form": {"response_format": FORM},
}
OPENAI_ASKS: dict[str, Fields] = {"choices": {"n": 2}, "logprobs": {"logprobs": True}}
MESSAGES_ASKS: dict[str, Fields] = {
    "plain": {},
    "short": {"max_tokens": 3},
    "tools": {"tools": [{"name": "weigh", "input_schema": SCHEMA}]},
    "form": {"output_config": {"format": {"type": "json_schema", "schema": SCHEMA}}},
}
MESSAGES = "/v1/messages"
VERSION = "anthropic-version: 2023-06-01"


@pytest.mark.parametrize("model", MODELS)
def test_chat_answers_fit(house: House, key: Key, model: str) -> None:
    asks = CHAT_ASKS if model.startswith("claude") else CHAT_ASKS | OPENAI_ASKS
    for more in asks.values():
        reply = post(house.address, key.text, hello(model, **more))
        assert reply.status == 200, reply.body
        msgspec.json.decode(reply.body, type=Completion)
        for has_usage in (False, True):
            asked: Fields = {"stream": True, "stream_options": {"include_usage": has_usage}}
            streamed = post(house.address, key.text, hello(model, **more, **asked))
            choices = 2 if "n" in more else 1
            check_chat_stream(streamed.body, choices, has_usage=has_usage)
            assert streamed.body.endswith(b"data: [DONE]\n\n")


@pytest.mark.parametrize("model", MODELS)
def test_messages_fit(house: House, key: Key, model: str) -> None:
    for more in MESSAGES_ASKS.values():
        reply = post(house.address, key.text, hello_claude(model, **more), MESSAGES)
        assert reply.status == 200, reply.body
        msgspec.json.decode(reply.body, type=MessageAnswer)
        streamed = post(house.address, key.text, hello_claude(model, **more, stream=True), MESSAGES)
        check_message_stream(streamed.body)
        assert b"event: message_stop\n" in streamed.body
    counted = post(house.address, key.text, hello_claude(model), MESSAGES + "/count_tokens")
    msgspec.json.decode(counted.body, type=TokensCount)


@pytest.mark.parametrize("model", BROKEN)
def test_broken_streams_fit_to_their_last_event(house: House, key: Key, model: str) -> None:
    reply = post(house.address, key.text, hello(model, stream=True))
    check_chat_stream(reply.body, has_usage=False)
    assert b'"error"' in reply.body
    reply = post(house.address, key.text, hello_claude(model, stream=True), MESSAGES)
    check_message_stream(reply.body)
    assert b"event: error\n" in reply.body


def test_embeddings_fit(house: House, key: Key) -> None:
    several: list[Json] = ["one", ["one", "two"], [[1, 2, 3]]]
    for inputs in several:
        for form in ("float", "base64"):
            asked: Fields = {"model": "embed", "input": inputs, "encoding_format": form}
            reply = post(house.address, key.text, asked, "/v1/embeddings")
            told = msgspec.json.decode(reply.body, type=Embeddings)
            assert all(isinstance(row.embedding, list) is (form == "float") for row in told.data)


def test_lists_of_models_fit(house: House, key: Key) -> None:
    for model in ("chat", "embed", "maker/chat:large"):
        one = get(house.address, key.text, f"/v1/models/{model}")
        msgspec.json.decode(one.body, type=Model)
        one = get(house.address, key.text, f"/v1/models/{model}", VERSION)
        msgspec.json.decode(one.body, type=ModelInfo)
    msgspec.json.decode(get(house.address, key.text, "/v1/models").body, type=Models)
    page = get(house.address, key.text, "/v1/models?limit=5", VERSION)
    assert len(msgspec.json.decode(page.body, type=ModelPage).data) == 5


@pytest.mark.parametrize("model", [f"err-{status}+bare" for status in (400, 401, 429, 500)])
def test_failures_fit(house: House, key: Key, model: str) -> None:
    for streamed in (False, True):
        for name in (model, f"claude-{model}"):
            reply = post(house.address, key.text, hello(name, stream=streamed))
            assert reply.status >= 400
            msgspec.json.decode(reply.body, type=ErrorEnvelope)
            asked = hello_claude(name, stream=streamed)
            reply = post(house.address, key.text, asked, MESSAGES)
            assert reply.status >= 400
            msgspec.json.decode(reply.body, type=AnthropicError)


@pytest.mark.parametrize(
    ("body", "path"),
    [
        (b"{", ""),
        (b'{"model":"chat"}', ""),
        (
            b'{"model":"nobody-has-this","max_tokens":1,"messages":[{"role":"user","content":"a"}]}',
            "",
        ),
        (b'{"model":"chat","messages":[],"previous_response_id":"r"}', ""),
        (b"{}", "/none"),
    ],
)
def test_refusals_fit(house: House, key: Key, body: bytes, path: str) -> None:
    reply = post(house.address, key.text, body, f"/v1/chat/completions{path}")
    assert 400 <= reply.status < 500
    msgspec.json.decode(reply.body, type=ErrorEnvelope)
    reply = post(house.address, key.text, body, f"{MESSAGES}{path}")
    assert 400 <= reply.status < 500
    msgspec.json.decode(reply.body, type=AnthropicError)


def test_an_empty_wallet_and_a_wrong_key_fit(house: House) -> None:
    poor = house.key(credit_usd="0")
    for text, status in ((poor.text, 402), ("sk-troth-none", 401)):
        reply = post(house.address, text, hello())
        assert reply.status == status
        msgspec.json.decode(reply.body, type=ErrorEnvelope)
        reply = post(house.address, text, hello_claude(), MESSAGES)
        assert reply.status == status
        msgspec.json.decode(reply.body, type=AnthropicError)
