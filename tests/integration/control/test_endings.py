"""Notices before credit or an account ends, and the last word of an account; contacts sealed."""

from datetime import UTC, datetime

import msgspec
import pytest
from typing_extensions import override

from tests.builders.mail_server import KeptMails
from tests.builders.paying_office import PayingOffice
from tests.integration.control.test_alerts import contact, limited, told, use
from troth.control import accounts, billing, budgets
from troth.control.accounts import Organization
from troth.control.audit import Actor
from troth.control.budgets import Alert, AlertKind, Mode, Wanted
from troth.kernel.clock import ManualClock
from troth.kernel.errors import InvalidValue
from troth.kernel.ids import system_entropy
from troth.kernel.periods import Period
from troth.kernel.sealer import Sealer
from troth.ledger import books
from troth.ledger.books import Credit, LotKind
from troth.server.alerting import (
    expire_credit,
    forget_contacts,
    raise_alerts,
    send_mails,
    tell_endings,
)
from troth.server.handover import AlertTerms
from troth.server.office import DESK, NoGateways, Office
from troth.server.payments import outgoing

USD = 10**9
DAY_MS = 86_400_000
HOUR_MS = 3_600_000


def lot(office: Office, owner: Organization, nusd: int, days: int, *, kind: LotKind) -> None:
    now_ms = office.clock.now_ms()
    wanted = Credit(office.maker.raw().hex(), owner.raw, kind, nusd, now_ms + days * DAY_MS)
    with office.store.write() as tx:
        books.credit(tx, wanted, DESK, now_ms)


def pass_days(office: Office, clock: ManualClock, days: int) -> None:
    """Let time pass, with what the desk does of itself four times a day."""
    for _ in range(4 * days):
        clock.advance(6 * HOUR_MS)
        tell_endings(office)
        tell_endings(office)
        expire_credit(office)


def levels(found: list[Alert], kind: AlertKind) -> list[int]:
    return [each.level for each in sorted(found, key=lambda one: one.id) if each.kind is kind]


@pytest.mark.parametrize("kind", [LotKind.PAID, LotKind.PROMO])
def test_credit_is_told_of_thirty_seven_and_one_days_before_it_ends(
    office: Office, clock: ManualClock, ada: Organization, *, kind: LotKind
) -> None:
    start_ms = clock.now_ms()
    lot(office, ada, 3 * USD, 60, kind=kind)
    lot(office, ada, 2 * USD, 400, kind=kind)
    pass_days(office, clock, 70)
    found = [each for each in told(office) if each.kind is AlertKind.CREDIT_ENDS]
    assert levels(found, AlertKind.CREDIT_ENDS) == [30, 7, 1]
    assert {each.used_nusd for each in found} == {3 * USD}
    ends_ms = start_ms + 60 * DAY_MS
    assert {each.since_ms for each in found} == {ends_ms - ends_ms % DAY_MS}
    ahead = sorted((ends_ms - each.created_at_ms) / DAY_MS for each in found)
    assert ahead == [1, 7, 30]
    with office.store.read() as tx:
        wallet = books.wallet(tx, ada.raw)
    assert wallet is not None
    assert wallet.posted == 2 * USD


def test_credit_of_one_day_is_told_together_and_short_gifts_by_no_longer_notice(
    office: Office, clock: ManualClock, ada: Organization
) -> None:
    lot(office, ada, USD, 7, kind=LotKind.PROMO)
    clock.advance(HOUR_MS)
    lot(office, ada, USD // 2, 7, kind=LotKind.PROMO)
    lot(office, ada, USD, 1, kind=LotKind.PROMO)
    pass_days(office, clock, 8)
    found = [(each.level, each.used_nusd) for each in told(office)]
    assert found == [(1, 3 * USD // 2)]


def test_crumbs_spent_credit_and_credit_without_end_are_not_told(
    office: Office, clock: ManualClock, ada: Organization
) -> None:
    lot(office, ada, 9_999_999, 40, kind=LotKind.PROMO)
    with office.store.write() as tx:
        books.credit(tx, Credit("x", ada.raw, LotKind.PAID, USD), DESK, clock.now_ms())
    pass_days(office, clock, 41)
    assert told(office) == []


def test_a_desk_that_was_away_tells_the_nearest_notice_only(
    office: Office, clock: ManualClock, ada: Organization
) -> None:
    lot(office, ada, USD, 60, kind=LotKind.PAID)
    clock.advance(55 * DAY_MS)
    pass_days(office, clock, 6)
    assert levels(told(office), AlertKind.CREDIT_ENDS) == [7, 1]


def mailing(office: Office, mails: KeptMails) -> Office:
    return msgspec.structs.replace(office, alerts=AlertTerms(7, mails.server))


def test_an_account_is_told_before_it_closes_and_its_contact_is_forgotten_afterwards(
    paying: PayingOffice, clock: ManualClock, *, mails: KeptMails
) -> None:
    office = mailing(paying.office, mails)
    raw = paying.organization("Ada")
    paying.buy("Ada", 1_000)
    with office.store.write() as tx:
        ada = accounts.named(tx, "Ada")
        closes_ms = clock.now_ms() + 40 * DAY_MS
        billing.plan_closing(tx, paying.actor, ada, closes_ms)
    contact(office, paying.actor, ada)
    for _ in range(4 * 41):
        clock.advance(6 * HOUR_MS)
        outgoing.close_accounts(office)
        for ref in list(paying.company.refunds):
            paying.company.refund_done(ref)
        outgoing.drive_refunds(office)
        outgoing.close_accounts(office)
        tell_endings(office)
        send_mails(office)
        forget_contacts(office)
    found = told(office)
    assert levels(found, AlertKind.CLOSING) == [30, 7, 1]
    assert levels(found, AlertKind.CLOSED) == [0]
    assert [mail.subject for mail in mails.mails()] == [
        *["This account will be closed on " + day(closes_ms)] * 3,
        "This account is closed",
    ]
    assert "Paid back: 10.00 USD" in mails.mails()[-1].text
    assert paying.wallet(raw) == 0
    with office.store.read() as tx:
        assert billing.statement(tx, ada).closes_at_ms == 0
        assert budgets.contact(tx, ada, office.sealer).address == ""
        assert tx.rows("SELECT 1 FROM alert_contact", (), tuple[int]) == []


def day(ms: int) -> str:
    return datetime.fromtimestamp(ms / 1_000, UTC).strftime("%Y-%m-%d")


def test_a_closing_that_was_dropped_tells_and_closes_nothing(
    paying: PayingOffice, clock: ManualClock
) -> None:
    paying.organization("Ada")
    office = paying.office
    with office.store.write() as tx:
        ada = accounts.named(tx, "Ada")
        for ahead in (50, 40):
            billing.plan_closing(tx, paying.actor, ada, clock.now_ms() + ahead * DAY_MS)
        assert billing.statement(tx, ada).closes_at_ms == clock.now_ms() + 40 * DAY_MS
        billing.drop_closing_plan(tx, paying.actor, ada)
        with pytest.raises(InvalidValue):
            billing.drop_closing_plan(tx, paying.actor, ada)
    clock.advance(45 * DAY_MS)
    outgoing.close_accounts(office)
    tell_endings(office)
    assert told(office) == []
    with office.store.read() as tx:
        assert billing.closings(tx) == []


@pytest.mark.parametrize("ahead_ms", [-1, 0, 4_000 * DAY_MS])
def test_a_closing_is_planned_for_a_time_to_come(paying: PayingOffice, ahead_ms: int) -> None:
    paying.organization("Ada")
    with paying.office.store.write() as tx:
        ada = accounts.named(tx, "Ada")
        with pytest.raises(InvalidValue) as caught:
            billing.plan_closing(tx, paying.actor, ada, paying.clock.now_ms() + ahead_ms)
    assert caught.value.param == "closes_at_ms"


def test_a_contact_cannot_be_read_without_the_key_and_is_gone_when_it_is_lost(
    office: Office, actor: Actor, ada: Organization
) -> None:
    contact(office, actor, ada)
    with office.store.write() as tx:
        rows = tx.rows("SELECT address_sealed FROM alert_contact", (), tuple[bytes])
        assert len(rows) == 1
        assert b"example" not in rows[0][0]
        other = Sealer(b"x" * 32, system_entropy, "people")
        assert budgets.contact(tx, ada, other).address == ""
        assert budgets.due(tx, other, actor.at_ms) == []
        assert budgets.contact(tx, ada, office.sealer).address == "billing@example.org"


def test_what_an_earlier_build_kept_open_is_sealed(
    office: Office, actor: Actor, ada: Organization
) -> None:
    with office.store.write() as tx:
        tx.execute(
            "INSERT INTO alert_contact (org, address_sealed, is_sealed, language)"
            " VALUES (?, ?, 0, 'fr')",
            (ada.raw, b"old@example.org"),
        )
        assert budgets.contact(tx, ada, office.sealer).address == "old@example.org"
    forget_contacts(office)
    forget_contacts(office)
    with office.store.read() as tx:
        rows = tx.rows("SELECT address_sealed FROM alert_contact", (), tuple[bytes])
        assert b"old" not in rows[0][0]
        found = budgets.contact(tx, ada, office.sealer)
    assert (found.address, found.language) == ("old@example.org", "fr")
    assert actor.uid == 1000


class Refusing(NoGateways):
    """Gateways where budgets refuse."""

    def __init__(self) -> None:
        self.purses: dict[bytes, int] = {}

    @override
    def refused(self) -> dict[bytes, int]:
        refused, self.purses = self.purses, {}
        return refused


def stopping(office: Office) -> tuple[Office, Refusing]:
    gateways = Refusing()
    return msgspec.structs.replace(office, gateways=gateways), gateways


def test_a_hard_budget_that_refuses_is_told_once_a_period(
    office: Office, clock: ManualClock, actor: Actor, ada: Organization
) -> None:
    here, gateways = stopping(office)
    purse = limited(here, actor, ada, nusd=1_000)
    for _ in range(2):
        use(here, purse, 970)
        for _ in range(3):
            gateways.purses = {purse: clock.now_ms()}
            raise_alerts(here)
        clock.advance(DAY_MS)
    found = [each for each in told(here) if each.kind is AlertKind.BUDGET_STOP]
    assert [(each.used_nusd, each.limit_nusd) for each in found] == [(970, 1_000)] * 2
    assert len({each.since_ms for each in found}) == 2


def test_a_refusal_counts_for_the_period_in_which_it_was(
    office: Office, clock: ManualClock, actor: Actor, ada: Organization
) -> None:
    here, gateways = stopping(office)
    purse = limited(here, actor, ada, nusd=1_000)
    use(here, purse, 990)
    gateways.purses = {purse: clock.now_ms()}
    clock.advance(DAY_MS)
    raise_alerts(here)
    assert [each.used_nusd for each in told(here) if each.kind is AlertKind.BUDGET_STOP] == [990]


def test_who_knows_that_all_is_used_is_not_told_again(
    office: Office, clock: ManualClock, actor: Actor, ada: Organization
) -> None:
    here, gateways = stopping(office)
    purse = limited(here, actor, ada, nusd=1_000)
    use(here, purse, 1_000)
    raise_alerts(here)
    gateways.purses = {purse: clock.now_ms()}
    raise_alerts(here)
    assert [(each.kind, each.level) for each in told(here)] == [(AlertKind.BUDGET, 100)]


def test_budgets_that_cannot_refuse_or_are_gone_are_not_told(
    office: Office, clock: ManualClock, actor: Actor, ada: Organization
) -> None:
    here, gateways = stopping(office)
    purse = limited(here, actor, ada, nusd=1_000, mode=Mode.ALERT)
    gateways.purses = {purse: clock.now_ms(), b"k" + bytes(16): 1}
    raise_alerts(here)
    with here.store.write() as tx:
        whose = budgets.owner(tx, ada)
        budgets.set_budget(tx, actor, whose, Wanted(Period.WEEK, Mode.HARD, 0), raw=bytes(16))
    gateways.purses = {b"o" + bytes(16): clock.now_ms()}
    raise_alerts(here)
    assert told(here) == []
