"""A provider's bill is proposed as corrections, accepted by a person, and stands in the books."""

import datetime as dt
import threading
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from tests.builders.money_world import USD, GatewayProcess
from tests.builders.posted_world import PostedWorld, ask
from troth.control import accounts, audit, billing, reports, usage
from troth.control.audit import Actor
from troth.control.documents import (
    RATES_FILE,
    Engine,
    Party,
    Point,
    Terms,
    gather,
    issue,
    read_rates,
    span_of,
)
from troth.control.documents.shape import Flow
from troth.control.reports import Accepted, Proposal, State, Told, Whose
from troth.kernel.clock import ManualClock
from troth.kernel.errors import InvalidValue
from troth.kernel.sealer import Sealer
from troth.kernel.usage_record import UsageSource
from troth.ledger import books
from troth.ledger.books import Credit, LotKind, OperatorBook, wallet_purse
from troth.ledger.shard import Short
from troth.server.day_duties import close_days, forget_usage
from troth.server.document_duties import issue_months
from troth.server.office import Office
from troth.server.records import receipt_document
from troth.store.transaction import Conflict

MS_OF_DAY = 86_400_000
ESTIMATED = UsageSource.ESTIMATED
WHOSE = Whose("simulated", {})


class Shop(PostedWorld):
    """A desk whose days are closed, for the office that shares its clock."""

    office: Office
    process: GatewayProcess

    def owner(self, name: str, *credit: tuple[LotKind, int, int | None]) -> bytes:
        with self.store.write() as tx:
            made = accounts.create(tx, self.actor, self.ids.raw(), name)
            for at, (kind, amount, ends_at_ms) in enumerate(credit):
                wanted = Credit(f"{name} {at}", made.raw, kind, amount, ends_at_ms)
                books.credit(tx, wanted, 0, self.clock.now_ms() + at)
        return made.raw

    @property
    def actor(self) -> Actor:
        return Actor(7, self.clock.now_ms())

    @property
    def day(self) -> int:
        return self.clock.now_ms() // MS_OF_DAY

    def ask(self, org: bytes, charge: int, *, cost: int, source: UsageSource = ESTIMATED) -> str:
        made = ask(self.process, org, charge, cost=cost, source=source)
        self.pump()
        return made

    def lend(self, org: bytes, amount: int) -> None:
        """Let the gateway have so much, so that what follows is one batch."""
        admitted = self.process.admit((wallet_purse(org),), amount)
        assert not isinstance(admitted, Short)
        self.process.shard.abort(admitted[0])

    def close(self) -> int:
        """Pass midnight; return the day that was closed."""
        day = self.day
        self.clock.advance(MS_OF_DAY - self.clock.now_ms() % MS_OF_DAY)
        close_days(self.office)
        return day

    def propose(self, *told: Told, whose: Whose = WHOSE) -> Proposal:
        with self.store.read() as tx:
            return reports.propose(tx, whose, told, self.clock.now_ms())

    def accept(self, proposal: Proposal) -> Accepted:
        with self.store.write() as tx:
            return reports.accept(tx, self.actor, proposal, 0)

    def balance(self, book: OperatorBook, part: str = "") -> int:
        with self.store.read() as tx:
            return books.balance(tx, book, part)

    def verify(self) -> None:
        with self.store.read() as tx:
            assert books.verify(tx).problems == []
            assert usage.disagreeing(tx) == []
            assert usage.unproved(tx) == []
            assert audit.verify(tx) > 0


@pytest.fixture
def shop(office: Office, clock: ManualClock, tmp_path: Path) -> Iterator[Shop]:
    shop = Shop(office.store, tmp_path)
    shop.clock, shop.office = clock, office
    shop.process = shop.gateway()
    yield shop
    for gateway in shop.gateways.values():
        gateway.journal.close()


def test_what_providers_cost_is_posted_when_its_day_is_closed(shop: Shop) -> None:
    org = shop.owner("ada", (LotKind.PAID, USD, None))
    shop.ask(org, 100, cost=70)
    assert shop.balance(OperatorBook.PROVIDER_PAYABLE, "simulated") == 0
    begun = shop.clock.now_ms()
    first = shop.close()
    assert shop.balance(OperatorBook.PROVIDER_PAYABLE, "simulated") == 70
    assert shop.balance(OperatorBook.PROVIDER_COST, "simulated") == -70
    with shop.store.write() as tx:  # a request of that day whose posting came late
        tx.execute("UPDATE rollup_supply SET cost = cost + 5 WHERE day = ?", (begun // MS_OF_DAY,))
    shop.close()
    shop.close()
    assert shop.balance(OperatorBook.PROVIDER_PAYABLE, "simulated") == 75
    late = "SELECT amount FROM entry JOIN provider_day AS p ON p.entry = corrects WHERE p.day = ?"
    assert shop.number(late, first) == 5
    shop.verify()


def test_an_estimate_that_was_too_high_is_given_back_as_it_was_paid(shop: Shop) -> None:
    org = shop.owner("ada", (LotKind.PAID, 10_000, None), (LotKind.PROMO, 300, None))
    bob = shop.owner("bob", (LotKind.PAID, 10_000, None))
    shop.lend(org, 1_200)
    high = [ask(shop.process, org, 500, cost=400, source=ESTIMATED) for _ in range(2)]
    sure = ask(shop.process, org, 100, cost=80)
    shop.pump()
    shop.ask(bob, 100, cost=200)
    day = shop.close()
    before = shop.wallet(org).posted, shop.wallet(bob).posted
    proposal = shop.propose(Told(day, "simulated", 580, 4))
    (row,) = proposal.rows
    assert (row.ours_nusd, row.theirs_nusd, row.cost_nusd) == (1_080, 580, -500)
    # half of what was estimated: half of each charge comes back
    assert [(each.requests, each.credit_nusd) for each in row.overcharges] == [(2, 500), (1, 50)]
    assert shop.accept(proposal) == Accepted(3, -500, 550)
    assert (shop.wallet(org).posted, shop.wallet(bob).posted) == (before[0] + 500, before[1] + 50)
    assert shop.balance(OperatorBook.PROVIDER_PAYABLE, "simulated") == 580
    with shop.store.read() as tx:
        lots = [(each.kind, each.granted) for each in books.lots(tx, org)[2:]]
        listed = reports.listed(tx, 9)
        told = {each.action for each in audit.recent(tx, 3)}
        lines = reports.reconcile(tx, WHOSE, [Told(day, "simulated", 580, 4)]).lines
    assert lots == [(LotKind.PAID, 500)]  # of what paid, bought credit goes back first
    assert sorted(each.amount_nusd for each in listed) == [-500, 50, 500]
    assert told == {"correction.accept"}
    assert [(each.state, each.corrected_nusd) for each in lines] == [(State.AGREES, -500)]
    for request, back in ((high[0], 250), (high[1], 250), (sure, 0)):
        with shop.store.read() as tx:
            document = receipt_document(tx, "", "", request)
        assert document is not None
        shown = msgspec.json.decode(document, type=usage.Receipt)
        assert sum(each.amount_nusd for each in shown.corrections) == back
    with shop.store.read() as tx:
        found = usage.statement(tx, org, usage.month_at(shop.day))
    assert [each.amount_nusd for each in found.movements if each.kind == "overcharge"] == [500]
    assert found.difference_nusd == 0
    shop.verify()


def test_a_margin_is_that_after_corrections(shop: Shop) -> None:
    org = shop.owner("ada", (LotKind.PAID, 10_000, None))
    shop.ask(org, 100, cost=60)
    day = shop.close()
    shop.accept(shop.propose(Told(day, "simulated", 30, 1), Told(day, "unheard-of", 9, 1)))
    with shop.store.read() as tx:
        by_model = reports.margins(tx, "model", day, day)
        (by_provider,) = reports.margins(tx, "provider", day, day)
        (by_organization,) = reports.margins(tx, "organization", day, day)
    figures = [(each.group, each.charged_nusd, each.cost_nusd) for each in by_model]
    assert figures == [("unheard-of", 0, 9), ("simulated", 50, 30)]
    assert (by_provider.count, by_provider.charged_nusd, by_provider.cost_nusd) == (1, 50, 39)
    assert (by_organization.charged_nusd, by_organization.cost_nusd) == (50, 60)


def test_a_provider_may_give_back_more_than_it_asked_for(shop: Shop) -> None:
    org = shop.owner("ada", (LotKind.PAID, 10_000, None))
    shop.ask(org, 100, cost=60, source=UsageSource.REPORTED)
    told = Told(shop.close(), "simulated", -5, 1)
    assert shop.accept(shop.propose(told)) == Accepted(1, -65, 0)
    assert shop.balance(OperatorBook.PROVIDER_PAYABLE, "simulated") == -5
    with shop.store.read() as tx:
        found = reports.reconcile(tx, WHOSE, [told])
    assert [(each.state, each.difference_nusd) for each in found.lines] == [(State.AGREES, 0)]
    shop.verify()


def test_two_who_accept_the_same_bill_at_once_post_it_once(shop: Shop) -> None:
    org = shop.owner("ada", (LotKind.PAID, 10_000, None))
    shop.ask(org, 100, cost=60)
    proposal = shop.propose(Told(shop.close(), "simulated", 30, 1))
    said: list[str] = []

    def accept() -> None:
        try:
            said.append(str(shop.accept(proposal).cost_nusd))
        except InvalidValue:
            said.append("refused")

    threads = [threading.Thread(target=accept) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(said) == ["-30", "refused", "refused", "refused"]
    assert shop.wallet(org).posted == 9_950
    shop.verify()


def test_a_customer_never_pays_more_and_never_gets_more_than_was_charged(shop: Shop) -> None:
    org = shop.owner("ada", (LotKind.PAID, 10_000, None))
    shop.ask(org, 100, cost=60)
    day = shop.close()
    more = shop.propose(Told(day, "simulated", 75, 1))
    assert (more.rows[0].cost_nusd, more.rows[0].overcharges) == (15, ())
    assert shop.accept(more) == Accepted(1, 15, 0)
    assert shop.wallet(org).posted == 9_900
    less = shop.propose(Told(day, "simulated", 0, 1))
    assert (less.rows[0].cost_nusd, less.rows[0].overcharges[0].credit_nusd) == (-75, 100)
    shop.accept(less)
    assert shop.wallet(org).posted == 10_000
    again = shop.propose(Told(day, "simulated", 75, 1))
    shop.accept(again)
    back = shop.propose(Told(day, "simulated", 0, 1))
    assert back.rows[0].overcharges == ()
    shop.accept(back)
    assert shop.wallet(org).posted == 10_000
    assert shop.balance(OperatorBook.PROVIDER_PAYABLE, "simulated") == 0
    shop.verify()


def test_what_is_not_proposed_any_more_is_refused_whole(shop: Shop) -> None:
    org = shop.owner("ada", (LotKind.PAID, 10_000, None))
    shop.ask(org, 100, cost=60)
    waiting = shop.propose(Told(shop.day, "simulated", 1, 1))
    assert (waiting.waiting, waiting.rows) == (1, ())
    day = shop.close()
    shop.ask(org, 100, cost=60)
    proposal = shop.propose(Told(day, "simulated", 30, 1), Told(day + 1, "other", 9, 1))
    assert proposal.waiting == 2
    (row,) = proposal.rows
    (customer,) = row.overcharges
    replace = msgspec.structs.replace
    for field, wrong in (
        ("ours_nusd", replace(row, ours_nusd=61, cost_nusd=-31)),
        ("ours_nusd", replace(row, cost_nusd=-31)),
        ("ours_nusd", replace(row, theirs_nusd=60, cost_nusd=0)),
        ("day", replace(row, day=day + 1)),
        ("overcharges", replace(row, overcharges=(replace(customer, credit_nusd=51),))),
    ):
        with pytest.raises(InvalidValue) as refused:
            shop.accept(replace(proposal, rows=(row, wrong)))
        assert str(refused.value.param).startswith("rows[1].")
        with pytest.raises(InvalidValue) as refused:
            shop.accept(replace(proposal, rows=(wrong,)))
        assert refused.value.param == f"rows[0].{field}"
    assert shop.number("SELECT count(*) FROM correction") == 0
    struck = replace(proposal, rows=(replace(row, overcharges=()),))
    assert shop.accept(struck) == Accepted(1, -30, 0)
    with pytest.raises(InvalidValue):
        shop.accept(struck)
    shop.verify()


def test_what_was_accepted_stays(shop: Shop) -> None:
    org = shop.owner("ada", (LotKind.PAID, 10_000, None))
    shop.ask(org, 100, cost=60)
    shop.accept(shop.propose(Told(shop.close(), "simulated", 30, 1)))
    for change in ("UPDATE correction SET amount = 1", "DELETE FROM correction"):
        with pytest.raises(Conflict), shop.store.write() as tx:
            tx.execute(change)


def test_a_bill_of_a_month_and_of_an_upstream_names_the_first_of_its_days(shop: Shop) -> None:
    org = shop.owner("ada", (LotKind.PAID, USD, None))
    shop.ask(org, 100, cost=60)
    day = shop.close()
    date = dt.date(1970, 1, 1) + dt.timedelta(days=day)
    first = day - date.day + 1
    monthly = Whose("simulated", {}, is_monthly=True)
    assert shop.propose(Told(first, "simulated", 50, 1), whose=monthly).waiting == 1
    while shop.day < first + 32:
        shop.close()
    proposal = shop.propose(Told(first, "simulated", 50, 1), whose=monthly)
    assert shop.accept(proposal).cost_nusd == -10
    assert shop.propose(Told(first, "simulated", 50, 1), whose=monthly).rows == ()
    named = "SELECT count(*) FROM entry JOIN provider_day AS p ON entry = corrects WHERE p.day = ?"
    assert shop.number(named, day) == 1
    with shop.store.write() as tx:
        tx.execute("UPDATE rollup_supply SET upstream = 'far'")
    far = Whose("far", {})
    unknown = shop.propose(Told(day, "new", 7, 1), whose=far)
    shop.accept(msgspec.structs.replace(unknown, rows=unknown.rows[-1:]))
    with shop.store.read() as tx:
        newest = {(each.provider, each.upstream, each.model) for each in reports.listed(tx, 9)}
    assert ("simulated", "far", "new") in newest
    shop.verify()


def test_gifts_that_have_ended_stay_ended_and_rows_that_are_gone_are_left(shop: Shop) -> None:
    soon = shop.clock.now_ms() + MS_OF_DAY // 2
    org = shop.owner("ada", (LotKind.PROMO, 60, soon), (LotKind.PAID, 1_000, None))
    kept = shop.ask(org, 100, cost=60)
    assert kept
    day = shop.close()
    shop.clock.advance(MS_OF_DAY)
    (row,) = shop.propose(Told(day, "simulated", 0, 1)).rows
    assert [each.credit_nusd for each in row.overcharges] == [40]
    shop.accept(shop.propose(Told(day, "simulated", 30, 1)))
    assert shop.number("SELECT count(*) FROM correction_part") == 1
    for _ in range(50):
        shop.close()
    forget_usage(msgspec.structs.replace(shop.office, usage_days=32))
    assert shop.number("SELECT count(*) FROM correction_part") == 0
    assert shop.number("SELECT count(*) FROM correction WHERE what = 'charge'") == 1
    (row,) = shop.propose(Told(day, "simulated", 0, 1)).rows
    assert row.overcharges == ()
    shop.verify()


def test_credit_for_a_closed_account_is_paid_back(shop: Shop) -> None:
    org = shop.owner("ada", (LotKind.PAID, 30_000_000, None))
    shop.ask(org, 20_000_000, cost=10)
    day = shop.close()
    till = billing.Till(billing.Terms(return_url=""), Sealer(b"k" * 32, bytes), shop.ids.raw)
    shop.wait(60_000)
    with shop.store.write() as tx:
        billing.begin_closing(tx, shop.actor, accounts.named(tx, "ada"))
        state = billing.go_on_closing(tx, till, org, shop.clock.now_ms())
    assert state is billing.ClosingState.CLOSED
    shop.accept(shop.propose(Told(day, "simulated", 0, 1)))
    assert shop.wallet(org).posted == 20_000_000
    with shop.store.write() as tx:
        assert billing.closings(tx) == [org]
        state = billing.go_on_closing(tx, till, org, shop.clock.now_ms())
        owed = [each.cents for each in billing.refunds_of(tx, org, 9)]
    assert (state, sum(owed)) == (billing.ClosingState.CLOSED, 3)
    assert shop.wallet(org).posted == 0
    shop.verify()


@pytest.mark.parametrize("back", [20_000_000, 60_000_000])
def test_an_invoice_of_usage_is_less_what_was_corrected(shop: Shop, back: int) -> None:
    org = shop.owner("ada", (LotKind.PAID, USD, None))
    shop.ask(org, 80_000_000, cost=8)
    day = shop.close()
    month = usage.month_at(shop.day)
    while shop.day < month.end + 2:
        shop.close()
    shop.ask(org, 50_000_000, cost=5, source=UsageSource.REPORTED)
    shop.accept(shop.propose(Told(day, "simulated", 8 - back // 10_000_000, 1)))
    after = usage.month_at(shop.day)
    while shop.day < after.end:
        shop.close()
    terms = Terms(seller=Party("G", country="CH"), engine=Engine.NONE, point=Point.USAGE)
    terms = msgspec.structs.replace(terms, engine=Engine.TABLE, rates=read_rates(RATES_FILE))
    at = dt.date(1970, 1, 1) + dt.timedelta(days=after.first)
    span = span_of((at.year - 1970) * 12 + at.month - 1)
    with shop.store.write() as tx:
        (sums,) = gather(tx, span)
        month_of = (span, sums)
        made = issue(tx, terms, month_of, shop.clock.now_ms(), sealer=shop.office.sealer).document
    flows = {line.flow: line.nusd for line in made.balance}
    assert flows[Flow.CORRECTED] == back
    assert made.split is not None
    assert made.split.corrected_nusd == back
    assert made.gross_cents == max(0, (50_000_000 - back) // 10_000_000)
    assert made.split.carried_out_nusd == min(0, 50_000_000 - back)


def test_charges_hours_and_orphans_go_when_their_days_are_over_and_sums_stay(shop: Shop) -> None:
    org = shop.owner("ada", (LotKind.PAID, USD, None))
    shop.office = msgspec.structs.replace(shop.office, usage_days=32)
    key = b"k" * 16
    for _ in range(3):
        shop.ask(org, 100, cost=60)
        shop.close()
    first = shop.day - 3
    with shop.store.write() as tx:
        tx.execute(
            "INSERT INTO orphan (reservation, seat, amount, at) VALUES (?, ?, 9, ?)",
            (b"r" * 16, b"s" * 16, first * MS_OF_DAY),
        )

    def sums() -> list[int]:
        now_ms = shop.clock.now_ms()
        with shop.store.read() as tx:
            by_model = usage.totals(tx, usage.Period(0, now_ms), "model")
            by_day = usage.totals(tx, usage.Period(0, now_ms), "day")
            (margin,) = reports.margins(tx, "organization", 0, shop.day)
            spent = usage.key_sums(tx, key, now_ms).total
        return [by_model[0].charged_nusd, len(by_day), margin.charged_nusd, spent]

    before = sums()
    assert before == [300, 3, 300, 300]
    while shop.day < first + 33:
        shop.close()
    forget_usage(shop.office)
    assert shop.number("SELECT count(*) FROM charge") == 3  # its month has no documents yet
    issue_months(shop.office)
    forget_usage(shop.office)
    assert shop.number("SELECT min(day) FROM charge") == first + 1
    assert shop.number("SELECT min(hour) / 24 FROM rollup_hour") == first + 1
    assert shop.number("SELECT count(*) FROM orphan") == 0
    assert sums() == before
    for _ in range(40):
        shop.close()
    issue_months(shop.office)
    forget_usage(shop.office)
    for table in ("charge", "rollup_hour", "usage"):
        assert shop.number(f"SELECT count(*) FROM {table}") == 0  # noqa: S608 - of ours
    assert sums() == before
    shop.verify()
