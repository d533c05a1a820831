"""Paid to credited: when the webhook is answered, and within the hour when it never comes."""

import pytest
from msgspec.structs import replace

from tests.builders.paying_office import TERMS, PayingOffice
from tests.builders.payment_company import GOOD_CARD
from troth.control import accounts, billing
from troth.control.billing import NUSD_PER_CENT, Rule
from troth.control.billing.ports import About
from troth.kernel.clock import ManualClock, SystemClock
from troth.kernel.log import Log
from troth.server.duties import Duties
from troth.server.office import Office
from troth.server.payment_duties import payment_duties
from troth.server.webhooks import Webhooks

MINUTE = 60_000
HOUR = 60 * MINUTE
WEBHOOK_SECONDS = 5
OFFSETS = (0, 13, 58)


def minutes_until_credited(
    paying: PayingOffice, clock: ManualClock, duties: Duties, org: bytes, *, cents: int
) -> int:
    """Let minutes pass until credit is there; return how many, 61 for more than an hour."""
    for minutes in range(61):
        duties.turn()
        if paying.cents(org) >= cents:
            return minutes
        clock.advance(MINUTE)
    return 61


def duties_of(paying: PayingOffice, clock: ManualClock) -> Duties:
    log = Log(lambda _: None, clock, "control")
    return Duties(paying.office, payment_duties(log), clock=clock, log=log)


def test_credit_is_there_when_a_webhook_is_answered_and_that_is_within_seconds(
    paying: PayingOffice,
) -> None:
    acme, clock = paying.organization("acme"), SystemClock()
    hooks = Webhooks(paying.office, paying.envelope, Log(lambda _: None, paying.clock, "control"))
    slowest_ms = 0
    for number in range(1, 11):
        _, session = paying.page("acme", 500)
        paying.company.events.clear()
        paying.company.pay(session)
        notice = next(each for each in paying.company.events if each.kind is About.SESSION)
        body, signature = paying.envelope.seal(notice, paying.clock.now_ms() // 1_000)
        began_ns = clock.monotonic_ns()
        assert hooks.take(body, signature.encode()) == 200
        slowest_ms = max(slowest_ms, (clock.monotonic_ns() - began_ns) // 1_000_000)
        assert paying.cents(acme) == 500 * number
    assert slowest_ms < WEBHOOK_SECONDS * 1_000


@pytest.mark.parametrize("keeps", [True, False])
def test_a_page_that_nobody_tells_of_is_credited_within_the_hour_whenever_it_is_paid(
    office: Office, clock: ManualClock, *, keeps: bool
) -> None:
    paying = PayingOffice(office, replace(TERMS, keeps_references=keeps))
    duties = duties_of(paying, clock)
    for offset in OFFSETS:
        acme = paying.organization(f"acme {offset}")
        _, session = paying.page(f"acme {offset}", 800)
        for _ in range(offset):
            clock.advance(MINUTE)
            duties.turn()
        paying.company.pay(session)
        paying.company.events.clear()  # not even the list of events knows
        assert minutes_until_credited(paying, clock, duties, acme, cents=800) <= 20


def test_a_page_paid_hours_later_is_credited_within_the_hour(
    paying: PayingOffice, clock: ManualClock
) -> None:
    duties = duties_of(paying, clock)
    acme = paying.organization("acme")
    _, session = paying.page("acme", 800)
    for _ in range(23):
        clock.advance(HOUR)
        duties.turn()
    paying.company.pay(session)
    paying.company.events.clear()
    assert minutes_until_credited(paying, clock, duties, acme, cents=800) <= 20


def test_a_page_whose_turn_to_be_asked_about_never_comes_is_found_by_the_sweep(
    paying: PayingOffice, clock: ManualClock
) -> None:
    duties = duties_of(paying, clock)
    duties.turn()
    acme = paying.organization("acme")
    ref, session = paying.page("acme", 800)
    paying.company.pay(session)
    with paying.office.store.write() as tx:  # as behind very many open pages
        late = clock.now_ms() + 2 * HOUR
        tx.execute("UPDATE topup SET checked_at = ? WHERE id = ?", (late, paying.topup(ref).raw))
    assert 20 < minutes_until_credited(paying, clock, duties, acme, cents=800) <= 60


@pytest.mark.parametrize("offset", OFFSETS)
def test_an_automatic_charge_whose_answer_and_webhook_are_lost_is_credited_within_the_hour(
    paying: PayingOffice, clock: ManualClock, offset: int
) -> None:
    acme = paying.organization("acme")
    paying.buy("acme", 1_000, saves_card=True, card=GOOD_CARD)
    duties = duties_of(paying, clock)
    for _ in range(offset):
        duties.turn()
        clock.advance(MINUTE)
    with paying.office.store.write() as tx:
        rule = Rule(2_000 * NUSD_PER_CENT, 3_000, 9_000)
        billing.set_rule(tx, paying.till, paying.actor, accounts.named(tx, "acme"), rule=rule)
    paying.company.mute = 1
    assert minutes_until_credited(paying, clock, duties, acme, cents=4_000) <= 60
    assert paying.cents(acme) == 4_000
