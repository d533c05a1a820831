"""Settings of alerts, mail and uptime: what cannot work is named."""

import pytest

from troth.kernel.secret import Secret
from troth.server.alert_settings import (
    AlertSettings,
    MailSettings,
    UptimeSettings,
    UptimeTier,
    alert_faults,
)
from troth.server.alert_terms import alert_terms
from troth.server.handover import AvailabilityTerms

MAIL = MailSettings("mail.example.org", sender="troth@example.org")


def faults(
    alerts: AlertSettings | None = None,
    mail: MailSettings | None = None,
    uptime: UptimeSettings | None = None,
) -> list[str]:
    found = alert_faults(
        alerts or AlertSettings(), mail or MailSettings(), uptime or UptimeSettings()
    )
    return [".".join(path) for path, _ in found]


def test_the_defaults_mail_nothing_and_promise_nothing() -> None:
    assert faults() == []
    terms = alert_terms(AlertSettings(), MailSettings(), UptimeSettings())
    assert (terms.low_balance_days, terms.mail, terms.uptime) == (7, None, ())


def test_settings_become_terms() -> None:
    uptime = UptimeSettings(
        "99.5", {"b": UptimeTier("99.5", 10), "a": UptimeTier("95", 50)}, "apply", "excluded", 1
    )
    mail = MailSettings(
        "mail.example.org", username="troth", password=Secret("pass"), sender="troth@example.org"
    )
    assert faults(mail=mail, uptime=uptime) == []
    terms = alert_terms(AlertSettings(3), mail, uptime)
    measured = AvailabilityTerms(
        maintenance_notice_ms=3_600_000, is_maintenance_excluded=True, is_credit_applied=True
    )
    assert terms.availability == measured
    assert terms.uptime == ((95_000_000_000, 50), (99_500_000_000, 10))
    assert terms.mail is not None
    assert (terms.mail.password, terms.mail.security) == ("pass", "starttls")


@pytest.mark.parametrize(
    ("mail", "named"),
    [
        (MailSettings("mail.example.org"), "mail.sender"),
        (MailSettings("mail.example.org", 0, sender="a@b"), "mail.port"),
        (MailSettings("mail.example.org", sender="a@b", username="u"), "mail.username"),
        (
            MailSettings("h", 25, "none", username="u", password=Secret("p"), sender="a@b"),
            "mail.security",
        ),
    ],
)
def test_a_mail_server_that_cannot_work_is_named(mail: MailSettings, named: str) -> None:
    assert faults(mail=mail) == [named]


@pytest.mark.parametrize(
    ("uptime", "named"),
    [
        (UptimeSettings("99.5"), "uptime.credit_below_percent"),
        (UptimeSettings(maintenance_notice_hours=-1), "uptime.maintenance_notice_hours"),
        (UptimeSettings("x", {"a": UptimeTier("9", 10)}), "uptime.credit_below_percent"),
        (UptimeSettings("101", {"a": UptimeTier("9", 10)}), "uptime.credit_below_percent"),
        (UptimeSettings("99", {"a": UptimeTier("99.5", 10)}), "uptime.tiers.a.below_percent"),
        (UptimeSettings("99", {"a": UptimeTier("99", 101)}), "uptime.tiers.a.credit_percent"),
    ],
)
def test_a_promise_that_cannot_be_is_named(uptime: UptimeSettings, named: str) -> None:
    assert named in faults(uptime=uptime)


def test_days_have_a_bound() -> None:
    assert faults(AlertSettings(91)) == ["alerts.low_balance_days"]
