"""A request is charged by the prices that were in force when it was let in."""

import asyncio

import msgspec
import pytest

from tests.builders.gateway_world import (
    Scene,
    Step,
    TestOfferings,
    answers,
    model,
    offering,
    scene,
    streams,
)
from troth.catalog.price import PriceLine, Sheet, compile_sheet
from troth.kernel.usage_record import UsageRecord

pytestmark = pytest.mark.anyio

MOST = 3_000
USAGE = {"prompt_tokens": 12, "completion_tokens": 900, "total_tokens": 912}
BODY = {"model": "m", "max_tokens": MOST, "messages": [{"role": "user", "content": "hi"}]}


def sheet(name: str, output: int) -> Sheet:
    return compile_sheet(name, [PriceLine("input", 10**9), PriceLine("output", output)])


OLD, NEW = sheet("old", 2 * 10**9), sheet("new", 50 * 10**9)


def long_stream() -> list[Step]:
    """A stream that needs several tranches."""
    piece = {"index": 0, "delta": {"content": "words " * 10}, "finish_reason": None}
    end = {"index": 0, "delta": {}, "finish_reason": "stop"}
    chunks = [{"choices": [piece]}] * 50 + [{"choices": [end]}, {"choices": [], "usage": USAGE}]
    encoded = [b"data: %b\n\n" % msgspec.json.encode(each) for each in chunks]
    return streams(*encoded, b"data: [DONE]\n\n")


def whole() -> list[Step]:
    message = {"role": "assistant", "content": "words " * 500}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    return answers(200, msgspec.json.encode({"id": "x", "choices": [choice], "usage": USAGE}))


def place(*scripts: list[Step]) -> Scene:
    able = model(context_length=65_536, max_output=MOST)
    sold = [offering(upstream=name, model=able, sale=OLD, cost=OLD) for name in ("u1", "u2")]
    stage = scene(*scripts, offerings=sold)
    stage.wallet.leased = 0
    return stage


async def repriced(stage: Scene, after: int, *, streamed: bool) -> UsageRecord:
    """Ask, and let other prices come into force after so many turns of the loop."""
    asking = asyncio.ensure_future(stage.ask(msgspec.json.encode({**BODY, "stream": streamed})))
    for _ in range(after):
        await asyncio.sleep(0)
    sold = stage.world.offerings
    assert isinstance(sold, TestOfferings)
    assert not asking.done()
    sold.offerings = [msgspec.structs.replace(each, sale=NEW, cost=NEW) for each in sold.offerings]
    reply = await asking
    assert reply.status == 200
    return stage.wallet.records[-1]


@pytest.mark.parametrize("after", [3, 10, 30])
async def test_a_stream_ends_at_the_prices_it_began_with(after: int) -> None:
    stage = place(long_stream())
    row = await repriced(stage, after, streamed=True)
    assert (row.price_set, row.charged_nusd) == ("old", OLD.charge(row.quantities))
    assert sum(stage.wallet.extended) == (MOST - 1_024) * 2_000
    await stage.ask(msgspec.json.encode(BODY | {"stream": True}))
    assert stage.wallet.records[-1].price_set == "new"


async def test_an_attempt_elsewhere_keeps_the_prices_of_the_first() -> None:
    stage = place(answers(503, b"{}"), whole())
    row = await repriced(stage, 3, streamed=False)
    assert [each.upstream for each in row.attempts] == ["u1", "u2"]
    assert (row.price_set, row.charged_nusd) == ("old", OLD.charge(row.quantities))
    assert row.cost_nusd == row.charged_nusd
