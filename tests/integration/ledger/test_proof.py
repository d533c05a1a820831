"""The books can be replayed from nothing; whoever changes a byte is found."""

import pytest

from tests.builders.money_world import USD, MoneyWorld
from troth.control.budgets import Mode, Rule, set_rule
from troth.kernel import hash_tree
from troth.kernel.errors import InvariantBroken
from troth.kernel.periods import Period
from troth.ledger.books import close_day, forget_guards, receipt_leaf, verify, wallet_purse
from troth.ledger.books.chain import MS_OF_DAY
from troth.ledger.books.days import GUARDED_DAYS
from troth.ledger.books.verify import Report
from troth.ledger.shard import Short
from troth.store.sqlite import SqliteStore


def report(world: MoneyWorld) -> Report:
    with world.store.read() as tx:
        return verify(tx)


def some_days(world: MoneyWorld, days: int = 1) -> bytes:
    """Spend in two wallets on some days, each closed but the last; return one of them."""
    org, other = world.organization(USD), world.organization(USD)
    gateway = world.gateway()
    for day in range(days):
        for each in (org, other):
            gateway.spend((wallet_purse(each),), 1_000, 300 + day)
            world.pump()
        world.credit(org, 50)
        if day + 1 < days:
            world.clock.advance(MS_OF_DAY)
            gateway.shard.beat(world.clock.monotonic_ns())
            with world.store.write() as tx:
                closed = close_day(tx, world.clock.now_ms())
                assert closed is not None
                assert close_day(tx, world.clock.now_ms()) is None
    return org


def test_honest_books_verify(world: MoneyWorld) -> None:
    some_days(world)
    found = report(world)
    assert found.problems == []
    assert (found.batches, found.charges, found.entries) == (5, 2, 3)


def test_books_with_free_and_overdrawn_requests_verify(world: MoneyWorld) -> None:
    org = world.organization(1_000)
    gateway = world.gateway()
    gateway.spend((wallet_purse(org),), 500, 0)
    world.pump()
    admitted = gateway.admit((wallet_purse(org),), 500)
    assert not isinstance(admitted, Short)
    gateway.shard.settle(admitted[0], 500, b"", overrun=70)
    world.pump()
    assert report(world).problems == []
    assert world.wallet(org).available == 500 - world.wallet(org).held
    assert [(each.charged, each.overrun) for each in world.posted] == [(0, 0), (500, 70)]


def test_empty_books_verify(world: MoneyWorld) -> None:
    assert report(world) == Report()


def test_a_day_closes_with_what_its_receipts_sum_to(world: MoneyWorld) -> None:
    org = some_days(world, days=3)
    purse = wallet_purse(org)
    charged = "SELECT sum(charged) FROM day_close WHERE book = ?"
    assert world.number(charged, purse) == 300 + 301
    closing = "SELECT closing FROM day_close WHERE book = ? ORDER BY day DESC LIMIT 1"
    assert world.number(closing, purse) == USD - 601 + 100
    assert report(world).problems == []


def test_charges_of_closed_days_may_go_and_the_books_still_verify(world: MoneyWorld) -> None:
    org = some_days(world, days=3)
    with world.store.write() as tx:
        today = world.clock.now_ms() // MS_OF_DAY
        assert tx.execute("DELETE FROM charge WHERE day < ?", (today,)) == 4
    assert report(world).problems == []
    assert world.wallet(org).posted == USD - 300 - 301 - 302 + 150


def test_replay_guards_go_when_no_journal_can_be_replayed_any_more(world: MoneyWorld) -> None:
    org = world.organization(USD)
    gateway = world.gateway()
    began = world.clock.now_ms()
    for _ in range(3):
        gateway.spend((wallet_purse(org),), 1_000, 300)
    world.pump()
    world.clock.advance(GUARDED_DAYS * MS_OF_DAY)
    gateway = world.gateway(1)
    gateway.spend((wallet_purse(org),), 1_000, 300)
    world.pump()
    with world.store.write() as tx:
        assert forget_guards(tx, began + GUARDED_DAYS * MS_OF_DAY, most=2) == 0
        assert forget_guards(tx, world.clock.now_ms() + 1, most=2) == 2
        assert forget_guards(tx, world.clock.now_ms() + 1, most=2) == 1
    assert world.number("SELECT count(*) FROM seen") == 1
    assert report(world).problems == []


def test_a_posting_after_midnight_belongs_to_the_open_day(world: MoneyWorld) -> None:
    org = world.organization(USD)
    gateway = world.gateway()
    gateway.spend((wallet_purse(org),), 1_000, 300)
    world.clock.advance(MS_OF_DAY)
    world.pump()
    assert world.posted[0].day == world.clock.now_ms() // MS_OF_DAY - 1


def test_a_close_that_does_not_add_up_is_refused(world: MoneyWorld) -> None:
    some_days(world)
    world.clock.advance(MS_OF_DAY)
    tamper(world, "UPDATE book SET posted = posted + 1 WHERE kind = 'wallet'")
    with pytest.raises(InvariantBroken), world.store.write() as tx:
        close_day(tx, world.clock.now_ms())


def test_a_receipt_is_proved_to_be_in_its_batch(world: MoneyWorld) -> None:
    org = world.organization(USD)
    gateway = world.gateway()
    for number in range(5):
        gateway.spend((wallet_purse(org),), 1_000, 300 + number)
    world.pump()
    leaves = [receipt_leaf(each.reservation, each.charged) for each in world.posted]
    with world.store.read() as tx:
        batch = tx.row("SELECT receipts_root FROM batch WHERE count = 5", (), tuple[bytes])
    assert batch == (hash_tree.root(leaves),)
    for place, leaf in enumerate(leaves):
        assert hash_tree.leads(leaf, hash_tree.path(leaves, place), batch[0])
    assert not hash_tree.leads(receipt_leaf(bytes(16), 1), hash_tree.path(leaves, 0), batch[0])


TAMPERINGS = {
    "charge amount": ("UPDATE charge SET amount = amount + 1 WHERE batch = 3", "batch 0/3"),
    "charge wallet": ("UPDATE charge SET dr = cr, cr = dr WHERE batch = 3", "batch 0/3"),
    "charge gone": ("DELETE FROM charge WHERE batch = 3", "batch 0/3"),
    "entry kind": ("UPDATE entry SET kind = 'promo' WHERE batch = 1", "batch 0/1"),
    "entry amount": ("UPDATE entry SET amount = amount - 1 WHERE batch = 1", "batch 0/1"),
    "batch count": ("UPDATE batch SET count = count + 1 WHERE n = 3", "batch 0/3"),
    "batch time": ("UPDATE batch SET at = at + 1 WHERE n = 4", "batch 0/4"),
    "batch gone": ("DELETE FROM batch WHERE n = 2", "batch 0/3"),
    "last batch gone": ("DELETE FROM batch WHERE n = 5", "desk 0"),
    "book": ("UPDATE book SET posted = posted + 1 WHERE kind = 'revenue'", "I1"),
    "lot": ("UPDATE lot SET granted = granted + 1", "I8"),
    "lot spent": ("UPDATE lot SET spent = spent + 1", "I8"),
    "held": ("UPDATE book SET held = held + 1 WHERE kind = 'wallet'", "I11"),
}


def tamper(world: MoneyWorld, statement: str) -> None:
    """Change what nothing of ours can change, as the database's administrator could."""
    with world.store.write() as tx:
        if isinstance(world.store, SqliteStore):
            triggers = "SELECT name FROM sqlite_schema WHERE type = 'trigger'"
            for (trigger,) in tx.rows(triggers, (), tuple[str]):
                tx.execute(f"DROP TRIGGER {trigger}")
        else:
            tx.execute("SET LOCAL session_replication_role = replica")
        tx.execute(statement)


@pytest.mark.parametrize("name", TAMPERINGS)
def test_tampering_is_found_and_placed(world: MoneyWorld, name: str) -> None:
    some_days(world)
    statement, expected = TAMPERINGS[name]
    tamper(world, statement)
    assert any(expected in problem for problem in report(world).problems), report(world).problems


@pytest.mark.parametrize(
    "change",
    [
        "opening = opening + 1, closing = closing + 1",
        "closing = closing + 1, paid_in = paid_in + 1",
        "hash = prev.hash FROM day_close AS prev WHERE prev.day < day_close.day",
    ],
)
def test_a_changed_close_is_found(world: MoneyWorld, change: str) -> None:
    some_days(world, days=3)
    tamper(world, f"UPDATE day_close SET {change}")  # noqa: S608 - of the list above
    assert any("I9 the close of day" in problem for problem in report(world).problems)


@pytest.mark.parametrize("by", [1, -1])
def test_a_lot_that_says_more_or_less_than_its_charges_is_named(world: MoneyWorld, by: int) -> None:
    some_days(world)
    tamper(world, f"UPDATE lot SET spent = spent + ({by}) WHERE spent > 0")  # noqa: S608
    wrong = [each for each in report(world).problems if "is not what was drawn from it" in each]
    assert len(wrong) == 2


def test_a_book_is_named_as_people_read_it(world: MoneyWorld) -> None:
    org = some_days(world)
    tamper(world, "UPDATE book SET posted = posted + 1")
    problems = report(world).problems
    assert "I9 book revenue/00 is not what its rows say" in problems
    assert f"I9 book w {org.hex()} is not what its rows say" in problems
    tamper(world, "DELETE FROM book WHERE kind = 'revenue'")
    assert "I9 book revenue/00 is not what its rows say" in report(world).problems


@pytest.mark.parametrize(
    ("statement", "rule"),
    [
        ("UPDATE lot SET granted = granted + 5", "I8 a wallet"),
        ("UPDATE lot SET returned = returned + 5", "I8 a wallet"),
        ("UPDATE book SET held = held + 5 WHERE kind = 'wallet'", "I11 held of a wallet"),
        ("UPDATE budget SET held = held + 5", "I11 held of a budget"),
    ],
)
def test_a_posting_stops_at_books_that_do_not_agree(
    world: MoneyWorld, statement: str, rule: str
) -> None:
    org = world.organization(USD)
    key = b"k" + org
    with world.store.write() as tx:
        limit = Rule(key, Period.TOTAL, "UTC", Mode.HARD, USD)
        set_rule(tx, limit, world.clock.now_ms())
    gateway = world.gateway()
    gateway.spend((wallet_purse(org), key), 1_000, 300)
    tamper(world, statement)
    before = world.wallet(org)
    with pytest.raises(InvariantBroken, match=rule):
        world.pump()
    assert world.wallet(org) == before
