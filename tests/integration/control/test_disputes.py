"""Disputes: what is there is set aside, what is gone is the operator's, no wallet below zero."""

from msgspec.structs import replace

from tests.builders.paying_office import TERMS, PayingOffice
from troth.control import accounts, billing
from troth.kernel import ids
from troth.kernel.clock import ManualClock
from troth.ledger.books import OperatorBook
from troth.server.office import Office
from troth.server.payments import balance, outgoing

MINUTE = 60_000


def is_frozen(paying: PayingOffice, org: bytes) -> bool:
    with paying.office.store.read() as tx:
        return accounts.find(tx, ids.text("org", org)).frozen_at_ms > 0


def test_what_is_left_is_set_aside_and_the_organization_frozen(paying: PayingOffice) -> None:
    acme = paying.organization("acme")
    intent = paying.buy("acme", 1_000)
    paying.spend(acme, 400)
    paying.company.dispute_opened(intent)
    paying.hear()
    paying.hear()
    assert paying.wallet(acme) == 0
    assert is_frozen(paying, acme)
    assert paying.book(OperatorBook.DISPUTE_RESERVE) == 600
    assert paying.book(OperatorBook.DISPUTED) == -1_000
    assert paying.kinds() == ["dispute"]
    assert balance.reconcile(paying.office).is_even
    paying.verify()


def test_a_dispute_that_is_won_gives_all_back(paying: PayingOffice) -> None:
    acme = paying.organization("acme")
    intent = paying.buy("acme", 1_000)
    paying.spend(acme, 400)
    dispute = paying.company.dispute_opened(intent)
    paying.hear()
    paying.company.dispute_ended(dispute.ref, is_won=True)
    paying.hear()
    assert paying.cents(acme) == 600
    assert not is_frozen(paying, acme)
    assert paying.book(OperatorBook.DISPUTE_RESERVE) == 0
    assert paying.book(OperatorBook.DISPUTED) == 0
    assert paying.items() == []
    assert balance.reconcile(paying.office).is_even
    paying.verify()


def test_a_dispute_that_is_lost_costs_the_operator_what_is_gone(paying: PayingOffice) -> None:
    acme = paying.organization("acme")
    intent = paying.buy("acme", 1_000)
    paying.spend(acme, 400)
    dispute = paying.company.dispute_opened(intent)
    paying.company.dispute_ended(dispute.ref, is_won=False)
    paying.hear()  # its opening is heard of when it has ended already
    assert paying.wallet(acme) == 0
    assert is_frozen(paying, acme)
    assert paying.book(OperatorBook.DISPUTED) == 0
    assert paying.book(OperatorBook.DISPUTE_RESERVE) == 0
    assert paying.book(OperatorBook.DISPUTE_LOSS) == -400
    assert balance.reconcile(paying.office).is_even
    paying.verify()


def test_other_bought_credit_pays_too_but_none_that_was_bought_later(
    paying: PayingOffice, clock: ManualClock
) -> None:
    acme = paying.organization("acme")
    first = paying.buy("acme", 1_000)
    clock.advance(MINUTE)
    paying.buy("acme", 700)
    paying.spend(acme, 1_000)
    dispute = paying.company.dispute_opened(first)
    paying.hear()
    assert paying.wallet(acme) == 0
    assert paying.book(OperatorBook.DISPUTE_RESERVE) == 700
    clock.advance(MINUTE)
    with paying.office.store.write() as tx:
        accounts.thaw(tx, paying.actor, ids.text("org", acme))
    paying.buy("acme", 900)
    paying.company.dispute_ended(dispute.ref, is_won=False)
    paying.hear()
    assert paying.cents(acme) == 900
    assert paying.book(OperatorBook.DISPUTE_LOSS) == -300
    paying.verify()


def test_gifts_are_not_set_aside_and_loans_are_left_alone(paying: PayingOffice) -> None:
    acme = paying.organization("acme")
    intent = paying.buy("acme", 1_000)
    paying.seat.borrow(acme, 250 * billing.NUSD_PER_CENT)
    paying.company.dispute_opened(intent)
    paying.hear()
    assert paying.cents(acme) == 250
    paying.seat.charge(acme, 250 * billing.NUSD_PER_CENT)
    assert paying.wallet(acme) == 0
    paying.verify()


def test_a_refund_that_comes_back_fills_the_reserve(
    paying: PayingOffice, clock: ManualClock
) -> None:
    acme = paying.organization("acme")
    intent = paying.buy("acme", 1_000)
    paying.company.down = 1
    outgoing.start_refund(paying.office, paying.actor, "acme", billing.Asked(600))
    paying.company.dispute_opened(intent)
    paying.hear()
    assert paying.book(OperatorBook.DISPUTE_RESERVE) == 400
    clock.advance(2 * MINUTE)
    outgoing.drive_refunds(paying.office)  # refused: the bank has the money already
    assert paying.wallet(acme) == 0
    assert paying.book(OperatorBook.REFUNDS_PAYABLE) == 0
    assert paying.book(OperatorBook.DISPUTE_RESERVE) == 1_000
    paying.verify()


def test_two_disputes_freeze_until_both_are_won(paying: PayingOffice) -> None:
    acme = paying.organization("acme")
    both = [paying.company.dispute_opened(paying.buy("acme", 1_000)) for _ in range(2)]
    paying.hear()
    assert paying.wallet(acme) == 0
    paying.company.dispute_ended(both[0].ref, is_won=True)
    paying.hear()
    assert is_frozen(paying, acme)
    paying.company.dispute_ended(both[1].ref, is_won=True)
    paying.hear()
    assert not is_frozen(paying, acme)
    assert paying.cents(acme) == 2_000


def test_who_was_frozen_before_stays_frozen(paying: PayingOffice) -> None:
    acme = paying.organization("acme")
    intent = paying.buy("acme", 1_000)
    with paying.office.store.write() as tx:
        accounts.freeze(tx, paying.actor, ids.text("org", acme))
    dispute = paying.company.dispute_opened(intent)
    paying.hear()
    paying.company.dispute_ended(dispute.ref, is_won=True)
    paying.hear()
    assert is_frozen(paying, acme)
    assert paying.cents(acme) == 1_000


def test_a_dispute_may_be_heard_of_before_its_payment(paying: PayingOffice) -> None:
    acme = paying.organization("acme")
    _, session = paying.page("acme", 1_000)
    intent = paying.company.pay(session)
    paying.company.dispute_opened(intent.ref)
    paying.company.events.reverse()
    paying.hear()
    assert paying.wallet(acme) == 0
    assert paying.book(OperatorBook.DISPUTE_RESERVE) == 1_000
    assert paying.kinds() == ["dispute"]


def test_taxes_of_a_lost_payment_are_no_longer_owed(office: Office) -> None:
    taxed = PayingOffice(office, replace(TERMS, tax_part="ch"))
    taxed.organization("acme")
    dispute = taxed.company.dispute_opened(taxed.buy("acme", 1_000))
    taxed.company.dispute_ended(dispute.ref, is_won=False)
    taxed.hear()
    assert taxed.book(OperatorBook.TAX, "ch") == 0
    assert taxed.book(OperatorBook.DISPUTED) == 0
    assert taxed.book(OperatorBook.DISPUTE_LOSS) == 0
    assert balance.reconcile(taxed.office).is_even


def test_a_warning_moves_nothing(paying: PayingOffice) -> None:
    acme = paying.organization("acme")
    paying.company.dispute_opened(paying.buy("acme", 1_000), is_warning=True)
    paying.hear()
    assert paying.cents(acme) == 1_000
    assert not is_frozen(paying, acme)
    assert paying.kinds() == ["dispute_warning"]


def test_a_dispute_of_something_else_waits_for_a_person(paying: PayingOffice) -> None:
    acme = paying.organization("acme")
    paying.company.dispute_opened(paying.company.charge_elsewhere(900).ref)
    paying.hear()
    assert paying.kinds() == ["unknown_dispute"]
    assert paying.book(OperatorBook.CLEARING) == 0
    assert not is_frozen(paying, acme)


def test_loans_that_come_back_are_set_aside(paying: PayingOffice) -> None:
    acme = paying.organization("acme")
    intent = paying.buy("acme", 1_000)
    paying.seat.borrow(acme, 700 * billing.NUSD_PER_CENT)
    dispute = paying.company.dispute_opened(intent)
    paying.hear()
    outgoing.reserve_disputed(paying.office)
    assert paying.book(OperatorBook.DISPUTE_RESERVE) == 300
    paying.seat.give_back(acme, 700 * billing.NUSD_PER_CENT)
    outgoing.reserve_disputed(paying.office)
    assert paying.wallet(acme) == 0
    assert paying.book(OperatorBook.DISPUTE_RESERVE) == 1_000
    paying.company.dispute_ended(dispute.ref, is_won=True)
    paying.hear()
    assert paying.cents(acme) == 1_000
    paying.verify()


def test_what_was_on_loan_when_a_dispute_was_lost_pays_when_it_is_back(
    paying: PayingOffice,
) -> None:
    acme = paying.organization("acme")
    intent = paying.buy("acme", 1_000)
    paying.seat.borrow(acme, 700 * billing.NUSD_PER_CENT)
    dispute = paying.company.dispute_opened(intent)
    paying.company.dispute_ended(dispute.ref, is_won=False)
    paying.hear()  # both at once, while a stream runs
    assert paying.book(OperatorBook.DISPUTE_LOSS) == -700
    paying.seat.charge(acme, 200 * billing.NUSD_PER_CENT)
    paying.seat.give_back(acme, 500 * billing.NUSD_PER_CENT)
    for _ in range(2):
        outgoing.reserve_disputed(paying.office)
    assert paying.wallet(acme) == 0
    assert paying.book(OperatorBook.DISPUTE_LOSS) == -200
    assert paying.book(OperatorBook.DISPUTE_RESERVE) == 0
    assert paying.book(OperatorBook.DISPUTED) == 0
    assert balance.reconcile(paying.office).is_even
    paying.verify()


def test_nothing_is_refunded_that_a_dispute_still_lacks(
    paying: PayingOffice, clock: ManualClock
) -> None:
    acme = paying.organization("acme")
    first = paying.buy("acme", 1_000)
    clock.advance(MINUTE)
    paying.buy("acme", 700)
    paying.spend(acme, 600)  # of the first
    paying.seat.borrow(acme, 900 * billing.NUSD_PER_CENT)
    paying.company.dispute_opened(first)
    paying.hear()
    paying.seat.give_back(acme, 900 * billing.NUSD_PER_CENT)
    (begun,) = outgoing.start_refund(paying.office, paying.actor, "acme", billing.Asked())
    assert begun.cents == 100
    assert paying.book(OperatorBook.DISPUTE_RESERVE) == 1_000
    paying.verify()


def test_a_dispute_that_is_won_does_not_thaw_an_account_that_is_closed(
    paying: PayingOffice,
) -> None:
    acme = paying.organization("acme")
    dispute = paying.company.dispute_opened(paying.buy("acme", 1_000))
    paying.hear()
    outgoing.start_closing(paying.office, paying.actor, "acme")
    paying.company.dispute_ended(dispute.ref, is_won=True)
    paying.hear()
    assert is_frozen(paying, acme)
