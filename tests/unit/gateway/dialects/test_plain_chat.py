"""The short way of reading a chat request takes what the long way takes, and the same of it."""

from typing import TYPE_CHECKING

import msgspec
import pytest
from hypothesis import given

from tests.builders.chat_requests import body, long_way, plain_requests
from tests.builders.dialect_world import at, outlet
from troth.gateway.dialects import compose, openai_chat, plain_chat, unsupported
from troth.kernel.errors import BadRequest
from troth.providers.openai_fields import BEYOND
from troth.providers.provider import PROVIDERS

if TYPE_CHECKING:
    from troth.catalog.offering import Dialect


@given(plain_requests)
def test_both_ways_read_the_same(wanted: dict[str, object]) -> None:
    text = msgspec.json.encode(wanted)
    short = plain_chat.read(text)
    if b"\\u" in text:
        assert short is None
        return
    assert short is not None
    other = long_way(text)
    for name in ("model", "streamed", "wants_usage", "max_tokens", "choices", "needs", "size"):
        assert getattr(short, name) == getattr(other, name)
    assert short.fields == other.fields
    for offered in (at("openai"), at("openai", "groq"), at("anthropic", "anthropic")):
        way = outlet(offered)
        sent, also = (b"".join(compose(ask, way, 7).body) for ask in (short, other))
        assert msgspec.json.decode(sent) == msgspec.json.decode(also)


@pytest.mark.parametrize(
    "text",
    [
        body(b'"model":"other"'),
        body(b'"temperature":1', b'"temperature":1'),
        body(turns=b'{"role":"user","role":"user","content":"x"}'),
        body(turns=b'{"role":"user","content":"\\u0022\\u0022","content":"x"}'),
        body(turns=b'{"role":"user","content":"x","content":"\\"\\"\\"\\""}'),
        body(b'"stream_options":{"include_usage":true,"include_usage":true}'),
    ],
)
def test_a_key_named_twice_never_passes(text: bytes) -> None:
    assert plain_chat.read(text) is None
    with pytest.raises(BadRequest):
        openai_chat.read(text)


@pytest.mark.parametrize(
    "text",
    [
        body(b'"tools":[]'),
        body(b'"stop":null'),
        body(b'"temperature":3'),
        body(b'"max_tokens":0'),
        body(b'"stream":1'),
        body(turns=b""),
        body(turns=b'{"role":"developer","content":"x"}'),
        body(turns=b'{"role":"user","content":[{"type":"text","text":"x"}]}'),
        body(turns=b'{"role":"user","content":"\\u00e9"}'),
        body(turns=b'{"role":"user","content":"\xff"}'),
        body()[:-1],
        body() + b"x",
        b"[]",
    ],
)
def test_what_is_not_plain_is_left_to_the_long_way(text: bytes) -> None:
    assert plain_chat.read(text) is None


def test_escapes_and_quotes_are_no_reason_to_look_twice() -> None:
    ask = plain_chat.read(body(turns=b'{"role":"user","content":"a \\"b\\" \\n \\\\ c"}'))
    assert ask is not None
    assert ask.given_on == b'"messages":[{"role":"user","content":"a \\"b\\" \\n \\\\ c"}]'


def test_no_provider_drops_lacks_or_changes_what_is_given_on() -> None:
    given_on = frozenset(plain_chat.GIVEN_ON)
    assert not given_on & BEYOND
    for name, row in PROVIDERS.items():
        assert not given_on & row.drops, name
    ask = plain_chat.read(body(b'"temperature":0', b'"seed":1'))
    assert ask is not None
    for name in PROVIDERS:
        dialect: Dialect = "anthropic" if name == "anthropic" else "openai"
        assert unsupported(ask, at(dialect, name)) is None
