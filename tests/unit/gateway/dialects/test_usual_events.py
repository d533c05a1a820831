"""Events recognized by the bytes around their content say the same as decoded ones."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.builders.dialect_world import CHAT_USAGE, DONE, at, chat, chunk
from troth.gateway.dialects.chat_stream import ChatStream
from troth.gateway.dialects.progress import Progress
from troth.gateway.dialects.usual_event import UsualEvent, read_chat

ROLE = chunk({"role": "assistant", "content": ""}, usage=None)
FINISH = chunk({}, "stop", usage=None)
ODD = (
    chunk({"content": "x"}, usage=None, obfuscation="abc"),
    chunk({"content": "x"}, usage=None, system_fingerprint="x"),
    chunk({"content": "x", "refusal": None}, usage=None),
    chunk({"content": None, "tool_calls": []}, usage=None),
    chunk({"content": "x"}, usage=None, index=1),
    b": still here\n\n",
)
USUAL = chunk({"content": "CONTENT"}, usage=None)
BEFORE, _, AFTER = USUAL.partition(b"CONTENT")

texts = st.text(max_size=30)
raw_texts = st.one_of(
    texts.map(lambda text: msgspec.json.encode(text)[1:-1]),
    texts.map(lambda text: "".join(f"\\u{ord(c) & 0xFFFF:04x}" for c in text).encode()),
    st.binary(max_size=12),
    st.sampled_from([b'x","content":"y', b"\\", b'"', b"\n\n", b"\xff", b"\xed\xa0\x80", b"\x7f"]),
)
events = st.lists(
    st.one_of(raw_texts.map(lambda raw: BEFORE + raw + AFTER), st.sampled_from(ODD)), max_size=12
)


def told(pieces: list[bytes], *, knows_shapes: bool) -> tuple[bytes, int, bool, object]:
    """Return what became of a stream, its count, whether it is whole, and how it failed."""
    answer = ChatStream(chat(stream=True), at("openai", exact=True), "a", 5)
    if not knows_shapes:
        answer._usual.forget()
    out = b""
    for piece in pieces:
        out += answer.piece(piece)
        if answer.failure is not None:
            break
    return out, answer.delivered_bytes, answer.ended(), type(answer.failure)


@given(events, st.integers(1, 4))
def test_a_stream_of_known_shape_says_what_a_decoded_one_says(
    middle: list[bytes], per_read: int
) -> None:
    stream = [ROLE, USUAL, *middle, FINISH, CHAT_USAGE, DONE]
    together = [b"".join(stream[i : i + per_read]) for i in range(0, len(stream), per_read)]
    expected = told(stream, knows_shapes=False)
    assert told(stream, knows_shapes=True) == expected
    assert told(together, knows_shapes=True) == expected


def test_a_shape_is_known_after_one_event_and_counts_what_others_hold() -> None:
    usual, count = UsualEvent(), Progress()
    assert not usual.shown(USUAL, count)
    usual.learn(USUAL, "CONTENT", read_chat)
    event = BEFORE + "é!".encode() + AFTER
    assert usual.shown(event, count) == event
    assert count.delivered_bytes == 3
    for other in (
        BEFORE + b"\\n" + AFTER,
        BEFORE + b"\xff" + AFTER,
        BEFORE[:-1] + AFTER,
        USUAL[:-1],
    ):
        assert not usual.shown(other, count)
    usual.forget()
    assert not usual.shown(event, count)


@pytest.mark.parametrize(
    "event",
    [
        chunk({"content": "up-1"}).replace(b'"content":"up-1"', b'"content":"\\u0075p-1"'),
        chunk({"content": 'a"b'}),
        chunk({"content": ""}),
    ],
)
def test_a_content_that_is_not_found_as_it_was_read_teaches_nothing(event: bytes) -> None:
    usual, count = UsualEvent(), Progress()
    [content] = [choice["delta"]["content"] for choice in msgspec.json.decode(event[6:])["choices"]]
    usual.learn(event, content, read_chat)
    assert not usual.shown(event, count)


def test_a_stream_that_never_repeats_itself_is_not_studied_for_ever() -> None:
    usual, count = UsualEvent(), Progress()
    for _ in range(3):
        usual.learn(chunk({"content": 'a"b'}), 'a"b', read_chat)
    usual.learn(USUAL, "CONTENT", read_chat)
    assert not usual.shown(USUAL, count)
