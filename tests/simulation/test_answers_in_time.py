"""A request that draws on many purses at once gets a yes or a no, however they are lent."""

import asyncio
from contextlib import closing
from pathlib import Path
from random import Random  # noqa: TID251 - seeded

import pytest

from tests.builders.lending_desk import Desk, Way
from tests.builders.money_world import USD, MoneyWorld
from troth.control.budgets import Mode, Rule, set_rule
from troth.kernel.errors import CreditsExhausted
from troth.kernel.periods import Period
from troth.ledger.books import wallet_purse
from troth.server.purses import Purses
from troth.store import engine

pytestmark = pytest.mark.anyio

GATEWAYS = 4
CLIENTS = 16
REQUESTS = 120
LONG = [pytest.param(seed, marks=pytest.mark.prove) for seed in range(2, 30)]


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def limited(world: MoneyWorld, random: Random) -> tuple[bytes, ...]:
    """Return a wallet and six budgets that do not last for all requests."""
    org = world.organization(USD)
    limits = [owner + bytes([number]) * 16 for owner in (b"o", b"p", b"k") for number in (1, 2)]
    with world.store.write() as tx:
        for purse in limits:
            rule = Rule(purse, Period.TOTAL, "UTC", Mode.HARD, random.randrange(20_000, 60_000))
            set_rule(tx, rule, world.clock.now_ms())
    return wallet_purse(org), *limits


def joined(desk: Desk, slot: int) -> Purses:
    """Return the wallet port of a new process."""
    process = desk.world.gateway(slot)
    way = Way(desk, process.seat)
    desk.ways.append(way)
    purses = desk.purses[process.seat] = Purses(process.shard, process.journal, way)
    return purses


async def spend(ports: list[Purses], purses: tuple[bytes, ...], random: Random) -> tuple[int, int]:
    """Run all requests; return how many were admitted and how many had no credit."""
    yes = no = 0
    left = iter(range(REQUESTS))

    async def client() -> None:
        nonlocal yes, no
        for number in left:
            port, reservation = random.choice(ports), number.to_bytes(16, "big")
            want = random.randrange(100, 4_000)
            drawn = random.choice([purses, purses[:-2]])
            try:
                got = port.admit(reservation, drawn, want, min(want, 500), enough=0)
                held = got if isinstance(got, int) else await got
            except CreditsExhausted:
                no += 1
                continue
            yes += 1
            for _ in range(random.randrange(40)):
                await asyncio.sleep(0)
            port.settle(reservation, random.randrange(held + 1), b"record", overrun=0)

    async with asyncio.TaskGroup() as clients:
        for _ in range(CLIENTS):
            clients.create_task(client())
    return yes, no


@pytest.mark.parametrize("seed", [1, *LONG])
async def test_many_purses_answer_yes_or_no_and_never_come_back_later(
    tmp_path: Path, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Time is the desk's here, ten milliseconds every few turns; how long a turn takes is not.
    monkeypatch.setattr("troth.server.purses._PATIENCE_SECONDS", 60)
    random = Random(seed)  # noqa: S311
    with closing(engine.open(f"sqlite:///{tmp_path / 'books.db'}")) as store:
        world = MoneyWorld(store, tmp_path)
        purses = limited(world, random)
        desk = Desk(world)
        ports = [joined(desk, slot) for slot in range(GATEWAYS)]
        running = asyncio.get_running_loop().create_task(desk.run())
        try:
            yes, no = await spend(ports, purses, random)
        finally:
            running.cancel()
        await desk.close()
        assert yes + no == REQUESTS
        assert min(yes, no) > 0
        assert world.number("SELECT count(*) FROM budget WHERE spent + held > limit_nusd") == 0
