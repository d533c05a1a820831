"""Top-ups, refunds, disputes, expiry, costs: each moves once, none takes what is lent."""

import pytest

from tests.builders.money_world import USD, MoneyWorld
from troth.control import promotions
from troth.kernel.errors import InvariantBroken
from troth.ledger import books
from troth.ledger.books import Credit, Kind, LotKind, OperatorBook, Reversal, Take, Transfer
from troth.ledger.shard import Short
from troth.store.transaction import Conflict

DAY_MS = 86_400_000
CENT = USD // 100


class Till:
    """One organization's movements on the desk of a world."""

    def __init__(self, world: MoneyWorld) -> None:
        self.world = world
        self.org = world.organization()

    def credit(
        self, key: str, amount: int, kind: LotKind = LotKind.PAID, *, ends_ms: int | None = None
    ) -> bytes:
        wanted = Credit(key, self.org, kind, amount, ends_ms)
        with self.world.store.write() as tx:
            assert books.credit(tx, wanted, 0, self.world.clock.now_ms())
        return wanted.lot

    def take(self, kind: Kind, key: str, lot: bytes, amount: int, *, unit: int = 1) -> int:
        with self.world.store.write() as tx:
            wanted = Take(kind, key, self.org, lot, amount, unit)
            return books.take(tx, wanted, 0, self.world.clock.now_ms())

    def transfer(self, *wanted: Transfer) -> int:
        with self.world.store.write() as tx:
            return books.transfer(tx, wanted, 0, self.world.clock.now_ms())

    def reverse(self, kind: Kind, key: str, first: bytes, amount: int | None = None) -> int:
        with self.world.store.write() as tx:
            wanted = Reversal(kind, key, first, amount)
            return books.reverse(tx, wanted, 0, self.world.clock.now_ms())

    def expire(self) -> int:
        with self.world.store.write() as tx:
            return promotions.expire(tx, 0, self.world.clock.now_ms())

    def balances(self) -> dict[OperatorBook, int]:
        with self.world.store.read() as tx:
            found = {book: books.balance(tx, book) for book in OperatorBook}
        return {book: held for book, held in found.items() if held}

    def rests(self) -> list[int]:
        with self.world.store.read() as tx:
            return [lot.rest for lot in books.lots(tx, self.org)]

    @property
    def posted(self) -> int:
        return self.world.wallet(self.org).posted


@pytest.fixture
def till(world: MoneyWorld) -> Till:
    return Till(world)


def verified(till: Till) -> None:
    with till.world.store.read() as tx:
        assert books.verify(tx).problems == []


def test_a_top_up_with_tax_fills_the_wallet_and_owes_the_tax(till: Till) -> None:
    till.credit("pi_1", 20 * USD)
    tax = Transfer(Kind.TAX, "pi_1", 2 * USD, "ch")
    assert till.transfer(tax) == 1
    assert till.transfer(tax) == 0
    assert till.posted == 20 * USD
    assert till.balances() == {OperatorBook.CLEARING: -22 * USD}
    with till.world.store.read() as tx:
        assert books.balance(tx, OperatorBook.TAX, "ch") == 2 * USD
    verified(till)


def test_a_refund_takes_from_its_lot_and_comes_back_when_it_fails(till: Till) -> None:
    lot = till.credit("pi_1", 20 * USD)
    assert till.take(Kind.REFUND, "re_1", lot, 15 * USD) == 15 * USD
    assert till.take(Kind.REFUND, "re_1", lot, 15 * USD) == 15 * USD
    assert (till.posted, till.rests()) == (5 * USD, [5 * USD])
    assert till.balances()[OperatorBook.REFUNDS_PAYABLE] == 15 * USD
    first = books.movement_id(Kind.REFUND, "re_1")
    assert till.reverse(Kind.REFUND_FAILED, "re_1", first) == 15 * USD
    assert till.reverse(Kind.REFUND_FAILED, "re_1", first) == 15 * USD
    assert (till.posted, till.rests()) == (20 * USD, [20 * USD])
    verified(till)


def test_a_refund_that_was_sent_leaves_by_clearing(till: Till) -> None:
    lot = till.credit("pi_1", 20 * USD)
    till.transfer(Transfer(Kind.TAX, "pi_1", 2 * USD, "ch"))
    till.take(Kind.REFUND, "re_1", lot, 10 * USD)
    till.transfer(
        Transfer(Kind.TAX_BACK, "re_1", USD, "ch"),
        Transfer(Kind.REFUND_FEE, "re_1", 50 * CENT),
        Transfer(Kind.REFUND_SENT, "re_1", 1_050 * CENT),
    )
    assert till.balances() == {
        OperatorBook.CLEARING: -1_150 * CENT,
        OperatorBook.STRIPE_FEES: 50 * CENT,
    }
    verified(till)


def test_a_refund_is_cut_to_whole_units_and_to_what_its_lot_has(till: Till) -> None:
    lot, other = till.credit("a", 3 * CENT + 7), till.credit("b", 5 * CENT)
    assert till.take(Kind.REFUND, "re_1", lot, 100 * CENT, unit=CENT) == 3 * CENT
    assert till.take(Kind.REFUND, "re_2", lot, 100 * CENT, unit=CENT) == 0
    assert till.take(Kind.BREAKAGE, "close", lot, 100 * CENT) == 7
    assert till.take(Kind.BREAKAGE, "again", lot, 100 * CENT) == 0
    assert sorted(till.rests()) == [0, 5 * CENT]
    assert till.take(Kind.REFUND, "re_3", other, 0) == 0
    assert till.take(Kind.REFUND, "re_4", other, -CENT) == 0
    assert till.balances()[OperatorBook.BREAKAGE] == 7
    verified(till)


def test_what_is_lent_is_never_taken(till: Till) -> None:
    lot = till.credit("pi_1", 10_000)
    gateway = till.world.gateway()
    admitted = gateway.admit((books.wallet_purse(till.org),), 4_000)
    assert not isinstance(admitted, Short)
    free = till.world.wallet(till.org).available
    assert free == 6_000
    assert till.take(Kind.REFUND, "re_1", lot, 10_000) == free
    assert till.take(Kind.REFUND, "re_2", lot, 10_000) == 0
    gateway.shard.settle(admitted[0], 1_500, b"")
    till.world.pump()
    till.world.wait(20_000)
    assert till.take(Kind.REFUND, "re_2", lot, 10_000) == 2_500
    assert till.posted == 0
    verified(till)


def test_a_dispute_reserves_what_is_there_and_gives_it_back_when_won(till: Till) -> None:
    lot = till.credit("pi_1", 20 * USD)
    gateway = till.world.gateway()
    gateway.spend((books.wallet_purse(till.org),), 8 * USD, 8 * USD)
    till.world.pump()
    till.world.wait(20_000)
    assert till.transfer(Transfer(Kind.DISPUTE, "dp_1", 20 * USD)) == 1
    assert till.take(Kind.DISPUTE_RESERVE, "dp_1", lot, 20 * USD) == 12 * USD
    assert till.posted == 0
    for kind, amount in ((Kind.DISPUTE, 20 * USD), (Kind.DISPUTE_RESERVE, 12 * USD)):
        first = books.movement_id(kind, "dp_1")
        assert till.reverse(Kind.DISPUTE_WON, f"dp_1 {kind.value}", first) == amount
    assert till.posted == 12 * USD
    assert till.balances() == {
        OperatorBook.CLEARING: -20 * USD,
        OperatorBook.REVENUE: 8 * USD,
    }
    verified(till)


def test_a_lost_dispute_is_paid_by_the_reserve_and_the_operator(till: Till) -> None:
    lot = till.credit("pi_1", 20 * USD)
    till.transfer(Transfer(Kind.TAX, "pi_1", USD, "de"), Transfer(Kind.DISPUTE, "dp_1", 21 * USD))
    reserved = till.take(Kind.DISPUTE_RESERVE, "dp_1", lot, 15 * USD)
    till.transfer(
        Transfer(Kind.DISPUTE_TAX, "dp_1", USD, "de"),
        Transfer(Kind.DISPUTE_PAID, "dp_1", reserved),
        Transfer(Kind.DISPUTE_LOSS, "dp_1", 5 * USD),
        Transfer(Kind.FEE, "dp_1", 15 * USD),
    )
    assert till.balances() == {
        OperatorBook.CLEARING: 15 * USD,
        OperatorBook.DISPUTE_LOSS: -5 * USD,
        OperatorBook.STRIPE_FEES: -15 * USD,
    }
    verified(till)


def test_gifts_end_in_time_but_not_what_is_lent_of_them(till: Till) -> None:
    now_ms = till.world.clock.now_ms()
    till.credit("gift", 1_000, LotKind.PROMO, ends_ms=now_ms + DAY_MS)
    till.credit("down", 300, LotKind.SLA, ends_ms=now_ms + 2 * DAY_MS)
    till.credit("later", 70, LotKind.PROMO, ends_ms=now_ms + 9 * DAY_MS)
    assert till.expire() == 0
    gateway = till.world.gateway()
    admitted = gateway.admit((books.wallet_purse(till.org),), 600)
    assert not isinstance(admitted, Short)
    till.world.clock.advance(2 * DAY_MS)
    assert till.expire() == 770
    assert till.expire() == 0
    gateway.shard.beat(till.world.clock.monotonic_ns())
    gateway.shard.settle(admitted[0], 100, b"")
    till.world.pump()
    till.world.wait(20_000)
    assert till.expire() == 430
    assert sorted(till.rests()) == [0, 0, 70]
    assert till.balances() == {
        OperatorBook.PROMO_EXPENSE: -170,
        OperatorBook.REVENUE: 100,
    }
    verified(till)


def test_bought_credit_that_ends_is_breakage(till: Till) -> None:
    ends_ms = till.world.clock.now_ms()
    till.credit("pi_1", 1_000, ends_ms=ends_ms)
    assert till.expire() == 1_000
    assert till.balances()[OperatorBook.BREAKAGE] == 1_000
    verified(till)


def test_what_comes_back_to_a_lot_that_has_ended_ends_again(till: Till) -> None:
    lot = till.credit("gift", 1_000, LotKind.PROMO, ends_ms=till.world.clock.now_ms() + 1)
    till.take(Kind.DISPUTE_RESERVE, "dp_1", lot, 400)
    till.world.clock.advance(5)
    assert till.expire() == 600
    till.reverse(Kind.DISPUTE_WON, "dp_1", books.movement_id(Kind.DISPUTE_RESERVE, "dp_1"))
    till.world.clock.advance(5)
    assert till.expire() == 400
    verified(till)


def test_costs_fees_and_payouts_move_between_the_operators_books(till: Till) -> None:
    till.transfer(
        Transfer(Kind.COST, "2026-11", 700, "openai"),
        Transfer(Kind.COST, "2026-11 long", 90, "a-provider-with-a-long-name"),
        Transfer(Kind.COST_PAID, "2026-11", 600, "openai"),
        Transfer(Kind.USAGE_TAX, "2026-11", 5, "fr"),
        Transfer(Kind.FEE, "txn_1", 30),
        Transfer(Kind.PAYOUT, "po_1", 1_000),
    )
    with till.world.store.read() as tx:
        assert books.balance(tx, OperatorBook.PROVIDER_PAYABLE, "openai") == 100
        long_name = books.balance(tx, OperatorBook.PROVIDER_COST, "a-provider-with-a-long-name")
        ids = tx.rows("SELECT id FROM book WHERE kind <> 'wallet'", (), tuple[bytes])
    assert long_name == -90
    assert max(len(key) for (key,) in ids) <= 32
    assert till.balances() == {
        OperatorBook.BANK: 600 - 1_000,
        OperatorBook.CLEARING: 1_030,
        OperatorBook.STRIPE_FEES: -30,
        OperatorBook.REVENUE: -5,
    }
    verified(till)


def test_a_correction_names_the_first_and_never_takes_more_than_it(till: Till) -> None:
    till.transfer(Transfer(Kind.COST, "2026-11", 700, "openai"))
    first = books.movement_id(Kind.COST, "2026-11")
    assert till.reverse(Kind.CORRECTION, "a", first, 300) == 300
    assert till.reverse(Kind.CORRECTION, "b", first, 500) == 400
    assert till.reverse(Kind.CORRECTION, "c", first) == 0
    again = books.movement_id(Kind.CORRECTION, "a")
    assert till.reverse(Kind.CORRECTION, "d", again, 100) == 100
    with till.world.store.read() as tx:
        assert books.balance(tx, OperatorBook.PROVIDER_COST, "openai") == -100
        named = tx.rows("SELECT corrects FROM entry WHERE kind = 'correction'", (), tuple[bytes])
    assert sorted(named) == sorted([(first,), (first,), (again,)])
    verified(till)


def test_a_corrected_credit_takes_what_is_left_of_it(till: Till) -> None:
    lot = till.credit("pi_1", 1_000)
    till.credit("pi_2", 5_000)
    till.take(Kind.REFUND, "re_1", lot, 200)
    assert till.reverse(Kind.CORRECTION, "wrong", lot) == 800
    assert till.reverse(Kind.CORRECTION, "more", lot) == 0
    assert (till.posted, sorted(till.rests())) == (5_000, [0, 5_000])
    wrong = books.movement_id(Kind.CORRECTION, "wrong")
    assert till.reverse(Kind.CORRECTION, "right after all", wrong) == 800
    assert sorted(till.rests()) == [800, 5_000]
    verified(till)


def test_an_overcharge_is_given_back_from_revenue(till: Till) -> None:
    with till.world.store.write() as tx:
        wanted = Credit("req_1", till.org, LotKind.PAID, 40, is_overcharge=True)
        assert books.credit(tx, wanted, 0, till.world.clock.now_ms())
        assert not books.credit(tx, wanted, 0, till.world.clock.now_ms())
    assert till.balances() == {OperatorBook.REVENUE: -40}
    assert till.posted == 40
    verified(till)


def test_a_desk_writes_its_own_stripe(till: Till) -> None:
    with till.world.store.write() as tx:
        books.transfer(tx, [Transfer(Kind.FEE, "txn_1", 30)], 3, till.world.clock.now_ms())
        books.transfer(tx, [Transfer(Kind.FEE, "txn_2", 12)], 0, till.world.clock.now_ms())
    assert till.balances()[OperatorBook.CLEARING] == 42
    stripes = "SELECT count(*) FROM book WHERE kind = 'stripe_clearing'"
    assert till.world.number(stripes) == 2
    verified(till)


def test_what_does_not_fit_the_table_is_refused(till: Till) -> None:
    lot = till.credit("pi_1", 1_000)
    stranger = Till(till.world)
    till.take(Kind.REFUND, "re_1", lot, 200)
    refund = books.movement_id(Kind.REFUND, "re_1")
    refused = (
        lambda: till.transfer(Transfer(Kind.REFUND, "re_2", 1)),
        lambda: till.transfer(Transfer(Kind.TAX, "pi_1", 1)),
        lambda: till.transfer(Transfer(Kind.FEE, "txn_1", 1, "openai")),
        lambda: till.take(Kind.FEE, "re_2", lot, 1),
        lambda: stranger.take(Kind.REFUND, "re_2", lot, 1),
        lambda: till.take(Kind.REFUND, "re_2", bytes(16), 1),
        lambda: till.reverse(Kind.DISPUTE_WON, "x", refund),
        lambda: till.reverse(Kind.REFUND, "x", refund),
        lambda: till.reverse(Kind.REFUND_FAILED, "x", bytes(16)),
        lambda: till.credit("nothing", 0),
    )
    for attempt in refused:
        with pytest.raises(InvariantBroken):
            attempt()
    for amount in (0, -1):
        with pytest.raises(Conflict):
            till.transfer(Transfer(Kind.FEE, "txn_1", amount))
    till.org = bytes(16)
    with pytest.raises(InvariantBroken):
        till.credit("nobody", 1)
    assert till.rests() == []
    verified(stranger)


def test_a_lot_that_its_entries_do_not_explain_stops_the_movement(till: Till) -> None:
    lot = till.credit("pi_1", 1_000)
    with till.world.store.write() as tx:
        tx.execute("UPDATE lot SET granted = granted + 5, spent = spent + 5 WHERE id = ?", (lot,))
    with pytest.raises(InvariantBroken, match="I7"):
        till.take(Kind.REFUND, "re_1", lot, 100)
    with till.world.store.read() as tx:
        assert any(problem.startswith("I7") for problem in books.verify(tx).problems)


def test_what_was_spent_of_a_lot_is_not_taken_though_others_have_plenty(till: Till) -> None:
    first = till.credit("a", 2_000)
    gateway = till.world.gateway()
    gateway.spend((books.wallet_purse(till.org),), 800, 800)
    till.world.pump()
    till.world.wait(20_000)
    till.credit("b", 50_000)
    assert till.take(Kind.REFUND, "re_1", first, 300) == 300
    assert till.take(Kind.REFUND, "re_2", first, 50_000) == 900
    assert sorted(till.rests()) == [0, 50_000]
    verified(till)


def test_a_single_nano_dollar_comes_back(till: Till) -> None:
    lot = till.credit("a", 1)
    assert till.take(Kind.REFUND, "re_1", lot, 1) == 1
    first = books.movement_id(Kind.REFUND, "re_1")
    assert till.reverse(Kind.REFUND_FAILED, "re_1", first) == 1
    assert till.rests() == [1]
    assert OperatorBook.TAX.stripe(17, "0123456789") == b"=tax:0123456789/01"
    assert OperatorBook.TAX.stripe(1, "0123456789a") != b"=tax:0123456789a/01"
