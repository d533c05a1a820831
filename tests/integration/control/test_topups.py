"""Top-ups: credited once and only when paid, whatever is delivered, lost or forged."""

import pytest
from msgspec.structs import replace

from tests.builders.paying_office import TERMS, PayingOffice
from troth.control import billing
from troth.control.billing import TopupState, Wanted
from troth.control.billing.ports import IntentStatus
from troth.kernel import ids
from troth.kernel.clock import ManualClock
from troth.kernel.errors import InvalidValue, Missing
from troth.kernel.payment_errors import PaymentsDown, PaymentsOff
from troth.ledger.books import OperatorBook
from troth.server.office import Office
from troth.server.payments import balance, incoming

MINUTE = 60_000


def test_a_paid_page_is_credited_once_however_often_it_is_told(paying: PayingOffice) -> None:
    acme = paying.organization("acme")
    ref, session = paying.page("acme", 1_250)
    assert paying.cents(acme) == 0
    paying.company.pay(session)
    for _ in range(3):
        paying.hear()
        incoming.look_after(paying.office, ref)
    assert paying.cents(acme) == 1_250
    assert paying.topup(ref).state is TopupState.PAID
    assert paying.book(OperatorBook.CLEARING) == -1_250
    assert paying.items() == []
    paying.verify()


def test_an_event_is_acted_on_once(paying: PayingOffice) -> None:
    paying.organization("acme")
    _, session = paying.page("acme")
    paying.company.pay(session)
    notice = paying.company.events[-1]
    assert incoming.handle(paying.office, notice)
    assert not incoming.handle(paying.office, notice)


def test_a_page_that_is_not_paid_credits_nothing(paying: PayingOffice, clock: ManualClock) -> None:
    acme = paying.organization("acme")
    ref, session = paying.page("acme")
    assert incoming.look_after(paying.office, ref).state is TopupState.OPEN
    assert paying.company.pay(session, "card_declined").status is IntentStatus.DECLINED
    paying.hear()
    assert paying.topup(ref).state is TopupState.OPEN  # another card may follow on the same page
    paying.company.expire(session)
    paying.hear()
    assert paying.topup(ref).state is TopupState.EXPIRED
    assert paying.cents(acme) == 0
    clock.advance(MINUTE)
    paying.verify()


def test_a_payment_nobody_told_of_is_found_by_asking(
    paying: PayingOffice, clock: ManualClock
) -> None:
    acme = paying.organization("acme")
    _, session = paying.page("acme", 700)
    paying.company.pay(session)
    paying.company.events.clear()
    clock.advance(11 * MINUTE)
    incoming.check_open(paying.office)
    assert paying.cents(acme) == 700


def test_a_webhook_that_was_lost_is_swept(paying: PayingOffice) -> None:
    acme = paying.organization("acme")
    _, session = paying.page("acme", 700)
    paying.company.pay(session)
    incoming.sweep(paying.office)
    assert paying.cents(acme) == 700


def test_one_notice_that_cannot_be_acted_on_stands_in_nobodys_way(
    paying: PayingOffice, clock: ManualClock
) -> None:
    acme = paying.organization("acme")
    sessions = [paying.page("acme", 700)[1] for _ in range(3)]
    for session in sessions:
        paying.company.pay(session)
    clock.advance(11 * MINUTE)
    paying.company.deaf.add(sessions[0])
    with pytest.raises(PaymentsDown):
        incoming.sweep(paying.office)
    assert paying.cents(acme) == 1_400
    with pytest.raises(PaymentsDown):
        incoming.check_open(paying.office)
    paying.company.deaf.clear()
    incoming.sweep(paying.office)
    assert paying.cents(acme) == 2_100


def test_taxes_are_kept_apart_from_credit(office: Office) -> None:
    taxed = PayingOffice(office, replace(TERMS, tax_part="ch"))
    acme = taxed.organization("acme")
    taxed.buy("acme", 1_000)
    assert taxed.cents(acme) == 1_000
    assert taxed.book(OperatorBook.TAX, "ch") == 100
    assert taxed.book(OperatorBook.CLEARING) == -1_100


@pytest.mark.parametrize("cents", [0, 499, 100_001])
def test_amounts_outside_the_operators_limits_reach_nobody(
    paying: PayingOffice, cents: int
) -> None:
    paying.organization("acme")
    with pytest.raises(InvalidValue) as refused:
        paying.page("acme", cents)
    assert refused.value.message == "'amount_usd': give 5.00 to 1000.00 US dollars"
    assert paying.company.calls == []


def test_an_amount_that_differs_waits_for_a_person(paying: PayingOffice) -> None:
    acme = paying.organization("acme")
    ref, session = paying.page("acme", 1_000)
    paying.company.sessions[session] = replace(paying.company.sessions[session], cents=900)
    paying.company.pay(session)
    paying.hear()
    paying.hear()
    assert paying.cents(acme) == 0
    assert paying.topup(ref).state is TopupState.REVIEW
    (item,) = paying.items()
    assert (item.kind, item.subject, item.cents) == ("amount_mismatch", ref, 900)
    balance.resolve(paying.office, paying.actor, item.ref)
    assert paying.cents(acme) == 900
    assert paying.topup(ref).state is TopupState.PAID
    assert paying.items() == []
    with pytest.raises(Missing):
        balance.resolve(paying.office, paying.actor, item.ref)
    paying.verify()


def test_another_currency_is_never_credited(paying: PayingOffice) -> None:
    acme = paying.organization("acme")
    _, session = paying.page("acme", 1_000)
    paying.company.sessions[session] = replace(paying.company.sessions[session], currency="eur")
    paying.company.pay(session)
    paying.hear()
    (item,) = paying.items()
    with pytest.raises(InvalidValue, match="invalid_value"):
        balance.resolve(paying.office, paying.actor, item.ref)
    assert paying.cents(acme) == 0
    assert paying.kinds() == ["amount_mismatch"]
    (intent,) = paying.company.intents
    paying.company.refunded_elsewhere(intent)
    balance.resolve(paying.office, paying.actor, item.ref)
    assert paying.cents(acme) == 0
    assert paying.items() == []


def test_a_second_payment_for_one_topup_waits_for_a_person(paying: PayingOffice) -> None:
    acme = paying.organization("acme")
    ref, session = paying.page("acme", 1_000)
    first = paying.company.pay(session)
    paying.hear()
    page = paying.company.sessions[session]
    paying.company.sessions[session] = replace(page, is_open=True)
    second = paying.company.pay(session)
    assert first.ref != second.ref
    paying.hear()
    assert paying.cents(acme) == 1_000
    assert [(item.kind, item.subject) for item in paying.items()] == [("paid_twice", ref)]


def test_a_payment_for_a_topup_that_does_not_exist_waits_for_a_person(
    paying: PayingOffice,
) -> None:
    paying.organization("acme")
    _, session = paying.page("acme", 1_000)
    stranger = "top_" + "0" * 32
    page = paying.company.sessions[session]
    paying.company.sessions[session] = replace(page, topup=stranger)
    paying.company.pay(session)
    paying.hear()
    assert [(item.kind, item.subject) for item in paying.items()] == [("unknown_payment", stranger)]


def test_what_others_sell_through_the_same_company_is_none_of_ours(paying: PayingOffice) -> None:
    paying.organization("acme")
    paying.company.charge_elsewhere(5_000)
    paying.hear()
    assert paying.items() == []
    assert paying.book(OperatorBook.CLEARING) == 0


def test_a_company_that_is_down_changes_nothing_and_may_be_asked_again(
    paying: PayingOffice,
) -> None:
    acme = paying.organization("acme")
    paying.company.down = 1
    with pytest.raises(PaymentsDown):
        paying.page("acme")
    _, session = paying.page("acme", 600)
    paying.company.pay(session)
    notice = paying.company.events[-1]
    paying.company.down = 1
    with pytest.raises(PaymentsDown):
        incoming.handle(paying.office, notice)
    assert paying.cents(acme) == 0
    assert incoming.handle(paying.office, notice)
    assert paying.cents(acme) == 600


def test_frozen_and_closed_organizations_cannot_top_up(paying: PayingOffice) -> None:
    paying.organization("acme")
    paying.buy("acme")
    (intent,) = paying.company.intents
    paying.company.dispute_opened(intent)
    paying.hear()
    with pytest.raises(InvalidValue, match="invalid_value"):
        paying.page("acme")


def test_without_a_company_nothing_is_offered(office: Office, paying: PayingOffice) -> None:
    paying.organization("acme")
    with pytest.raises(PaymentsOff):
        incoming.start_topup(office, paying.actor, "acme", Wanted(1_000))


def test_references_are_sealed_and_found_again(paying: PayingOffice) -> None:
    paying.organization("acme")
    intent = paying.buy("acme", saves_card=True)
    with paying.office.store.read() as tx:
        (row,) = tx.rows("SELECT session_sealed, intent_sealed FROM topup", (), tuple[bytes, bytes])
        cards = tx.rows(
            "SELECT payer_sealed, card_sealed FROM payment_card", (), tuple[bytes, bytes]
        )
    sealed = [*row, *cards[0]]
    assert all(b"_0" not in each and intent.encode() not in each for each in sealed)
    assert paying.till.opened(row[1]) == intent
    assert len({each[:16] for each in sealed}) == 4


def test_without_references_a_payment_is_found_by_ours(office: Office, clock: ManualClock) -> None:
    bare = PayingOffice(office, replace(TERMS, keeps_references=False))
    acme = bare.organization("acme")
    ref, session = bare.page("acme", 800, saves_card=True)
    bare.company.pay(session)
    bare.company.events.clear()
    clock.advance(11 * MINUTE)
    incoming.check_open(bare.office)
    assert bare.cents(acme) == 800
    topup = bare.topup(ref)
    assert (topup.session_sealed, topup.intent_sealed) == (None, None)
    with bare.office.store.read() as tx:
        assert billing.saved_card(tx, bare.till, acme) == (None, None)


def test_bought_credit_ends_only_where_the_operator_says_so(
    office: Office, paying: PayingOffice
) -> None:
    terms = replace(TERMS, paid_expiry_days=365)
    ending = PayingOffice(office, terms, paying.company)
    ending.organization("acme")
    paying.organization("ada")
    ending.buy("acme")
    paying.buy("ada")
    with office.store.read() as tx:
        ends = tx.rows("SELECT coalesce(expires_at, 0) FROM lot ORDER BY id", (), tuple[int])
    now_ms = office.clock.now_ms()
    assert sorted(ends) == [(0,), (now_ms + 365 * 86_400_000,)]


def test_a_payment_that_was_given_back_before_we_heard_of_it_is_not_credited(
    paying: PayingOffice,
) -> None:
    acme = paying.organization("acme")
    ref, session = paying.page("acme", 1_000)
    paying.company.refunded_elsewhere(paying.company.pay(session).ref)
    paying.hear()
    incoming.look_after(paying.office, ref)
    assert paying.cents(acme) == 0
    (item,) = paying.items()
    assert (item.kind, item.subject, item.cents) == ("amount_mismatch", ref, 0)
    balance.resolve(paying.office, paying.actor, item.ref)
    assert paying.cents(acme) == 0
    assert paying.topup(ref).state is TopupState.EXPIRED
    assert paying.items() == []
    paying.verify()


def test_a_payment_of_which_a_part_was_given_back_waits_until_all_of_it_was(
    paying: PayingOffice,
) -> None:
    acme = paying.organization("acme")
    _, session = paying.page("acme", 1_000)
    intent = paying.company.pay(session).ref
    paying.company.refunded_elsewhere(intent, 400)
    paying.hear()
    (item,) = paying.items()
    assert (item.kind, item.cents) == ("amount_mismatch", 600)
    with pytest.raises(InvalidValue, match="invalid_value"):
        balance.resolve(paying.office, paying.actor, item.ref)
    paying.company.refunded_elsewhere(intent, 600)
    balance.resolve(paying.office, paying.actor, item.ref)
    assert paying.cents(acme) == 0
    assert paying.items() == []


def test_a_refund_made_at_the_company_is_put_before_a_person_each_once(
    paying: PayingOffice,
) -> None:
    acme = paying.organization("acme")
    intent = paying.buy("acme", 1_000)
    for cents in (300, 200):
        paying.company.refunded_elsewhere(intent, cents)
    paying.hear()
    incoming.sweep(paying.office)
    found = {(item.kind, item.org, item.cents) for item in paying.items()}
    org = ids.text("org", acme)
    assert found == {("refunded_elsewhere", org, 300), ("refunded_elsewhere", org, 200)}
    assert len(paying.items()) == 2
    assert all(item.subject.startswith("top_") for item in paying.items())
    paying.company.refund_failed(next(iter(paying.company.refunds)))
    paying.hear()
    assert [item.cents for item in paying.items()] == [200]
    assert paying.cents(acme) == 1_000


def test_a_payer_that_the_company_has_forgotten_gets_a_page_all_the_same(
    paying: PayingOffice,
) -> None:
    acme = paying.organization("acme")
    paying.buy("acme", 1_000, saves_card=True)
    with paying.office.store.read() as tx:
        payer, _ = billing.saved_card(tx, paying.till, acme)
    assert payer
    paying.company.forgotten.add(payer)
    paying.buy("acme", 700, saves_card=True)
    assert paying.cents(acme) == 1_700
    paying.buy("acme", 600)
    assert paying.cents(acme) == 2_300
