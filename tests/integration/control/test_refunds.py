"""Refunds: out of the wallet first, back if they fail, and never more than is there."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest
from msgspec.structs import replace

from tests.builders.paying_office import TERMS, PayingOffice
from tests.builders.payment_company import GONE_CARD, fee_of
from troth.control import accounts, billing
from troth.control.billing import NUSD_PER_CENT, Asked, Refund, RefundState
from troth.control.billing.ports import RefundStatus
from troth.kernel import ids
from troth.kernel.clock import ManualClock
from troth.kernel.errors import InvalidValue
from troth.kernel.payment_errors import PaymentsDown
from troth.ledger import books
from troth.ledger.books import OperatorBook
from troth.server.office import DESK, Office
from troth.server.payments import balance, outgoing
from troth.store import engine
from troth.store.transaction import Locked

MINUTE = 60_000
DAY = 86_400_000


def refund(paying: PayingOffice, cents: int | None = None, **how: bool) -> list[Refund]:
    return outgoing.start_refund(paying.office, paying.actor, "acme", Asked(cents, **how))


def states(paying: PayingOffice, org: bytes) -> list[RefundState]:
    with paying.office.store.read() as tx:
        return [each.state for each in billing.refunds_of(tx, org, 100)]


def test_unused_credit_goes_back_the_newest_payment_first(
    paying: PayingOffice, clock: ManualClock
) -> None:
    acme = paying.organization("acme")
    old = paying.buy("acme", 1_000)
    clock.advance(DAY)
    new = paying.buy("acme", 2_000)
    paying.spend(acme, 300)
    begun = refund(paying, 2_500)
    assert [each.cents for each in begun] == [2_000, 500]
    assert [each.state for each in begun] == [RefundState.SENT, RefundState.SENT]
    refunded = {ref: each.refunded_cents for ref, each in paying.company.intents.items()}
    assert refunded == {new: 2_000, old: 500}
    assert paying.cents(acme) == 200
    assert paying.book(OperatorBook.REFUNDS_PAYABLE) == 0
    assert paying.book(OperatorBook.CLEARING) == -500
    for ref in paying.company.refunds:
        paying.company.refund_done(ref)
    paying.hear()
    assert states(paying, acme) == [RefundState.DONE, RefundState.DONE]
    paying.verify()


def test_a_failed_refund_is_back_in_the_wallet(paying: PayingOffice) -> None:
    acme = paying.organization("acme")
    paying.buy("acme", 1_000)
    refund(paying)
    (ref,) = paying.company.refunds
    paying.company.refund_done(ref)
    paying.hear()
    assert paying.cents(acme) == 0
    paying.company.refund_failed(ref)
    paying.hear()
    paying.hear()
    assert paying.cents(acme) == 1_000
    assert states(paying, acme) == [RefundState.RETURNED]
    assert paying.kinds() == ["refund_failed"]
    assert balance.reconcile(paying.office).is_even
    assert len(refund(paying)) == 1
    paying.verify()


def test_an_answer_that_comes_late_changes_nothing(paying: PayingOffice) -> None:
    acme = paying.organization("acme")
    paying.buy("acme", 1_000)
    refund(paying)
    (ref,) = paying.company.refunds
    before = replace(paying.company.refunds[ref], status=RefundStatus.SUCCEEDED)
    paying.company.refund_failed(ref)
    paying.hear()
    for told in (before, paying.company.refunds[ref]):
        with paying.office.store.write() as tx:
            billing.apply_refund(tx, paying.till, told, paying.clock.now_ms())
    assert states(paying, acme) == [RefundState.RETURNED]
    assert paying.cents(acme) == 1_000
    paying.verify()


def test_a_refund_that_is_refused_outright_is_back_at_once(paying: PayingOffice) -> None:
    acme = paying.organization("acme")
    paying.buy("acme", 1_000, saves_card=True, card=GONE_CARD)
    (begun,) = refund(paying)
    assert begun.state is RefundState.RETURNED
    assert paying.cents(acme) == 1_000
    assert paying.book(OperatorBook.REFUNDS_PAYABLE) == 0


def test_gifts_are_never_paid_out(paying: PayingOffice) -> None:
    acme = paying.organization("acme")
    with paying.office.store.write() as tx:
        gift = books.Credit("g", acme, books.LotKind.PROMO, 500 * NUSD_PER_CENT)
        books.credit(tx, gift, DESK, paying.clock.now_ms())
    paying.buy("acme", 1_000)
    paying.spend(acme, 200)
    with pytest.raises(InvalidValue) as refused:
        refund(paying, 1_001)
    assert refused.value.message == "'amount_usd': 10.00 US dollars can be given back now"
    refund(paying)
    assert paying.cents(acme) == 300
    with pytest.raises(InvalidValue):
        refund(paying)


def test_what_gateways_hold_is_not_paid_out(paying: PayingOffice) -> None:
    acme = paying.organization("acme")
    paying.buy("acme", 1_000)
    paying.seat.borrow(acme, 400 * NUSD_PER_CENT)
    (begun,) = refund(paying)
    assert begun.cents == 600
    paying.seat.charge(acme, 400 * NUSD_PER_CENT)
    assert paying.wallet(acme) == 0
    paying.verify()


def test_less_than_a_cent_stays(paying: PayingOffice) -> None:
    acme = paying.organization("acme")
    paying.buy("acme", 1_000)
    paying.seat.spend(acme, 1)
    (begun,) = refund(paying)
    assert begun.cents == 999
    assert paying.wallet(acme) == NUSD_PER_CENT - 1


def test_the_window_of_the_operator_is_kept(office: Office, clock: ManualClock) -> None:
    strict = PayingOffice(office, replace(TERMS, refund_window_days=14))
    strict.organization("acme")
    strict.buy("acme", 1_000)
    clock.advance(15 * DAY)
    strict.buy("acme", 600)
    assert [each.cents for each in refund(strict)] == [600]


def test_the_organization_may_bear_the_companys_fee(office: Office) -> None:
    sharing = PayingOffice(office, replace(TERMS, refund_fee="organization"))
    acme = sharing.organization("acme")
    sharing.buy("acme", 1_000)
    balance.reconcile(sharing.office)
    (begun,) = refund(sharing, 500)
    assert begun.fee_cents == fee_of(1_000) // 2
    assert begun.sent_cents == 500 - begun.fee_cents
    assert sharing.cents(acme) == 500
    assert sharing.book(OperatorBook.STRIPE_FEES) == -(fee_of(1_000) - begun.fee_cents)
    sharing.company.refund_failed(*sharing.company.refunds)
    sharing.hear()
    assert sharing.cents(acme) == 1_000
    assert balance.reconcile(sharing.office).is_even
    sharing.verify()


def test_a_fee_that_the_books_have_not_told_yet_is_asked_for(office: Office) -> None:
    sharing = PayingOffice(office, replace(TERMS, refund_fee="organization"))
    sharing.organization("acme")
    sharing.buy("acme", 1_000)
    sharing.company.down = 1
    with pytest.raises(PaymentsDown):
        refund(sharing, 500)
    (begun,) = refund(sharing, 500)
    assert begun.fee_cents == fee_of(1_000) // 2
    sharing.buy("acme", 2_000)
    sharing.company.down = 1
    outgoing.start_closing(sharing.office, sharing.actor, "acme")
    assert len(sharing.company.refunds) == 1
    outgoing.close_accounts(sharing.office)
    sent = sum(each.cents for each in sharing.company.refunds.values())
    assert sent == 3_000 - fee_of(1_000) - fee_of(2_000) + 1  # each part's share is rounded down
    assert balance.reconcile(sharing.office).is_even


def test_taxes_go_back_in_proportion_and_to_the_last_cent(office: Office) -> None:
    taxed = PayingOffice(office, replace(TERMS, tax_part="ch"))
    taxed.organization("acme")
    taxed.buy("acme", 999)
    assert taxed.book(OperatorBook.TAX, "ch") == 99
    parts = [each for cents in (333, 333, 333) for each in refund(taxed, cents)]
    assert [each.tax_cents for each in parts] == [33, 33, 33]
    assert taxed.book(OperatorBook.TAX, "ch") == 0
    assert taxed.book(OperatorBook.CLEARING) == 0


@pytest.mark.parametrize("fault", ["down", "mute"])
def test_a_refund_survives_a_company_that_does_not_answer(
    paying: PayingOffice, clock: ManualClock, fault: str
) -> None:
    acme = paying.organization("acme")
    paying.buy("acme", 1_000)
    setattr(paying.company, fault, 1)
    (begun,) = refund(paying)
    assert begun.state is RefundState.UNDERWAY
    assert paying.cents(acme) == 0
    assert paying.book(OperatorBook.REFUNDS_PAYABLE) == 1_000
    outgoing.drive_refunds(paying.office)
    assert states(paying, acme) == [RefundState.UNDERWAY]  # not before its next turn
    clock.advance(2 * MINUTE)
    outgoing.drive_refunds(paying.office)
    assert states(paying, acme) == [RefundState.SENT]
    assert [each.cents for each in paying.company.refunds.values()] == [1_000]


def test_a_payment_that_the_company_has_forgotten_cannot_be_refunded(
    paying: PayingOffice,
) -> None:
    acme = paying.organization("acme")
    paying.company.intents.pop(paying.buy("acme", 1_000))
    (begun,) = refund(paying)
    assert begun.state is RefundState.RETURNED
    assert paying.cents(acme) == 1_000


def test_a_notice_may_overtake_the_answer(paying: PayingOffice) -> None:
    acme = paying.organization("acme")
    paying.buy("acme", 1_000)
    paying.company.mute = 1
    refund(paying)
    paying.hear()
    assert states(paying, acme) == [RefundState.SENT]
    paying.company.refund_failed(*paying.company.refunds)
    paying.hear()
    assert paying.cents(acme) == 1_000


def test_a_refund_of_somebody_elses_is_left_alone(paying: PayingOffice) -> None:
    paying.organization("acme")
    paying.buy("acme", 1_000)
    elsewhere = paying.company.charge_elsewhere(900)
    paying.company.refund_done(paying.company.refunded_elsewhere(elsewhere.ref).ref)
    paying.hear()
    assert paying.kinds() == []


def test_a_refund_that_restored_books_do_not_have_is_told(paying: PayingOffice) -> None:
    acme = paying.organization("acme")
    paying.buy("acme", 1_000)
    refund(paying)
    (ours,) = paying.company.refunds
    later = replace(paying.company.refunds[ours], refund="rfd_" + "0" * 32)
    paying.company.refunds[ours] = later
    paying.company.refund_done(ours)
    paying.hear()
    (item,) = paying.items()
    assert (item.kind, item.org) == ("refunded_elsewhere", ids.text("org", acme))


def test_credit_without_a_payment_is_given_back_by_hand(paying: PayingOffice) -> None:
    acme = paying.organization("acme")
    with paying.office.store.write() as tx:
        wired = books.Credit("w", acme, books.LotKind.PAID, 700 * NUSD_PER_CENT)
        books.credit(tx, wired, DESK, paying.clock.now_ms())
    (begun,) = refund(paying)
    assert begun.state is RefundState.BY_HAND
    assert paying.book(OperatorBook.REFUNDS_PAYABLE) == 700
    (item,) = paying.items()
    assert (item.kind, item.subject, item.cents) == ("refund_by_hand", begun.ref, 700)
    balance.resolve(paying.office, paying.actor, item.ref)
    assert paying.book(OperatorBook.REFUNDS_PAYABLE) == 0
    assert paying.book(OperatorBook.BANK) == 700
    assert states(paying, acme) == [RefundState.PAID_BY_HAND]
    assert balance.reconcile(paying.office).is_even


def test_a_person_may_choose_to_pay_by_hand_and_is_reminded(
    paying: PayingOffice, clock: ManualClock
) -> None:
    paying.organization("acme")
    paying.buy("acme", 1_000)
    (begun,) = refund(paying, by_hand=True)
    assert begun.state is RefundState.BY_HAND
    assert "refund" not in paying.company.calls
    assert balance.remind(paying.office) == []
    for _ in range(2):
        clock.advance(4 * DAY)
        assert [item.subject for item in balance.remind(paying.office)] == [begun.ref]
        assert balance.remind(paying.office) == []
    paying.buy("acme", 500)
    (other,) = refund(paying)
    with pytest.raises(InvalidValue), paying.office.store.write() as tx:
        billing.paid_by_hand(tx, paying.till, paying.actor, other.ref)


def test_a_refund_that_needs_its_owner_is_told(paying: PayingOffice) -> None:
    paying.organization("acme")
    paying.buy("acme", 1_000)
    refund(paying)
    (ref,) = paying.company.refunds
    told = replace(paying.company.refunds[ref], status=RefundStatus.NEEDS_ACTION)
    paying.company.refunds[ref] = told
    paying.hear()
    assert paying.kinds() == ["refund_needs_owner"]


def test_of_many_refunds_at_once_one_gets_what_is_there(paying: PayingOffice, url: str) -> None:
    acme = paying.organization("acme")
    for _ in range(3):
        paying.buy("acme", 1_000)

    def ask(number: int) -> int:
        while True:
            try:
                with stores[number % 2].write() as tx:
                    owner = accounts.named(tx, "acme")
                    begun = billing.begin_refund(
                        tx, paying.till, paying.actor, owner, asked=Asked(2_500)
                    )
            except InvalidValue:
                return 0
            except Locked:
                continue
            return sum(each.cents for each in begun)

    with closing(engine.open(url)) as other, ThreadPoolExecutor(6) as pool:
        stores = (paying.office.store, other)
        assert sorted(pool.map(ask, range(12))) == [0] * 11 + [2_500]
    assert paying.cents(acme) == 500
    paying.verify()
