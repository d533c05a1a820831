"""Wallet and budgets of organization, project and key, drawn on in one step by many processes."""

from random import Random  # noqa: TID251 - seeded

import pytest

from tests.builders.money_world import USD, MoneyWorld
from troth.control.budgets import Mode, Rule, set_rule
from troth.kernel.periods import Period
from troth.ledger.books import wallet_purse
from troth.ledger.shard import Short

DAY_MS = 86_400_000
OWNERS = (b"o", b"p", b"k")
LONG = [pytest.param(seed, marks=pytest.mark.prove) for seed in range(2, 60)]


def limit(world: MoneyWorld, purse: bytes, nusd: int, mode: Mode = Mode.HARD) -> None:
    rule = Rule(purse, Period.DAY, "Europe/Zurich", mode, nusd)
    with world.store.write() as tx:
        set_rule(tx, rule, world.clock.now_ms())


def used(world: MoneyWorld) -> dict[tuple[bytes, int], int]:
    with world.store.read() as tx:
        rows = tx.rows("SELECT purse, starts_at, spent FROM budget", (), tuple[bytes, int, int])
    return {(purse, starts_at): spent for purse, starts_at, spent in rows}


@pytest.mark.parametrize("seed", [1, *LONG])
def test_no_budget_of_any_owner_is_passed_by_one_nano_dollar(world: MoneyWorld, seed: int) -> None:
    random = Random(seed)  # noqa: S311
    org = world.organization(USD)
    limits = {
        owner + bytes([number]) * 16: random.randrange(20_000, 60_000)
        for owner in OWNERS
        for number in (1, 2)
    }
    for purse, nusd in limits.items():
        limit(world, purse, nusd)
    wallet = wallet_purse(org)
    keys = [(wallet, *limits), (wallet, *(purse for purse in limits if purse[:1] != b"k"))]
    gateways = [world.gateway(slot) for slot in range(4)]
    running: list[tuple[int, bytes, int]] = []
    charged = 0
    for number in range(160):
        slot = random.randrange(4)
        want = random.randrange(100, 4_000)
        admitted = gateways[slot].admit(random.choice(keys), want, min(want, 500))
        if not isinstance(admitted, Short):
            running.append((slot, *admitted))
        if running and random.randrange(3):
            slot, reservation, granted = running.pop(random.randrange(len(running)))
            charge = random.randrange(granted + 1)
            gateways[slot].shard.settle(reservation, charge, b"")
            charged += charge
        if number == 80:
            world.clock.advance(DAY_MS)
            for gateway in gateways:
                gateway.shard.beat(world.clock.monotonic_ns())
        world.pump()
        assert all(spent <= limits[purse] for (purse, _), spent in used(world).items())
    for slot, reservation, granted in running:
        gateways[slot].shard.settle(reservation, granted, b"")
        charged += granted
    world.pump()
    totals = used(world)
    assert all(spent <= limits[purse] for (purse, _), spent in totals.items())
    assert len({starts_at for _, starts_at in totals}) == 2
    shared = next(purse for purse in limits if purse[:1] == b"o")
    assert sum(spent for (purse, _), spent in totals.items() if purse == shared) == charged
    assert world.wallet(org).posted == USD - charged
    assert max(totals.values()) > 10_000


def test_what_was_lent_of_a_limit_that_shrinks_is_called_back(world: MoneyWorld) -> None:
    org = world.organization(USD)
    key = b"k" + bytes(16)
    limit(world, key, 100_000)
    purses = (wallet_purse(org), key)
    gateways = [world.gateway(slot) for slot in range(2)]
    running = gateways[0].admit(purses, 4_000, 4_000)
    assert not isinstance(running, Short)
    gateways[1].spend(purses, 1_000, 1_000)
    world.pump()
    limit(world, key, 6_000)
    with world.store.write() as tx:
        sent = world.teller.call_back(tx, key)
    assert {seat for seat, _ in sent} == {gateway.seat for gateway in gateways}
    world.deliver(sent)
    world.pump()
    assert world.number("SELECT sum(held) FROM budget") == 4_000
    for gateway in gateways:
        assert isinstance(gateway.admit(purses, 2_000, 2_000), Short)
    gateways[0].shard.settle(running[0], 4_000, b"")
    gateways[1].spend(purses, 1_000, 1_000)
    world.pump()
    assert world.number("SELECT sum(spent) FROM budget") == 6_000
