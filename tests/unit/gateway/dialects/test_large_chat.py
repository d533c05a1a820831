"""A large chat request is read in one step, whoever wrote it, and no key of it comes twice."""

from collections.abc import Callable

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.builders.chat_requests import body, long_way, plain_requests
from tests.builders.dialect_world import at, outlet
from troth.gateway.dialects import compose, large_chat, openai_chat
from troth.kernel.errors import BadRequest

LONG = b'{"role":"user","content":"' + b"x" * 5_000 + b'"}'


def in_ascii(value: object) -> bytes:
    """Write as many clients do: blanks between all, and everything beyond ASCII escaped."""
    text = msgspec.json.format(msgspec.json.encode(value), indent=0).decode()
    units = text.encode("utf-16-be")
    codes = [int.from_bytes(units[at : at + 2], "big") for at in range(0, len(units), 2)]
    return b"".join(b"%c" % code if code < 128 else b"\\u%04x" % code for code in codes)


def indented(value: object) -> bytes:
    return msgspec.json.format(msgspec.json.encode(value, order="sorted"), indent=1)


WRITERS: tuple[Callable[[object], bytes], ...] = (msgspec.json.encode, in_ascii, indented)


@given(plain_requests, st.sampled_from(WRITERS))
def test_the_large_way_reads_what_the_long_way_reads(
    wanted: dict[str, object], write: Callable[[object], bytes]
) -> None:
    text = write(wanted)
    short = large_chat.read(text)
    if short is None:
        assert b"\\u" in text
        return
    other = long_way(text)
    for name in ("model", "streamed", "wants_usage", "max_tokens", "choices", "needs", "size"):
        assert getattr(short, name) == getattr(other, name)
    assert short.fields == other.fields
    for offered in (at("openai"), at("openai", "groq"), at("anthropic", "anthropic")):
        way = outlet(offered)
        sent, also = (b"".join(compose(ask, way, 7).body) for ask in (short, other))
        assert msgspec.json.decode(sent) == msgspec.json.decode(also)


EXTRA = (
    b'"model":"m"',
    b'"messages":[{"role":"user","content":"x"}]',
    b'"temperature":1',
    b'"seed":1',
    b'"stop":"\\u0022\\u0022"',
    b'"stop":"\\"messages\\":[]"',
    b'"stream_options":{}',
)


@given(
    wanted=plain_requests,
    write=st.sampled_from(WRITERS),
    extra=st.sampled_from(EXTRA),
    is_first=st.booleans(),
)
def test_a_key_added_before_or_behind_is_seen(
    wanted: dict[str, object], write: Callable[[object], bytes], extra: bytes, *, is_first: bool
) -> None:
    text = write(wanted | msgspec.json.decode(b"{" + extra + b"}", type=dict[str, object]))
    doubled = b"{" + extra + b"," + text[1:] if is_first else text[:-1] + b"," + extra + b"}"
    assert large_chat.read(doubled) is None
    with pytest.raises(BadRequest):
        openai_chat.read(doubled)


@pytest.mark.parametrize(
    "turn",
    [
        b'{"role":"user","role":"user","content":"x"}',
        b'{"role":"user","content":"\\u0022\\u0022","content":"x"}',
        b'{"role":"user","content":"x","content":"\\u0022\\u0022\\u0022\\u0022"}',
        b'{"role":"user","content":"x","content":"\\"\\"\\"\\""}',
        b'{"content":"x","role":"user","content":"x"}',
    ],
)
def test_a_key_doubled_in_a_turn_is_seen(turn: bytes) -> None:
    for turns in (turn, turn + b"," + LONG, LONG + b"," + turn):
        assert large_chat.read(body(turns=turns)) is None
        with pytest.raises(BadRequest):
            openai_chat.read(body(turns=turns))


@pytest.mark.parametrize(
    "text",
    [
        body(b'"tools":[]', turns=LONG),
        body(b'"temperature":3', turns=LONG),
        body(turns=b""),
        body(turns=LONG[:-2] + b'\xff"}'),
        body(turns=LONG[:-2] + b'\n"}'),
        body(turns=LONG[:-2] + b'\\ud800"}'),
        body(b'"stop":"\\u00e9"', turns=LONG),
        body(turns=LONG)[:-1],
        body(turns=LONG) + b"x",
        b"[]",
    ],
)
def test_what_is_not_plain_goes_the_long_way(text: bytes) -> None:
    assert large_chat.read(text) is None


def test_turns_are_given_on_as_they_came() -> None:
    for turn in (LONG, LONG[:-2] + b' \\"b\\" \\n \\\\ c"}'):
        ask = large_chat.read(body(b'"temperature":0.5', turns=turn))
        assert ask is not None
        assert ask.given_on == b'"messages":[' + turn + b'],"temperature":0.5'


def test_a_body_says_by_its_size_which_way_it_is_read() -> None:
    large = openai_chat.read(body(turns=LONG[:-2] + b'\\u00e9"}'))
    small = openai_chat.read(body(turns=LONG[:2_000] + b'\\u00e9"}'))
    assert large.plain is not None
    assert small.plain is None
