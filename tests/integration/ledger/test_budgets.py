"""A budget is a purse of its own: nobody passes a hard one, and each period starts anew."""

import pytest
from msgspec import structs

from tests.builders.money_world import USD, MoneyWorld
from troth.control.budgets import Mode, Rule, crossings, running, set_rule
from troth.kernel.periods import Period, span
from troth.ledger.books import wallet_purse
from troth.ledger.shard import Short, ShortKind

KEY = b"k" + bytes(range(16))
DAY_MS = 86_400_000


def limited(
    world: MoneyWorld, limit_nusd: int, period: Period = Period.TOTAL, mode: Mode = Mode.HARD
) -> tuple[bytes, tuple[bytes, ...]]:
    """Return an organization with plenty and the purses of a key with a limit."""
    org = world.organization(USD)
    with world.store.write() as tx:
        set_rule(tx, Rule(KEY, period, "Europe/Zurich", mode, limit_nusd), world.clock.now_ms())
    return org, (wallet_purse(org), KEY)


def spent(world: MoneyWorld) -> list[int]:
    with world.store.read() as tx:
        found = tx.rows("SELECT spent FROM budget ORDER BY starts_at", (), tuple[int])
    return [each for (each,) in found]


def test_a_hard_budget_is_never_passed_whatever_the_number_of_processes(world: MoneyWorld) -> None:
    org, purses = limited(world, 50_000)
    gateways = [world.gateway(slot) for slot in range(4)]
    charged = 0
    for number in range(60):
        gateway = gateways[number % 4]
        admitted = gateway.admit(purses, 3_000, 3_000)
        if isinstance(admitted, Short):
            assert admitted.purse == KEY
            continue
        gateway.shard.settle(admitted[0], 1_700, b"")
        charged += 1_700
    world.pump()
    assert spent(world) == [charged]
    assert 47_000 < charged <= 50_000
    assert world.wallet(org).posted == USD - charged


def test_an_alert_stops_nobody_and_counts(world: MoneyWorld) -> None:
    _, purses = limited(world, 1_000, mode=Mode.ALERT)
    gateway = world.gateway()
    for _ in range(3):
        gateway.spend(purses, 3_000, 2_000)
    world.pump()
    assert spent(world) == [6_000]


def test_a_new_period_is_a_new_row_and_running_requests_settle_into_the_old(
    world: MoneyWorld,
) -> None:
    org, purses = limited(world, 10_000, Period.DAY)
    gateway = world.gateway()
    admitted = gateway.admit(purses, 9_000, 9_000)
    assert not isinstance(admitted, Short)
    short = gateway.admit(purses, 2_000, 2_000)
    assert isinstance(short, Short)
    world.clock.advance(DAY_MS)
    gateway.shard.beat(world.clock.monotonic_ns())
    world.pump()
    gateway.spend(purses, 8_000, 8_000)
    gateway.shard.settle(admitted[0], 6_000, b"")
    world.pump()
    assert spent(world) == [6_000, 8_000]
    assert world.wallet(org).posted == USD - 14_000
    assert world.number("SELECT count(*) FROM book WHERE kind = 'operator:orphan'") == 0


def test_a_stream_over_midnight_is_extended_from_the_new_period(world: MoneyWorld) -> None:
    _, purses = limited(world, 10_000, Period.DAY)
    gateway = world.gateway()
    admitted = gateway.admit(purses, 3_000, 3_000)
    assert not isinstance(admitted, Short)
    world.clock.advance(DAY_MS)
    gateway.shard.beat(world.clock.monotonic_ns())
    world.pump()
    gateway.spend(purses, 100, 100)
    for _ in range(3):
        if gateway.shard.extend(admitted[0], 2_000) is None:
            break
        world.pump()
        world.wait(50)
    gateway.shard.settle(admitted[0], 5_000, b"")
    world.pump()
    assert spent(world) == [0, 5_100]


def test_a_lowered_limit_stops_the_next_request(world: MoneyWorld) -> None:
    _, purses = limited(world, 10_000)
    gateway = world.gateway()
    gateway.spend(purses, 4_000, 4_000)
    world.pump()
    with world.store.write() as tx:
        set_rule(tx, Rule(KEY, Period.TOTAL, "UTC", Mode.HARD, 3_000), world.clock.now_ms())
    world.wait(12_000)
    world.wait(12_000)
    short = gateway.admit(purses, 4_000, 4_000)
    assert isinstance(short, Short)
    assert short.kind is ShortKind.BROKE


@pytest.mark.parametrize("period", [Period.DAY, Period.WEEK, Period.MONTH])
def test_another_time_zone_gives_nobody_a_budget_twice(world: MoneyWorld, period: Period) -> None:
    world.wait((10 * 3_600_000 - world.clock.now_ms()) % DAY_MS)
    _, purses = limited(world, 10_000, period)
    gateway = world.gateway()
    gateway.spend(purses, 9_000, 9_000)
    world.pump()
    for zone in ("America/New_York", "Asia/Tokyo", "Europe/Zurich", "America/New_York"):
        with world.store.write() as tx:
            set_rule(tx, Rule(KEY, period, zone, Mode.HARD, 10_000), world.clock.now_ms())
            now = running(tx, KEY, world.clock.now_ms())
        assert now is not None
        assert (now.spent, now.starts_at) == (9_000, span(period, zone, world.clock.now_ms())[0])
        world.wait(12_000)
        world.wait(12_000)
        short = gateway.admit(purses, 4_000, 4_000)
        assert isinstance(short, Short)
    world.wait(12_000)
    gateway.spend(purses, 1_000, 1_000)
    world.pump()
    with world.store.write() as tx:
        now = running(tx, KEY, world.clock.now_ms())
    assert now is not None
    assert now.spent == 10_000


def test_where_another_day_has_begun_a_budget_begins_anew(world: MoneyWorld) -> None:
    world.wait((20 * 3_600_000 - world.clock.now_ms()) % DAY_MS)
    _, purses = limited(world, 10_000, Period.DAY)
    world.gateway().spend(purses, 9_000, 9_000)
    world.pump()
    with world.store.write() as tx:
        rule = Rule(KEY, Period.DAY, "Asia/Tokyo", Mode.HARD, 10_000)
        set_rule(tx, rule, world.clock.now_ms())
        now = running(tx, KEY, world.clock.now_ms())
    assert now is not None
    assert now.spent == 0


def test_a_budget_that_was_never_set_lends_nothing(world: MoneyWorld) -> None:
    org = world.organization(USD)
    refused = world.gateway().admit((wallet_purse(org), KEY), 1_000, 1_000)
    assert isinstance(refused, Short)
    assert (refused.kind, refused.purse, refused.available) == (ShortKind.BROKE, KEY, 0)


def test_a_part_of_a_limit_is_told_once(world: MoneyWorld) -> None:
    _, purses = limited(world, 10_000)
    gateway = world.gateway()
    told = []
    for _ in range(10):
        gateway.spend(purses, 1_000, 1_000)
        world.pump()
        with world.store.write() as tx:
            told += [(each.percent, each.spent) for each in crossings(tx, 0)]
    assert told == [(50, 5_000), (80, 8_000), (100, 10_000)]


def test_a_period_can_be_looked_at_before_it_has_begun(world: MoneyWorld) -> None:
    _, purses = limited(world, 5_000, Period.DAY)
    starts_at, ends_at = span(Period.DAY, "Europe/Zurich", world.clock.now_ms())
    with world.store.read() as tx:
        assert running(tx, b"k" + bytes(16), world.clock.now_ms()) is None
        found = running(tx, KEY, world.clock.now_ms())
    assert found is not None
    assert structs.astuple(found) == (starts_at, ends_at, 5_000, 0, 0)
    assert spent(world) == []
    world.gateway().spend(purses, 1_000, 300)
    world.pump()
    with world.store.read() as tx:
        found = running(tx, KEY, world.clock.now_ms())
    assert found is not None
    assert (found.spent, found.limit_nusd) == (300, 5_000)


def test_a_limit_below_what_is_spent_leaves_nothing_and_not_less(world: MoneyWorld) -> None:
    _, purses = limited(world, 50_000)
    gateway = world.gateway()
    gateway.spend(purses, 20_000, 20_000)
    world.pump()
    with world.store.write() as tx:
        rule = Rule(KEY, Period.TOTAL, "Europe/Zurich", Mode.HARD, 10_000)
        set_rule(tx, rule, world.clock.now_ms())
    for _ in range(3):
        world.wait(11_000)
    refused = gateway.admit(purses, 3_000)
    assert isinstance(refused, Short)
    assert (refused.kind, refused.purse, refused.available) == (ShortKind.BROKE, KEY, 0)


def test_what_costs_nothing_is_posted_though_no_lease_was_ever_asked_for(world: MoneyWorld) -> None:
    org, purses = limited(world, 50_000)
    gateway = world.gateway()
    gateway.spend(purses, 0, 0)
    world.pump()
    gateway.spend(purses, 3_000, 1_700)
    gateway.spend(purses, 0, 0)
    world.pump()
    assert [each.charged for each in world.posted] == [0, 1_700, 0]
    assert spent(world) == [1_700]
    assert world.wallet(org).posted == USD - 1_700
