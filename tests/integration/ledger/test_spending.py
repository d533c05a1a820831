"""A wallet is spent through leases, to the last nano-dollar and never below zero."""

import pytest

from tests.builders.money_world import USD, MoneyWorld
from troth.ledger.books import Credit, LotKind, credit, wallet_purse
from troth.ledger.shard import Short, ShortKind
from troth.store.transaction import Conflict


def test_settlement_releases_the_unused_part(world: MoneyWorld) -> None:
    org = world.organization(USD)
    gateway = world.gateway()
    gateway.spend((wallet_purse(org),), 1_000_000, 400_000)
    world.pump()
    assert world.wallet(org).posted == USD - 400_000
    world.wait(11_000)
    world.wait(11_000)
    assert world.wallet(org).held == 0


def test_a_released_reservation_costs_nothing_and_leaves_no_row(world: MoneyWorld) -> None:
    org = world.organization(USD)
    gateway = world.gateway()
    admitted = gateway.admit((wallet_purse(org),), 1_000)
    assert not isinstance(admitted, Short)
    gateway.shard.abort(admitted[0])
    world.pump()
    assert world.wallet(org).posted == USD
    assert world.posted == []


def test_promotional_credit_is_spent_before_paid_credit(world: MoneyWorld) -> None:
    org = world.organization(1_000)
    world.credit(org, 300, LotKind.PROMO)
    gateway = world.gateway()
    gateway.spend((wallet_purse(org),), 500, 500)
    world.pump()
    assert world.number("SELECT spent FROM lot WHERE kind = 'promo'") == 300
    assert world.number("SELECT spent FROM lot WHERE kind = 'paid'") == 200


def test_the_same_credit_is_given_once(world: MoneyWorld) -> None:
    org = world.organization()
    wanted = Credit("form-1", org, LotKind.PAID, 700)
    given = []
    for _ in range(3):
        with world.store.write() as tx:
            given.append(credit(tx, wanted, 0, world.clock.now_ms()))
    assert given == [True, False, False]
    assert world.wallet(org).posted == 700


def test_every_nano_dollar_of_a_small_wallet_can_be_spent_from_many_processes(
    world: MoneyWorld,
) -> None:
    org = world.organization(3_000_000)
    gateways = [world.gateway(slot) for slot in range(8)]
    spent = 0
    refused: list[Short] = []
    for number in range(300):
        gateway = gateways[number % 8]
        admitted = gateway.admit((wallet_purse(org),), 30_000, 30_000)
        if isinstance(admitted, Short):
            refused.append(admitted)
            continue
        gateway.shard.settle(admitted[0], 17_000, b"")
        spent += 17_000
    world.pump()
    found = world.wallet(org)
    assert found.posted == 3_000_000 - spent
    assert 0 <= found.posted < 30_000
    assert {short.kind for short in refused} == {ShortKind.BROKE}


def test_a_request_takes_less_when_there_is_no_more(world: MoneyWorld) -> None:
    org = world.organization(5_000)
    gateway = world.gateway()
    admitted = gateway.admit((wallet_purse(org),), 9_000, 100)
    assert not isinstance(admitted, Short)
    assert admitted[1] == 5_000


def test_half_is_left_to_others_while_requests_run(world: MoneyWorld) -> None:
    org = world.organization(5_000)
    gateway = world.gateway()
    first = gateway.admit((wallet_purse(org),), 1_000)
    second = gateway.admit((wallet_purse(org),), 9_000, 100)
    assert not isinstance(first, Short)
    assert not isinstance(second, Short)
    assert second[1] == 2_000


def test_money_in_flight_is_told_from_money_that_is_gone(world: MoneyWorld) -> None:
    org = world.organization(5_000)
    first, second = world.gateway(0), world.gateway(1)
    assert not isinstance(first.admit((wallet_purse(org),), 4_500, 4_500), Short)
    short = second.admit((wallet_purse(org),), 1_000, 1_000)
    assert isinstance(short, Short)
    assert (short.kind, short.available, short.in_flight) == (ShortKind.IN_FLIGHT, 500, 4_500)
    short = second.admit((wallet_purse(org),), 9_000, 9_000)
    assert isinstance(short, Short)
    assert short.kind is ShortKind.BROKE


def test_nobody_is_refused_while_others_hold_idle_money(world: MoneyWorld) -> None:
    org = world.organization(1_000_000)
    first, second = world.gateway(0), world.gateway(1)
    first.spend((wallet_purse(org),), 40_000, 1)
    world.pump()
    admitted = second.admit((wallet_purse(org),), 999_999, 999_999)
    assert not isinstance(admitted, Short)


def test_two_that_wait_for_each_other_do_not_block(world: MoneyWorld) -> None:
    org = world.organization(1_000)
    first, second = world.gateway(0), world.gateway(1)
    for gateway in (first, second):
        admitted = gateway.admit((wallet_purse(org),), 500, 500)
        assert not isinstance(admitted, Short)
        gateway.shard.abort(admitted[0])
    for gateway in (first, second):
        gateway.shard.admit(world.ids.raw(), (wallet_purse(org),), 800, 800)
    world.pump()
    assert not isinstance(first.admit((wallet_purse(org),), 800, 800), Short)


def test_a_stream_extends_its_reservation_until_the_wallet_is_dry(world: MoneyWorld) -> None:
    org = world.organization(3_000)
    gateway = world.gateway()
    admitted = gateway.admit((wallet_purse(org),), 1_000)
    assert not isinstance(admitted, Short)
    extended = 0
    for _ in range(10):
        short = gateway.shard.extend(admitted[0], 700)
        if short is None:
            extended += 1
            continue
        world.pump()
        world.wait(50)
    assert extended == 2
    gateway.shard.settle(admitted[0], 2_400, b"")
    world.pump()
    assert world.wallet(org).posted == 600


def test_more_than_was_reserved_is_paid_only_from_what_is_free(world: MoneyWorld) -> None:
    org = world.organization(3_000)
    gateway = world.gateway()
    admitted = gateway.admit((wallet_purse(org),), 2_000)
    assert not isinstance(admitted, Short)
    covered = gateway.shard.cover(admitted[0], 5_000)
    gateway.shard.settle(admitted[0], covered, b"", overrun=5_000 - covered)
    world.pump()
    assert world.wallet(org).posted == 3_000 - covered
    assert world.number("SELECT -sum(posted) FROM book WHERE kind = 'operator:overrun'") == (
        5_000 - covered
    )
    assert world.number("SELECT sum(posted) FROM book") == 0


def test_a_wallet_that_does_not_exist_pays_nothing(world: MoneyWorld) -> None:
    gateway = world.gateway()
    short = gateway.admit((b"w" + bytes(16),), 10, 1)
    assert isinstance(short, Short)
    assert short.kind is ShortKind.BROKE


@pytest.mark.parametrize("table", ["entry", "batch", "charge"])
@pytest.mark.parametrize("verb", ["UPDATE {} SET day = day + 1", "DELETE FROM {}"])
def test_what_is_written_cannot_be_changed(world: MoneyWorld, table: str, verb: str) -> None:
    org = world.organization(1_000)
    gateway = world.gateway()
    gateway.spend((wallet_purse(org),), 500, 500)
    world.pump()
    with pytest.raises(Conflict), world.store.write() as tx:
        tx.execute(verb.format(table))
