"""A wallet that can pay is not refused because of what running streams might cost at most."""

import asyncio
from contextlib import closing
from pathlib import Path
from random import Random  # noqa: TID251 - seeded

import msgspec
import pytest

from tests.builders.gateway_world import Scene, Step, key_row, model, offering, scene, streams
from tests.builders.lending_desk import Desk, Way
from tests.builders.money_world import USD, MoneyWorld
from troth.server.purses import Purses
from troth.store import engine

pytestmark = pytest.mark.anyio

STREAMS = 50
GATEWAYS = 4
REQUESTS = 300
MOST = 32_000


def told(random: Random) -> list[Step]:
    """Play a stream of 100 to 500 tokens, four bytes each."""
    tokens = random.randrange(100, 500)
    usage = {"prompt_tokens": 5, "completion_tokens": tokens, "total_tokens": 5 + tokens}
    pieces = [_chunk({"content": "x" * 40})] * (tokens // 10)
    last = msgspec.json.encode({"id": "x", "choices": [], "usage": usage})
    return streams(*pieces, _chunk({}, "stop"), b"data: %b\n\n" % last, b"data: [DONE]\n\n")


def _chunk(delta: object, finish: str | None = None) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return b"data: %b\n\n" % msgspec.json.encode({"id": "x", "choices": [choice]})


def _stage(desk: Desk, slot: int, purse: bytes, random: Random) -> Scene:
    process = desk.world.gateway(slot)
    way = Way(desk, process.seat)
    desk.ways.append(way)
    wallet = Purses(process.shard, process.journal, way)
    desk.purses[process.seat] = wallet
    able = model(context_length=65_536, max_output=MOST)
    row = key_row(purses=(purse,), requests_per_minute=0, tokens_per_minute=0)
    scripts = [told(random) for _ in range(REQUESTS)]
    stage = scene(*scripts, offerings=[offering(model=able)], row=row)
    stage.world.wallet = wallet
    return stage


async def spend(stages: list[Scene], text: bytes) -> tuple[int, int]:
    """Run all requests, fifty at a time; return how many were refused and how many clamped."""
    left = iter(range(REQUESTS))
    refused = clamped = 0

    async def client() -> None:
        nonlocal refused, clamped
        for number in left:
            reply = await stages[number % GATEWAYS].ask(text)
            assert reply.status in {200, 402}
            refused += reply.status == 402
            clamped += "x-troth-max-tokens-clamped" in reply.headers

    await asyncio.gather(*(client() for _ in range(STREAMS)))
    return refused, clamped


async def test_fifty_streams_of_a_wallet_that_can_pay_are_never_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("troth.server.purses._PATIENCE_SECONDS", 60)  # the machine may be slow
    random = Random(7)  # noqa: S311 - sizes of answers
    with closing(engine.open(f"sqlite:///{tmp_path / 'books.db'}")) as store:
        world = MoneyWorld(store, tmp_path)
        org = world.organization(USD)
        desk = Desk(world)
        stages = [_stage(desk, slot, b"w" + org, random) for slot in range(GATEWAYS)]
        running = asyncio.get_running_loop().create_task(desk.run())
        body = {"model": "m", "messages": [{"role": "user", "content": "hi"}], "stream": True}
        refused, _ = await spend(stages, msgspec.json.encode({**body, "max_tokens": MOST}))
        running.cancel()
        await desk.close()
        assert refused <= REQUESTS // 1_000
        spent = USD - world.wallet(org).posted
        assert 0 < spent < USD // 2
        assert spent == sum(charges(world))


def charges(world: MoneyWorld) -> list[int]:
    with world.store.read() as tx:
        return [amount for (amount,) in tx.rows("SELECT amount FROM charge", (), tuple[int])]
