"""Usage as it crossed the wire where other gateways charged it wrong, priced right here.

Each case is a usage object from a public report, with its prices and the provider's own bill. All
four ways to answer must come to it: both client dialects, streamed and buffered.
"""

from typing import Final

import msgspec
import pytest

from tests.builders.dialect_world import DONE, at, chat, chunk, event, messages, named, shown
from troth.catalog.offering import Dialect, Offering
from troth.catalog.price import PriceLine, Sheet, compile_sheet
from troth.gateway.exchange import Ask
from troth.kernel.quantities import Quantities

Usage = dict[str, object]
SONNET: Final = {
    "input": 3_000,
    "cache_read": 300,
    "cache_write_5m": 3_750,
    "cache_write_1h": 6_000,
    "output": 15_000,
}
OPUS: Final = {
    "input": 5_000,
    "cache_read": 500,
    "cache_write_5m": 6_250,
    "cache_write_1h": 10_000,
    "output": 25_000,
}


class Case(msgspec.Struct, frozen=True):
    """What an upstream said, and what it comes to in nano-USD; prices in nano-USD a token.

    `begun` is the usage of a stream's first event; a buffered answer has the last one only.
    """

    name: str
    upstream: Dialect
    usage: Usage
    prices: dict[str, int]
    nusd: int
    begun: Usage | None = None


def details(cached: int, **more: int) -> Usage:
    return {"cached_tokens": cached, **more}


def opened(prompt: int, completion: int, cached: int, **more: int) -> Usage:
    """Return a usage object of OpenAI's dialect, whose prompt count holds the cache."""
    return {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
        "prompt_tokens_details": details(cached, **more),
    }


def counted(given: int, output: int, read: int = 0, written: int = 0, **more: object) -> Usage:
    """Return a usage object of Anthropic's dialect, whose input leaves the cache out."""
    return {
        "input_tokens": given,
        "cache_creation_input_tokens": written,
        "cache_read_input_tokens": read,
        "output_tokens": output,
        **more,
    }


CASES: Final = (
    # LiteLLM 9812: cache writes charged as input and again as writes, 0.091311 for 0.054399.
    Case("written twice", "anthropic", counted(3, 550, written=12_304), SONNET, 54_399_000),
    # Bifrost 3451: the same in a stream, 1.85984625 for 1.06376125.
    Case(
        "written twice in a stream",
        "anthropic",
        counted(6, 2_745, written=159_217),
        OPUS,
        1_063_761_250,
        begun=counted(6, 1, written=159_217),
    ),
    # Bifrost 5354: the first event counts the whole prompt, the last one what was not cached.
    Case(
        "whole prompt first",
        "anthropic",
        counted(210, 128, read=52_480),
        OPUS,
        210 * 5_000 + 52_480 * 500 + 128 * 25_000,
        begun=counted(52_690, 0),
    ),
    # The same where nothing of the prompt was left uncached.
    Case(
        "whole prompt first, all of it cached",
        "anthropic",
        counted(0, 128, read=52_690),
        OPUS,
        52_690 * 500 + 128 * 25_000,
        begun=counted(52_690, 0),
    ),
    # LiteLLM 11789: cache reads of a stream charged as input, 0.002059 for 0.000292.
    Case(
        "read in a stream",
        "anthropic",
        counted(4, 23, read=2_455),
        {"input": 800, "cache_read": 80, "output": 4_000},
        4 * 800 + 2_455 * 80 + 23 * 4_000,
        begun=counted(4, 1, read=2_455),
    ),
    # LiteLLM 11364: reads and writes together.
    Case(
        "read and written",
        "anthropic",
        counted(10, 5_120, read=66_360, written=32_435),
        OPUS,
        10 * 5_000 + 66_360 * 500 + 32_435 * 6_250 + 5_120 * 25_000,
    ),
    # new-api 5756 and 6353: writes without the object that splits them were charged nothing.
    Case(
        "written, not split",
        "anthropic",
        counted(24_951, 854, read=64_126, written=2_805, cache_creation=None),
        {"input": 1_750, "cache_read": 175, "cache_write_5m": 2_187, "output": 8_750},
        24_951 * 1_750 + 64_126 * 175 + 2_805 * 2_187 + 854 * 8_750,
    ),
    # LiteLLM 31724: writes for an hour charged as writes for five minutes.
    Case(
        "written for an hour",
        "anthropic",
        counted(
            15,
            47,
            written=4_803,
            cache_creation={"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": 4_803},
        ),
        SONNET,
        15 * 3_000 + 4_803 * 6_000 + 47 * 15_000,
        begun=counted(
            15,
            1,
            written=4_803,
            cache_creation={"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": 4_803},
        ),
    ),
    # LiteLLM 6215: cached tokens charged as input beside the cached price.
    Case(
        "cached within the prompt",
        "openai",
        opened(2_006, 300, 1_920),
        {"input": 2_500, "cache_read": 1_250, "output": 10_000},
        86 * 2_500 + 1_920 * 1_250 + 300 * 10_000,
    ),
    # LiteLLM 14849: the same, 0.7642 for 0.1849.
    Case(
        "cached nearly whole",
        "openai",
        opened(262_960, 1_744, 257_955),
        {"input": 1_250, "cache_read": 625, "output": 10_000},
        184_918_125,
    ),
    # A cached prompt lost in the stream: 0.141725 instead of a tenth (9router 2873).
    Case(
        "cached in a stream",
        "openai",
        opened(27_985, 60, 27_136),
        {"input": 5_000, "cache_read": 500, "output": 30_000},
        849 * 5_000 + 27_136 * 500 + 60 * 30_000,
    ),
    # LiteLLM 39088: 8 times the bill of a warm cache.
    Case(
        "cached but one",
        "openai",
        opened(9_520, 16, 9_519, audio_tokens=0),
        {"input": 1_400, "cache_read": 140, "output": 4_400},
        1_400 + 9_519 * 140 + 16 * 4_400,
    ),
    # LiteLLM 35127: messages in front of an OpenAI-style upstream; input alone was 0.860000.
    Case(
        "read and written within the prompt",
        "openai",
        opened(172_000, 0, 155_000, cache_write_tokens=3_000),
        {"input": 5_000, "cache_read": 500, "cache_write_5m": 6_250, "output": 25_000},
        166_250_000,
    ),
    # otari 256: 42 and 2 tokens, metered as zero when the same was streamed.
    Case(
        "streamed as messages",
        "openai",
        {"prompt_tokens": 42, "completion_tokens": 2, "total_tokens": 44},
        {"input": 3_000, "output": 15_000},
        156_000,
    ),
)


def sheet(prices: dict[str, int]) -> Sheet:
    return compile_sheet("set", [PriceLine(unit, nusd, 1) for unit, nusd in prices.items()])


def buffered(case: Case) -> bytes:
    if case.upstream == "anthropic":
        return msgspec.json.encode(
            {
                "id": "msg_up",
                "type": "message",
                "role": "assistant",
                "model": "up/m",
                "content": [{"type": "text", "text": "hi"}],
                "stop_reason": "end_turn",
                "stop_sequence": None,
                "usage": case.usage,
            }
        )
    message = {"role": "assistant", "content": "hi", "refusal": None}
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}
    head = {"id": "up-1", "object": "chat.completion", "created": 5, "model": "up/m"}
    return msgspec.json.encode({**head, "choices": [choice], "usage": case.usage})


def streamed(case: Case) -> bytes:
    if case.upstream == "anthropic":
        return anthropic_stream(case.begun or case.usage, case.usage)
    last = event({"id": "up-1", "choices": [], "usage": case.usage})
    return chunk({"role": "assistant", "content": "hi"}) + chunk({}, "stop") + last + DONE


def anthropic_stream(begun: Usage, usage: Usage) -> bytes:
    start: dict[str, object] = {
        "id": "msg_up",
        "type": "message",
        "role": "assistant",
        "model": "up/m",
        "content": [],
        "stop_reason": None,
        "usage": begun,
    }
    text = {"type": "text_delta", "text": "hi"}
    block = {"type": "text", "text": ""}
    stop = {"stop_reason": "end_turn", "stop_sequence": None}
    return b"".join(
        (
            named({"type": "message_start", "message": start}),
            named({"type": "content_block_start", "index": 0, "content_block": block}),
            named({"type": "content_block_delta", "index": 0, "delta": text}),
            named({"type": "content_block_stop", "index": 0}),
            named({"type": "message_delta", "delta": stop, "usage": usage}),
            named({"type": "message_stop"}),
        )
    )


def reported(ask: Ask, offered: Offering, data: bytes) -> Quantities:
    answer = shown(ask, offered)
    answer.piece(data)
    assert answer.ended(), answer.failure
    assert answer.reported is not None
    return answer.reported


def four_ways(case: Case) -> list[Quantities]:
    offered = at(case.upstream, "anthropic" if case.upstream == "anthropic" else "openai")
    options = {"include_usage": True}
    return [
        reported(chat(), offered, buffered(case)),
        reported(chat(stream=True, stream_options=options), offered, streamed(case)),
        reported(messages(), offered, buffered(case)),
        reported(messages(stream=True), offered, streamed(case)),
    ]


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_each_way_to_answer_is_charged_what_the_provider_billed(case: Case) -> None:
    prices = sheet(case.prices)
    charges = [prices.charge(used) for used in four_ways(case)]
    assert charges == [case.nusd] * 4


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_streamed_and_buffered_come_to_one_vector_in_both_dialects(case: Case) -> None:
    first, *others = four_ways(case)
    assert others == [first] * 3


def test_a_last_chunk_with_a_choice_keeps_its_cached_tokens() -> None:
    """LiteLLM 36083: usage in the chunk that ends the choice was replaced by an estimate."""
    usage = opened(1_000, 100, 600)
    data = chunk({"role": "assistant", "content": "hi"}) + chunk({}, "stop", usage=usage) + DONE
    options = {"include_usage": True}
    for ask in (chat(stream=True, stream_options=options), messages(stream=True)):
        used = reported(ask, at("openai"), data)
        assert used == Quantities(input=400, cache_read=600, output=100)


def test_writes_that_are_only_split_are_counted() -> None:
    """A total that is absent is the sum of what it is split into."""
    split = {"ephemeral_5m_input_tokens": 70, "ephemeral_1h_input_tokens": 30}
    usage: Usage = {"input_tokens": 5, "output_tokens": 1, "cache_creation": split}
    case = Case("split", "anthropic", usage, {}, 0)
    expected = Quantities(input=5, cache_write_5m=70, cache_write_1h=30, output=1)
    assert four_ways(case) == [expected] * 4
