"""A cache key is a name of the caller's: its keyed hash goes on, where anybody takes one."""

import msgspec
import pytest

from tests.builders.dialect_world import at
from tests.builders.gateway_world import answers, scene
from troth.catalog.model import Endpoint
from troth.gateway.dialects import dropped
from troth.gateway.exchange import Ask
from troth.gateway.receive import receive
from troth.kernel.content import Content

NAMED = {"prompt_cache_key": "ada-lovelace", "user": "ada-l", "safety_identifier": "ada-l"}
ASK = {"model": "m", "messages": [{"role": "user", "content": "hello"}], **NAMED}


def received(
    org: str = "org_1", key: bytes = b"k" * 32, endpoint: Endpoint = "chat", **more: object
) -> Ask:
    return receive(endpoint, Content([msgspec.json.encode({**ASK, **more})]), org, key)


def test_the_hash_depends_on_the_name_the_organization_and_the_key() -> None:
    asks = [
        received(),
        received("org_2"),
        received(key=b"o" * 32),
        received(prompt_cache_key="another"),
        received(prompt_cache_key=""),
    ]
    assert len({str(ask.fields["prompt_cache_key"]) for ask in asks}) == len(asks)
    assert received().fields == asks[0].fields


def test_what_may_be_forwarded_does_not_hold_the_name() -> None:
    ask = received()
    assert "ada-lovelace" not in repr(ask)
    assert ask.encoded["prompt_cache_key"] == msgspec.json.encode(ask.fields["prompt_cache_key"])
    assert "ada-l" not in repr(received(endpoint="messages", max_tokens=5).fields)


@pytest.mark.parametrize("value", [None, "\\u00e9 \U0001f41d"])
def test_odd_names_and_none_are_no_failure(value: str | None) -> None:
    ask = received(prompt_cache_key=value)
    assert ("prompt_cache_key" in ask.fields) is (value is not None)


def test_a_provider_without_cache_keys_gets_none_and_the_caller_is_told() -> None:
    ask = received()
    assert dropped(ask, at("openai")) == ()
    for provider in ("groq", "deepinfra", "openrouter", "vllm", "ollama", "llamacpp", "another"):
        assert dropped(ask, at("openai", provider)) == ("prompt_cache_key",)
    assert dropped(ask, at("anthropic", "anthropic")) == ("prompt_cache_key",)


@pytest.mark.anyio
@pytest.mark.parametrize("provider", ["openai", "vllm", "anthropic"])
async def test_the_name_never_leaves(provider: str) -> None:
    offered = at("anthropic" if provider == "anthropic" else "openai", provider)
    offered = msgspec.structs.replace(
        offered, model=msgspec.structs.replace(offered.model, name="m")
    )
    world = scene(answers(500, b"{}"), offerings=[offered])
    await world.ask(msgspec.json.encode(ASK))
    assert world.upstreams.sent
    for _, head, body in world.upstreams.sent:
        assert b"ada-l" not in head + body
        assert (b'"prompt_cache_key":"' in body) is (provider == "openai")
