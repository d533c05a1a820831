"""What an alert's mail says, in each language."""

import pytest

from troth.control.budgets import Language, mail
from troth.control.budgets.mails import Told, dollars

TOLD = Told("org_1", "prj_2", "month", 0, 80, 1_234_567_890, 2_000_000_000, 0, 60_000)


@pytest.mark.parametrize("language", ["en", "de", "fr"])
def test_every_sentence_is_filled(language: Language) -> None:
    for told in (TOLD, Told("org_1", "org_1", "", 0, 7, 5_000_000_000, 0, 3, 60_000)):
        made = mail(told, "alert_1", "a@example.org", language)
        assert "{" not in made.subject + made.text
        assert "\n" not in made.subject
        assert "org_1" in made.text
        assert "1970-01-01 00:01 UTC" in made.text
        assert str(told.level if told.period else told.days) in made.subject


def test_languages_differ() -> None:
    languages: tuple[Language, ...] = ("en", "de", "fr")
    assert len({mail(TOLD, "i", "a", language).text for language in languages}) == 3


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
    month = Told("org_1", "org_1", "month", since, 50, 1, 2, 0, since)
    assert "Period: month, since 2027-01-15 08:00 UTC\n" in mail(month, "i", "a", "en").text
    assert "seit 2027-01-15 08:00 UTC\n" in mail(month, "i", "a", "de").text
    total = Told("org_1", "org_1", "total", 0, 50, 1, 2, 0, since)
    assert "Period: in all\n" in mail(total, "i", "a", "en").text
