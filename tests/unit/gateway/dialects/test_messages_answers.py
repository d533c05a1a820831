import msgspec
import pytest
from anthropic.types import Message, RawMessageStreamEvent
from pydantic import TypeAdapter

from tests.builders.dialect_world import (
    RAW,
    at,
    chat,
    ended,
    event,
    events_of,
    message_stream,
    messages,
    named,
    shown,
)
from troth.catalog.offering import Offering
from troth.kernel.errors import UpstreamCut, UpstreamError
from troth.kernel.quantities import InputOnly, Quantities

TEXT = {"type": "text", "text": ""}
WORDS = [{"type": "text_delta", "text": "hé"}, {"type": "text_delta", "text": "!"}]
CALL = {"type": "tool_use", "id": "t1", "name": "f", "input": {}}
ARGUMENTS = [
    {"type": "input_json_delta", "partial_json": '{"a":'},
    {"type": "input_json_delta", "partial_json": "1}"},
]
THOUGHT = {"type": "thinking", "thinking": "", "signature": ""}
THOUGHTS = [
    {"type": "thinking_delta", "thinking": "hm"},
    {"type": "signature_delta", "signature": "sig"},
]
HIDDEN = {"type": "redacted_thinking", "data": "xx"}
EVERYTHING: list[tuple[object, list[object]]] = [
    (THOUGHT, [*THOUGHTS]),
    (HIDDEN, []),
    (TEXT, [*WORDS]),
    (CALL, [*ARGUMENTS]),
    (CALL, []),
]
USED = Quantities(input=11, cache_read=4, output=7)
EVENTS: TypeAdapter[RawMessageStreamEvent] = TypeAdapter(RawMessageStreamEvent)


def check_events(stream: bytes) -> list[dict[str, object]]:
    """Return the events of a stream that fits the published types and their order."""
    found = events_of(stream)
    kinds = [one["type"] for one in found if one["type"] != "ping"]
    assert kinds[0] == "message_start"
    assert kinds[-2:] == ["message_delta", "message_stop"]
    for one in found:
        if one["type"] != "ping":
            EVENTS.validate_python(one)
    open_block = None
    for one in found:
        if one["type"] == "content_block_start":
            assert open_block is None
            open_block = one["index"]
        elif one["type"] == "content_block_stop":
            assert open_block == one["index"]
            open_block = None
    return found


@pytest.mark.parametrize("exact", [True, False])
def test_a_messages_stream_fits_the_published_types(*, exact: bool) -> None:
    answer = shown(messages(stream=True), at("anthropic", "anthropic", exact=exact))
    out = ended(answer, message_stream(EVERYTHING, "tool_use"))
    found = check_events(out)
    assert answer.reported == USED
    assert answer.delivered_bytes == 3 + 1 + 7 + 2
    assert found[-2]["delta"] == {
        "stop_reason": "tool_use",
        "stop_sequence": None,
        "stop_details": None,
        "container": None,
    }
    assert b"cost" not in out
    head = found[0]["message"]
    assert isinstance(head, dict)
    assert head["id"] == ("msg_up" if exact else "msg_" + RAW.hex())


def test_an_unknown_reason_becomes_the_end_of_a_turn() -> None:
    answer = shown(messages(stream=True), at("anthropic", "anthropic"))
    assert b'"stop_reason":"end_turn"' in ended(answer, message_stream([(TEXT, WORDS)], "odd"))
    long = shown(messages(stream=True), at("anthropic", "anthropic"))
    ended(long, message_stream([(TEXT, WORDS)], "max_tokens"))
    assert long.hit_length


def test_events_that_nobody_knows_are_passed_over() -> None:
    data = message_stream([(TEXT, [*WORDS, {"type": "odd_delta"}])], "end_turn")
    data = named({"type": "ping"}) + data.replace(
        b"event: ping", b'event: odd\ndata: {"type":"odd"}\n\nevent: ping', 1
    )
    answer = shown(messages(stream=True), at("anthropic", "anthropic"))
    out = ended(answer, data + named({"type": "error"}))
    assert b"odd" not in out
    check_events(out)


START = named({"type": "message_start", "message": {"id": "a", "usage": {"input_tokens": 1}}})
OPEN = named({"type": "content_block_start", "index": 0, "content_block": TEXT})
PIECE = named({"type": "content_block_delta", "index": 0, "delta": WORDS[0]})
STOP = named({"type": "message_delta", "delta": {"stop_reason": "end_turn"}})
ODD = named({"type": "content_block_start", "index": 0, "content_block": {"type": "odd"}})


@pytest.mark.parametrize(
    "data",
    [
        b"data: <html>\n\n",
        b'data: {"type":5}\n\n',
        PIECE,
        OPEN,
        START + START,
        named({"type": "message_start"}),
        START + PIECE,
        START + OPEN + OPEN,
        START + named({"type": "content_block_start"}),
        START + OPEN + named({"type": "content_block_delta", "index": 0}),
        START + OPEN + named({"type": "content_block_delta", "index": 1, "delta": WORDS[0]}),
        START + OPEN + named({"type": "content_block_stop", "index": 1}),
        START + named({"type": "error", "error": {"message": "secret words"}}),
        START + ODD,
        START + b"data: " + b"x" * 1_100_000,
    ],
)
def test_what_is_no_message_fails(data: bytes) -> None:
    answer = shown(messages(stream=True), at("anthropic", "anthropic"))
    out = answer.piece(data)
    assert answer.failure is not None
    assert b"secret" not in out
    assert answer.piece(PIECE) == b""
    assert not answer.ended()


@pytest.mark.parametrize("offered", [at("anthropic", "anthropic"), at("openai")])
def test_a_cut_message_never_looks_whole(offered: Offering) -> None:
    answer = shown(messages(stream=True), offered)
    begun = START + OPEN + PIECE
    if offered.upstream.dialect == "openai":
        begun = event({"choices": [{"index": 0, "delta": {"content": "a"}}]})
    assert b"message_start" in answer.piece(begun)
    assert not answer.ended()
    assert type(answer.failure) is UpstreamCut
    told = answer.broken(answer.failure)
    assert told.startswith(b"event: error\n")
    assert b"message_stop" not in told
    assert events_of(told)[0]["type"] == "error"


def test_a_stop_without_the_end_of_its_block_is_a_cut() -> None:
    answer = shown(messages(stream=True), at("anthropic", "anthropic"))
    answer.piece(START + OPEN + PIECE + STOP)
    assert not answer.ended()


def test_counts_of_a_stream_are_the_last_and_never_summed() -> None:
    usage = {"input_tokens": 0, "output_tokens": 9, "cache_read_input_tokens": None}
    data = message_stream([(TEXT, WORDS)], "end_turn").replace(
        b'"usage":{"output_tokens":7}', b'"usage":' + msgspec.json.encode(usage)
    )
    answer = shown(messages(stream=True), at("anthropic", "anthropic"))
    ended(answer, data)
    assert answer.reported == Quantities(input=11, cache_read=4, output=9)
    odd = shown(messages(stream=True), at("anthropic", "anthropic"))
    ended(odd, message_stream([(TEXT, WORDS)], "end_turn").replace(b":7}", b':"7"}'))
    assert odd.reported == InputOnly(input=11, cache_read=4)


def whole(*blocks: object, stop: str | None = "end_turn", **more: object) -> bytes:
    usage = {"input_tokens": 11, "output_tokens": 7, "cache_read_input_tokens": 4}
    body = {"id": "msg_up", "model": "up/m", "content": [*blocks], "stop_reason": stop}
    return msgspec.json.encode({**body, "usage": usage, **more})


BLOCKS = (
    {"type": "thinking", "thinking": "hm", "signature": "sig"},
    HIDDEN,
    {"type": "text", "text": "hé", "citations": None},
    {"type": "tool_use", "id": "t1", "name": "f", "input": {"a": 1}},
    {"type": "tool_use", "id": "t2", "name": "f", "input": "odd"},
    {"type": "server_tool_use"},
)


@pytest.mark.parametrize("exact", [True, False])
def test_a_buffered_message_fits_the_published_type(*, exact: bool) -> None:
    answer = shown(messages(), at("anthropic", "anthropic", exact=exact))
    data = whole(*BLOCKS, stop="tool_use")
    answer.piece(data[:9])
    answer.piece(data[9:])
    assert answer.ended()
    assert answer.reported == USED
    body = answer.whole(5, USED)
    found = msgspec.json.decode(body)
    Message.model_validate(found)
    assert found["id"] == ("msg_up" if exact else "msg_" + RAW.hex())
    assert [block["type"] for block in found["content"]] == [
        "thinking",
        "redacted_thinking",
        "text",
        "tool_use",
        "tool_use",
    ]
    assert found["content"][2]["citations"] == []
    assert found["content"][4]["input"] == {}
    assert {"stop_sequence", "stop_details", "container", "usage"} <= found.keys()
    assert found["usage"]["cache_read_input_tokens"] == 4
    assert b"cost" not in body
    assert answer.delivered_bytes == 2 + 2 + 3 + 8 + 3


def test_a_buffered_message_with_an_odd_reason_ends_its_turn() -> None:
    answer = shown(messages(), at("anthropic", "anthropic"))
    answer.piece(whole(stop="odd", usage=None))
    assert answer.ended()
    assert b'"stop_reason":"end_turn"' in answer.whole(0, USED)


@pytest.mark.parametrize("garbage", [b"", b"<html>", b"{}", whole(stop=None), b'{"content":[1]}'])
def test_a_buffered_message_that_is_none_fails(garbage: bytes) -> None:
    for ask in (messages(), chat()):
        answer = shown(ask, at("anthropic", "anthropic"))
        answer.piece(garbage)
        assert not answer.ended()
        assert type(answer.failure) is UpstreamError
