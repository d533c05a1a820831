"""Accounts that anything happens to, in any order: each can be closed, and no cent is missing."""

from contextlib import suppress
from random import Random  # noqa: TID251 - a seeded one

import pytest
from msgspec.structs import replace

from tests.builders.paying_office import TERMS, PayingOffice
from tests.builders.payment_company import GONE_CARD, GOOD_CARD
from troth.control import accounts, billing
from troth.control.billing import Asked
from troth.control.billing.ports import DisputeStatus, RefundStatus
from troth.kernel.clock import ManualClock
from troth.kernel.errors import InvalidValue
from troth.kernel.ids import text
from troth.kernel.payment_errors import PaymentsDown
from troth.ledger import books
from troth.ledger.books import OperatorBook
from troth.server.office import Office
from troth.server.payments import balance, incoming, outgoing

MINUTE = 60_000
STEPS = 25


class Walk:
    """One account, and what people, banks and gateways do to it."""

    def __init__(self, paying: PayingOffice, clock: ManualClock, name: str, rng: Random) -> None:
        self.paying = paying
        self.clock = clock
        self.name = name
        self.rng = rng
        self.org = paying.organization(name)
        self.spent = 0
        self.intents: list[str] = []
        paying.company.events.clear()

    def go(self) -> None:
        deeds = (
            self.buy, self.buy, self.borrow, self.spend, self.give_back, self.refund,
            self.refund_ends, self.dispute, self.dispute_ends, self.hear, self.work, self.thaw,
        )  # fmt: skip
        self.buy()
        for _ in range(STEPS):
            self.clock.advance(MINUTE)
            self.rng.choice(deeds)()
            assert self.paying.wallet(self.org) >= 0
        self.close()

    def buy(self) -> None:
        card = self.rng.choice([GOOD_CARD, GOOD_CARD, GONE_CARD])
        try:
            self.intents.append(
                self.paying.buy(
                    self.name, self.rng.randrange(500, 2_000), saves_card=True, card=card
                )
            )
        except InvalidValue:
            assert self.is_frozen()

    @property
    def lent(self) -> int:
        with self.paying.office.store.read() as tx:
            found = books.wallet(tx, self.org)
        assert found
        return found.held

    def borrow(self) -> None:
        free = self.paying.wallet(self.org) - self.lent
        if free and not self.is_frozen():
            self.paying.seat.borrow(self.org, self.rng.randrange(1, free + 1))

    def spend(self) -> None:
        if lent := self.lent:
            amount = self.rng.randrange(1, lent + 1)
            self.paying.seat.charge(self.org, amount)
            self.spent += amount

    def give_back(self) -> None:
        if lent := self.lent:
            amount = self.rng.randrange(1, lent + 1)
            self.paying.seat.give_back(self.org, amount)

    def refund(self) -> None:
        self.paying.company.mute = self.rng.randrange(2)
        cents = self.rng.choice([None, self.rng.randrange(1, 1_500)])
        asked = Asked(cents, by_hand=self.rng.random() < 0.2)
        with suppress(InvalidValue, PaymentsDown):
            outgoing.start_refund(self.paying.office, self.paying.actor, self.name, asked)
        self.paying.company.mute = 0

    def refund_ends(self) -> None:
        found = [ref for ref, each in self.paying.company.refunds.items() if ref and each.ref]
        if found:
            ref = self.rng.choice(found)
            status = self.paying.company.refunds[ref].status
            if status is RefundStatus.PROCESSING:
                self.paying.company.refund_done(ref)
            elif status is RefundStatus.SUCCEEDED and self.rng.random() < 0.5:
                self.paying.company.refund_failed(ref)

    def dispute(self) -> None:
        company = self.paying.company
        disputed = {each.intent for each in company.disputes.values()}
        found = [each for each in self.intents if each not in disputed]
        if found:
            intent = company.intents[self.rng.choice(found)]
            left = intent.cents - intent.refunded_cents
            if left > 0:
                company.dispute_opened(intent.ref, self.rng.choice([left, (left + 1) // 2]))

    def dispute_ends(self) -> None:
        company = self.paying.company
        for ref, each in list(company.disputes.items()):
            if each.status is DisputeStatus.OPEN and each.intent in self.intents:
                company.dispute_ended(ref, is_won=self.rng.random() < 0.5)
                return

    def hear(self) -> None:
        notices = list(self.paying.company.events)
        self.rng.shuffle(notices)
        for notice in notices:
            incoming.handle(self.paying.office, notice)

    def work(self) -> None:
        """What the desk does by itself."""
        office = self.paying.office
        outgoing.drive_refunds(office)
        outgoing.reserve_disputed(office)
        incoming.check_open(office)
        outgoing.close_accounts(office)

    def thaw(self) -> None:
        with self.paying.office.store.write() as tx:
            accounts.thaw(tx, self.paying.actor, text("org", self.org))

    def is_frozen(self) -> bool:
        with self.paying.office.store.read() as tx:
            return accounts.find(tx, text("org", self.org)).frozen_at_ms > 0

    def close(self) -> None:
        """The account ends: loans are back, disputes are decided, refunds have arrived."""
        outgoing.start_closing(self.paying.office, self.paying.actor, self.name)
        self.hear()
        if self.lent:
            self.paying.seat.give_back(self.org, self.lent)
        company = self.paying.company
        for _ in range(len(company.disputes)):
            self.dispute_ends()
        for _ in range(6):
            self.hear()
            self.clock.advance(61 * MINUTE)
            self.work()
            for ref, each in list(company.refunds.items()):
                if each.status is RefundStatus.PROCESSING:
                    company.refund_done(ref)
        late = [ref for ref, each in company.refunds.items() if each.intent in self.intents]
        for ref in late[:1]:
            if company.refunds[ref].status is RefundStatus.SUCCEEDED:
                company.refund_failed(ref)
        self.hear()
        self.work()


@pytest.mark.parametrize(
    "walks", [16, pytest.param(150, marks=pytest.mark.prove)], ids=["short", "long"]
)
def test_whatever_happens_an_account_closes_at_zero_and_no_cent_is_missing(
    office: Office, clock: ManualClock, walks: int
) -> None:
    plain = PayingOffice(office)
    terms = replace(TERMS, tax_part="ch", refund_fee="organization")
    taxed = PayingOffice(office, terms, plain.company)
    for seed in range(walks):
        paying = plain if seed % 3 else taxed
        walk = Walk(paying, clock, f"org-{seed}", Random(seed))  # noqa: S311
        walk.go()
        with office.store.read() as tx:
            last = billing.statement(tx, accounts.named(tx, walk.name))
        assert (last.state, last.balance_nusd) == ("closed", 0), seed
        assert last.charged_nusd == walk.spent
    compared = balance.reconcile(plain.office)
    assert compared.is_even, compared
    assert plain.book(OperatorBook.DISPUTED) == plain.book(OperatorBook.DISPUTE_RESERVE) == 0
    owed = [item.cents for item in plain.items() if item.kind == "refund_by_hand"]
    assert plain.book(OperatorBook.REFUNDS_PAYABLE) == sum(owed)
    plain.verify()
