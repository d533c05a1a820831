"""What an alert's mail says, in each language."""

import pytest

from troth.control.budgets import Alert, AlertKind, Language, mail
from troth.control.budgets.mails import dollars

LANGUAGES: tuple[Language, ...] = ("en", "de", "fr")
USED = 1_234_567_890


def alert(kind: AlertKind, *, period: str = "", since: int = 60_000, at: int = 60_000) -> Alert:
    limit = 2_000_000_000
    return Alert("alert_1", kind, "org_1", "prj_2", period, since, 80, USED, limit, 3, at, 0, 0, 0)


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("kind", list(AlertKind))
def test_every_sentence_is_filled(kind: AlertKind, language: Language) -> None:
    made = mail(alert(kind, period="month"), "a@example.org", language)
    assert made.id == "alert_1"
    assert "{" not in made.subject + made.text
    assert "\n" not in made.subject
    assert "org_1" in made.text
    assert "1970-01-01 00:01 UTC" in made.text
    assert "1.23456789" in made.text


def test_each_says_its_own_in_each_language() -> None:
    said = [mail(alert(kind), "a", language) for kind in AlertKind for language in LANGUAGES]
    assert len({(each.subject, each.text) for each in said}) == len(AlertKind) * len(LANGUAGES)


@pytest.mark.parametrize(
    ("kind", "subject"),
    [
        (AlertKind.BUDGET, "80 % of a budget is used"),
        (AlertKind.BUDGET_STOP, "A budget refuses requests"),
        (AlertKind.LOW_BALANCE, "Days of credit left: 3"),
        (AlertKind.CREDIT_ENDS, "Credit ends on 2027-01-15"),
        (AlertKind.CARD_CONFIRM, "An automatic top-up needs you"),
        (AlertKind.AUTOMATIC_OFF, "Automatic top-up is off"),
        (AlertKind.CLOSING, "This account will be closed on 2027-01-15"),
        (AlertKind.CLOSED, "This account is closed"),
    ],
)
def test_a_subject_says_what_happened(kind: AlertKind, subject: str) -> None:
    assert mail(alert(kind, since=1_800_000_000_000), "a", "en").subject == subject


@pytest.mark.parametrize(
    ("nusd", "shown"),
    [
        (0, "0.00"),
        (10_000_000, "0.01"),
        (1_500_000_000, "1.50"),
        (1_234_567_890, "1.23456789"),
        (1, "0.000000001"),
    ],
)
def test_dollars_are_exact(nusd: int, shown: str) -> None:
    assert dollars(nusd) == shown


def test_a_period_says_when_it_began_and_one_without_end_does_not() -> None:
    since = 1_800_000_000_000
    month = alert(AlertKind.BUDGET, period="month", since=since)
    assert "Period: month, since 2027-01-15 08:00 UTC\n" in mail(month, "a", "en").text
    assert "seit 2027-01-15 08:00 UTC\n" in mail(month, "a", "de").text
    total = alert(AlertKind.BUDGET, period="total", since=0)
    assert "Period: in all\n" in mail(total, "a", "en").text
