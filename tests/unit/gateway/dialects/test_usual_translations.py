"""Translated events recognized by the bytes around their content say the same as decoded ones."""

from collections.abc import Callable

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.builders.dialect_world import CHAT_USAGE, DONE, at, chat, chunk, messages, named
from troth.gateway.dialects.chat_from_messages import ChatFromMessages
from troth.gateway.dialects.form_stream import FormStream
from troth.gateway.dialects.messages_from_chat import MessagesFromChat
from troth.gateway.dialects.messages_stream import MessagesStream
from troth.gateway.dialects.misplaced import WaitingMessagesFromChat

Stream = MessagesFromChat | ChatFromMessages | MessagesStream


def to_messages() -> Stream:
    return MessagesFromChat(messages(stream=True), at("openai"), "msg_a", "req_a")


def to_messages_with_thinking() -> Stream:
    ask = messages(
        stream=True, thinking={"type": "enabled", "budget_tokens": 1024}, max_tokens=2048
    )
    return MessagesFromChat(ask, at("openai"), "msg_a", "req_a")


def to_messages_with_words_that_wait() -> Stream:
    return WaitingMessagesFromChat(messages(stream=True), at("openai"), "msg_a", "req_a")


def to_chat() -> Stream:
    return ChatFromMessages(chat(stream=True), at("anthropic"), "chatcmpl-a", 5)


def to_chat_with_usage() -> Stream:
    ask = chat(stream=True, stream_options={"include_usage": True})
    return ChatFromMessages(ask, at("anthropic"), "chatcmpl-a", 5)


def to_chat_as_a_form() -> Stream:
    return FormStream(chat(stream=True), at("anthropic"), "chatcmpl-a", 5)


def straight_on() -> Stream:
    return MessagesStream(at("anthropic", exact=True), "msg_a", "req_a")


def written_anew() -> Stream:
    return MessagesStream(at("anthropic"), "msg_a", "req_a")


FROM_CHAT = (to_messages, to_messages_with_thinking, to_messages_with_words_that_wait)
FROM_MESSAGES = (to_chat, to_chat_with_usage, to_chat_as_a_form, straight_on, written_anew)

CHAT_BEFORE, _, CHAT_AFTER = chunk({"content": "CONTENT"}, usage=None).partition(b"CONTENT")
CALL = {"index": 0, "id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
CHAT_ODD = (
    chunk({"content": "x"}, usage=None, obfuscation="abc"),
    chunk({"content": ""}, usage=None),
    chunk({"content": "content"}, usage=None),
    chunk({"content": "x", "refusal": None}, usage=None),
    chunk({"reasoning_content": "x"}, usage=None),
    chunk({"refusal": "x"}, usage=None),
    chunk({"tool_calls": [CALL]}, usage=None),
    chunk({"content": "x"}, usage=None, index=1),
    chunk({"content": "x"}, "stop", usage=None),
    CHAT_USAGE,
    DONE,
    b": still here\n\n",
    b"data: {\n\n",
)


def piece(delta: dict[str, object], index: int = 0) -> bytes:
    return named({"type": "content_block_delta", "index": index, "delta": delta})


def text_piece(text: str, index: int = 0) -> bytes:
    return piece({"type": "text_delta", "text": text}, index)


def begun(index: int, block: dict[str, object]) -> bytes:
    return named({"type": "content_block_start", "index": index, "content_block": block})


START = named({"type": "message_start", "message": {"usage": {"input_tokens": 4}}})
TEXT_BEGUN = begun(0, {"type": "text", "text": ""})
STOPPED = named({"type": "content_block_stop", "index": 0})
MESSAGE_BEFORE, _, MESSAGE_AFTER = text_piece("CONTENT").partition(b"CONTENT")
MESSAGE_ODD = (
    text_piece("text"),
    text_piece("text_delta"),
    text_piece("x", 1),
    text_piece(""),
    piece({"type": "thinking_delta", "thinking": "x"}),
    piece({"type": "input_json_delta", "partial_json": "{}"}),
    piece({"type": "text_delta", "text": "x", "citation": {}}),
    text_piece("x").replace(b"\n", b"\r\n"),
    text_piece("x").replace(b"event: content_block_delta\n", b""),
    STOPPED,
    STOPPED + begun(1, {"type": "text", "text": "x"}) + text_piece("y", 1),
    STOPPED + TEXT_BEGUN,
    STOPPED + begun(0, {"type": "tool_use", "id": "t", "name": "f"}),
    named({"type": "ping"}),
    named({"type": "error", "error": {"type": "overloaded_error"}}),
    named({"type": "message_stop"}),
    b": still here\n\n",
    b"event: content_block_delta\ndata: {\n\n",
)


def escaped(text: str) -> bytes:
    return "".join(f"\\u{ord(each) & 0xFFFF:04x}" for each in text).encode()


raw_texts = st.one_of(
    st.text(max_size=30).map(lambda text: msgspec.json.encode(text)[1:-1]),
    st.text(max_size=9).map(
        lambda text: "".join(f"\\u{ord(c) & 0xFFFF:04x}" for c in text).encode()
    ),
    st.binary(max_size=12),
    st.sampled_from([b'x","content":"y', b"\\", b'"', b"\n\n", b"\xff", b"\xed\xa0\x80", b"\x7f"]),
    st.sampled_from([b"text", b"text_delta", b"content", b"logprobs", b"stop"]),
)


def events(before: bytes, after: bytes, odd: tuple[bytes, ...]) -> st.SearchStrategy[list[bytes]]:
    usual = raw_texts.map(lambda raw: before + raw + after)
    return st.lists(st.one_of(usual, usual, st.sampled_from(odd)), max_size=12)


def told(answer: Stream, pieces: list[bytes], *, knows: bool) -> tuple[object, ...]:
    """Return what became of a stream, its count, whether it is whole, and how it failed."""
    if not knows:
        answer._usual.forget()
        answer._usual.learn_anew()
    out = b""
    for each in pieces:
        out += answer.piece(each)
        if answer.failure is not None:
            break
    told_all = (answer.delivered_bytes, answer.reported, answer.hit_length, answer.alarms)
    return out, told_all, answer.ended(), type(answer.failure)


def says_the_same(make: Callable[[], Stream], stream: list[bytes], per_read: int) -> None:
    together = [b"".join(stream[i : i + per_read]) for i in range(0, len(stream), per_read)]
    [split] = [b"".join(stream)]
    in_bytes = [split[i : i + 97 * per_read] for i in range(0, len(split), 97 * per_read)]
    expected = told(make(), stream, knows=False)
    for pieces in (stream, together, in_bytes):
        found = told(make(), pieces, knows=True)
        assert found[2:] == expected[2:]
        if expected[3] is type(None):
            assert found == expected


@given(st.sampled_from(FROM_CHAT), events(CHAT_BEFORE, CHAT_AFTER, CHAT_ODD), st.integers(1, 4))
def test_a_translated_chat_stream_says_what_a_decoded_one_says(
    make: Callable[[], Stream], middle: list[bytes], per_read: int
) -> None:
    role = chunk({"role": "assistant", "content": ""}, usage=None)
    finish = chunk({}, "stop", usage=None)
    says_the_same(make, [role, *middle, finish, CHAT_USAGE, DONE], per_read)


@given(
    st.sampled_from(FROM_MESSAGES),
    events(MESSAGE_BEFORE, MESSAGE_AFTER, MESSAGE_ODD),
    st.integers(1, 4),
)
def test_a_messages_stream_says_what_a_decoded_one_says(
    make: Callable[[], Stream], middle: list[bytes], per_read: int
) -> None:
    stop = {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {}}
    says_the_same(make, [START, TEXT_BEGUN, *middle, STOPPED, named({**stop})], per_read)


@pytest.mark.parametrize("make", [to_messages, to_messages_with_words_that_wait])
def test_the_second_piece_of_text_from_a_chat_is_not_decoded(make: Callable[[], Stream]) -> None:
    answer = make()
    for _ in range(2):
        answer.piece(CHAT_BEFORE + b"CONTENT" + CHAT_AFTER)
    told_bytes = answer.delivered_bytes
    assert answer._usual.shown(CHAT_BEFORE + b"more" + CHAT_AFTER, answer).endswith(
        b'"delta":{"type":"text_delta","text":"more"}}\n\n'
    )
    assert answer.delivered_bytes == told_bytes + 4


@pytest.mark.parametrize("make", [to_chat, straight_on, written_anew])
def test_the_second_piece_of_text_of_a_message_is_not_decoded(make: Callable[[], Stream]) -> None:
    answer = make()
    answer.piece(START + TEXT_BEGUN)
    answer.piece(MESSAGE_BEFORE + b"CONTENT" + MESSAGE_AFTER)
    assert b'"more"' in answer._usual.shown(MESSAGE_BEFORE + b"more" + MESSAGE_AFTER, answer)
    answer.piece(STOPPED)
    assert not answer._usual.shown(MESSAGE_BEFORE + b"more" + MESSAGE_AFTER, answer)


def test_text_that_waits_for_its_form_is_never_usual() -> None:
    answer = to_chat_as_a_form()
    answer.piece(START + TEXT_BEGUN)
    for _ in range(3):
        assert answer.piece(MESSAGE_BEFORE + b"CONTENT" + MESSAGE_AFTER) == b""
