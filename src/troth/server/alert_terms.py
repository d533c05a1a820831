"""From the settings of alerts, mail and uptime to what the control process works with."""

from typing import Final

from troth.kernel.money import nusd_of
from troth.server.alert_settings import AlertSettings, MailSettings, UptimeSettings
from troth.server.handover import AlertTerms, AvailabilityTerms, MailServer

_MS_OF_HOUR: Final = 3_600_000


def alert_terms(alerts: AlertSettings, mail: MailSettings, uptime: UptimeSettings) -> AlertTerms:
    """Return the terms of these settings."""
    server = None
    if mail.host:
        server = MailServer(
            mail.host,
            mail.port,
            mail.security,
            mail.username,
            mail.password.reveal(),
            mail.sender,
        )
    tiers = {
        nusd_of(tier.below_percent) or 0: tier.credit_percent for tier in uptime.tiers.values()
    }
    measured = AvailabilityTerms(
        uptime.maintenance_notice_hours * _MS_OF_HOUR,
        uptime.maintenance == "excluded",
        uptime.credit == "apply",
    )
    return AlertTerms(alerts.low_balance_days, server, tuple(sorted(tiers.items())), measured)
