"""The provider's request is built from nothing: what of the caller's travels on, and what not."""

from typing import TYPE_CHECKING

import msgspec

from tests.journeys.raw_http import hello, hello_claude, post
from tests.journeys.serving import House, Key

if TYPE_CHECKING:
    from troth.gateway.exchange import Fields

NOISE = (
    "cookie: session=mine",
    "user-agent: callers-agent/1.0",
    "x-forwarded-for: 203.0.113.9",
    "openai-organization: org-callers",
    "x-custom: something",
    "x-request-id: callers-own-id",
    "accept-language: fi",
    "referer: https://example.com/secret",
)


def test_no_header_of_the_caller_travels_on(house: House, key: Key) -> None:
    house.twin.forget()
    post(house.address, key.text, hello(), "/v1/chat/completions", *NOISE)
    post(house.address, key.text, hello_claude(), "/v1/messages", *NOISE)
    for seen in house.twin.seen():
        told = dict(seen.headers)
        shown = repr(seen.headers)
        for noise in NOISE:
            assert noise.partition(": ")[2] not in shown
        assert key.text not in shown
        assert set(told) <= {
            "host",
            "authorization",
            "x-api-key",
            "anthropic-version",
            "content-type",
            "content-length",
            "user-agent",
            "accept",
            "accept-encoding",
        }
        assert told.get("accept-encoding", "identity") == "identity"


def test_the_operators_own_credential_is_used(house: House, key: Key) -> None:
    house.twin.forget()
    post(house.address, key.text, hello())
    post(house.address, key.text, hello("claude"))
    [chat] = house.twin.seen("twin-chat")
    [claude] = house.twin.seen("twin-claude")
    assert dict(chat.headers)["authorization"] == "Bearer the-operators-own-key"
    assert dict(claude.headers)["x-api-key"] == "the-operators-other-key"
    assert chat.path == "/v1/chat/completions"
    assert claude.path == "/v1/messages"


def test_no_query_and_no_steering_field_travels_on(house: House, key: Key) -> None:
    house.twin.forget()
    ask = hello(
        user="ada",
        safety_identifier="ada",
        metadata={"a": "b"},
        store=True,
        api_base="http://127.0.0.1:9/",
        base_url="http://127.0.0.1:9/",
        extra_headers={"x": "y"},
        price=0,
        provider={"order": ["nobody"]},
        models=["other"],
    )
    reply = post(house.address, key.text, ask, "/v1/chat/completions?debug=1")
    assert reply.status == 200
    assert "unknown=" in reply.headers["x-troth-dropped"]
    [seen] = house.twin.seen("twin-chat")
    assert seen.query == ""
    body = msgspec.json.decode(seen.body)
    assert set(body) <= {"model", "messages", "max_tokens", "max_completion_tokens", "stream"}


def test_a_cache_key_travels_as_a_hash_of_its_organization_or_not_at_all(
    house: House, key: Key
) -> None:
    house.twin.forget()
    named = {"prompt_cache_key": "ada-lovelace", "user": "ada-l", "safety_identifier": "ada-l"}
    for model in ("as-openai", "as-openai", "chat", "claude"):
        reply = post(house.address, key.text, hello(model, **named))
        assert reply.status == 200
        told = reply.headers.get("x-troth-dropped", "")
        assert ("prompt_cache_key" in told) is (model != "as-openai")
    seen = house.twin.seen()
    assert len(seen) == 4
    assert not [one for one in seen if "ada-l" in one.body]
    bodies = [msgspec.json.decode(one.body) for one in seen]
    first, second, *others = [body.get("prompt_cache_key") for body in bodies]
    assert first == second
    assert len(first) == 32
    assert others == [None, None]


def test_embeddings_over_the_batch_are_several_calls_and_one_receipt(
    house: House, key: Key
) -> None:
    house.twin.forget()
    ask: Fields = {"input": ["one", "two", "three"], "encoding_format": "float"}
    split = post(house.address, key.text, ask | {"model": "embed-by-two"}, "/v1/embeddings")
    assert [msgspec.json.decode(one.body)["input"] for one in house.twin.seen()] == [
        ["one", "two"],
        ["three"],
    ]
    whole = post(house.address, key.text, ask | {"model": "embed"}, "/v1/embeddings")
    rows, same = (msgspec.json.decode(reply.body)["data"] for reply in (split, whole))
    assert rows == same
    assert split.headers["x-troth-cost-nusd"] == whole.headers["x-troth-cost-nusd"]


def test_text_reaches_the_provider_unchanged(house: House, key: Key) -> None:
    house.twin.forget()
    odd = 'a\u202eb\u200bc \\ " \n data: [DONE]\n\n \u0000 \U0001f41d 漢'
    post(house.address, key.text, hello(messages=[{"role": "user", "content": odd}]))
    [seen] = house.twin.seen("twin-chat")
    assert msgspec.json.decode(seen.body)["messages"][0]["content"] == odd
