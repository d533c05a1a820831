"""Any sequence of what people and machines do to a wallet leaves what plain sums say is left.

The oracle is a handful of integers: what came, what left, what is owed, what is set aside. Nothing
is lost here for good, so the customer pays every charge, and a refusal is never false.
"""

from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from typing_extensions import override

from tests.builders.money_world import MoneyWorld
from tests.builders.postgres_cluster import Cluster, running
from troth.control import promotions
from troth.control.budgets import Mode, Rule, set_rule
from troth.kernel.periods import Period
from troth.ledger import books
from troth.ledger.books import Credit, Kind, LotKind, Take, close_day, verify, wallet_purse
from troth.ledger.books.chain import MS_OF_DAY
from troth.ledger.shard import Short, ShortKind
from troth.store import engine

SLOTS = 3
GIFT_MS = 3_600_000
AMOUNTS = st.integers(1, 4_000)
PICKS = st.integers(0, 1_000)


class Wallet(RuleBasedStateMachine):
    """One organization, a budget of one of its keys, and three gateway processes."""

    numbers = count(1)

    def __init__(self, world: MoneyWorld) -> None:
        super().__init__()
        self.world = world
        self.org = world.organization()
        self.key = b"k" + next(self.numbers).to_bytes(16, "big")
        self.limit = 6_000
        self.has_shrunk = False
        self._limit(self.limit)
        self.first_posted = len(world.posted)
        self.slots = [next(self.numbers) for _ in range(SLOTS)]
        self.gateways = [world.gateway(slot) for slot in self.slots]
        self.open: dict[bytes, tuple[int, int, bool]] = {}
        """Reservation to slot, amount, and whether the budget pays too."""
        self.owed: dict[bytes, tuple[int, bool]] = {}
        self.came = self.left = 0

    # --- what the oracle says

    def rest(self, *, is_budgeted: bool) -> int:
        """Return what may still be set aside."""
        charged = sum(charge for charge, _ in self.owed.values())
        reserved = sum(amount for _, amount, _ in self.open.values())
        rest = self.came - self.left - charged - reserved
        if not is_budgeted:
            return rest
        charged = sum(charge for charge, counts in self.owed.values() if counts)
        reserved = sum(amount for _, amount, counts in self.open.values() if counts)
        return min(rest, self.limit - charged - reserved)

    def purses(self, *, is_budgeted: bool) -> tuple[bytes, ...]:
        return (wallet_purse(self.org), self.key) if is_budgeted else (wallet_purse(self.org),)

    def pick(self, number: int) -> bytes:
        return sorted(self.open)[number % len(self.open)]

    # --- payments

    @rule(amount=AMOUNTS, is_gift=st.booleans())
    def credit(self, amount: int, is_gift: bool) -> None:  # noqa: FBT001 - hypothesis names it
        now_ms = self.world.clock.now_ms()
        kind, ends = (LotKind.PROMO, now_ms + GIFT_MS) if is_gift else (LotKind.PAID, None)
        wanted = Credit(self.world.ids.raw().hex(), self.org, kind, amount, ends)
        for is_new in (True, False):
            with self.world.store.write() as tx:
                assert books.credit(tx, wanted, 0, now_ms) is is_new
        self.came += amount

    @rule(amount=AMOUNTS)
    def refund(self, amount: int) -> None:
        with self.world.store.write() as tx:
            for lot in books.lots(tx, self.org):
                key = self.world.ids.raw().hex()
                wanted = Take(Kind.REFUND, key, self.org, lot.id, amount)
                if lot.kind is LotKind.PAID:
                    self.left += books.take(tx, wanted, 0, self.world.clock.now_ms())
        assert self.rest(is_budgeted=False) >= 0

    @rule(ms=st.sampled_from([1_000, 11_000, GIFT_MS, MS_OF_DAY]))
    def pass_time(self, ms: int) -> None:
        self.world.wait(ms)
        now_ms = self.world.clock.now_ms()
        before = self.world.wallet(self.org).posted
        with self.world.store.write() as tx:
            promotions.expire(tx, 0, now_ms)
            while close_day(tx, now_ms) is not None:
                pass
        self.left += before - self.world.wallet(self.org).posted
        assert self.rest(is_budgeted=False) >= 0

    @rule(limit=st.integers(0, 9_000))
    def change_limit(self, limit: int) -> None:
        """A limit may fall below what is spent: then nothing more is lent; what was, is spent."""
        self._limit(limit)
        self.has_shrunk = self.has_shrunk or limit < self.limit
        self.limit = limit

    def _limit(self, limit: int) -> None:
        with self.world.store.write() as tx:
            wanted = Rule(self.key, Period.TOTAL, "UTC", Mode.HARD, limit)
            set_rule(tx, wanted, self.world.clock.now_ms())

    # --- requests

    @rule(slot=st.integers(0, SLOTS - 1), want=AMOUNTS, is_budgeted=st.booleans())
    def admit(self, slot: int, want: int, is_budgeted: bool) -> None:  # noqa: FBT001 - as above
        rest = self.rest(is_budgeted=is_budgeted)
        purses = self.purses(is_budgeted=is_budgeted)
        self.world.wait(200)  # the desk's word that there is no more is believed no longer
        found = self.gateways[slot].admit(purses, want, want)
        if isinstance(found, Short):
            assert found.kind in {ShortKind.BROKE, ShortKind.IN_FLIGHT}
            assert want > rest, "a false refusal"
            return
        assert found[1] == want <= self.rest(is_budgeted=False)
        assert want <= rest or self.has_shrunk
        self.open[found[0]] = slot, want, is_budgeted

    @precondition(lambda self: self.open)
    @rule(number=PICKS, amount=AMOUNTS)
    def extend(self, number: int, amount: int) -> None:
        reservation = self.pick(number)
        slot, before, is_budgeted = self.open[reservation]
        shard = self.gateways[slot].shard
        self.world.wait(200)
        found = shard.extend(reservation, amount)
        for _ in range(3):
            if found is None or found.kind is not ShortKind.DRY:
                break
            self.world.pump()
            self.world.wait(50)
            found = shard.extend(reservation, amount)
        if found is None:
            self.open[reservation] = slot, before + amount, is_budgeted
        else:
            assert amount > self.rest(is_budgeted=is_budgeted), "a false refusal"

    @precondition(lambda self: self.open)
    @rule(number=PICKS, used=st.integers(0, 6_000))
    def settle(self, number: int, used: int) -> None:
        reservation = self.pick(number)
        slot, amount, is_budgeted = self.open.pop(reservation)
        shard = self.gateways[slot].shard
        charge = shard.cover(reservation, used)
        assert min(used, amount) <= charge <= used
        shard.settle(reservation, charge, b"record", used - charge)
        self.owed[reservation] = charge, is_budgeted
        assert self.rest(is_budgeted=False) >= 0

    @precondition(lambda self: self.open)
    @rule(number=PICKS)
    def abort(self, number: int) -> None:
        reservation = self.pick(number)
        self.gateways[self.open.pop(reservation)[0]].shard.abort(reservation)

    # --- machines

    @rule()
    def post(self) -> None:
        self.world.pump()
        for gateway in self.gateways:
            gateway.journal.keep()

    @rule(slot=st.integers(0, SLOTS - 1))
    def kill(self, slot: int) -> None:
        """What was reserved there is nobody's; what was settled is in the journal."""
        self.end_life(slot)

    def end_life(self, slot: int) -> None:
        self.gateways[slot].kill()
        self.gateways[slot] = self.world.gateway(self.slots[slot])
        self.open = {each: how for each, how in self.open.items() if how[0] != slot}

    @rule()
    def restart_desk(self) -> None:
        self.world.teller = self.world.new_teller()
        for gateway in self.gateways:
            gateway.shard.lost()
            with self.world.store.write() as tx:
                now_ms = self.world.clock.now_ms()
                assert self.world.teller.resume(tx, gateway.seat, now_ms) is None

    # --- what always holds

    @invariant()
    def the_wallet_is_what_came_less_what_left_and_was_charged(self) -> None:
        posted = self.world.posted[self.first_posted :]
        assert len({each.reservation for each in posted}) == len(posted)
        charged = {each.reservation: each.charged for each in posted}
        assert all(charged[each] == self.owed[each][0] for each in charged)
        assert all(each.late == 0 for each in posted)
        found = self.world.wallet(self.org)
        assert found.posted == self.came - self.left - sum(charged.values())
        assert found.available >= 0
        assert found.held >= sum(amount for _, amount, _ in self.open.values())

    @override
    def teardown(self) -> None:
        for slot in range(SLOTS):
            self.end_life(slot)
        posted = {each.reservation for each in self.world.posted[self.first_posted :]}
        assert posted == self.owed.keys()
        self.the_wallet_is_what_came_less_what_left_and_was_charged()
        assert self.world.wallet(self.org).held == 0
        with self.world.store.read() as tx:
            assert verify(tx).problems == []
        for gateway in self.gateways:
            gateway.kill()


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with running() as cluster:
        yield cluster


@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
@pytest.mark.parametrize("examples", [8, pytest.param(300, marks=pytest.mark.prove)])
def test_a_wallet_is_what_plain_sums_say(
    database: str, examples: int, quick_path: Path, request: pytest.FixtureRequest
) -> None:
    url = f"sqlite:///{quick_path}/books.db"
    if database == "postgresql":
        cluster: Cluster = request.getfixturevalue("cluster")
        url = cluster.url(f"machine_{examples}")
    store = engine.open(url)
    world = MoneyWorld(store, quick_path)

    class Here(Wallet):
        def __init__(self) -> None:
            super().__init__(world)

    run_state_machine_as_test(
        Here,
        settings=settings(
            max_examples=examples,
            stateful_step_count=30,
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
    store.close()
