"""The official OpenAI client, unmodified: only its address and key are ours."""

import openai
import pytest
from openai.types.chat import (
    ChatCompletionChunk,
    ChatCompletionFunctionToolParam,
    ChatCompletionMessageParam,
)
from pydantic import create_model

from tests.journeys.catalog import INPUT_NUSD, OUTPUT_NUSD
from tests.journeys.serving import House, Key

HELLO: list[ChatCompletionMessageParam] = [{"role": "user", "content": "hello there"}]
WEIGH: ChatCompletionFunctionToolParam = {
    "type": "function",
    "function": {
        "name": "weigh",
        "parameters": {"type": "object", "properties": {"grams": {"type": "integer"}}},
    },
}
SAID = "Tokens are counted here and words are forgotten ."


def test_a_chat_is_answered_and_its_cost_told(openai_client: openai.OpenAI) -> None:
    raw = openai_client.chat.completions.with_raw_response.create(model="chat", messages=HELLO)
    answer = raw.parse()
    assert answer.choices[0].message.content == SAID
    assert answer.model == "chat"
    assert answer.id.startswith("chatcmpl-")
    usage = answer.usage
    assert usage is not None
    cost = usage.prompt_tokens * INPUT_NUSD + usage.completion_tokens * OUTPUT_NUSD
    assert raw.headers["x-troth-cost-nusd"] == str(cost)
    assert usage.model_extra is not None
    assert usage.model_extra["cost"] == pytest.approx(cost / 1e9, rel=1e-9)
    assert raw.headers["x-request-id"].startswith("req_")
    assert "set-cookie" not in raw.headers
    assert "openai-organization" not in raw.headers


def test_a_stream_brings_every_word_and_its_usage(openai_client: openai.OpenAI) -> None:
    stream = openai_client.chat.completions.create(
        model="chat", messages=HELLO, stream=True, stream_options={"include_usage": True}
    )
    chunks = list(stream)
    assert "".join(said(chunk) for chunk in chunks) == SAID
    assert len({chunk.id for chunk in chunks}) == 1
    usage = chunks[-1].usage
    assert usage is not None
    assert usage.completion_tokens == 9
    assert usage.model_extra is not None
    assert usage.model_extra["cost"] > 0
    assert all(chunk.usage is None for chunk in chunks[:-1])


def said(chunk: ChatCompletionChunk) -> str:
    return chunk.choices[0].delta.content or "" if chunk.choices else ""


@pytest.mark.parametrize("model", ["torn-1", "torn-2", "torn-3", "joined", "bare", "undone"])
def test_a_stream_is_the_same_however_it_is_torn(openai_client: openai.OpenAI, model: str) -> None:
    stream = openai_client.chat.completions.create(model=model, messages=HELLO, stream=True)
    chunks = list(stream)
    assert "".join(said(chunk) for chunk in chunks) == SAID
    assert chunks[-1].choices[0].finish_reason == "stop"
    assert all(chunk.usage is None for chunk in chunks)


@pytest.mark.parametrize("model", ["chat", "claude"])
def test_a_chat_is_answered_by_a_provider_of_either_dialect(
    openai_client: openai.OpenAI, model: str
) -> None:
    whole = openai_client.chat.completions.create(model=model, messages=HELLO)
    stream = openai_client.chat.completions.create(model=model, messages=HELLO, stream=True)
    assert "".join(said(chunk) for chunk in stream) == whole.choices[0].message.content == SAID


def test_an_answer_is_parsed_to_a_type(openai_client: openai.OpenAI) -> None:
    person = create_model("Person", name=(str, ...), age=(int, ...))
    for model in ("chat", "claude"):
        answer = openai_client.chat.completions.parse(
            model=model, messages=HELLO, response_format=person
        )
        assert answer.choices[0].message.parsed == person(name="Ada", age=7)


@pytest.mark.parametrize("model", ["chat", "claude"])
def test_a_tool_is_called_and_answered(openai_client: openai.OpenAI, model: str) -> None:
    asked = openai_client.chat.completions.create(model=model, messages=HELLO, tools=[WEIGH])
    assert asked.choices[0].finish_reason == "tool_calls"
    [call] = asked.choices[0].message.tool_calls or []
    assert call.type == "function"
    assert (call.function.name, call.function.arguments) == ("weigh", '{"grams":7}')
    answered = openai_client.chat.completions.create(
        model=model,
        tools=[WEIGH],
        messages=[
            *HELLO,
            {
                "role": "assistant",
                "tool_calls": [
                    {
                        "id": call.id,
                        "type": "function",
                        "function": {"name": "weigh", "arguments": call.function.arguments},
                    }
                ],
            },
            {"role": "tool", "tool_call_id": call.id, "content": "7 grams"},
        ],
    )
    assert answered.choices[0].message.content == SAID


@pytest.mark.parametrize("model", ["chat", "claude"])
def test_a_tool_call_is_streamed_in_pieces(openai_client: openai.OpenAI, model: str) -> None:
    with openai_client.chat.completions.stream(
        model=model, messages=HELLO, tools=[WEIGH]
    ) as stream:
        final = stream.get_final_completion()
    [call] = final.choices[0].message.tool_calls or []
    assert call.type == "function"
    assert call.function.arguments == '{"grams":7}'


def test_choices_and_log_probabilities_pass_through(openai_client: openai.OpenAI) -> None:
    answer = openai_client.chat.completions.create(
        model="words-3", messages=HELLO, n=2, logprobs=True, top_logprobs=1
    )
    assert [choice.index for choice in answer.choices] == [0, 1]
    told = answer.choices[1].logprobs
    assert told is not None
    assert [token.token for token in told.content or []] == ["Tokens", " are", " counted"]


def test_embeddings_come_as_numbers_and_as_text(openai_client: openai.OpenAI) -> None:
    packed = openai_client.embeddings.create(model="embed", input=["one", "two"])
    plain = openai_client.embeddings.create(
        model="embed", input=["one", "two"], encoding_format="float"
    )
    assert [row.index for row in packed.data] == [0, 1]
    assert packed.data[1].embedding == pytest.approx(plain.data[1].embedding, abs=1e-6)
    assert packed.usage.total_tokens == plain.usage.total_tokens > 0


def test_models_are_listed_and_found(openai_client: openai.OpenAI) -> None:
    names = {model.id for model in openai_client.models.list()}
    assert {"chat", "claude", "embed"} <= names
    assert openai_client.models.retrieve("chat").object == "model"
    with pytest.raises(openai.NotFoundError):
        openai_client.models.retrieve("nobody-has-this")


@pytest.mark.anyio
async def test_the_async_client_works_alike(house: House, key: Key) -> None:
    async with openai.AsyncOpenAI(base_url=f"{house.address}/v1", api_key=key.text) as client:
        whole = await client.chat.completions.create(model="chat", messages=HELLO)
        assert whole.choices[0].message.content == SAID
        stream = await client.chat.completions.create(model="chat", messages=HELLO, stream=True)
        assert "".join([said(chunk) async for chunk in stream]) == SAID
        vectors = await client.embeddings.create(model="embed", input="one")
        assert len(vectors.data[0].embedding) == 16


def test_a_wrong_key_is_refused_without_being_shown(house: House) -> None:
    wrong = "sk-troth-" + "a" * 61
    client = openai.OpenAI(base_url=f"{house.address}/v1", api_key=wrong)
    with client, pytest.raises(openai.AuthenticationError) as caught:
        client.chat.completions.create(model="chat", messages=HELLO)
    assert caught.value.code == "invalid_api_key"
    assert wrong not in caught.value.response.text


def test_an_unknown_model_is_not_found(openai_client: openai.OpenAI) -> None:
    with pytest.raises(openai.NotFoundError) as caught:
        openai_client.chat.completions.create(model="nobody-has-this", messages=HELLO)
    assert caught.value.code == "model_not_found"
    assert caught.value.param == "model"


def test_a_bad_field_is_named(openai_client: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        openai_client.chat.completions.create(model="chat", messages=HELLO, temperature=3)
    assert caught.value.param == "temperature"


def test_an_empty_wallet_is_told_once(house: House) -> None:
    poor = house.key(credit_usd="0")
    sent: list[str] = []
    counting = openai.DefaultHttpxClient(
        event_hooks={"request": [lambda request: sent.append(request.method)]}
    )
    client = openai.OpenAI(
        base_url=f"{house.address}/v1", api_key=poor.text, max_retries=3, http_client=counting
    )
    with client, pytest.raises(openai.APIStatusError) as caught:
        client.chat.completions.create(model="chat", messages=HELLO)
    assert caught.value.status_code == 402
    assert caught.value.code == "insufficient_quota"
    assert caught.value.response.headers["x-should-retry"] == "false"
    assert len(sent) == 1


def test_a_failing_provider_is_tried_again_and_then_told(openai_client: openai.OpenAI) -> None:
    answer = openai_client.chat.completions.create(model="one-of-two", messages=HELLO)
    assert answer.choices[0].message.content == "Tokens are counted"
    with pytest.raises(openai.InternalServerError) as caught:
        openai_client.with_options(max_retries=0).chat.completions.create(
            model="err-500", messages=HELLO
        )
    assert caught.value.code == "upstream_error"


def test_a_limited_provider_says_when_to_come_back(openai_client: openai.OpenAI) -> None:
    with pytest.raises(openai.RateLimitError) as caught:
        openai_client.with_options(max_retries=0).chat.completions.create(
            model="err-429", messages=HELLO
        )
    assert int(caught.value.response.headers["retry-after"]) >= 1


@pytest.mark.parametrize("model", ["cut-4", "stop-4", "overload-4", "claude-cut-4"])
def test_a_broken_stream_raises(openai_client: openai.OpenAI, model: str) -> None:
    stream = openai_client.chat.completions.create(model=model, messages=HELLO, stream=True)
    with pytest.raises(openai.APIError) as caught:
        list(stream)
    body = caught.value.body
    assert isinstance(body, dict)
    assert body["x_troth"]["receipt"] == stream.response.headers["x-request-id"]
    assert body["x_troth"]["cost_nusd"] > 0
