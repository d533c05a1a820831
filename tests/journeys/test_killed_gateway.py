"""A gateway is killed under load: it is back, and no charge of a completed answer is lost."""

import asyncio
import os
import signal

from tests.journeys import crowd
from tests.journeys.patience import Stopwatch
from tests.journeys.raw_http import Reply, events, hello, post
from tests.journeys.serving import House, Key, cost_in
from troth.gateway.exchange import Fields

CALLERS = 16
KILLS = 3
DOWN_SECONDS = 5
LISTED = 1_000
CREDIT_NUSD = 10**9
BUFFERED = hello("words-3", max_tokens=20)
STREAMED = hello("drip-50", stream=True, stream_options={"include_usage": True})


def told_cost(reply: Reply) -> int | None:
    """Return the cost that a whole answer told its caller, in nano-USD; None if it was broken."""
    if reply.status != 200 or not reply.is_whole:
        return None
    if "x-troth-cost-nusd" in reply.headers:
        return int(reply.headers["x-troth-cost-nusd"])
    told = events(reply)
    if not told or told[-1] != "[DONE]":
        return None
    return cost_in(told[-2])


class Load:
    """Callers who never stop, and somebody who kills a gateway now and then."""

    def __init__(self, house: House, key: Key) -> None:
        self._house = house
        self._key = key
        self._is_over = False
        self.done: list[Reply] = []
        self.downs: list[float] = []

    async def run(self) -> None:
        """Run until the last victim has been replaced for a second."""
        callers = [self._call(STREAMED if number % 2 else BUFFERED) for number in range(CALLERS)]
        await asyncio.gather(self._kill(), *callers)

    async def _call(self, ask: Fields) -> None:
        while not self._is_over:
            try:
                self.done.append(await crowd.asked(self._house.address, self._key.text, ask))
            except OSError:
                continue
            finally:
                await asyncio.sleep(0.05)

    async def _kill(self) -> None:
        try:
            for turn in range(KILLS):
                await asyncio.sleep(1)
                await self._kill_one(turn)
            await asyncio.sleep(1)
        finally:
            self._is_over = True

    async def _kill_one(self, turn: int) -> None:
        pids = self._house.gateway_pids()
        victim = pids[turn % len(pids)]
        watch = Stopwatch()
        os.kill(victim, signal.SIGKILL)
        while watch.seconds < DOWN_SECONDS:
            await asyncio.sleep(0.02)
            now = self._house.gateway_pids()
            if victim not in now and len(now) == len(pids):
                break
        self.downs.append(watch.seconds)


def test_a_killed_gateway_loses_and_doubles_nothing(own_house: House) -> None:
    house = own_house
    key = house.key(credit_usd="1")
    load = Load(house, key)
    asyncio.run(load.run())
    assert len(load.downs) == KILLS
    assert max(load.downs) < DOWN_SECONDS
    assert post(house.address, key.text, BUFFERED).status == 200
    costs = {
        reply.headers["x-request-id"]: cost
        for reply in load.done
        if (cost := told_cost(reply)) is not None
    }
    assert len(costs) > 50
    wallet = house.settled(key, within=60)
    receipts = house.receipts(key)
    assert len(receipts) < LISTED, "the list holds not all of them: start fewer callers"
    assert {request: receipts[request] for request in costs} == costs
    assert wallet.posted_nusd == wallet.available_nusd == CREDIT_NUSD - sum(receipts.values())
