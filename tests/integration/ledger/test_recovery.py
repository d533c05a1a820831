"""Whatever is killed, lost, late or repeated: each settlement is posted once, or nobody pays."""

import msgspec
import pytest

from tests.builders.money_world import USD, GatewayProcess, MoneyWorld
from troth.kernel.errors import InvariantBroken
from troth.ledger.books import wallet_purse
from troth.ledger.shard import Short, ShortKind
from troth.ledger.shard.messages import LeaseAsk, LeaseReturn, Posting, SeatClosed, Up


def sums(world: MoneyWorld) -> tuple[int, int]:
    """Return the sum of all books, and what is lent without a lease."""
    lent = world.number("SELECT coalesce(sum(granted - settled), 0) FROM lease")
    return (
        world.number("SELECT coalesce(sum(posted), 0) FROM book"),
        world.number("SELECT coalesce(sum(held), 0) FROM book") - lent,
    )


def test_a_killed_process_loses_no_settlement_and_charges_no_promise(world: MoneyWorld) -> None:
    org = world.organization(USD)
    gateway = world.gateway()
    gateway.spend((wallet_purse(org),), 1_000, 300)
    world.pump()
    gateway.spend((wallet_purse(org),), 1_000, 400)
    admitted = gateway.admit((wallet_purse(org),), 5_000)
    assert not isinstance(admitted, Short)
    gateway.kill()
    world.gateway()
    assert world.wallet(org).posted == USD - 700
    assert world.wallet(org).held == 0
    assert len(world.posted) == 2
    assert world.number("SELECT amount FROM orphan WHERE reservation = ?", admitted[0]) == 5_000
    assert sums(world) == (0, 0)


def test_a_replayed_journal_changes_nothing(world: MoneyWorld) -> None:
    org = world.organization(USD)
    gateway = world.gateway()
    gateway.spend((wallet_purse(org),), 1_000, 300)
    posting = gateway.shard.unposted(200)
    assert posting is not None
    for _ in range(3):
        world.tell(gateway.seat, posting)
    assert world.wallet(org).posted == USD - 300
    assert len(world.posted) == 1


def test_a_posting_with_known_and_new_settlements_posts_the_new(world: MoneyWorld) -> None:
    org = world.organization(USD)
    gateway = world.gateway()
    gateway.spend((wallet_purse(org),), 1_000, 300)
    first = gateway.shard.unposted(200)
    assert first is not None
    world.tell(gateway.seat, first)
    gateway.spend((wallet_purse(org),), 1_000, 50)
    second = gateway.shard.unposted(200)
    assert second is not None
    both = msgspec.structs.replace(second, settlements=first.settlements + second.settlements)
    world.tell(gateway.seat, both)
    assert world.wallet(org).posted == USD - 350


def test_a_reservation_settled_twice_in_a_posting_stops_the_books(world: MoneyWorld) -> None:
    org = world.organization(USD)
    gateway = world.gateway()
    gateway.spend((wallet_purse(org),), 1_000, 300)
    posting = gateway.shard.unposted(200)
    assert posting is not None
    with pytest.raises(InvariantBroken):
        world.tell(
            gateway.seat, Posting(gateway.seat, 1, 2, posting.settlements + posting.settlements)
        )
    assert world.wallet(org).posted == USD


def frozen_then_reclaimed(world: MoneyWorld, gateway: GatewayProcess) -> None:
    """Let a process sleep until its seat is taken for dead."""
    world.teller.left(gateway.seat)
    del world.gateways[gateway.seat]
    world.clock.advance(36_000)
    with world.store.write() as tx:
        world.deliver(world.teller.reclaim(tx, world.clock.now_ms()))


def test_a_process_that_wakes_late_is_paid_from_what_is_left(world: MoneyWorld) -> None:
    org = world.organization(1_000)
    sleeper = world.gateway(0)
    for charge in (300, 400):
        sleeper.spend((wallet_purse(org),), 450, charge)
    frozen_then_reclaimed(world, sleeper)
    assert world.wallet(org).held == 0
    other = world.gateway(1)
    other.spend((wallet_purse(org),), 600, 600)
    world.pump()
    world.gateways[sleeper.seat] = sleeper
    world.pump()
    assert world.wallet(org).posted >= 0
    assert world.number("SELECT -sum(posted) FROM book WHERE kind = 'operator:orphan'") == 300
    assert [(each.charged, each.late) for each in world.posted] == [(300, 0), (600, 0), (100, 300)]
    assert sums(world) == (0, 0)


def test_a_process_that_was_taken_for_dead_serves_no_more(world: MoneyWorld) -> None:
    org = world.organization(1_000)
    sleeper = world.gateway(0)
    sleeper.spend((wallet_purse(org),), 450, 300)
    frozen_then_reclaimed(world, sleeper)
    short = sleeper.shard.admit(world.ids.raw(), (wallet_purse(org),), 10, 10)
    assert short == Short(ShortKind.STALE)
    world.gateways[sleeper.seat] = sleeper
    sleeper.shard.beat(world.clock.monotonic_ns())
    world.tell(sleeper.seat, LeaseAsk(99, wallet_purse(org), 1, 0, 10, 10, 10, 0))
    assert sleeper.shard.is_over
    assert sleeper.shard.admit(world.ids.raw(), (wallet_purse(org),), 10, 10) == Short(
        ShortKind.STALE
    )


def test_leases_end_when_the_desk_is_silent(world: MoneyWorld) -> None:
    org = world.organization(1_000)
    gateway = world.gateway()
    admitted = gateway.admit((wallet_purse(org),), 400)
    assert not isinstance(admitted, Short)
    world.clock.advance(28_001)
    assert gateway.shard.admit(world.ids.raw(), (wallet_purse(org),), 1, 1) == Short(
        ShortKind.STALE
    )
    assert gateway.shard.extend(admitted[0], 1) == Short(ShortKind.STALE)
    gateway.shard.settle(admitted[0], 100, b"")
    world.pump()
    assert world.wallet(org).posted == 900


@pytest.mark.parametrize("is_executed", [True, False], ids=["answer lost", "message lost"])
def test_a_lost_ask_or_return_is_asked_again(world: MoneyWorld, *, is_executed: bool) -> None:
    org = world.organization(USD)
    gateway = world.gateway()
    purses = (wallet_purse(org),)
    for _ in range(3):
        gateway.shard.admit(world.ids.raw(), purses, 2_000_000, 1)
        messages: list[Up] = [*gateway.shard.wanted(), *gateway.shard.idle()]
        for message in messages:
            if is_executed:
                with world.store.write() as tx:
                    world.teller.receive(tx, gateway.seat, message, world.clock.now_ms())
        gateway.shard.lost()
        with world.store.write() as tx:
            assert world.teller.resume(tx, gateway.seat, world.clock.now_ms()) is None
        world.pump()
        gateway.spend(purses, 1_500_000, 1_000)
        world.pump()
        world.wait(11_000)
        world.wait(11_000)
    assert world.wallet(org).posted == USD - 3_000
    assert sums(world) == (0, 0)
    world.wait(11_000)
    world.wait(11_000)
    assert world.wallet(org).held == 0


def test_an_operation_that_comes_after_a_later_one_is_ignored(world: MoneyWorld) -> None:
    org = world.organization(USD)
    gateway = world.gateway()
    purse = wallet_purse(org)
    gateway.spend((purse,), 1_000, 10)
    held = world.wallet(org).held
    for late in (LeaseAsk(1, purse, 1, 500, 900, 1, 1, 0), LeaseReturn(1, purse, 1, 500)):
        world.tell(gateway.seat, late)
    assert world.wallet(org).held == held
    world.pump()
    assert sums(world) == (0, 0)


def test_a_return_of_another_epoch_gives_nothing_back(world: MoneyWorld) -> None:
    org = world.organization(USD)
    gateway = world.gateway()
    purse = wallet_purse(org)
    gateway.spend((purse,), 1_000, 10)
    held = world.wallet(org).held
    world.tell(gateway.seat, LeaseReturn(50, purse, 7, 500))
    assert world.wallet(org).held == held
    world.tell(gateway.seat, LeaseReturn(51, b"w" + bytes(16), 7, 500))


def test_a_restarted_desk_goes_on_with_the_seats_it_finds(world: MoneyWorld) -> None:
    org = world.organization(USD)
    gateway = world.gateway()
    gateway.spend((wallet_purse(org),), 1_000, 10)
    world.teller = world.new_teller()
    gateway.shard.lost()
    with world.store.write() as tx:
        assert world.teller.resume(tx, gateway.seat, world.clock.now_ms()) is None
        assert world.teller.resume(tx, bytes(16), world.clock.now_ms()) == SeatClosed(bytes(16))
    world.pump()
    assert world.wallet(org).posted == USD - 10


def test_a_seat_that_was_closed_elsewhere_is_told(world: MoneyWorld) -> None:
    gateway = world.gateway()
    with world.store.write() as tx:
        tx.execute("UPDATE seat SET closed_at = 1")
    world.wait(10)
    assert gateway.shard.is_over


def test_a_posting_of_an_unknown_seat_is_refused(world: MoneyWorld) -> None:
    with pytest.raises(InvariantBroken):
        world.tell(bytes(16), Posting(bytes(16), 1, 1, []))


def test_an_orphan_that_was_settled_is_not_listed(world: MoneyWorld) -> None:
    org = world.organization(USD)
    gateway = world.gateway()
    reservation = gateway.spend((wallet_purse(org),), 1_000, 10)
    world.pump()
    gateway.kill()
    world.gateway()
    assert world.number("SELECT count(*) FROM orphan WHERE reservation = ?", reservation) == 0
