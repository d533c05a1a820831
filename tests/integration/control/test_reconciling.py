"""Our books beside the company's: even to the cent, or the line that is missing is named."""

from msgspec.structs import replace

from tests.builders.paying_office import PayingOffice
from tests.builders.payment_company import DISPUTE_FEE_CENTS, fee_of
from troth.control import billing
from troth.control.billing import Asked
from troth.control.billing.ports import MovementKind, PayoutStatus
from troth.kernel.clock import ManualClock
from troth.ledger.books import OperatorBook
from troth.server.payments import balance, outgoing

HOUR = 3_600_000
DAY = 24 * HOUR


def test_a_month_of_everything_is_even(paying: PayingOffice, clock: ManualClock) -> None:
    acme = paying.organization("acme")
    first, second = paying.buy("acme", 1_000), paying.buy("acme", 2_000)
    paying.spend(acme, 500)
    clock.advance(DAY)
    outgoing.start_refund(paying.office, paying.actor, "acme", Asked(700))
    paying.company.refund_failed(*paying.company.refunds)
    won = paying.company.dispute_opened(first)
    paying.company.dispute_ended(won.ref, is_won=True)
    paying.company.dispute_opened(second, 1_500)
    paying.hear()
    clock.advance(DAY)
    found = balance.reconcile(paying.office)
    assert (found.gap_cents, found.unexplained_cents, found.gaps) == (0, 0, ())
    assert found.company_cents == paying.company.balance_cents
    fees = fee_of(1_000) + fee_of(2_000) + 2 * DISPUTE_FEE_CENTS
    assert paying.book(OperatorBook.STRIPE_FEES) == -fees
    paying.verify()


def test_many_lines_are_compared_in_rounds(paying: PayingOffice) -> None:
    paying.organization("acme")
    for _ in range(3):
        paying.company.charge_elsewhere(900)
        paying.buy("acme", 500)
    lines = paying.company.movements(0, 2**40)
    with paying.office.store.write() as tx:
        billing.keep_lines(tx, paying.till, lines)
        place = billing.match_lines(tx, paying.till, 0, limit=2)
        rounds = 1
        while place is not None:
            place = billing.match_lines(tx, paying.till, 0, after=place, limit=2)
            rounds += 1
        assert rounds == 4
        assert len(billing.reconciled(tx).gaps) == 3


def test_a_payout_is_at_the_bank(paying: PayingOffice, clock: ManualClock) -> None:
    paying.organization("acme")
    paying.buy("acme", 1_000)
    balance.reconcile(paying.office)
    clock.advance(DAY)
    payout = paying.company.pay_out()
    found = balance.reconcile(paying.office)
    assert found.is_even
    assert found.company_cents == 0
    assert paying.book(OperatorBook.BANK) == -payout.cents
    assert paying.book(OperatorBook.CLEARING) == 0
    assert balance.reconcile(paying.office) == found


def test_a_payout_that_does_not_add_up_or_failed_is_a_gap(paying: PayingOffice) -> None:
    paying.organization("acme")
    paying.buy("acme", 1_000)
    payout = paying.company.pay_out()
    paying.company.paid_out[0] = replace(payout, cents=payout.cents + 1)
    assert [(gap.kind, gap.cents) for gap in balance.reconcile(paying.office).gaps] == [
        ("payout", 1)
    ]
    paying.company.paid_out[0] = replace(payout, status=PayoutStatus.FAILED)
    assert [gap.ref for gap in balance.reconcile(paying.office).gaps] == [payout.ref]


def test_a_stranger_is_named_and_adjusts_nothing(paying: PayingOffice, clock: ManualClock) -> None:
    paying.organization("acme")
    paying.buy("acme", 1_000)
    paying.company.charge_elsewhere(900)
    found = balance.reconcile(paying.office)
    assert found.gap_cents == 900 - fee_of(900)
    assert found.unexplained_cents == 0
    assert [gap.kind for gap in found.gaps] == ["charge"]
    assert paying.items() == []  # it may be ahead of its webhook
    clock.advance(3 * HOUR)
    balance.reconcile(paying.office)
    (item,) = paying.items()
    assert (item.kind, item.subject) == ("gap", found.gaps[0].ref)
    assert paying.book(OperatorBook.CLEARING) == -(1_000 - fee_of(1_000))


def test_a_gap_closes_by_itself_when_its_webhook_comes(
    paying: PayingOffice, clock: ManualClock
) -> None:
    paying.organization("acme")
    _, session = paying.page("acme", 1_000)
    paying.company.pay(session)
    clock.advance(3 * HOUR)
    assert not balance.reconcile(paying.office).is_even
    assert paying.kinds() == ["gap"]
    paying.hear()
    assert balance.reconcile(paying.office).is_even
    assert paying.items() == []


def test_every_kind_of_line_that_is_not_ours_is_a_gap(paying: PayingOffice) -> None:
    paying.organization("acme")
    paying.buy("acme", 1_000)
    balance.reconcile(paying.office)
    line = paying.company.lines[0]
    for number, kind in enumerate(MovementKind):
        strange = replace(line, ref=f"txn_x{number}", kind=kind, about="?", fee_cents=0)
        paying.company.lines.append(replace(strange, cents=5, net_cents=5))
    given = replace(line, ref="txn_y", fee_cents=-3, net_cents=line.cents + 3)
    paying.company.lines.append(given)
    found = balance.reconcile(paying.office)
    assert {gap.kind for gap in found.gaps} == {kind.value for kind in MovementKind}
    assert len(found.gaps) == len(MovementKind) + 1
    assert found.unexplained_cents == 0


def test_a_fee_of_its_own_is_written(paying: PayingOffice) -> None:
    paying.organization("acme")
    paying.buy("acme", 1_000)
    line, kind = paying.company.lines[0], MovementKind.FEE
    fee = replace(line, ref="txn_fee", kind=kind, cents=-25, fee_cents=0, net_cents=-25)
    paying.company.lines.append(fee)
    assert balance.reconcile(paying.office).is_even
    assert paying.book(OperatorBook.STRIPE_FEES) == -fee_of(1_000) - 25


def test_a_payout_that_the_bank_sent_back_is_even_again_and_is_paid_out_later(
    paying: PayingOffice, clock: ManualClock
) -> None:
    paying.organization("acme")
    paying.buy("acme", 1_000)
    payout = paying.company.pay_out()
    assert balance.reconcile(paying.office).is_even
    clock.advance(DAY)
    paying.company.payout_failed(payout.ref)
    for _ in range(2):
        found = balance.reconcile(paying.office)
        assert (found.gaps, found.company_cents) == ((), payout.cents)
        assert paying.book(OperatorBook.BANK) == 0
    clock.advance(DAY)
    assert paying.company.pay_out().cents == payout.cents
    assert balance.reconcile(paying.office).is_even
    assert paying.book(OperatorBook.BANK) == -payout.cents
    paying.verify()


def test_a_stranger_that_a_person_found_in_order_is_listed_no_more(
    paying: PayingOffice, clock: ManualClock
) -> None:
    paying.organization("acme")
    paying.buy("acme", 1_000)
    paying.company.charge_elsewhere(900)
    clock.advance(3 * HOUR)
    balance.reconcile(paying.office)
    (item,) = paying.items()
    balance.resolve(paying.office, paying.actor, item.ref)
    found = balance.reconcile(paying.office)
    assert found.is_even
    assert found.gaps == ()
    assert found.gap_cents == found.seen_cents == 900 - fee_of(900)
    assert found.unexplained_cents == 0
    paying.company.charge_elsewhere(800)
    assert not balance.reconcile(paying.office).is_even
    assert paying.book(OperatorBook.CLEARING) == -(1_000 - fee_of(1_000))
