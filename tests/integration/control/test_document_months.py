"""Months of wallets: what was used, bought and left, to the nano-dollar, from closed days."""

import datetime as dt
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec
import pytest
from typing_extensions import override

from tests.builders.money_world import USD, GatewayProcess, MoneyWorld
from troth.control import accounts, documents
from troth.control.audit import Actor
from troth.control.documents import Engine, Kind, Party, Point, Terms
from troth.control.documents.shape import Document, Flow, Treatment
from troth.kernel import ids
from troth.kernel.errors import InvariantBroken
from troth.kernel.quantities import Quantities
from troth.kernel.usage_record import Outcome, UsageRecord, UsageSource, encode
from troth.ledger import books
from troth.ledger.books import LotKind, Posted
from troth.ledger.shard import Short
from troth.server.day_duties import close_days
from troth.server.document_duties import issue_months
from troth.server.office import Office
from troth.server.records import write_usage
from troth.store.transaction import Transaction

RATES = documents.read_rates(documents.RATES_FILE)
SELLER = Party("Gateway AG", country="CH", vat_id="CHE-107.787.577 IVA")
AT_USAGE = Terms(seller=SELLER, engine=Engine.TABLE, point=Point.USAGE, rates=RATES)
AT_TOPUP = Terms(seller=SELLER, engine=Engine.TABLE, point=Point.TOPUP, rates=RATES)
MS_OF_DAY = 86_400_000
CENT = 10_000_000


class Town(MoneyWorld):
    """A desk that writes usage, as the real one does, for an office that shares its clock."""

    def __init__(self, office: Office, folder: Path) -> None:
        super().__init__(office.store, folder)
        self.office = msgspec.structs.replace(office, clock=self.clock)
        self.process: GatewayProcess | None = None

    @override
    def _write_usage(self, tx: Transaction, posted: Sequence[Posted]) -> None:
        write_usage(tx, posted)

    def owner(self, name: str) -> accounts.Organization:
        with self.store.write() as tx:
            actor = Actor(0, self.clock.now_ms())
            return accounts.create(tx, actor, self.ids.raw(), name)

    def pay(self, owner: accounts.Organization, cents: int, terms: Terms) -> Document:
        """Let a payment be credited, and answer it with its document."""
        raw, now_ms = self.ids.raw(), self.clock.now_ms()
        wanted = books.Credit(raw.hex(), owner.raw, LotKind.PAID, cents * CENT)
        with self.store.write() as tx:
            books.credit(tx, wanted, 0, now_ms)
            tx.execute(
                "INSERT INTO topup (id, org, kind, state, cents, tax_cents, currency, saves_card,"
                " lot, created_at, checked_at, paid_at)"
                " VALUES (?, ?, 'page', 'paid', ?, 0, 'usd', 0, ?, ?, ?, ?)",
                (raw, owner.raw, cents, wanted.lot, now_ms, now_ms, now_ms),
            )
            paid = documents.Paid(ids.text("top", raw), owner.ref, cents, 0, now_ms)
            sealer = self.office.sealer
            made = documents.receipt_for_topup(tx, terms, paid, now_ms, sealer=sealer)
        self.clock.advance(1)
        return made.document

    def use(self, owner: accounts.Organization, charge: int, model: str = "m") -> None:
        """Serve one request."""
        process = self.process or self.gateway()
        self.process = process
        admitted = process.admit((books.wallet_purse(owner.raw),), charge)
        assert not isinstance(admitted, Short)
        reservation, _ = admitted
        process.shard.settle(reservation, charge, encode(self._record(owner, charge, model)))
        self.pump()

    def _record(self, owner: accounts.Organization, charge: int, model: str) -> UsageRecord:
        return UsageRecord(
            request=ids.text("req", self.ids.raw()),
            org=owner.ref,
            key=ids.text("key", bytes(16)),
            endpoint="chat",
            model_asked=model,
            model_served=model,
            provider="p",
            upstream="u",
            region="",
            price_set="",
            started_at_ms=self.clock.now_ms(),
            first_byte_ms=1,
            latency_ms=2,
            status=200,
            outcome=Outcome.DONE,
            streamed=True,
            usage_source=UsageSource.REPORTED,
            quantities=Quantities(input=10, cache_read=5, output=20),
            reserved_nusd=charge,
            charged_nusd=charge,
            cost_nusd=1,
            max_tokens_clamped=0,
            attempts=(),
        )

    def go_to(self, year: int, month: int, day: int) -> None:
        """Let time pass until a date, closing the days in between."""
        at = dt.datetime(year, month, day, 12, tzinfo=dt.UTC)
        self.clock.advance(int(at.timestamp()) * 1_000 - self.clock.now_ms())
        close_days(self.office)
        self.wait(1)

    def documents(self, terms: Terms, owner: accounts.Organization) -> list[Document]:
        """Write what is due and return an organization's documents, the oldest first."""
        issue_months(msgspec.structs.replace(self.office, documents=terms))
        with self.store.read() as tx:
            listed = documents.listed(tx, owner.raw, 99)
            found = [
                documents.numbered(tx, each.number, self.office.sealer) for each in reversed(listed)
            ]
            assert documents.check(tx, self.office.sealer).problems == []
            assert books.verify(tx).problems == []
        return [each.document for each in found if each]


@pytest.fixture
def town(office: Office, tmp_path: Path) -> Iterator[Town]:
    town = Town(office, tmp_path)
    yield town
    for gateway in town.gateways.values():
        gateway.journal.close()


def balance(document: Document) -> dict[Flow, int]:
    return {line.flow: line.nusd for line in document.balance}


def test_a_statement_leads_from_opening_to_closing_to_the_nano_dollar(town: Town) -> None:
    ada, idle = town.owner("Ada"), town.owner("Idle")
    town.go_to(2027, 2, 3)
    town.credit(ada.raw, 10 * USD)
    town.credit(ada.raw, 2 * USD, LotKind.PROMO)
    town.use(ada, 1_234_567)
    town.go_to(2027, 2, 20)
    town.use(ada, 3, "other")
    assert town.documents(Terms(), ada) == []
    town.go_to(2027, 3, 1)
    (statement,) = town.documents(Terms(), ada)
    assert (statement.kind, statement.period) == (Kind.STATEMENT, ("2027-02-01", "2027-02-28"))
    assert (statement.gross_cents, statement.tax.treatment) == (0, Treatment.NONE)
    assert balance(statement) == {
        Flow.OPENING: 0,
        Flow.BOUGHT: 10 * USD,
        Flow.GIVEN: 2 * USD,
        Flow.USED: -1_234_570,
        Flow.CLOSING: 12 * USD - 1_234_570,
    }
    assert [(each.model, each.count, each.charged_nusd) for each in statement.usage] == [
        ("m", 1, 1_234_567),
        ("other", 1, 3),
    ]
    assert (statement.usage[0].tokens_in, statement.usage[0].tokens_cached) == (15, 5)
    assert town.documents(Terms(), idle) == []
    assert len(town.documents(AT_TOPUP, ada)) == 1
    town.use(ada, 7)
    town.go_to(2027, 4, 2)
    later = town.documents(AT_TOPUP, ada)[1]
    assert balance(later)[Flow.OPENING] == balance(statement)[Flow.CLOSING]
    assert later.tax.treatment is Treatment.EARLIER


def test_usage_is_invoiced_in_whole_cents_and_no_part_of_one_is_lost(town: Town) -> None:
    ada = town.owner("Ada")
    town.go_to(2027, 2, 3)
    town.credit(ada.raw, 50 * USD)
    charges = [1_234_567_891, 4_999_999, 5_000_001]
    for month, charge in zip((3, 4, 5), charges, strict=True):
        town.use(ada, charge)
        town.go_to(2027, month, 1)
    found = town.documents(AT_USAGE, ada)
    assert [each.kind for each in found] == [Kind.INVOICE] * 3
    assert [each.gross_cents for each in found] == [123, 0, 1]
    splits = [each.split for each in found if each.split]
    assert [each.carried_out_nusd for each in splits] == [4_567_891, 9_567_890, 4_567_891]
    assert sum(each.gross_cents for each in found) == sum(charges) // 10_000_000
    assert (found[0].net_cents, found[0].tax_cents) == (114, 9)
    with town.store.read() as tx:
        owed = tx.row("SELECT sum(posted) FROM book WHERE kind = 'tax:CH'", (), tuple[int])
    assert owed is not None
    assert int(owed[0]) == 9 * 10_000_000


def test_what_gifts_paid_is_not_invoiced(town: Town) -> None:
    ada = town.owner("Ada")
    town.go_to(2027, 2, 3)
    town.credit(ada.raw, 5 * USD)
    town.credit(ada.raw, USD, LotKind.PROMO)
    town.use(ada, 3 * USD)
    town.go_to(2027, 3, 1)
    (invoice,) = town.documents(AT_USAGE, ada)
    assert invoice.split is not None
    assert (invoice.split.used_nusd, invoice.split.gifts_nusd) == (3 * USD, USD)
    assert invoice.gross_cents == 200


def test_a_month_in_which_nothing_bought_was_used_is_no_invoice(town: Town) -> None:
    ada = town.owner("Ada")
    town.go_to(2027, 2, 3)
    town.credit(ada.raw, 5 * USD)
    town.go_to(2027, 3, 1)
    town.credit(ada.raw, USD, LotKind.PROMO)
    town.use(ada, USD)
    town.go_to(2027, 4, 1)
    town.use(ada, USD)
    town.go_to(2027, 5, 1)
    invoice, *early = town.documents(AT_USAGE, ada)
    assert [(each.kind, each.tax.treatment) for each in early] == [
        (Kind.STATEMENT, Treatment.LATER)
    ] * 2
    assert (invoice.kind, invoice.number[-6:]) == (Kind.INVOICE, "000001")
    assert (invoice.period, invoice.gross_cents) == (("2027-04-01", "2027-04-30"), 100)


def test_a_month_whose_charges_are_gone_is_not_invoiced(town: Town) -> None:
    ada = town.owner("Ada")
    town.go_to(2027, 2, 3)
    town.credit(ada.raw, 5 * USD)
    town.use(ada, USD)
    town.go_to(2027, 3, 1)
    with town.store.write() as tx:
        today = town.clock.now_ms() // MS_OF_DAY
        assert tx.execute("DELETE FROM charge WHERE day < ?", (today,)) == 1
    with pytest.raises(InvariantBroken, match="while its charges are there"):
        town.documents(AT_USAGE, ada)
    assert [each.kind for each in town.documents(Terms(), ada)] == [Kind.STATEMENT]


def test_months_are_written_once_and_old_ones_are_left_alone(town: Town) -> None:
    ada = town.owner("Ada")
    town.go_to(2027, 2, 3)
    town.credit(ada.raw, USD)
    town.go_to(2027, 12, 5)
    assert town.documents(Terms(), ada) == []
    town.use(ada, 5)
    town.go_to(2028, 1, 1)
    for _ in range(3):
        assert len(town.documents(Terms(), ada)) == 1


def test_months_after_the_last_that_was_written_are_written_however_late(town: Town) -> None:
    ada = town.owner("Ada")
    town.go_to(2027, 2, 3)
    town.credit(ada.raw, USD)
    town.go_to(2027, 3, 1)
    assert len(town.documents(Terms(), ada)) == 1
    for month in range(4, 10):
        town.use(ada, 5)
        town.go_to(2027, month, 1)
    found = [each.period for each in town.documents(Terms(), ada) if each.period]
    assert [first[:7] for first, _ in found] == [f"2027-{month:02d}" for month in range(2, 9)]


def test_vat_is_due_once_when_usage_becomes_its_point(town: Town) -> None:
    ada = town.owner("Ada")
    town.go_to(2027, 2, 3)
    assert town.pay(ada, 300, AT_TOPUP).tax_cents == 22
    assert town.pay(ada, 500, AT_USAGE).tax.treatment is Treatment.LATER
    town.use(ada, 5 * USD)
    town.go_to(2027, 3, 1)
    *_, invoice = town.documents(AT_USAGE, ada)
    assert (invoice.kind, invoice.gross_cents, invoice.tax_cents) == (Kind.INVOICE, 200, 15)
    assert invoice.split is not None
    assert (invoice.split.used_nusd, invoice.split.earlier_nusd) == (5 * USD, 3 * USD)


def test_vat_is_due_once_when_the_payment_becomes_its_point(town: Town) -> None:
    ada, bob = town.owner("Ada"), town.owner("Bob")
    town.go_to(2027, 2, 3)
    town.pay(ada, 300, AT_USAGE)
    town.pay(ada, 500, AT_TOPUP)
    town.pay(bob, 300, Terms())
    town.use(ada, 5 * USD)
    town.use(bob, USD)
    town.go_to(2027, 3, 1)
    *_, invoice = town.documents(AT_TOPUP, ada)
    assert (invoice.kind, invoice.gross_cents, invoice.tax_cents) == (Kind.INVOICE, 300, 22)
    *_, statement = town.documents(AT_TOPUP, bob)  # bought when nobody charged VAT
    assert (statement.kind, statement.tax_cents) == (Kind.STATEMENT, 0)
    town.use(ada, 2 * USD)
    town.go_to(2027, 4, 1)
    *_, later = town.documents(AT_TOPUP, ada)
    assert (later.kind, later.tax.treatment) == (Kind.STATEMENT, Treatment.EARLIER)
