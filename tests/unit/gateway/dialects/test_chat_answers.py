import msgspec
import pytest
from openai.types.chat import ChatCompletion, ChatCompletionChunk

from tests.builders.dialect_world import (
    CHAT_USAGE,
    DONE,
    RAW,
    USAGE,
    at,
    chat,
    chunk,
    ended,
    event,
    events_of,
    shown,
)
from troth.gateway.exchange import Charged
from troth.kernel.errors import CreditsEnded, UpstreamCut, UpstreamError
from troth.kernel.quantities import Quantities
from troth.kernel.stream_errors import UpstreamStalled

ROLE = chunk({"role": "assistant", "content": "", "refusal": None}, usage=None)
PIECE = chunk({"content": "hé"}, usage=None)
FINISH = chunk({}, "stop", usage=None)
ASKED = {"include_usage": True}
USED = Quantities(input=11, output=3)


def check_chunks(stream: bytes) -> list[dict[str, object]]:
    """Return the events of a stream whose every event fits the published type."""
    assert stream.endswith(DONE)
    assert stream.count(DONE) == 1
    found = events_of(stream)
    for one in found:
        ChatCompletionChunk.model_validate(one, strict=True)
        for choice in one["choices"]:  # type: ignore[attr-defined]
            assert {"index", "delta", "logprobs", "finish_reason"} <= choice.keys()
    return found


def test_an_exact_stream_is_relayed_but_for_usage_that_nobody_asked_for() -> None:
    answer = shown(chat(stream=True), at("openai", exact=True))
    out = ended(answer, ROLE + PIECE + FINISH + CHAT_USAGE + DONE)
    assert out == (ROLE + PIECE + FINISH).replace(b',"usage":null}', b"}") + DONE
    assert answer.reported == USED
    assert answer.delivered_bytes == 3
    assert not answer.hit_length


def test_an_exact_stream_with_usage_keeps_its_bytes_and_gets_its_cost() -> None:
    answer = shown(chat(stream=True, stream_options=ASKED), at("openai", exact=True))
    out = ended(answer, ROLE + PIECE + chunk({}, "length", usage=None) + CHAT_USAGE + DONE)
    assert out.startswith(ROLE + PIECE)
    last = check_chunks(out)[-1]
    assert last["id"] == "up-1"
    assert last["choices"] == []
    assert last["usage"] == {
        "prompt_tokens": 11,
        "completion_tokens": 3,
        "total_tokens": 14,
        "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
        "completion_tokens_details": {
            "reasoning_tokens": 0,
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
        "cost": 1.23e-07,
    }
    assert b'"cost":0.000000123}' in out
    assert answer.hit_length


@pytest.mark.parametrize(
    "odd",
    [
        chunk({"content": "x"}, usage=USAGE),
        chunk({"content": "x"}).replace(b"data:", b"event: message\ndata:"),
        chunk({"content": "x"}).replace(b'"choices":', b'\ndata: "choices":'),
        chunk({"content": "x"}, usage=None, obfuscation="abc"),
    ],
)
def test_an_exact_event_that_does_not_fit_is_written_anew(odd: bytes) -> None:
    out = ended(shown(chat(stream=True), at("openai", exact=True)), ROLE + odd + FINISH)
    found = check_chunks(out)
    assert [one["id"] for one in found] == ["up-1"] * len(found)
    assert b"usage" not in out
    assert b'"content":"x"' in out


ODD = [
    chunk({"content": "x"}, usage=None),
    chunk({"content": "\u00e9"}),
    chunk({"content": "x"}, usage=USAGE),
    chunk({"content": "x"}, index=1),
    chunk({"content": "x", "refusal": "r"}),
    chunk({"content": None}),
    chunk({"content": "x"}, error=None),
    chunk({"content": "x"}).replace(b"data:", b"event: message\ndata:"),
    chunk({"content": "x"}).replace(b"data: ", b"data:"),
    chunk({"content": "x"}).replace(b"\n\n", b"\r\n\r\n"),
    chunk({"content": "x"}).replace(b'"choices":', b'\ndata: "choices":'),
    chunk({"content": "x"}).replace(b'"choices":', b'\r"choices":'),
    chunk({"tool_calls": [{"index": 0, "id": "c", "type": "function", "function": {}}]}),
    b": a comment\n\n",
    b"data: [DONE]\n\n",
    b'data: {"error":{"message":"m"}}\n\n',
]


@pytest.mark.parametrize("odd", ODD)
@pytest.mark.parametrize("asked", [None, ASKED])
def test_a_stream_is_the_same_whether_its_events_come_alone_or_together(
    odd: bytes, asked: object
) -> None:
    ask = chat(stream=True) if asked is None else chat(stream=True, stream_options=asked)
    alone, together = (shown(ask, at("openai", exact=True)) for _ in range(2))
    pieces = [ROLE, PIECE, odd, PIECE, FINISH, CHAT_USAGE, DONE]
    out = b"".join([alone.piece(piece) for piece in pieces])
    assert out == together.piece(b"".join(pieces))
    assert alone.ended() is together.ended()
    for name in ("delivered_bytes", "reported", "hit_length", "alarms"):
        assert getattr(alone, name) == getattr(together, name)


def test_a_foreign_stream_is_rewritten_to_the_published_form() -> None:
    answer = shown(chat(stream=True, stream_options=ASKED), at("openai", "llamacpp"))
    out = ended(
        answer,
        event({"choices": [{"delta": {"role": "assistant", "content": None}}], "timings": {}})
        + event({"choices": [{"index": 0, "delta": {"role": "", "content": "a"}}], "timings": {}})
        + event({"choices": [{"delta": {"content": "b"}, "finish_reason": "eos"}]})
        + event({"choices": [{"delta": {"content": "late"}}]})
        + CHAT_USAGE
        + DONE
        + event({"choices": "never looked at"}),
    )
    found = check_chunks(out)
    deltas = [one["choices"][0]["delta"] for one in found[:-1]]  # type: ignore[index]
    assert deltas == [
        {"role": "assistant", "content": "", "refusal": None},
        {"content": "a"},
        {"content": "b"},
        {},
    ]
    assert {one["id"] for one in found} == {"chatcmpl-" + RAW.hex()}
    assert {one["model"] for one in found} == {"m"}
    assert [one["usage"] for one in found[:-1]] == [None] * 4
    assert b'"finish_reason":"stop"' in out
    assert b"timings" not in out


def test_choices_end_one_by_one() -> None:
    answer = shown(chat(stream=True, n=2), at("openai", "vllm"))
    data = b"".join(
        (
            chunk({"content": "a"}, index=0),
            chunk({"content": "b"}, index=1),
            chunk({}, "stop", index=1),
        )
    )
    assert answer.piece(data)
    assert answer.piece(chunk({"content": "c"}, "stop", index=0))
    assert answer.ended()


def test_parallel_tool_calls_keep_their_order_and_get_what_they_lack() -> None:
    calls = [
        {"tool_calls": [{"id": "a", "function": {"name": "f"}}]},
        {"tool_calls": [{"function": {"arguments": "{"}}]},
        {"tool_calls": [{"function": {"arguments": "}"}}]},
        {"tool_calls": [{"index": 1, "function": {"name": "g", "arguments": "é"}}]},
    ]
    answer = shown(chat(stream=True), at("openai", "vllm"))
    out = ended(answer, b"".join(map(chunk, calls)) + chunk({}, "stop"))
    found = [
        call
        for one in check_chunks(out)
        for call in one["choices"][0]["delta"].get("tool_calls", [])  # type: ignore[index]
    ]
    assert found[0] == {
        "index": 0,
        "id": "a",
        "type": "function",
        "function": {"name": "f", "arguments": ""},
    }
    assert found[1:3] == [
        {"index": 0, "function": {"arguments": "{"}},
        {"index": 0, "function": {"arguments": "}"}},
    ]
    assert found[3]["index"] == 1
    assert found[3]["id"] == "call_0_1"
    assert b'"finish_reason":"tool_calls"' in out
    assert answer.delivered_bytes == 1 + 2 + 1 + 2


def test_a_choice_that_was_not_asked_for_and_a_finish_without_a_delta() -> None:
    answer = shown(chat(stream=True), at("openai", exact=True))
    out = ended(
        answer,
        ROLE
        + chunk({"tool_calls": [{"index": 0, "custom": {"name": "g", "input": "xy"}}]}, usage=None)
        + event({"choices": [{"index": 0, "delta": None, "finish_reason": "odd"}]}),
    )
    assert answer.delivered_bytes == 3
    assert b'"finish_reason":"stop"' in out or b'"finish_reason":"tool_calls"' in out


def test_one_event_may_carry_several_choices() -> None:
    choices = [
        {"index": at, "delta": {"content": "a"}, "finish_reason": reason}
        for at, reason in ((0, "stop"), (1, None), (1, "odd"))
    ]
    calls = [{"type": "custom", "custom": {"name": "g", "input": "x"}}]
    answer = shown(chat(stream=True, n=2), at("openai", "vllm"))
    out = answer.piece(chunk({"tool_calls": calls}, index=1) + event({"choices": choices}))
    assert answer.ended()
    assert out.count(b'"finish_reason":"stop"') == 1
    assert out.count(b'"finish_reason":"tool_calls"') == 1


def test_reasoning_is_shown_to_those_who_ask() -> None:
    data = chunk({"reasoning_content": "hm"}) + chunk({"content": "a"}) + FINISH
    hidden = ended(shown(chat(stream=True), at("openai", "vllm")), data)
    assert b"hm" not in hidden
    asked = chat(stream=True, reasoning_effort="low")
    assert b'"reasoning_content":"hm"' in ended(shown(asked, at("openai", "vllm")), data)


def test_logprobs_pass_through() -> None:
    logprobs = {"content": [{"token": "a", "logprob": -0.5, "bytes": [97], "top_logprobs": []}]}
    choice = {"index": 0, "delta": {"content": "a"}, "logprobs": logprobs, "finish_reason": None}
    answer = shown(chat(stream=True, logprobs=True), at("openai", "vllm"))
    out = ended(answer, ROLE + event({"choices": [choice]}) + FINISH)
    assert events_of(out)[1]["choices"] == [{**choice, "logprobs": {**logprobs, "refusal": None}}]
    check_chunks(out)


@pytest.mark.parametrize("exact", [True, False])
@pytest.mark.parametrize(
    "garbage",
    [
        b"data: <html>\n\n",
        b"data: {}\n\n",
        b'data: {"error":{"message":"secret words"}}\n\n',
        b'data: {"choices":[],"error":{"message":"secret words"}}\n\n',
        b'data: {"choices":[{"index":9,"delta":{"content":"x"}}]}\n\n',
        b'data: {"choices":[{"index":0,"delta":{"content":5}}]}\n\n',
        b'data: {"choices":[{"delta":{"content":"\xff"}}]}\n\n',
        b"data: " + b"x" * 1_100_000,
    ],
)
def test_garbage_is_a_failure_before_and_after_content(garbage: bytes, *, exact: bool) -> None:
    offered = at("openai", exact=exact)
    early = shown(chat(stream=True), offered)
    assert early.piece(garbage) == b""
    assert type(early.failure) is UpstreamError
    assert not early.ended()
    late = shown(chat(stream=True), offered)
    assert late.piece(ROLE + PIECE)
    assert b"secret" not in late.piece(garbage)
    assert late.piece(PIECE) == b""
    assert not late.ended()
    assert type(late.failure) is UpstreamCut


def test_a_cut_stream_never_looks_whole() -> None:
    for data in (b"", ROLE, ROLE + PIECE, ROLE + PIECE + DONE, ROLE + PIECE + FINISH[:-3]):
        answer = shown(chat(stream=True), at("openai", exact=True))
        answer.piece(data)
        assert not answer.ended()
        assert answer.failure is not None
        last = answer.broken(answer.failure)
        assert b"[DONE]" not in last
        assert events_of(last)[0].keys() == {"error"}


def test_a_broken_stream_names_its_kind() -> None:
    answer = shown(chat(stream=True), at("openai"))
    for error, kind in (
        (UpstreamStalled(), "server_error"),
        (CreditsEnded(), "insufficient_quota"),
    ):
        told = events_of(answer.broken(error, Charged("req_1", 7)))[0]["error"]
        assert isinstance(told, dict)
        assert told["type"] == kind
        assert told["code"] == error.code
        assert told["x_troth"] == {"receipt": "req_1", "cost_nusd": 7}


def whole(**changes: object) -> bytes:
    message = {"role": "assistant", "content": "hé", **changes}
    choice = {"index": 0, "message": message, "finish_reason": changes.pop("why", "stop")}
    return msgspec.json.encode(
        {"id": "up-1", "created": 5, "model": "up/m", "choices": [choice], "usage": USAGE, "t": {}}
    )


EXACT = (
    whole(refusal=None)
    .replace(b',"t":{}', b"")
    .replace(b'{"id":', b'{"object":"chat.completion","id":')
)
EXACT = EXACT.replace(b'"finish_reason"', b'"logprobs":null,"finish_reason"')


@pytest.mark.parametrize("exact", [True, False])
def test_a_buffered_answer_has_every_field_and_its_cost(*, exact: bool) -> None:
    answer = shown(chat(), at("openai", exact=exact))
    data = EXACT if exact else whole()
    assert answer.piece(data[:20]) == b""
    assert answer.piece(data[20:]) == b""
    assert answer.ended()
    assert answer.reported == USED
    assert answer.delivered_bytes == 3
    body = answer.whole(1_000_000_001, USED)
    assert b'"cost":1.000000001}' in body
    found = msgspec.json.decode(body)
    ChatCompletion.model_validate(found, strict=True)
    assert found["id"] == ("up-1" if exact else "chatcmpl-" + RAW.hex())
    assert found["choices"] == [
        {
            "index": 0,
            "message": {"role": "assistant", "content": "hé", "refusal": None},
            "logprobs": None,
            "finish_reason": "stop",
        }
    ]
    assert answer.tail(0, USED) == b""
    assert answer.broken(UpstreamError()) == b""


def test_an_exact_answer_that_is_whole_goes_out_as_it_came_but_for_its_usage() -> None:
    body = (
        b'{"id":"up-1","object":"chat.completion","created":5,"model":"up/m","choices":[{"index":0,'
        b'"message":{"role":"assistant","content":"say \\"usage\\":{}","refusal":null},'
        b'"logprobs":null,"finish_reason":"stop"}],"usage":%b,"service_tier":"default"}'
    )
    sent = body % msgspec.json.encode(USAGE)
    answer = shown(chat(), at("openai", exact=True))
    answer.piece(sent)
    assert answer.ended()
    got = answer.whole(5, USED)
    before, _, behind = body.partition(b"%b")
    assert got.startswith(before)
    assert got.endswith(b'"cost":0.000000005}' + behind)
    ChatCompletion.model_validate(msgspec.json.decode(got), strict=True)


@pytest.mark.parametrize(
    "odd",
    [
        EXACT.replace(b'"usage":', b'"usage": '),
        EXACT.replace(b'"logprobs":null,', b""),
        EXACT.replace(b',"refusal":null', b""),
        EXACT.replace(b'"stop"', b'"odd"'),
        EXACT[: EXACT.index(b',"usage"')] + b"}",
    ],
)
def test_an_exact_answer_that_does_not_fit_is_written_anew(odd: bytes) -> None:
    answer = shown(chat(), at("openai", exact=True))
    answer.piece(odd)
    assert answer.ended()
    found = msgspec.json.decode(answer.whole(5, USED))
    ChatCompletion.model_validate(found, strict=True)
    assert found["id"] == "up-1"
    assert found["usage"]["cost"] == 5e-09
    assert found["choices"][0].keys() == {"index", "message", "logprobs", "finish_reason"}


def test_buffered_tool_calls_are_made_whole() -> None:
    answer = shown(chat(), at("openai", "ollama"))
    calls = [{"index": 0, "function": {"name": "f"}}, {"id": "x", "type": "function"}]
    answer.piece(whole(content="", tool_calls=calls, function_call=None, reasoning="r"))
    assert answer.ended()
    choice = msgspec.json.decode(answer.whole(0, USED))["choices"][0]
    assert choice["finish_reason"] == "tool_calls"
    assert choice["message"] == {
        "role": "assistant",
        "content": None,
        "refusal": None,
        "tool_calls": [
            {"id": "call_0_0", "type": "function", "function": {"name": "f", "arguments": ""}},
            {"id": "x", "type": "function", "function": {"name": "", "arguments": ""}},
        ],
    }


def test_buffered_ends_are_known_words() -> None:
    answer = shown(chat(), at("openai"))
    answer.piece(whole(why="length"))
    assert answer.ended()
    assert answer.hit_length
    odd = shown(chat(), at("openai"))
    odd.piece(whole(why="eos"))
    assert odd.ended()
    assert b'"finish_reason":"stop"' in odd.whole(0, USED)


@pytest.mark.parametrize(
    "garbage",
    [b"", b"<html>", b"{}", b'{"choices":[]}', b'{"choices":[{}]}', whole()[:-1], b"\xff"],
)
def test_a_buffered_answer_that_is_none_fails(garbage: bytes) -> None:
    answer = shown(chat(), at("openai"))
    answer.piece(garbage)
    assert not answer.ended()
    assert type(answer.failure) is UpstreamError


def test_a_usage_that_is_absurd_is_no_usage() -> None:
    for usage in ({"prompt_tokens": -1, "completion_tokens": -1}, 5, {"prompt_tokens": 10**18}, {}):
        answer = shown(chat(stream=True), at("openai", exact=True))
        ended(answer, ROLE + FINISH + event({"choices": [], "usage": usage}))
        assert answer.reported is None
