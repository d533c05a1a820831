"""The desk's memory is only who waits; the books know the rest."""

from contextlib import suppress

from tests.builders.money_world import USD, GatewayProcess, MoneyWorld
from troth.kernel.errors import TrothError
from troth.ledger.books import TellerTerms, wallet_purse
from troth.ledger.books.lease import is_recalled
from troth.ledger.shard import Short
from troth.ledger.shard.messages import (
    CloseSeat,
    Lease,
    LeaseAsk,
    LeaseReturn,
    OpenSeat,
    Recall,
    Returned,
    SeatClosed,
    SeatOpened,
)


def due(world: MoneyWorld) -> int | None:
    return world.teller.due_ms


def test_a_desk_that_restarts_still_ignores_operations_that_were_passed(world: MoneyWorld) -> None:
    org = world.organization(USD)
    purse = wallet_purse(org)
    gateway = world.gateway()
    gateway.spend((purse,), 1_000, 10)
    held = world.wallet(org).held
    world.teller = world.new_teller()
    for late in (LeaseAsk(1, purse, 1, 500, 900, 1, 1, 0), LeaseReturn(1, purse, 1, 500)):
        world.teller = world.new_teller()
        with world.store.write() as tx:
            assert world.teller.receive(tx, gateway.seat, late, world.clock.now_ms()) == []
    assert world.wallet(org).held == held


def test_a_return_of_a_lease_that_is_gone_is_told_so(world: MoneyWorld) -> None:
    gateway = world.gateway()
    message = LeaseReturn(4, b"w" + bytes(16), 3, 10)
    with world.store.write() as tx:
        sent = world.teller.receive(tx, gateway.seat, message, world.clock.now_ms())
    assert sent == [(gateway.seat, Returned(4, b"w" + bytes(16), 0, 0))]


def test_who_waits_is_answered_when_the_recall_is_or_its_time_is_over(world: MoneyWorld) -> None:
    org = world.organization(1_000)
    purse = wallet_purse(org)
    first, second = world.gateway(0), world.gateway(1)
    assert not isinstance(first.admit((purse,), 1_000, 1_000), Short)
    ask = LeaseAsk(70, purse, 0, 0, 500, 500, 500, 0)
    assert due(world) is None
    with world.store.write() as tx:
        sent = world.teller.receive(tx, second.seat, ask, world.clock.now_ms())
    assert sent == [(first.seat, Recall(purse, 1))]
    assert due(world) == world.clock.now_ms() + 50
    with world.store.write() as tx:
        assert world.teller.tick(tx, world.clock.now_ms() + 49) == []
        ((seat, answer),) = world.teller.tick(tx, world.clock.now_ms() + 50)
    assert seat == second.seat
    assert isinstance(answer, Lease)
    assert (answer.is_short, answer.granted, answer.held) == (True, 0, 1_000)


def test_a_recalled_seat_that_leaves_is_not_waited_for(world: MoneyWorld) -> None:
    org = world.organization(1_000)
    purse = wallet_purse(org)
    first, second = world.gateway(0), world.gateway(1)
    assert not isinstance(first.admit((purse,), 1_000, 1_000), Short)
    ask = LeaseAsk(70, purse, 0, 0, 500, 500, 500, 0)
    with world.store.write() as tx:
        world.teller.receive(tx, second.seat, ask, world.clock.now_ms())
        world.teller.left(first.seat)
        again = LeaseAsk(71, purse, 0, 0, 500, 500, 500, 0)
        sent = world.teller.receive(tx, second.seat, again, world.clock.now_ms())
    assert [type(message) for _, message in sent] == [Lease]


def test_two_that_wait_are_answered_in_order_of_arrival(world: MoneyWorld) -> None:
    org = world.organization(1_000)
    purse = wallet_purse(org)
    lender, first, second = (world.gateway(slot) for slot in range(3))
    assert not isinstance(lender.admit((purse,), 1_000, 1_000), Short)
    with world.store.write() as tx:
        for seat, op in ((first.seat, 70), (second.seat, 71)):
            ask = LeaseAsk(op, purse, 0, 0, 600, 600, 600, 0)
            world.teller.receive(tx, seat, ask, world.clock.now_ms())
        sent = world.teller.tick(tx, world.clock.now_ms() + 50)
    asked = [seat for seat, message in sent if isinstance(message, Lease)]
    assert asked == [first.seat, second.seat]


def test_a_link_that_breaks_leaves_the_queue_to_others(world: MoneyWorld) -> None:
    org = world.organization(1_000)
    purse = wallet_purse(org)
    lender, first, second = (world.gateway(slot) for slot in range(3))
    assert not isinstance(lender.admit((purse,), 1_000, 1_000), Short)
    with world.store.write() as tx:
        for seat, op in ((first.seat, 70), (second.seat, 71)):
            ask = LeaseAsk(op, purse, 0, 0, 600, 600, 600, 0)
            world.teller.receive(tx, seat, ask, world.clock.now_ms())
        world.teller.left(first.seat)
        sent = world.teller.tick(tx, world.clock.now_ms() + 50)
    assert {seat for seat, message in sent if isinstance(message, Lease)} == {second.seat}


def test_a_return_while_two_wait_serves_the_first(world: MoneyWorld) -> None:
    org = world.organization(1_000)
    purse = wallet_purse(org)
    lender, first, second = (world.gateway(slot) for slot in range(3))
    assert not isinstance(lender.admit((purse,), 1_000, 1_000), Short)
    with world.store.write() as tx:
        for seat, op in ((first.seat, 70), (second.seat, 71)):
            ask = LeaseAsk(op, purse, 0, 0, 600, 600, 600, 0)
            world.teller.receive(tx, seat, ask, world.clock.now_ms())
        given = LeaseReturn(90, purse, 1, 600)
        sent = world.teller.receive(tx, lender.seat, given, world.clock.now_ms())
    told = [(seat, type(message)) for seat, message in sent]
    assert told == [
        (lender.seat, Returned),
        (first.seat, Lease),
        (lender.seat, Recall),
        (first.seat, Recall),
    ]
    assert due(world) is not None  # the second waits for what the recall brings


def test_a_process_opens_its_seat_by_a_message(world: MoneyWorld) -> None:
    with world.store.write() as tx:
        ((seat, opened),) = world.teller.receive(tx, b"", OpenSeat(3), world.clock.now_ms())
    assert opened == SeatOpened(seat, 3)
    assert world.number("SELECT slot FROM seat WHERE id = ?", seat) == 3


def test_a_seat_is_taken_up_again_unless_it_has_ended(world: MoneyWorld) -> None:
    gateway = world.gateway()
    world.teller = world.new_teller()
    with world.store.write() as tx:
        assert world.teller.resume(tx, gateway.seat, world.clock.now_ms()) is None
        assert world.teller.renew(tx, world.clock.now_ms()) == []
        world.teller.receive(tx, gateway.seat, CloseSeat(gateway.seat, []), world.clock.now_ms())
        ended = world.teller.resume(tx, gateway.seat, world.clock.now_ms())
    assert ended == SeatClosed(gateway.seat)


def test_a_renewed_seat_lives_for_its_time_and_its_grace_and_no_longer(world: MoneyWorld) -> None:
    gateway = world.gateway()
    world.clock.advance(20_000)
    now_ms, terms = world.clock.now_ms(), TellerTerms()
    until_ms = now_ms + terms.valid_ms + terms.grace_ms
    with world.store.write() as tx:
        assert world.teller.renew(tx, now_ms) == []
        assert world.teller.reclaim(tx, until_ms) == []
        ended = world.teller.reclaim(tx, until_ms + 1)
    assert ended == [(gateway.seat, SeatClosed(gateway.seat))]


def test_all_idle_parts_of_a_purse_can_be_called_back(world: MoneyWorld) -> None:
    org = world.organization(USD)
    purse = wallet_purse(org)
    first, second, gone = (world.gateway(slot) for slot in range(3))
    for gateway in (first, second, gone):
        gateway.spend((purse,), 1_000, 10)
    world.pump()
    assert world.wallet(org).held > 0
    world.teller.left(gone.seat)
    with world.store.write() as tx:
        assert not is_recalled(tx, purse)
        sent = world.teller.call_back(tx, purse)
        assert is_recalled(tx, purse)
        assert not is_recalled(tx, wallet_purse(bytes(16)))
    assert {seat for seat, _ in sent} == {first.seat, second.seat}
    world.deliver(sent)
    world.pump()
    left = world.number("SELECT granted - settled FROM lease WHERE seat = ?", gone.seat)
    assert world.wallet(org).held == left


def test_an_operation_is_done_once(world: MoneyWorld) -> None:
    org = world.organization(USD)
    gateway = world.gateway()
    ask = LeaseAsk(5, wallet_purse(org), 0, 0, 900, 900, 900, 0)
    with world.store.write() as tx:
        assert len(world.teller.receive(tx, gateway.seat, ask, world.clock.now_ms())) == 1
        assert world.teller.receive(tx, gateway.seat, ask, world.clock.now_ms()) == []


def shared(world: MoneyWorld) -> tuple[bytes, tuple[GatewayProcess, GatewayProcess]]:
    """Return an organization with 1,000 of which the first of two gateways has reserved 600."""
    org = world.organization(1_000)
    first, second = world.gateway(0), world.gateway(1)
    assert not isinstance(first.admit((wallet_purse(org),), 600, 600), Short)
    return org, (first, second)


def test_an_ask_that_a_broken_link_still_brought_is_given_nothing_once_its_seat_asks_anew(
    world: MoneyWorld,
) -> None:
    org, (_, second) = shared(world)
    purse, asked_ms = wallet_purse(org), world.clock.now_ms()
    with world.store.write() as tx:
        ask = LeaseAsk(70, purse, 0, 0, 500, 500, 500, 0)
        world.teller.receive(tx, second.seat, ask, asked_ms)
        ask = LeaseAsk(71, purse, 0, 0, 0, 0, 0, 0)
        sent = world.teller.receive(tx, second.seat, ask, asked_ms)
    assert sent == [(second.seat, Lease(71, purse, 0, 0))]
    world.clock.advance(50)
    with world.store.write() as tx:
        assert world.teller.tick(tx, world.clock.now_ms()) == []
    assert (due(world), world.wallet(org).held) == (None, 600)


class Undone(TrothError):
    """The database did not commit."""


def test_who_waits_for_money_is_answered_though_the_transaction_of_another_failed(
    world: MoneyWorld,
) -> None:
    org, (first, second) = shared(world)
    purse, asked_ms = wallet_purse(org), world.clock.now_ms()
    ask = LeaseAsk(70, purse, 0, 0, 500, 500, 500, 0)
    with world.store.write() as tx:
        world.teller.receive(tx, second.seat, ask, asked_ms)
    back = LeaseReturn(71, purse, 1, 0)
    with suppress(Undone), world.teller.attempt(), world.store.write() as tx:
        sent = world.teller.receive(tx, first.seat, back, asked_ms)
        assert [type(message) for _, message in sent] == [Returned, Lease]
        raise Undone
    world.teller.left(first.seat)
    assert due(world) == asked_ms + 100
    with suppress(Undone), world.teller.attempt(), world.store.write() as tx:
        assert world.teller.tick(tx, asked_ms + 100) != []
        raise Undone
    with world.store.write() as tx:
        ((seat, answer),) = world.teller.tick(tx, asked_ms + 150)
    assert (seat, type(answer)) == (second.seat, Lease)
    assert due(world) is None


def test_a_seat_that_was_not_opened_is_not_kept_alive(world: MoneyWorld) -> None:
    with suppress(Undone), world.teller.attempt(), world.store.write() as tx:
        world.teller.open(tx, OpenSeat(0), world.clock.now_ms())
        raise Undone
    with world.store.write() as tx:
        assert world.teller.renew(tx, world.clock.now_ms()) == []


def test_a_recall_that_was_not_sent_is_sent_again(world: MoneyWorld) -> None:
    org = world.organization(1_000)
    purse = wallet_purse(org)
    first, second, third = (world.gateway(slot) for slot in range(3))
    assert not isinstance(first.admit((purse,), 1_000, 1_000), Short)
    for gateway in (second, third):
        ask = LeaseAsk(70, purse, 0, 0, 500, 500, 500, 0)
        with world.store.write() as tx:
            sent = world.teller.receive(tx, gateway.seat, ask, world.clock.now_ms())
        assert sent == ([(first.seat, Recall(purse, 1))] if gateway is second else [])
    world.clock.advance(50)
    with suppress(Undone), world.teller.attempt(), world.store.write() as tx:
        sent = world.teller.tick(tx, world.clock.now_ms())
        assert [(seat, type(message)) for seat, message in sent] == [
            (second.seat, Lease), (third.seat, Lease),
        ]  # fmt: skip
        raise Undone
    world.clock.advance(10)
    with world.store.write() as tx:
        sent = world.teller.receive(
            tx, second.seat, LeaseAsk(71, purse, 0, 0, 500, 500, 500, 0), world.clock.now_ms()
        )
    assert sent == [(first.seat, Recall(purse, 1))]
