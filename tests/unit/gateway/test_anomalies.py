"""Counts of an upstream that contradict themselves: cut to fit, charged so, and told.

Whatever the dialects of caller and upstream, a stream gives the same vector as a whole answer.
"""

import msgspec
import pytest

from tests.builders.gateway_world import Scene, Step, answers, offering, scene, streams
from troth.catalog.offering import Upstream
from troth.kernel.quantities import Quantities
from troth.kernel.usage_record import UsageSource

pytestmark = pytest.mark.anyio

CHAT, MESSAGES = "/v1/chat/completions", "/v1/messages"
BODY = {"model": "m", "max_tokens": 50, "messages": [{"role": "user", "content": "Say a word."}]}
OPENAI = {
    "prompt_tokens": 12,
    "completion_tokens": 3,
    "total_tokens": 15,
    "prompt_tokens_details": {"cached_tokens": 20},
    "completion_tokens_details": {"reasoning_tokens": -4},
}
ANTHROPIC = {
    "input_tokens": 12,
    "output_tokens": 3,
    "cache_read_input_tokens": 2,
    "output_tokens_details": {"thinking_tokens": 30},
}
FOUND = {
    "openai": Quantities(cache_read=12, output=3),
    "anthropic": Quantities(input=12, cache_read=2, reasoning=3),
}


def encoded(value: object) -> bytes:
    return msgspec.json.encode(value)


def openai_script(*, is_streamed: bool) -> list[Step]:
    def piece(delta: object, finish: str | None, usage: object = None) -> bytes:
        choices = [{"index": 0, "delta": delta, "finish_reason": finish}]
        told = {"id": "x", "choices": [] if usage else choices, "usage": usage}
        return b"data: %b\n\n" % encoded(told)

    if is_streamed:
        word = piece({"role": "assistant", "content": "word"}, None)
        last = (piece({}, "stop"), piece({}, None, OPENAI), b"data: [DONE]\n\n")
        return streams(word, *last)
    message = {"role": "assistant", "content": "word"}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    whole = {"id": "x", "object": "chat.completion", "created": 1, "model": "m"}
    return answers(200, encoded({**whole, "choices": [choice], "usage": OPENAI}))


def anthropic_script(*, is_streamed: bool) -> list[Step]:
    message = {"id": "x", "type": "message", "role": "assistant", "model": "m"}
    ended = {"stop_reason": "end_turn", "stop_sequence": None}
    if not is_streamed:
        content = [{"type": "text", "text": "word"}]
        return answers(200, encoded({**message, **ended, "content": content, "usage": ANTHROPIC}))
    begun = {**ANTHROPIC, "output_tokens": 1, "output_tokens_details": None}
    start: dict[str, object] = {**message, "content": [], "stop_reason": None, "usage": begun}
    events: list[dict[str, object]] = [
        {"type": "message_start", "message": start},
        {
            "type": "content_block_start",
            "index": 0,
            "content_block": {"type": "text", "text": ""},
        },
        {
            "type": "content_block_delta",
            "index": 0,
            "delta": {"type": "text_delta", "text": "word"},
        },
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": ended, "usage": ANTHROPIC},
        {"type": "message_stop"},
    ]
    return streams(
        *(b"event: %b\ndata: %b\n\n" % (str(e["type"]).encode(), encoded(e)) for e in events)
    )


def place(dialect: str, *, is_streamed: bool) -> Scene:
    if dialect == "openai":
        return scene(openai_script(is_streamed=is_streamed))
    upstream = Upstream("u1", "anthropic", "anthropic", "http", "127.0.0.1", 1, "/v1")
    sold = offering(upstream="u1")
    sold = msgspec.structs.replace(sold, upstream=upstream)
    return scene(anthropic_script(is_streamed=is_streamed), offerings=[sold])


@pytest.mark.parametrize("path", [CHAT, MESSAGES])
@pytest.mark.parametrize("dialect", ["openai", "anthropic"])
async def test_stream_and_whole_tell_the_same_anomaly(dialect: str, path: str) -> None:
    charges = []
    for is_streamed in (False, True):
        stage = place(dialect, is_streamed=is_streamed)
        reply = await stage.ask(encoded({**BODY, "stream": is_streamed}), path)
        assert reply.status == 200, reply.body
        (row,) = stage.wallet.records
        assert row.usage_source is UsageSource.ANOMALY
        assert row.quantities == FOUND[dialect]
        assert type(row.quantities) is Quantities
        assert stage.world.counters.events["usage_anomaly"] == 1
        assert "x-troth-estimated" not in reply.headers
        charges += stage.wallet.charges
    assert charges[0] == charges[1] > 0
