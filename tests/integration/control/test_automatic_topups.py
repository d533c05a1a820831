"""Automatic top-up: below a threshold, within a cap, one at a time, off after three declines."""

import pytest
from msgspec.structs import replace

from tests.builders.paying_office import TERMS, PayingOffice
from tests.builders.payment_company import CAREFUL_CARD, DECLINED_CARD, GOOD_CARD
from troth.control import accounts, billing, budgets
from troth.control.billing import NUSD_PER_CENT, Asked, Rule, Standing, Topup, TopupKind
from troth.control.budgets import AlertKind
from troth.kernel import ids
from troth.kernel.clock import ManualClock
from troth.kernel.errors import InvalidValue
from troth.kernel.payment_errors import PaymentsDown
from troth.server.alerting import tell_endings
from troth.server.office import Office
from troth.server.payments import incoming, outgoing
from troth.store.transaction import Conflict

HOUR = 3_600_000
DAY = 24 * HOUR
RULE = Rule(threshold_nusd=500 * NUSD_PER_CENT, cents=1_000, month_cap_cents=2_500)


def set_up(paying: PayingOffice, card: str = GOOD_CARD) -> bytes:
    """Return an organization with 4.00 left, a saved card and a rule."""
    acme = paying.organization("acme")
    paying.buy("acme", 1_000, saves_card=True)
    set_card(paying, acme, card)
    set_rule(paying, RULE)
    paying.spend(acme, 600)
    return acme


def set_card(paying: PayingOffice, org: bytes, card: str) -> None:
    with paying.office.store.write() as tx:
        found = ("cus_1", card)
        billing.save_card(tx, paying.till, org, found, now_ms=paying.clock.now_ms())


def set_rule(paying: PayingOffice, rule: Rule) -> None:
    with paying.office.store.write() as tx:
        owner = accounts.named(tx, "acme")
        billing.set_rule(tx, paying.till, paying.actor, owner, rule=rule)


def standing(paying: PayingOffice) -> Standing:
    with paying.office.store.read() as tx:
        owner = accounts.named(tx, "acme")
        return billing.standing(tx, paying.till, owner, paying.clock.now_ms())


def begin_one(paying: PayingOffice, org: bytes) -> None:
    with paying.office.store.write() as tx:
        billing.begin_automatic(tx, paying.till, org, paying.clock.now_ms())


def begun(paying: PayingOffice, org: bytes) -> Topup:
    """Begin an automatic top-up; return it as it stands then."""
    begin_one(paying, org)
    with paying.office.store.read() as tx:
        found = billing.topups_of(tx, org, 9)
    return next(each for each in found if each.kind is TopupKind.AUTOMATIC)


def charges(paying: PayingOffice) -> int:
    return paying.company.calls.count("charge_saved")


def test_credit_is_bought_when_it_falls_below_the_threshold(paying: PayingOffice) -> None:
    acme = paying.organization("acme")
    paying.buy("acme", 1_000, saves_card=True)
    set_rule(paying, RULE)
    incoming.charge_due(paying.office)
    assert charges(paying) == 0
    paying.spend(acme, 600)
    incoming.charge_due(paying.office)
    assert paying.cents(acme) == 1_400
    paying.hear()
    incoming.charge_due(paying.office)
    assert paying.cents(acme) == 1_400
    paying.verify()


def test_the_cap_of_a_month_is_kept_and_the_next_month_begins_anew(
    paying: PayingOffice, clock: ManualClock
) -> None:
    acme = set_up(paying)
    for _ in range(4):
        incoming.charge_due(paying.office)
        paying.spend(acme, paying.cents(acme) - 100)
        clock.advance(2 * HOUR)
    assert charges(paying) == 2
    assert standing(paying).charged_cents == 2_000
    clock.advance(31 * DAY)
    incoming.charge_due(paying.office)
    assert charges(paying) == 3


def test_three_declines_switch_it_off_with_longer_and_longer_pauses(
    paying: PayingOffice, clock: ManualClock
) -> None:
    set_up(paying, DECLINED_CARD)
    for hours, tries in ((0, 1), (0, 1), (1, 2), (5, 2), (1, 3), (48, 3)):
        clock.advance(hours * HOUR)
        incoming.charge_due(paying.office)
        assert charges(paying) == tries
    assert not standing(paying).is_on
    assert paying.kinds() == ["automatic_off"]
    set_rule(paying, RULE)
    assert standing(paying).declines == 0


def test_a_card_whose_owner_must_confirm_is_told_and_credited_later(
    paying: PayingOffice, clock: ManualClock
) -> None:
    acme = set_up(paying, CAREFUL_CARD)
    incoming.charge_due(paying.office)
    incoming.charge_due(paying.office)
    clock.advance(2 * HOUR)
    incoming.charge_due(paying.office)
    assert charges(paying) == 1
    assert paying.kinds() == ["card_needs_owner"]
    intent = next(ref for ref, each in paying.company.intents.items() if each.decline_code)
    paying.company.confirm(intent)
    paying.hear()
    assert paying.cents(acme) == 1_400
    assert paying.items() == []


@pytest.mark.parametrize("fault", ["down", "mute"])
def test_a_lost_answer_is_asked_for_and_charged_once(
    paying: PayingOffice, clock: ManualClock, fault: str
) -> None:
    acme = set_up(paying)
    setattr(paying.company, fault, 1)
    with pytest.raises(PaymentsDown):
        incoming.charge_due(paying.office)
    incoming.charge_due(paying.office)
    assert paying.cents(acme) == 400  # one is in flight: no second is begun
    clock.advance(HOUR)
    incoming.charge_due(paying.office)
    assert paying.cents(acme) == 1_400
    paying.hear()
    assert paying.cents(acme) == 1_400


def test_a_charge_without_an_answer_for_a_day_is_not_repeated(
    paying: PayingOffice, clock: ManualClock
) -> None:
    set_up(paying)
    paying.company.down = 1
    with pytest.raises(PaymentsDown):
        incoming.charge_due(paying.office)
    clock.advance(DAY)
    incoming.charge_due(paying.office)
    assert len(paying.company.intents) == 1
    incoming.charge_due(paying.office)
    assert len(paying.company.intents) == 2


def test_the_database_allows_one_in_flight(paying: PayingOffice) -> None:
    acme = set_up(paying)
    begin_one(paying, acme)
    with pytest.raises(Conflict):
        begin_one(paying, acme)


def test_a_rule_that_the_operator_no_longer_allows_is_switched_off(
    office: Office, paying: PayingOffice
) -> None:
    set_up(paying)
    strict = PayingOffice(office, replace(TERMS, topup_cents_max=999), paying.company)
    incoming.charge_due(strict.office)
    assert not standing(paying).is_on
    assert paying.kinds() == ["automatic_off"]
    assert charges(paying) == 0


def test_a_card_that_the_company_has_forgotten_is_a_decline(paying: PayingOffice) -> None:
    set_up(paying, "card_forgotten")
    incoming.charge_due(paying.office)
    assert standing(paying).declines == 1


def test_a_card_that_is_gone_meanwhile_is_a_decline(paying: PayingOffice) -> None:
    acme = set_up(paying)
    with paying.office.store.write() as tx:
        tx.execute("DELETE FROM payment_card WHERE org = ?", (acme,))
    incoming.charge_due(paying.office)
    assert standing(paying).declines == 1
    assert charges(paying) == 0


def test_a_rule_needs_a_card_a_cap_and_an_amount_within_limits(paying: PayingOffice) -> None:
    paying.organization("acme")
    faults = []
    for rule in (RULE, Rule(0, 499, 10_000), Rule(0, 1_000, 999)):
        with pytest.raises(InvalidValue) as refused:
            set_rule(paying, rule)
        faults.append(refused.value.param)
    assert faults == ["organization", "amount_usd", "month_cap_usd"]


def test_dropping_the_card_switches_it_off(paying: PayingOffice) -> None:
    acme = set_up(paying)
    with paying.office.store.write() as tx:
        assert billing.drop_card(tx, acme)
        assert not billing.drop_card(tx, acme)
    incoming.charge_due(paying.office)
    assert charges(paying) == 0
    assert not standing(paying).has_card


def test_who_is_frozen_is_not_charged(paying: PayingOffice) -> None:
    acme = set_up(paying)
    with paying.office.store.write() as tx:
        accounts.freeze(tx, paying.actor, ids.text("org", acme))
    incoming.charge_due(paying.office)
    assert charges(paying) == 0


def test_switched_off_is_off(paying: PayingOffice) -> None:
    set_up(paying)
    with paying.office.store.write() as tx:
        billing.switch_off(tx, paying.actor, accounts.named(tx, "acme"))
    incoming.charge_due(paying.office)
    assert charges(paying) == 0


def test_a_decline_that_is_told_twice_at_once_counts_once(paying: PayingOffice) -> None:
    acme = set_up(paying)
    seen = begun(paying, acme)  # by the answer's transaction and the webhook's
    for _ in range(2):
        with paying.office.store.write() as tx:
            billing.declined(tx, seen, paying.clock.now_ms())
    assert standing(paying).declines == 1


def test_an_answer_that_comes_after_the_credit_changes_nothing(paying: PayingOffice) -> None:
    acme = set_up(paying)
    seen = begun(paying, acme)
    with paying.office.store.write() as tx:
        tx.execute("UPDATE topup SET state = 'paid' WHERE id = ?", (seen.raw,))
        billing.needs_owner(tx, seen, paying.clock.now_ms())
    assert paying.items() == []


def test_a_charge_that_a_person_must_look_at_is_not_followed_by_another(
    paying: PayingOffice,
) -> None:
    acme = set_up(paying)
    one = begun(paying, acme)
    paid = billing.Paid(one.ref, "pi_odd", one.cents + 1, 0, "usd")
    with paying.office.store.write() as tx:
        billing.apply_payment(tx, paying.till, paid, paying.clock.now_ms())
    assert paying.kinds() == ["amount_mismatch"]
    assert standing(paying).charged_cents == 1_000
    incoming.charge_due(paying.office)
    assert charges(paying) == 0


@pytest.mark.parametrize(
    ("card", "kind"),
    [(CAREFUL_CARD, AlertKind.CARD_CONFIRM), (DECLINED_CARD, AlertKind.AUTOMATIC_OFF)],
)
def test_the_contact_is_told_once_what_its_card_did(
    paying: PayingOffice, clock: ManualClock, card: str, kind: AlertKind
) -> None:
    acme = set_up(paying, card)
    for _ in range(3):
        incoming.charge_due(paying.office)
        tell_endings(paying.office)
        clock.advance(7 * HOUR)
    tell_endings(paying.office)
    with paying.office.store.read() as tx:
        (told,) = budgets.on_list(tx, 9)
    assert (told.kind, told.organization) == (kind, ids.text("org", acme))
    assert told.used_nusd == 1_000 * NUSD_PER_CENT


def test_a_refund_below_the_threshold_is_not_charged_again(paying: PayingOffice) -> None:
    acme = set_up(paying)
    paying.buy("acme", 700)
    set_rule(paying, RULE)
    for cents, is_on in ((100, True), (600, False)):
        outgoing.start_refund(paying.office, paying.actor, "acme", Asked(cents))
        incoming.charge_due(paying.office)
        assert standing(paying).is_on is is_on
    assert paying.cents(acme) == 400
    assert charges(paying) == 0


def test_a_disputed_card_is_not_charged_again(paying: PayingOffice) -> None:
    acme = set_up(paying)
    (intent,) = paying.company.intents
    paying.company.dispute_opened(intent)
    paying.hear()
    with paying.office.store.write() as tx:
        accounts.thaw(tx, paying.actor, ids.text("org", acme))
    incoming.charge_due(paying.office)
    assert not standing(paying).is_on
    assert charges(paying) == 0


def test_where_taxes_are_added_nothing_is_charged_without_them(
    office: Office, paying: PayingOffice
) -> None:
    set_up(paying)
    taxed = PayingOffice(office, replace(TERMS, tax_part="ch"), paying.company)
    with pytest.raises(InvalidValue) as refused:
        set_rule(taxed, RULE)
    assert refused.value.param == "organization"
    incoming.charge_due(taxed.office)
    assert charges(taxed) == 0
    assert not standing(taxed).is_on
    assert taxed.kinds() == ["automatic_off"]
