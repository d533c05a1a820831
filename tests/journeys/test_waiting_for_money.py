"""A small wallet under many callers, over several processes: those who must wait, wait in line."""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest

from tests.journeys import crowd
from tests.journeys.patience import Stopwatch, wait_until
from tests.journeys.raw_http import Reply, connect, head, hello, post
from tests.journeys.serving import House, Key, TwinView, running_house
from troth.gateway.exchange import Json

CALLERS = 240
THOUSAND = 1_000
AT_ONCE = 10
"""A quarter of those for whom the wallet of the thousand can set money aside at one time."""
WAIT_SECONDS = 1.0
PATIENT = "[wallet]\nin_flight_wait_ms = 30000\n"
ALL_PATIENT = "[wallet]\nin_flight_wait_ms = 60000\n"
ASK = hello("words-3", max_tokens=200)
"""Sets aside about sixty times what it costs."""


@pytest.fixture(scope="module")
def patient(twin: TwinView, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with running_house(tmp_path_factory.mktemp("patient"), twin, more=PATIENT, gateways=3) as one:
        yield one


def outcomes(replies: list[Reply]) -> Counter[str]:
    """Count answers, and refusals by what they say is missing."""

    def outcome(reply: Reply) -> str:
        if reply.status != 402:
            return str(reply.status)
        ours = reply.error["x_troth"]
        assert isinstance(ours, dict)
        return str(ours["limit_source"])

    return Counter(map(outcome, replies))


def all_ask(house: House, key: Key, callers: int, ask: Json = ASK) -> list[Reply]:
    return asyncio.run(
        crowd.all_at_once(callers, lambda _: crowd.asked(house.address, key.text, ask))
    )


def test_a_small_wallet_serves_everybody_in_turn(patient: House) -> None:
    key = patient.key(credit_usd="0.05", concurrency=0)  # ten at a time; all of them cost 0.017
    replies = all_ask(patient, key, CALLERS)
    assert outcomes(replies) == {"200": CALLERS}
    spent = sum(int(reply.headers["x-troth-cost-nusd"]) for reply in replies)
    wallet = patient.settled(key)
    assert wallet.posted_nusd == wallet.available_nusd == 50_000_000 - spent


def test_an_empty_wallet_refuses_at_once(patient: House) -> None:
    key = patient.key(credit_usd="0.0001", concurrency=0)
    watch = Stopwatch()
    replies = all_ask(patient, key, 20)
    assert outcomes(replies) == {"wallet": 20}
    assert watch.seconds < 15


def test_who_waits_is_refused_when_the_money_is_spent(patient: House) -> None:
    key = patient.key(credit_usd="0.01", concurrency=0)
    replies = all_ask(patient, key, CALLERS)
    found = outcomes(replies)
    assert found["200"] > 50
    assert set(found) <= {"200", "wallet"}
    assert patient.posted(key) >= 0


def test_a_caller_who_hangs_up_leaves_the_line(twin: TwinView, tmp_path: Path) -> None:
    alone = PATIENT + "in_flight_waiters = 1\n"
    with running_house(tmp_path, twin, more=alone, gateways=1) as house:
        key = house.key(credit_usd="0.004", concurrency=0)
        twin.forget()
        with connect(house.address) as first:
            first.sendall(_request(key, hello("slow-3000", max_tokens=200)))
            wait_until(lambda: twin.seen("slow-3000") != [], 5, "the first is under way")
            with connect(house.address) as second:
                second.sendall(_request(key, ASK))

                def is_full() -> bool:
                    return outcomes([post(house.address, key.text, ASK)]) == {"in_flight": 1}

                wait_until(is_full, 2, "the line has no room")

            def is_served() -> bool:
                return post(house.address, key.text, ASK).status == 200

            wait_until(is_served, 2, "the place of the second is free")


def _request(key: Key, ask: Json) -> bytes:
    data = msgspec.json.encode(ask)
    lines = (f"content-length: {len(data)}", "content-type: application/json")
    return head("/v1/chat/completions", key.text, *lines) + data


@pytest.mark.prove
@pytest.mark.parametrize("gateways", [1, 2, 4])
def test_a_thousand_callers_complete_or_waited_their_time(
    twin: TwinView, tmp_path: Path, figures: Callable[[str], None], gateways: int
) -> None:
    """How many a second serves is the machine's luck; who is refused, and when, is not."""
    with running_house(tmp_path, twin, gateways=gateways) as house:
        key = house.key(credit_usd="0.2", concurrency=0)
        assert post(house.address, key.text, ASK).status == 200
        watch = Stopwatch()
        ended: dict[int, float] = {}

        async def one(number: int) -> Reply:
            begun = watch.seconds
            reply = await crowd.asked(house.address, key.text, ASK)
            ended[number] = watch.seconds - begun
            return reply

        replies = asyncio.run(crowd.all_at_once(THOUSAND, one))
        found = outcomes(replies)
        figures(f"a thousand callers, {gateways} gateways, {watch.seconds:.1f} s: {dict(found)}")
        assert set(found) <= {"200", "in_flight"}
        assert found["200"] >= AT_ONCE
        early = [ended[at] for at, reply in enumerate(replies) if reply.status == 402]
        assert min(early, default=WAIT_SECONDS) >= WAIT_SECONDS


@pytest.mark.prove
@pytest.mark.parametrize("gateways", [1, 2, 4])
def test_a_thousand_patient_callers_all_complete(
    twin: TwinView, tmp_path: Path, figures: Callable[[str], None], gateways: int
) -> None:
    with running_house(tmp_path, twin, more=ALL_PATIENT, gateways=gateways) as house:
        key = house.key(credit_usd="0.2", concurrency=0)  # all of them cost 0.071
        watch = Stopwatch()
        replies = all_ask(house, key, THOUSAND)
        figures(f"a thousand patient callers, {gateways} gateways: {watch.seconds:.1f} s")
        assert outcomes(replies) == {"200": THOUSAND}
        spent = sum(int(reply.headers["x-troth-cost-nusd"]) for reply in replies)
        assert house.settled(key).posted_nusd == 200_000_000 - spent
