"""The official Anthropic client, unmodified: only its address and key are ours."""

import anthropic
import pytest
from anthropic.types import MessageParam, ToolParam

from tests.journeys.serving import House, Key

HELLO: list[MessageParam] = [{"role": "user", "content": "hello there"}]
WEIGH: ToolParam = {
    "name": "weigh",
    "input_schema": {"type": "object", "properties": {"grams": {"type": "integer"}}},
}
SAID = "Tokens are counted here and words are forgotten ."
EITHER = pytest.mark.parametrize("model", ["claude", "chat"])


@EITHER
def test_a_message_is_answered_by_either_dialect(
    anthropic_client: anthropic.Anthropic, model: str
) -> None:
    raw = anthropic_client.messages.with_raw_response.create(
        model=model, max_tokens=100, messages=HELLO, system="be brief"
    )
    answer = raw.parse()
    assert [block.text for block in answer.content if block.type == "text"] == [SAID]
    assert answer.stop_reason == "end_turn"
    assert answer.model == model
    assert answer.usage.output_tokens == 9
    assert int(raw.headers["x-troth-cost-nusd"]) > 0
    assert raw.headers["request-id"].startswith("req_")


@EITHER
def test_a_message_is_streamed(anthropic_client: anthropic.Anthropic, model: str) -> None:
    with anthropic_client.messages.stream(model=model, max_tokens=100, messages=HELLO) as stream:
        text = "".join(stream.text_stream)
        final = stream.get_final_message()
    assert text == SAID
    assert final.usage.output_tokens == 9
    assert final.usage.input_tokens > 0
    assert final.stop_reason == "end_turn"


@EITHER
def test_a_tool_is_called_and_answered(anthropic_client: anthropic.Anthropic, model: str) -> None:
    asked = anthropic_client.messages.create(
        model=model, max_tokens=100, messages=HELLO, tools=[WEIGH]
    )
    assert asked.stop_reason == "tool_use"
    [call] = [block for block in asked.content if block.type == "tool_use"]
    assert (call.name, call.input) == ("weigh", {"grams": 7})
    answered = anthropic_client.messages.create(
        model=model,
        max_tokens=100,
        tools=[WEIGH],
        messages=[
            *HELLO,
            {"role": "assistant", "content": asked.to_param()["content"]},
            {
                "role": "user",
                "content": [{"type": "tool_result", "tool_use_id": call.id, "content": "7 grams"}],
            },
        ],
    )
    assert answered.stop_reason == "end_turn"


@EITHER
def test_a_tool_call_is_streamed(anthropic_client: anthropic.Anthropic, model: str) -> None:
    with anthropic_client.messages.stream(
        model=model, max_tokens=100, messages=HELLO, tools=[WEIGH]
    ) as stream:
        final = stream.get_final_message()
    [call] = [block for block in final.content if block.type == "tool_use"]
    assert call.input == {"grams": 7}


@pytest.mark.anyio
async def test_the_async_client_works_alike(house: House, key: Key) -> None:
    async with anthropic.AsyncAnthropic(base_url=house.address, api_key=key.text) as client:
        answer = await client.messages.create(model="claude", max_tokens=50, messages=HELLO)
        assert answer.usage.output_tokens == 9
        async with client.messages.stream(model="chat", max_tokens=50, messages=HELLO) as stream:
            assert (await stream.get_final_message()).usage.output_tokens == 9


def test_max_tokens_ends_an_answer(anthropic_client: anthropic.Anthropic) -> None:
    for model in ("claude", "chat"):
        answer = anthropic_client.messages.create(model=model, max_tokens=3, messages=HELLO)
        assert answer.stop_reason == "max_tokens"
        assert answer.usage.output_tokens == 3


def test_models_are_listed_in_this_dialect(anthropic_client: anthropic.Anthropic) -> None:
    page = anthropic_client.models.list(limit=1_000)
    assert {"chat", "claude"} <= {model.id for model in page.data}
    assert anthropic_client.models.retrieve("claude").type == "model"


def test_errors_come_as_this_clients_own(house: House, key: Key) -> None:
    with (
        anthropic.Anthropic(base_url=house.address, api_key="sk-troth-" + "a" * 61) as stranger,
        pytest.raises(anthropic.AuthenticationError),
    ):
        stranger.messages.create(model="claude", max_tokens=5, messages=HELLO)
    with anthropic.Anthropic(base_url=house.address, api_key=key.text, max_retries=0) as client:
        with pytest.raises(anthropic.NotFoundError):
            client.messages.create(model="nobody-has-this", max_tokens=5, messages=HELLO)
        with pytest.raises(anthropic.RateLimitError):
            client.messages.create(model="claude-err-429", max_tokens=5, messages=HELLO)
        with pytest.raises(anthropic.InternalServerError) as caught:
            client.messages.create(model="claude-err-529", max_tokens=5, messages=HELLO)
    assert caught.value.status_code == 529
    body = caught.value.body
    assert isinstance(body, dict)
    assert body["error"]["type"] == "overloaded_error"


def test_an_empty_wallet_is_402(house: House) -> None:
    poor = house.key(credit_usd="0")
    with (
        anthropic.Anthropic(base_url=house.address, api_key=poor.text) as client,
        pytest.raises(anthropic.APIStatusError) as caught,
    ):
        client.messages.create(model="claude", max_tokens=5, messages=HELLO)
    assert caught.value.status_code == 402
    assert caught.value.response.headers["x-should-retry"] == "false"


@pytest.mark.parametrize("model", ["claude-cut-4", "claude-overload-4", "claude-stop-4", "cut-4"])
def test_a_broken_stream_raises(anthropic_client: anthropic.Anthropic, model: str) -> None:
    with (
        pytest.raises(anthropic.APIError),
        anthropic_client.messages.stream(model=model, max_tokens=90, messages=HELLO) as stream,
    ):
        stream.until_done()


def test_tokens_are_counted_for_nothing(
    house: House, key: Key, anthropic_client: anthropic.Anthropic
) -> None:
    before = house.posted(key)
    for model, is_ours in (("claude", False), ("chat", True)):
        counted = anthropic_client.messages.with_raw_response.count_tokens(
            model=model, messages=[{"role": "user", "content": "hello there"}]
        )
        assert ("x-troth-estimated" in counted.headers) is is_ours
        assert 1 <= counted.parse().input_tokens <= 20
    assert house.posted(key) == before
    counts = anthropic_client.messages.count_tokens(model="claude", messages=HELLO)
    answer = anthropic_client.messages.create(model="claude", max_tokens=9, messages=HELLO)
    assert counts.input_tokens == answer.usage.input_tokens


def test_a_model_is_asked_for_by_a_name_with_a_slash(anthropic_client: anthropic.Anthropic) -> None:
    assert anthropic_client.models.retrieve("maker/chat:large").id == "maker/chat:large"
    with pytest.raises(anthropic.NotFoundError) as refused:
        anthropic_client.models.retrieve("maker/none")
    assert refused.value.response.headers["request-id"].startswith("req_")


@EITHER
def test_the_system_speaks_between_turns(anthropic_client: anthropic.Anthropic, model: str) -> None:
    turns: list[anthropic.types.MessageParam] = [
        *HELLO,
        {"role": "system", "content": "be brief"},
    ]
    answer = anthropic_client.messages.create(model=model, max_tokens=50, messages=turns)
    assert answer.usage.output_tokens == 9
