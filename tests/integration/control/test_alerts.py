"""Alerts: raised once, listed always, mailed when there is a mail server, tried again."""

import msgspec
import pytest

from tests.builders.mail_server import KeptMails, Taken, mail_server
from tests.integration.control.test_usage_records import record
from troth.control import budgets, usage
from troth.control.accounts import Organization
from troth.control.audit import Actor
from troth.control.budgets import Alert, Language, Mode, Wanted, running
from troth.kernel.clock import ManualClock
from troth.kernel.errors import InvalidValue
from troth.kernel.periods import Period
from troth.ledger import books
from troth.server.alerting import find_low_balances, raise_alerts, send_mails
from troth.server.handover import AlertTerms
from troth.server.office import DESK, Office

USD = 10**9
DAY_MS = 86_400_000
HOUR_MS = 3_600_000


def mailing(office: Office, mails: KeptMails) -> Office:
    return msgspec.structs.replace(office, alerts=AlertTerms(7, mails.server))


def limited(
    office: Office, actor: Actor, owner: Organization, *, nusd: int, mode: Mode = Mode.HARD
) -> bytes:
    with office.store.write() as tx:
        whose = budgets.owner(tx, owner)
        wanted = Wanted(Period.DAY, mode, nusd)
        return budgets.set_budget(tx, actor, whose, wanted, raw=office.maker.raw())


def use(office: Office, purse: bytes, nusd: int) -> None:
    """Let a running period have used so much, as a posting does."""
    now_ms = office.clock.now_ms()
    with office.store.write() as tx:
        now = running(tx, purse, now_ms)
        assert now is not None
        tx.execute(
            "INSERT INTO budget (purse, starts_at, ends_at, mode, limit_nusd, spent, first_epoch)"
            " SELECT purse, ?, ?, mode, limit_nusd, ?, 1 FROM budget_rule WHERE purse = ?"
            " ON CONFLICT (purse, starts_at) DO UPDATE SET spent = excluded.spent",
            (now.starts_at, now.ends_at, nusd, purse),
        )


def told(office: Office) -> list[Alert]:
    with office.store.read() as tx:
        return sorted(budgets.on_list(tx, 100), key=lambda each: (each.since_ms, each.level))


def contact(office: Office, actor: Actor, owner: Organization, language: Language = "en") -> None:
    with office.store.write() as tx:
        given = ("billing@example.org", language)
        budgets.set_contact(tx, actor, owner, given, sealer=office.sealer)


@pytest.mark.parametrize("mode", [Mode.HARD, Mode.ALERT])
def test_each_part_of_a_budget_is_told_once_a_period(
    office: Office, clock: ManualClock, actor: Actor, ada: Organization, *, mode: Mode
) -> None:
    purse = limited(office, actor, ada, nusd=1_000, mode=mode)
    for _ in range(2):
        for used in (499, 500, 799, 800, 999, 1_000, 1_000):
            use(office, purse, used)
            raise_alerts(office)
            raise_alerts(office)
        clock.advance(DAY_MS)
    found = told(office)
    assert [(each.level, each.used_nusd) for each in found] == 2 * [
        (50, 500),
        (80, 800),
        (100, 1_000),
    ]
    assert {(each.kind, each.subject, each.period) for each in found} == {
        ("budget", ada.ref, "day")
    }
    assert len({each.since_ms for each in found}) == 2


def test_a_raised_limit_is_told_of_again_when_its_own_parts_are_passed(
    office: Office, actor: Actor, ada: Organization
) -> None:
    """A budget that never starts anew, and was used up once, would never warn again."""
    purse = limited(office, actor, ada, nusd=1_000)
    for used, limit in ((1_000, 1_000), (1_000, 10_000), (5_000, 10_000), (5_000, 9_000)):
        assert limited(office, actor, ada, nusd=limit) == purse
        use(office, purse, used)
        raise_alerts(office)
    assert [(each.level, each.limit_nusd) for each in told(office)] == [
        (50, 10_000),
        (100, 1_000),
    ]
    for limit in (6_000, 6_000, 9_000, 6_000, 5_500, 5_000):
        limited(office, actor, ada, nusd=limit)
        raise_alerts(office)
    assert sorted((each.limit_nusd, each.level) for each in told(office)) == [
        (1_000, 100),
        (5_000, 100),
        (6_000, 80),
        (10_000, 50),
    ]


def test_a_budget_of_nothing_that_gets_a_limit_is_told_of(
    office: Office, actor: Actor, ada: Organization
) -> None:
    use(office, limited(office, actor, ada, nusd=0), 0)
    raise_alerts(office)
    purse = limited(office, actor, ada, nusd=1_000)
    raise_alerts(office)
    assert told(office) == []
    use(office, purse, 600)
    raise_alerts(office)
    assert [each.level for each in told(office)] == [50]


def test_a_refusal_is_told_of_once_a_limit(office: Office, actor: Actor, ada: Organization) -> None:
    def refuse(purse: bytes) -> None:
        with office.store.write() as tx:
            budgets.raise_stops(tx, office.maker, actor.at_ms, {purse: actor.at_ms})

    for limit in (1_000, 1_000, 2_000):
        purse = limited(office, actor, ada, nusd=limit)
        use(office, purse, limit - 1)
        refuse(purse)
    stops = [each for each in told(office) if each.kind == "budget_stop"]
    assert sorted(each.limit_nusd for each in stops) == [1_000, 2_000]


def test_a_budget_used_up_at_once_is_told_once(
    office: Office, actor: Actor, ada: Organization
) -> None:
    use(office, limited(office, actor, ada, nusd=1_000), 1_000)
    raise_alerts(office)
    assert [each.level for each in told(office)] == [100]


def test_a_dropped_budget_and_one_of_nothing_are_not_told(
    office: Office, actor: Actor, ada: Organization
) -> None:
    use(office, limited(office, actor, ada, nusd=0), 0)
    raise_alerts(office)
    use(office, limited(office, actor, ada, nusd=1_000), 600)
    with office.store.write() as tx:
        budgets.drop(tx, actor, budgets.owner(tx, ada), Period.DAY)
    raise_alerts(office)
    assert told(office) == []


def test_an_alert_is_mailed_once_in_the_language_that_was_chosen(
    office: Office, actor: Actor, ada: Organization, *, mails: KeptMails
) -> None:
    here = mailing(office, mails)
    use(office, limited(office, actor, ada, nusd=2 * USD), USD)
    raise_alerts(office)
    send_mails(here)
    assert mails.kept == []
    contact(office, actor, ada, "de")
    for _ in range(3):
        send_mails(here)
    (mail,) = mails.mails()
    (alert,) = told(office)
    assert mail == Taken(
        "troth@example.org",
        "billing@example.org",
        "50 % eines Budgets sind verbraucht",
        f"<{alert.id}@example.org>",
        mail.text,
    )
    assert "Verbraucht: 1.00 von 2.00 USD" in mail.text
    assert ada.ref in mail.text
    assert ada.name not in mail.text
    assert (alert.sent_at_ms, alert.tries, alert.next_at_ms) == (actor.at_ms, 1, 0)


def test_a_mail_that_is_refused_is_tried_again_ever_later_and_then_no_more(
    office: Office, clock: ManualClock, actor: Actor, ada: Organization, *, mails: KeptMails
) -> None:
    here = mailing(office, mails)
    contact(office, actor, ada)
    use(office, limited(office, actor, ada, nusd=2), 1)
    raise_alerts(office)
    mails.is_refusing = True
    waits = []
    while (now := told(office)[0]).next_at_ms:
        waits.append(now.next_at_ms - clock.now_ms())
        clock.advance(waits[-1])
        send_mails(here)
    assert waits == [0, *(60_000 << tries for tries in range(9))]
    assert (told(office)[0].tries, told(office)[0].sent_at_ms) == (10, 0)
    mails.is_refusing = False
    clock.advance(DAY_MS)
    send_mails(here)
    assert mails.kept == []


def test_a_mail_server_that_is_away_costs_a_try(
    office: Office, clock: ManualClock, actor: Actor, ada: Organization
) -> None:
    with mail_server() as gone:
        here = mailing(office, gone)
    contact(office, actor, ada)
    use(office, limited(office, actor, ada, nusd=2), 1)
    raise_alerts(office)
    send_mails(here)
    assert told(office)[0].tries == 1
    with mail_server() as mails:
        clock.advance(60_000)
        send_mails(mailing(office, mails))
        assert len(mails.kept) == 1


def test_old_news_is_not_mailed(
    office: Office, clock: ManualClock, actor: Actor, ada: Organization, *, mails: KeptMails
) -> None:
    use(office, limited(office, actor, ada, nusd=2), 1)
    raise_alerts(office)
    clock.advance(3 * DAY_MS)
    contact(office, actor, ada)
    send_mails(mailing(office, mails))
    assert mails.kept == []
    assert len(told(office)) == 1


def used_of(office: Office, owner: Organization, nusd: int, hours_ago: int) -> None:
    started = office.clock.now_ms() - hours_ago * HOUR_MS
    request = "req_" + office.maker.raw().hex()
    made = record(1, org=owner.ref, request=request, started_at_ms=started, charged_nusd=nusd)
    with office.store.write() as tx:
        usage.write(tx, [made])


def fill(office: Office, owner: Organization, nusd: int) -> None:
    wanted = books.Credit(office.maker.raw().hex(), owner.raw, books.LotKind.PAID, nusd)
    with office.store.write() as tx:
        books.credit(tx, wanted, DESK, office.clock.now_ms())


def test_a_low_balance_is_told_once_until_the_next_credit(
    office: Office, clock: ManualClock, ada: Organization
) -> None:
    fill(office, ada, 70)
    clock.advance(30 * DAY_MS)
    used_of(office, ada, 5, 160)
    used_of(office, ada, 5, 1)
    find_low_balances(office)
    assert told(office) == []  # 10 a week: 49 days
    used_of(office, ada, 62, 2)
    for _ in range(3):
        find_low_balances(office)
    (alert,) = told(office)
    assert (alert.kind, alert.days, alert.used_nusd, alert.level) == ("low_balance", 6, 70, 7)
    clock.advance(HOUR_MS)
    fill(office, ada, 1)
    for _ in range(3):
        find_low_balances(office)
    assert [each.used_nusd for each in told(office)] == [70, 71]


def test_who_has_just_begun_is_measured_from_the_first_credit_on(
    office: Office, clock: ManualClock, ada: Organization
) -> None:
    fill(office, ada, 100)
    clock.advance(2 * DAY_MS - 1)
    used_of(office, ada, 40, 1)
    find_low_balances(office)
    (alert,) = told(office)
    assert alert.days == 5  # 40 in 48 hours


def test_low_balances_can_be_left_untold(office: Office, ada: Organization) -> None:
    used_of(office, ada, 40, 1)
    find_low_balances(msgspec.structs.replace(office, alerts=AlertTerms(0)))
    assert told(office) == []


def test_what_is_no_address_is_refused(office: Office, actor: Actor, ada: Organization) -> None:
    wrong = ("x", "a@b\r\nBcc: c@d", "a b@c", "<a@b>", "a@b,c@d", "a@", "a@" + "b" * 260)
    for address in wrong:
        with office.store.write() as tx, pytest.raises(InvalidValue) as caught:
            budgets.set_contact(tx, actor, ada, (address, "en"), sealer=office.sealer)
        assert caught.value.param == "address"


def test_a_contact_is_changed_and_ended(office: Office, actor: Actor, ada: Organization) -> None:
    with office.store.write() as tx:
        assert budgets.contact(tx, ada, office.sealer).address == ""
        for given in ("a@example.org", "b@example.org"):
            budgets.set_contact(tx, actor, ada, (given, "fr"), sealer=office.sealer)
        assert budgets.contact(tx, ada, office.sealer) == budgets.Contact(
            ada.ref, "b@example.org", "fr"
        )
        budgets.set_contact(tx, actor, ada, ("", "en"), sealer=office.sealer)
        assert budgets.contact(tx, ada, office.sealer).address == ""
