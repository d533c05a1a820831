"""What the desk answers and writes, figure by figure."""

from hashlib import sha256

import pytest

from tests.builders.money_world import USD, MoneyWorld
from troth.control.budgets import Mode, Rule, crossings, running, set_rule
from troth.kernel.periods import Period
from troth.ledger import books
from troth.ledger.books import (
    Kind,
    LotKind,
    Take,
    Transfer,
    forget_guards,
    movement_id,
    receipt_leaf,
    verify,
    wallet_purse,
)
from troth.ledger.books.days import GUARDED_DAYS
from troth.ledger.shard import Short, records
from troth.ledger.shard.messages import (
    Ack,
    Lease,
    LeaseAsk,
    LeaseReturn,
    OpenSeat,
    Posting,
    Recall,
    Returned,
    SeatClosed,
    Up,
)

KEY = b"k" + bytes(range(16))
DAY_MS = 86_400_000


def opened(world: MoneyWorld, count: int = 1) -> list[bytes]:
    with world.store.write() as tx:
        return [
            world.teller.open(tx, OpenSeat(slot), world.clock.now_ms()).seat
            for slot in range(count)
        ]


def told(world: MoneyWorld, seat: bytes, message: Up) -> list[books.Outgoing]:
    with world.store.write() as tx:
        return world.teller.receive(tx, seat, message, world.clock.now_ms())


def asked(purse: bytes, op: int, need: int, *, epoch: int = 0, offer: int = 0) -> LeaseAsk:
    """Ask with a bound so large that exactly the need is lent."""
    return LeaseAsk(op, purse, epoch, offer, need, need, 2**40, 0)


def limited(
    world: MoneyWorld, limit: int, period: Period = Period.TOTAL, zone: str = "UTC"
) -> None:
    with world.store.write() as tx:
        set_rule(tx, Rule(KEY, period, zone, Mode.HARD, limit), world.clock.now_ms())


def test_a_shard_that_lost_an_answer_is_told_where_its_lease_stands(world: MoneyWorld) -> None:
    purse = wallet_purse(world.organization(1_000))
    (seat,) = opened(world)
    told(world, seat, asked(purse, 1, 300))
    ((_, answer),) = told(world, seat, asked(purse, 2, 0))
    assert answer == Lease(2, purse, 1, 300, False, False, 0, 0, 0)  # noqa: FBT003
    ((_, answer),) = told(world, seat, asked(b"w" + bytes(16), 3, 0))
    assert answer == Lease(3, b"w" + bytes(16), 0, 0, False, False, 0, 0, 0)  # noqa: FBT003


def test_an_operation_is_done_once(world: MoneyWorld) -> None:
    org = world.organization(1_000)
    purse = wallet_purse(org)
    (seat,) = opened(world)
    told(world, seat, asked(purse, 1, 300))
    assert told(world, seat, asked(purse, 1, 300)) == []
    assert world.wallet(org).held == 300


def test_a_return_in_another_epoch_moves_nothing_and_is_answered(world: MoneyWorld) -> None:
    org = world.organization(1_000)
    purse = wallet_purse(org)
    (seat,) = opened(world)
    told(world, seat, asked(purse, 1, 300))
    assert told(world, seat, LeaseReturn(2, purse, 7, 100)) == [(seat, Returned(2, purse, 1, 300))]
    assert told(world, seat, LeaseReturn(3, purse, 1, 100)) == [(seat, Returned(3, purse, 1, 200))]
    assert world.wallet(org).held == 200


def test_a_need_that_is_met_to_the_last_nano_dollar_recalls_nothing(world: MoneyWorld) -> None:
    purse = wallet_purse(world.organization(1_000))
    first, second = opened(world, 2)
    told(world, first, asked(purse, 1, 400))
    ((owner, answer),) = told(world, second, asked(purse, 1, 600))
    assert isinstance(answer, Lease)
    assert (owner, answer.granted, answer.is_short) == (second, 600, False)
    assert (answer.available, answer.held) == (0, 400)


def test_only_who_has_something_to_give_is_recalled(world: MoneyWorld) -> None:
    org, other = world.organization(1_000), world.organization(1_000)
    spent, idle = world.gateway(0), world.gateway(1)
    (asking,) = opened(world)
    for each in (org, other):
        assert not isinstance(idle.admit((wallet_purse(each),), 300, 300), Short)
    with world.store.write() as tx:
        ask = asked(wallet_purse(org), 50, 100)
        world.teller.receive(tx, spent.seat, ask, world.clock.now_ms())
        tx.execute(
            "UPDATE book SET posted = posted - 100, held = held - 100 WHERE id = ?",
            (wallet_purse(org),),
        )
        tx.execute("UPDATE lease SET settled = 100 WHERE seat = ?", (spent.seat,))
        sent = world.teller.receive(
            tx, asking, asked(wallet_purse(org), 1, 900), world.clock.now_ms()
        )
    assert sent == [(idle.seat, Recall(wallet_purse(org), 1))]


def test_who_waits_is_answered_when_the_first_of_all_queues_is_due(world: MoneyWorld) -> None:
    purses = [wallet_purse(world.organization(1_000)) for _ in range(2)]
    first, second = opened(world, 2)
    due = []
    for op, purse in enumerate(purses, 1):
        told(world, first, asked(purse, op, 900))
        told(world, second, asked(purse, op, 900))
        due.append(world.clock.now_ms() + 50)
        world.clock.advance(20)
    assert world.teller.due_ms == due[0]


def test_a_silent_seat_is_taken_for_dead_a_moment_after_its_time(world: MoneyWorld) -> None:
    (seat,) = opened(world)
    last = world.clock.now_ms() + 30_000 + 5_000
    with world.store.write() as tx:
        assert world.teller.reclaim(tx, last) == []
        assert world.teller.reclaim(tx, last + 1) == [(seat, SeatClosed(seat))]


def test_a_posting_is_acknowledged_and_names_its_batch(world: MoneyWorld) -> None:
    org = world.organization(USD)
    gateway = world.gateway()
    for charge in (300, 400):
        gateway.spend((wallet_purse(org),), 1_000, charge)
    posting = gateway.shard.unposted(10)
    assert posting is not None
    assert told(world, gateway.seat, posting) == [(gateway.seat, Ack(gateway.seat, posting.upto))]
    batches = world.number("SELECT n FROM chain")
    assert [(each.batch, each.place) for each in world.posted] == [(batches, 0), (batches, 1)]
    assert world.number("SELECT count FROM charge WHERE dr = ?", wallet_purse(org)) == 2


def test_a_charge_is_counted_once_whatever_lots_and_books_pay_it(world: MoneyWorld) -> None:
    org = world.organization(1_000)
    world.credit(org, 5_000, LotKind.PROMO)
    gateway = world.gateway()
    admitted = gateway.admit((wallet_purse(org),), 5_500, 5_500)
    assert not isinstance(admitted, Short)
    gateway.shard.settle(admitted[0], 5_500, b"", 70)
    world.pump()
    with world.store.read() as tx:
        rows = tx.rows("SELECT amount, count FROM charge ORDER BY n", (), tuple[int, int])
    assert rows == [(5_000, 1), (500, 0), (70, 0)]


def test_a_lot_gives_what_was_neither_spent_nor_returned(world: MoneyWorld) -> None:
    org = world.organization(1_000)
    with world.store.read() as tx:
        (lot,) = books.lots(tx, org)
    gateway = world.gateway()
    gateway.spend((wallet_purse(org),), 300, 300)
    world.pump()
    with world.store.write() as tx:
        wanted = Take(Kind.REFUND, "back", org, lot.id, 200)
        assert books.take(tx, wanted, 0, world.clock.now_ms()) == 200
    world.clock.advance(1)
    world.credit(org, 10_000)
    gateway.spend((wallet_purse(org),), 700, 700)
    world.pump()
    with world.store.read() as tx:
        assert [each.rest for each in books.lots(tx, org)] == [0, 9_800]
        assert verify(tx).problems == []


def test_late_charges_of_one_batch_share_what_is_left(world: MoneyWorld) -> None:
    org = world.organization(10_000)
    limited(world, 2_000)
    gateway = world.gateway()
    late = [gateway.admit((wallet_purse(org), KEY), 900, 900) for _ in range(2)]
    with world.store.write() as tx:
        world.teller.reclaim(tx, world.clock.now_ms() + 40_000)
    limited(world, 1_500)
    for each in late:
        assert not isinstance(each, Short)
        gateway.shard.settle(each[0], 900, b"")
    world.pump()
    assert [(each.charged, each.late) for each in world.posted] == [(900, 0), (600, 300)]
    assert world.wallet(org).posted == 8_500


def settled(number: int, charge: int, *purses: tuple[bytes, int]) -> bytes:
    """Return a settlement as a journal holds it."""
    block = records.purse_block(purses)
    size = records.SETTLE.size + len(block)
    key = number.to_bytes(16, "big")
    fields = (size, records.SETTLE_KIND, number, key, charge, 0, charge, len(purses))
    return records.SETTLE.pack(*fields) + block


def test_late_charges_are_paid_from_what_their_batch_leaves(world: MoneyWorld) -> None:
    org = world.organization(1_000)
    purse, gone = wallet_purse(org), 9
    limited(world, 200)
    (seat,) = opened(world)
    told(world, seat, asked(purse, 1, 600))
    told(world, seat, asked(KEY, 2, 100))
    batch = [
        settled(1, 100, (purse, 1)),
        settled(2, 500, (purse, 1), (KEY, gone)),  # the budget has 100; the lease frees 400
        settled(3, 950, (purse, gone)),
        settled(4, 1, (purse, gone)),
    ]
    told(world, seat, Posting(seat, 1, 4, batch))
    assert [(each.charged, each.late) for each in world.posted] == [
        (100, 0),
        (100, 400),
        (800, 150),
        (0, 1),
    ]
    assert (world.wallet(org).posted, world.wallet(org).held) == (0, 0)


def test_a_late_charge_leaves_alone_what_is_lent_to_others(world: MoneyWorld) -> None:
    org = world.organization(1_000)
    purse = wallet_purse(org)
    dead = world.gateway()
    admitted = dead.admit((purse,), 900, 900)
    assert not isinstance(admitted, Short)
    world.teller.left(dead.seat)
    with world.store.write() as tx:
        world.teller.reclaim(tx, world.clock.now_ms() + 40_000)
    (other,) = opened(world)
    told(world, other, asked(purse, 1, 800))
    dead.shard.settle(admitted[0], 900, b"")
    world.pump()
    assert [(each.charged, each.late) for each in world.posted] == [(200, 700)]
    assert (world.wallet(org).posted, world.wallet(org).held) == (800, 800)


def test_a_late_charge_counts_for_the_period_it_was_reserved_in(world: MoneyWorld) -> None:
    org = world.organization(USD)
    limited(world, 10_000, Period.DAY)
    purses = (wallet_purse(org), KEY)
    for slot in range(3):
        gateway = world.gateway(slot)
        admitted = gateway.admit(purses, 1_000, 1_000)
        assert not isinstance(admitted, Short)
        with world.store.write() as tx:
            world.teller.reclaim(tx, world.clock.now_ms() + 40_000)
        world.clock.advance(DAY_MS)
        gateway.shard.settle(admitted[0], 700, b"")
        world.pump()
    with world.store.read() as tx:
        spent = tx.rows("SELECT spent FROM budget ORDER BY starts_at", (), tuple[int])
    assert spent == [(700,), (700,), (700,)]


def test_a_period_of_which_nothing_was_lent_has_no_late_charge(world: MoneyWorld) -> None:
    org = world.organization(USD)
    limited(world, 0, Period.DAY)
    (seat,) = opened(world)
    told(world, seat, asked(KEY, 1, 1_000))
    world.clock.advance(DAY_MS)
    limited(world, 10_000, Period.DAY)
    ((_, lent),) = told(world, seat, asked(KEY, 2, 1_000))
    assert isinstance(lent, Lease)
    with world.store.write() as tx:
        world.teller.reclaim(tx, world.clock.now_ms() + 40_000)
    batch = [settled(1, 700, (wallet_purse(org), 1), (KEY, lent.epoch))]
    told(world, seat, Posting(seat, 1, 1, batch))
    with world.store.read() as tx:
        spent = tx.rows("SELECT spent FROM budget ORDER BY starts_at", (), tuple[int])
    assert spent == [(0,), (700,)]


def test_a_budget_that_moves_to_another_zone_ends_by_its_calendar(world: MoneyWorld) -> None:
    limited(world, 1_000, Period.MONTH, "Africa/Algiers")
    with world.store.write() as tx:
        tx.execute(
            "INSERT INTO budget (purse, starts_at, ends_at, mode, limit_nusd, first_epoch)"
            " SELECT purse, ?, 5, 'hard', 7, 1 FROM budget_rule",
            (before.starts_at,) if (before := running(tx, KEY, world.clock.now_ms())) else (),
        )
    limited(world, 2_000, Period.MONTH, "Africa/Algiers")
    with world.store.read() as tx:
        after = running(tx, KEY, world.clock.now_ms())
    assert before is not None
    assert after is not None
    assert (after.ends_at, after.limit_nusd) == (before.ends_at, 2_000)


def test_a_period_that_has_ended_is_told_of_no_more(world: MoneyWorld) -> None:
    org = world.organization(USD)
    limited(world, 1_000, Period.DAY)
    world.gateway().spend((wallet_purse(org), KEY), 1_000, 1_000)
    world.pump()
    with world.store.write() as tx:
        now = running(tx, KEY, world.clock.now_ms())
        assert now is not None
        assert crossings(tx, now.ends_at) == []
        assert [each.percent for each in crossings(tx, now.ends_at - 1)] == [100]


@pytest.mark.parametrize(("last_byte", "gone"), [(0, 0), (-1, 1)])
def test_a_guard_stays_for_its_days(world: MoneyWorld, last_byte: int, gone: int) -> None:
    border = world.clock.now_ms() - GUARDED_DAYS * DAY_MS
    edge = int.from_bytes(border.to_bytes(6, "big") + bytes(10), "big") + last_byte
    with world.store.write() as tx:
        tx.execute("INSERT INTO seen (reservation, day) VALUES (?, 1)", (edge.to_bytes(16, "big"),))
        assert forget_guards(tx, world.clock.now_ms(), most=10) == gone


def test_desks_have_chains_of_their_own(world: MoneyWorld) -> None:
    for desk in (0, 1, 0, 1):
        key = world.ids.raw().hex()
        with world.store.write() as tx:
            books.transfer(tx, [Transfer(Kind.FEE, key, 5)], desk, world.clock.now_ms())
    with world.store.read() as tx:
        assert tx.rows("SELECT desk, n FROM chain ORDER BY desk", ()) == [(0, 2), (1, 2)]
        assert verify(tx).problems == []


def test_names_of_movements_and_leaves_of_receipts_are_what_they_always_were() -> None:
    assert movement_id(Kind.FEE, "7") == sha256(b"fee\0" + b"7").digest()[:16]
    amount = (300).to_bytes(8, "big")
    assert receipt_leaf(bytes(16), 300) == sha256(b"\0" + bytes(16) + amount).digest()
