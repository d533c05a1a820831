"""A desk that dies at any of its commits in the life of an account leaves the same end."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from msgspec.structs import replace

from tests.builders.paying_office import PayingOffice
from troth.control import accounts, billing
from troth.control.billing import NUSD_PER_CENT, Asked, Rule, Wanted
from troth.control.deeds import Once
from troth.kernel.clock import ManualClock
from troth.kernel.ids import text
from troth.server.payments import balance, incoming, outgoing
from troth.store.engine import Store
from troth.store.transaction import Transaction

MINUTE = 60_000
HOUR = 60 * MINUTE
RULE = Rule(threshold_nusd=1_000 * NUSD_PER_CENT, cents=700, month_cap_cents=700)


class Killed(Exception):
    """The process is gone."""


class MortalStore:
    """A store whose process dies at one of its commits, just before it or just after."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.dialect = store.dialect
        self.read, self.script, self.close = store.read, store.script, store.close
        self.commits = 0
        self.dies_at = -1
        self.is_after = False

    @contextmanager
    def write(self) -> Iterator[Transaction]:
        dies = self.commits == self.dies_at
        self.commits += 1
        with self._store.write() as tx:
            yield tx
            if dies and not self.is_after:
                raise Killed
        if dies:
            raise Killed


class Life:
    """An account from its first payment to its end; who asked a desk that died asks again."""

    def __init__(self, paying: PayingOffice, clock: ManualClock, name: str) -> None:
        self.paying = paying
        self.clock = clock
        self.name = name
        self.org = paying.organization(name)
        paying.company.events.clear()
        self.intent = ""

    def live(self) -> None:
        self._persist(self._buy)
        self._persist(self._hear)
        self.paying.spend(self.org, 1_500)
        self.clock.advance(MINUTE)
        self._persist(self._set_rule)
        self._persist(lambda: incoming.charge_due(self.paying.office))
        self._persist(self._hear)
        self._persist(self._refund)
        self._arrive()
        dispute = self.paying.company.dispute_opened(self.intent)
        self._persist(self._hear)
        self.paying.company.dispute_ended(dispute.ref, is_won=True)
        self._persist(self._hear)
        self._persist(self._close)
        self._arrive()
        self._persist(self._pass_time)

    def _persist(self, step: Callable[[], object]) -> None:
        try:
            step()
        except Killed:
            self._pass_time()
            step()

    def _pass_time(self) -> None:
        """What happens by itself, in any order, a while later."""
        office = self.paying.office
        self.clock.advance(11 * MINUTE)
        incoming.charge_due(office)
        outgoing.drive_refunds(office)
        incoming.check_open(office)
        incoming.sweep(office)
        outgoing.reserve_disputed(office)
        outgoing.close_accounts(office)

    def _buy(self) -> None:
        office, actor, once = self.paying.office, self.paying.actor, Once("buy", "2000")
        wanted = Wanted(2_000, saves_card=True)
        made = incoming.start_topup(office, actor, self.name, wanted, once=once)
        session = made.url.rpartition("/")[2]
        if self.paying.company.sessions[session].is_open:
            self.intent = self.paying.company.pay(session).ref

    def _hear(self) -> None:
        for notice in list(self.paying.company.events):
            incoming.handle(self.paying.office, notice)

    def _set_rule(self) -> None:
        with self.paying.office.store.write() as tx:
            owner = accounts.named(tx, self.name)
            billing.set_rule(tx, self.paying.till, self.paying.actor, owner, rule=RULE)

    def _refund(self) -> None:
        once = Once("back", "300")
        outgoing.start_refund(
            self.paying.office, self.paying.actor, self.name, Asked(300), once=once
        )

    def _arrive(self) -> None:
        """All refunds that are under way reach their payers."""
        for ref, each in list(self.paying.company.refunds.items()):
            if each.status.value == "processing":
                self.paying.company.refund_done(ref)
        self._persist(self._hear)

    def _close(self) -> None:
        outgoing.start_closing(self.paying.office, self.paying.actor, self.name)

    def ended(self) -> dict[str, object]:
        """Return all that came of it, here and at the company."""
        with self.paying.office.store.read() as tx:
            owner = accounts.find(tx, text("org", self.org))
            topups = billing.topups_of(tx, self.org, 99)
            refunds = billing.refunds_of(tx, self.org, 99)
            disputes = billing.disputes_of(tx, self.org, 99)
            last = replace(billing.statement(tx, owner), organization="", began_at_ms=0)
        company, mine = self.paying.company, {each.ref for each in topups}
        paid = [each for each in company.intents.values() if each.topup in mine]
        return {
            "wallet": self.paying.wallet(self.org),
            "topups": sorted((each.kind.value, each.state.value, each.cents) for each in topups),
            "refunds": sorted((each.state.value, each.cents) for each in refunds),
            "disputes": [each.state.value for each in disputes],
            "last": replace(last, ended_at_ms=0),
            "company": sorted((each.cents, each.refunded_cents) for each in paid),
        }


@pytest.mark.parametrize("is_after", [False, True], ids=["before", "after"])
def test_a_desk_that_dies_at_any_commit_ends_as_one_that_lives(
    paying: PayingOffice, clock: ManualClock, *, is_after: bool
) -> None:
    store = MortalStore(paying.office.store)
    paying.office = replace(paying.office, store=store)
    straight = Life(paying, clock, "straight")
    store.commits = 0
    straight.live()
    commits, expected = store.commits, straight.ended()
    assert expected["wallet"] == 0
    assert commits > 20
    store.is_after = is_after
    for number in range(commits):
        clock.advance(HOUR)
        life = Life(paying, clock, f"org-{number}")
        store.commits, store.dies_at = 0, number
        life.live()
        store.dies_at = -1
        assert life.ended() == expected, number
    assert balance.reconcile(paying.office).is_even
    paying.verify()
