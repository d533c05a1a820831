"""A wallet of a cent under a thousand callers: it never pays what it does not have."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.journeys import crowd
from tests.journeys.catalog import CACHED_NUSD, INPUT_NUSD, OUTPUT_NUSD
from tests.journeys.raw_http import Reply, events, get, hello, post
from tests.journeys.serving import House, TwinView, cost_in, number_at, running_house
from troth.gateway.exchange import Json

CENT_NUSD = 10_000_000
CALLERS = 1_000


def cost_of(reply: Reply) -> int:
    return int(reply.headers["x-troth-cost-nusd"])


def source_of(reply: Reply) -> Json:
    ours = reply.error["x_troth"]
    assert isinstance(ours, dict)
    return ours["limit_source"]


def check_refusal(reply: Reply) -> None:
    """Hold a refusal to the published shape."""
    assert reply.status == 402, reply.raw
    error = reply.error
    assert (error["type"], error["code"]) == ("insufficient_quota", "insufficient_quota")
    ours = error["x_troth"]
    assert isinstance(ours, dict)
    for name in ("needed_nusd", "available_nusd", "in_flight_nusd"):
        assert number_at(ours, name) >= 0
    assert ours["limit_source"] in {"wallet", "in_flight"}
    assert ours["remedy"]
    waits = ours["limit_source"] == "in_flight"
    assert reply.headers["x-should-retry"] == ("true" if waits else "false")
    assert ("retry-after" in reply.headers) is waits


def test_a_thousand_callers_share_a_cent(house: House) -> None:
    key = house.key(credit_usd="0.01")
    ask = hello("fill", max_tokens=10)
    replies = asyncio.run(
        crowd.all_at_once(CALLERS, lambda _: crowd.asked(house.address, key.text, ask))
    )
    served = [reply for reply in replies if reply.status == 200]
    refused = [reply for reply in replies if reply.status != 200]
    for reply in refused:
        check_refusal(reply)
    charged = sum(cost_of(reply) for reply in served)
    assert served
    assert 0 < charged <= CENT_NUSD
    wallet = house.settled(key)
    assert wallet.posted_nusd == wallet.available_nusd == CENT_NUSD - charged
    receipts = [house.receipt(key, reply.headers["x-request-id"]) for reply in served]
    assert [receipt["charged_nusd"] for receipt in receipts] == list(map(cost_of, served))


@pytest.mark.prove
def test_a_thousand_callers_share_a_dollar_over_eight_processes(
    twin: TwinView, tmp_path: Path, figures: Callable[[str], None]
) -> None:
    with running_house(tmp_path, twin, gateways=8) as house:
        key = house.key(credit_usd="1", concurrency=0)
        asks = (
            hello("words-50", max_tokens=4_000),
            hello("words-50", max_tokens=4_000, stream=True),
        )
        replies = asyncio.run(
            crowd.all_at_once(
                CALLERS,
                lambda at: crowd.asked(house.address, key.text, asks[at % 2]),
            )
        )
        served = [reply for reply in replies if reply.status == 200]
        refused = [reply for reply in replies if reply.status != 200]
        for reply in refused:
            check_refusal(reply)
        assert all(reply.is_whole for reply in served)
        wallet = house.settled(key)
        told = {
            reply.headers["x-request-id"]: cost_of(reply)
            for reply in served
            if "x-troth-cost-nusd" in reply.headers
        }
        receipts = house.receipts(key)
        assert receipts.keys() == {reply.headers["x-request-id"] for reply in served}
        assert told.items() <= receipts.items()
        charged = sum(receipts.values())
        assert wallet.posted_nusd == wallet.available_nusd == 100 * CENT_NUSD - charged
        assert wallet.posted_nusd >= 0
        later = sum(source_of(reply) == "in_flight" for reply in refused)
        figures(
            f"a dollar, {CALLERS} callers, 8 processes: {len(served)} completed, {later} refused "
            f"while others had the money, {len(refused) - later} for want of it; "
            f"{wallet.posted_nusd:,} nUSD left"
        )


def test_a_wallet_can_be_spent_to_its_end(house: House) -> None:
    key = house.key(credit_usd="0.01")
    ask = hello("fill", max_tokens=40)
    replies = [post(house.address, key.text, ask) for _ in range(60)]
    spent = sum(cost_of(reply) for reply in replies if reply.status == 200)
    reply = replies[-1]
    check_refusal(reply)
    left = house.posted(key)
    assert left == CENT_NUSD - spent
    assert 0 <= left < number_at(reply.error, "x_troth", "needed_nusd")


def test_max_tokens_is_clamped_to_what_the_wallet_pays(house: House) -> None:
    key = house.key(credit_usd="0.01")
    reply = post(house.address, key.text, hello("fill", max_tokens=4_000))
    assert reply.status == 200
    clamped = int(reply.headers["x-troth-max-tokens-clamped"])
    assert 0 < clamped < 4_000
    assert number_at(reply.fields, "usage", "completion_tokens") == clamped
    assert cost_of(reply) <= CENT_NUSD


def test_a_stream_tells_its_cost_and_its_receipt_agrees(house: House) -> None:
    key = house.key(credit_usd="1")
    ask = hello("cached-3+reason-5", stream=True, stream_options={"include_usage": True})
    reply = post(house.address, key.text, ask)
    receipt = house.receipt(key, reply.headers["x-request-id"])
    charged = number_at(receipt, "charged_nusd")
    assert charged == cost_in(events(reply)[-2])
    counted = {
        name: number_at(receipt, "quantities", name)
        for name in ("input", "cache_read", "reasoning", "output")
    }
    assert (counted["cache_read"], counted["reasoning"], counted["output"]) == (3, 5, 9)
    assert charged == counted["input"] * INPUT_NUSD + 3 * CACHED_NUSD + 14 * OUTPUT_NUSD
    assert house.posted(key) == 10**9 - charged


def test_two_streams_and_an_embedding_cost_what_their_receipts_say(house: House) -> None:
    key = house.key(credit_usd="1")
    requests = [
        post(house.address, key.text, hello(stream=True)),
        post(house.address, key.text, hello("claude", stream=True)),
        post(house.address, key.text, {"model": "embed", "input": ["a", "b"]}, "/v1/embeddings"),
    ]
    assert [reply.status for reply in requests] == [200, 200, 200]
    receipts = [house.receipt(key, reply.headers["x-request-id"]) for reply in requests]
    total = sum(number_at(receipt, "charged_nusd") for receipt in receipts)
    assert house.posted(key) == 10**9 - total


def test_a_receipt_is_shown_to_its_own_key_only(house: House) -> None:
    key, other = house.key(), house.key()
    request = post(house.address, key.text, hello()).headers["x-request-id"]
    assert house.receipt(key, request)["id"] == request
    assert get(house.address, other.text, f"/v1/receipts/{request}").status == 404
