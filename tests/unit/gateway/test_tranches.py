"""A long stream is paid for as it grows, so that what it could cost at most blocks nobody else."""

import asyncio

import msgspec
import pytest

from tests.builders.gateway_world import Scene, Step, model, offering, scene, streams
from troth.kernel.stream_errors import JournalFull, MoneyUnreached, ServiceEnded
from troth.kernel.usage_record import Outcome

pytestmark = pytest.mark.anyio

TRANCHE = 1_024
MOST = 32_000
CENT = 10_000_000
PER_TOKEN = 2_000
"""Nano-USD a token out, at two dollars a million."""
BODY = {"model": "m", "messages": [{"role": "user", "content": "hi"}], "max_tokens": MOST}


def chunk(delta: object, finish: str | None = None) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return b"data: %b\n\n" % msgspec.json.encode({"id": "x", "choices": [choice]})


def told(count: int, size: int, tokens: int) -> list[Step]:
    """Play a stream of `count` pieces of `size` bytes that was `tokens` tokens."""
    usage = {"prompt_tokens": 5, "completion_tokens": tokens, "total_tokens": 5 + tokens}
    last = msgspec.json.encode({"id": "x", "choices": [], "usage": usage})
    pieces = [chunk({"content": "x" * size})] * count
    return streams(*pieces, chunk({}, "stop"), b"data: %b\n\n" % last, b"data: [DONE]\n\n")


def place(*script: Step, balance: int = 10 * CENT, cancel: str = "stops") -> Scene:
    """Return a world with a model of long answers and a wallet whose lease is never roomy."""
    able = model(context_length=65_536, max_output=MOST)
    stage = scene(list(script), balance=balance, offerings=[offering(model=able, cancel=cancel)])
    stage.wallet.leased = 0
    return stage


def ask(**more: object) -> bytes:
    return msgspec.json.encode({**BODY, "stream": True, **more})


async def test_a_short_answer_sets_one_tranche_aside_and_never_asks_for_more() -> None:
    stage = place(*told(20, 10, 50))
    reply = await stage.ask(ask())
    assert reply.body.endswith(b"data: [DONE]\n\n")
    assert stage.wallet.extended == []
    (row,) = stage.wallet.records
    assert row.reserved_nusd < 2 * TRANCHE * PER_TOKEN


async def test_a_long_answer_is_extended_at_half_use_and_charged_once() -> None:
    stage = place(*told(50, 100, 1_100))
    await stage.ask(ask())
    assert stage.wallet.extended == [TRANCHE * PER_TOKEN] * len(stage.wallet.extended)
    assert len(stage.wallet.extended) == 5
    (row,) = stage.wallet.records
    assert row.reserved_nusd >= 5 * TRANCHE * PER_TOKEN
    assert row.outcome is Outcome.DONE
    assert stage.wallet.charges == [5 * 1_000 + 1_100 * PER_TOKEN]
    assert stage.wallet.balance == 10 * CENT - stage.wallet.charges[0]


async def test_the_model_is_told_nine_tenths_of_what_the_wallet_can_pay() -> None:
    stage = place(*told(3, 10, 10), balance=2 * CENT)
    reply = await stage.ask(ask())
    told_tokens = int(reply.headers["x-troth-max-tokens-clamped"])
    assert told_tokens == pytest.approx(0.9 * 2 * CENT / PER_TOKEN, rel=0.06)
    sent = msgspec.json.decode(stage.upstreams.sent[0][2])
    assert sent["max_tokens"] == told_tokens


async def test_a_refused_extension_delivers_what_is_covered_and_then_says_why() -> None:
    stage = place(*told(60, 100, 1_400))
    stage.wallet.others_nusd = 10 * CENT - 5 * TRANCHE * PER_TOKEN
    reply = await stage.ask(ask())
    assert b"insufficient_quota" in reply.body
    assert b"[DONE]" not in reply.body
    (row,) = stage.wallet.records
    covered = len(stage.wallet.extended) * TRANCHE
    assert covered <= reply.body.count(b"x" * 100) * 100 < covered + 100
    assert row.outcome is Outcome.CREDITS_ENDED
    assert 0 < row.charged_nusd <= row.reserved_nusd
    assert stage.wallet.balance >= 0
    assert stage.upstreams.calls[0].is_closed


@pytest.mark.parametrize("ending", [JournalFull(), MoneyUnreached()])
@pytest.mark.parametrize(
    ("path", "kind", "end"),
    [
        ("/v1/chat/completions", b'"type":"server_error"', b"[DONE]"),
        ("/v1/messages", b'"type":"overloaded_error"', b"message_stop"),
    ],
)
async def test_a_journal_or_desk_that_ends_a_stream_is_not_called_the_wallet(
    ending: ServiceEnded, path: str, kind: bytes, end: bytes
) -> None:
    stage = place(*told(60, 100, 1_400))
    stage.wallet.ending = ending
    stage.wallet.others_nusd = 10 * CENT - 5 * TRANCHE * PER_TOKEN
    reply = await stage.ask(ask(), path)
    assert kind in reply.body
    assert ending.message.encode() in reply.body
    assert b"insufficient_quota" not in reply.body
    assert end not in reply.body
    assert (b'"code":"%b"' % ending.code.encode() in reply.body) is (end == b"[DONE]")
    (row,) = stage.wallet.records
    assert row.outcome is Outcome.SERVICE_ENDED
    assert 0 < row.charged_nusd <= row.reserved_nusd
    assert stage.upstreams.calls[0].is_closed


async def test_a_slow_desk_holds_the_stream_back_and_no_longer() -> None:
    stage = place(*told(50, 100, 1_100))
    stage.wallet.slow_turns = 10
    reply = await stage.ask(ask())
    assert reply.body.endswith(b"data: [DONE]\n\n")
    (call,) = stage.upstreams.calls
    assert call.was_paused
    assert call.pauses == 0


async def test_an_answer_that_comes_after_the_end_changes_nothing() -> None:
    stage = place(*told(8, 100, 200))
    stage.wallet.slow_turns = 100
    reply = await stage.ask(ask())
    assert reply.body.endswith(b"data: [DONE]\n\n")
    await asyncio.sleep(0.01)
    assert stage.wallet.open == {}


async def test_what_bills_the_whole_answer_is_set_aside_whole() -> None:
    stage = place(*told(3, 10, 10), cancel="bills_full")
    await stage.ask(ask())
    (row,) = stage.wallet.records
    assert row.reserved_nusd > MOST * PER_TOKEN


async def test_a_roomy_wallet_sets_the_whole_aside() -> None:
    stage = place(*told(3, 10, 10), balance=100 * CENT)
    stage.wallet.leased = None
    await stage.ask(ask())
    (row,) = stage.wallet.records
    assert row.reserved_nusd > MOST * PER_TOKEN
