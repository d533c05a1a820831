"""How much of a purse is lent at a time, to the nano-dollar."""

import pytest

from tests.builders.money_world import MoneyWorld
from troth.control.budgets import Mode, Rule, set_rule
from troth.kernel.periods import Period
from troth.ledger.books import wallet_purse
from troth.ledger.shard import Short
from troth.ledger.shard.messages import Lease, LeaseAsk, OpenSeat

KEY = b"k" + bytes(range(16))


def granted(
    world: MoneyWorld, amount: int, *, need: int = 500, recent: int = 0, seats: int = 1
) -> Lease:
    """Ask for part of a new wallet, with requests that are bounded by 1,000."""
    purse = wallet_purse(world.organization(amount))
    with world.store.write() as tx:
        opened = [
            world.teller.open(tx, OpenSeat(slot), world.clock.now_ms()).seat
            for slot in range(seats)
        ]
        ask = LeaseAsk(1, purse, 0, 0, need, need, 1_000, recent)
        ((_, answer),) = world.teller.receive(tx, opened[0], ask, world.clock.now_ms())
    assert isinstance(answer, Lease)
    return answer


@pytest.mark.parametrize(
    ("amount", "recent", "seats_and_grant"),
    [
        (1_000_000, 0, (1, 4_000)),
        (1_000_000, 60_000, (1, 60_000)),
        (100_000, 90_000, (1, 50_000)),
        (100_000, 90_000, (2, 25_000)),
        (8_000, 0, (1, 4_000)),
        (7_999, 0, (1, 500)),
        (16_000, 0, (2, 4_000)),
        (15_999, 0, (2, 500)),
        (24_000, 90_000, (3, 4_000)),
    ],
)
def test_a_grant_is_two_seconds_of_spending_within_a_fair_share(
    world: MoneyWorld, amount: int, recent: int, seats_and_grant: tuple[int, int]
) -> None:
    seats, expected = seats_and_grant
    lease = granted(world, amount, recent=recent, seats=seats)
    assert lease.granted == expected
    assert lease.is_direct == (expected == 500)
    assert not lease.is_short
    assert (lease.available, lease.held) == (amount - expected, 0)


def test_a_need_is_met_beyond_a_fair_share(world: MoneyWorld) -> None:
    lease = granted(world, 20_000, need=15_000)
    assert (lease.granted, lease.is_short, lease.available) == (15_000, False, 5_000)


def test_what_is_there_is_lent_when_it_is_less_than_was_needed(world: MoneyWorld) -> None:
    lease = granted(world, 300)
    assert (lease.granted, lease.is_short, lease.available) == (300, True, 0)


def test_only_others_leases_of_that_purse_are_recalled(world: MoneyWorld) -> None:
    org, other = world.organization(1_000), world.organization(1_000)
    first, second = world.gateway(0), world.gateway(1)
    for each in (org, other):
        assert not isinstance(first.admit((wallet_purse(each),), 600, 600), Short)
        assert not isinstance(second.admit((wallet_purse(each),), 300, 300), Short)
    ask = LeaseAsk(70, wallet_purse(org), 0, 0, 500, 500, 500, 0)
    with world.store.write() as tx:
        world.teller.receive(tx, second.seat, ask, world.clock.now_ms())
        recalled = tx.rows("SELECT purse, seat FROM lease WHERE recall = 1", ())
    assert recalled == [(wallet_purse(org), first.seat)]


@pytest.mark.parametrize(("limit", "paid"), [(1_000, 1_000), (999, 999), (5_000, 1_000)])
def test_a_late_charge_uses_a_budget_up_to_its_limit(
    world: MoneyWorld, limit: int, paid: int
) -> None:
    org = world.organization(1_000_000)
    rule = Rule(KEY, Period.TOTAL, "UTC", Mode.HARD, 1_000)
    with world.store.write() as tx:
        set_rule(tx, rule, world.clock.now_ms())
    gateway = world.gateway()
    admitted = gateway.admit((wallet_purse(org), KEY), 1_000, 1_000)
    assert not isinstance(admitted, Short)
    later = world.clock.now_ms() + 40_000
    with world.store.write() as tx:
        world.teller.reclaim(tx, later)
        set_rule(tx, Rule(KEY, Period.TOTAL, "UTC", Mode.HARD, limit), later)
    gateway.shard.settle(admitted[0], 1_000, b"")
    world.pump()
    (posted,) = world.posted
    assert (posted.charged, posted.late) == (paid, 1_000 - paid)
    assert world.number("SELECT spent FROM budget") == paid
    assert world.wallet(org).posted == 1_000_000 - paid
