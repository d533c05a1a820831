"""Quirks: each is heeded by whoever speaks to the offering, and changes nothing else."""

from typing import get_args

import msgspec
import pytest

from tests.builders.dialect_world import at, chat, outlet, shown
from troth.catalog.offering import Offering, Quirk
from troth.gateway.dialects import compose, unsupported
from troth.gateway.exchange import Ask
from troth.kernel.quantities import NOTHING
from troth.providers.provider import Provider, provider_of
from troth.providers.quirks import CHANGES, row_of


def quirky(*quirks: Quirk, provider: str = "openai") -> Offering:
    return msgspec.structs.replace(at("openai", provider), quirks=frozenset(quirks))


def sent(ask: Ask, offered: Offering) -> dict[str, object]:
    body = b"".join(compose(ask, outlet(offered), 5).body)
    return msgspec.json.decode(body, type=dict[str, object])


def test_the_list_is_closed_and_each_quirk_has_its_change() -> None:
    assert set(CHANGES) == set(get_args(Quirk))
    known = set(Provider.__struct_fields__)
    assert all(known.issuperset(change) for change in CHANGES.values())


def test_without_quirks_the_row_is_the_provider_s() -> None:
    assert row_of(quirky()) is provider_of("openai")
    assert row_of(quirky("odd_events")) == provider_of("openai")


def test_turns_and_numbers_are_sent_as_the_offering_takes_them() -> None:
    turns = [{"role": "developer", "content": "a", "name": "n"}, {"role": "user", "content": "b"}]
    ask = chat(messages=turns, temperature=0, user="u")
    plain = sent(ask, quirky())
    assert (plain["messages"], plain["temperature"]) == (turns, 0)
    assert plain["max_completion_tokens"] == 5
    odd = sent(
        ask,
        quirky("developer_as_system", "no_turn_names", "no_zero_temperature", "limit_max_tokens"),
    )
    assert odd["messages"] == [{"role": "system", "content": "a"}, turns[1]]
    assert odd["temperature"] == 1e-8
    assert (odd["max_tokens"], "max_completion_tokens" in odd) == (5, False)
    newer = sent(ask, quirky("limit_max_completion_tokens", provider="deepinfra"))
    assert (newer["max_completion_tokens"], "max_tokens" in newer) == (5, False)


def test_a_plain_request_heeds_them_too() -> None:
    plain = chat(temperature=0)
    assert sent(plain, quirky("no_zero_temperature"))["temperature"] == 1e-8
    assert sent(plain, quirky("limit_max_tokens"))["max_tokens"] == 5


@pytest.mark.parametrize("fields", [{}, {"stop": "x", "user": "u", "metadata": {}}])
def test_usage_of_a_stream_is_not_asked_for_where_that_is_an_error(fields: dict[str, str]) -> None:
    ask = chat(stream=True, **fields)
    assert sent(ask, quirky())["stream_options"] == {"include_usage": True}
    odd = sent(ask, quirky("no_stream_usage"))
    assert (odd["stream"], "stream_options" in odd) == (True, False)


def test_what_cannot_be_honored_is_refused() -> None:
    tool = {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}
    forced = chat(tools=[tool], tool_choice="required")
    assert unsupported(forced, quirky()) is None
    assert unsupported(forced, quirky("no_tool_choice")) == "tool_choice"
    part = {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}
    pictured = chat(messages=[{"role": "user", "content": [part]}])
    assert unsupported(pictured, quirky()) is None
    assert unsupported(pictured, quirky("no_image_urls")) == "messages"


@pytest.mark.parametrize(("quirks", "said"), [((), ""), (("answers_in_reasoning",), "7")])
def test_an_answer_in_the_field_for_reasoning_is_put_right(
    quirks: tuple[Quirk, ...], said: str
) -> None:
    rendered = shown(chat(), quirky(*quirks))
    message = {"role": "assistant", "content": "", "reasoning_content": "7"}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    rendered.piece(msgspec.json.encode({"object": "chat.completion", "choices": [choice]}))
    assert rendered.ended()
    assert rendered.delivered_bytes == 1
    whole = rendered.whole(0, NOTHING)
    answer = msgspec.json.decode(whole)
    assert (answer["choices"][0]["message"]["content"] or "") == said
