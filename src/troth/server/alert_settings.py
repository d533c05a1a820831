"""Settings of `[alerts]`, `[mail]` and `[uptime]`: what is told to whom, and owed for downtime."""

from collections.abc import Iterator, Mapping
from typing import Final, Literal

import msgspec

from troth.kernel.money import NANO, nusd_of
from troth.kernel.secret import Secret

_DAYS_MAX: Final = 90
_PORT_MAX: Final = 65_535
_WHOLE: Final = 100
_HOURS_MAX: Final = 720


class AlertSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An organization is told when its credit lasts less than so many days; 0 for never."""

    low_balance_days: int = 7


class MailSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The mail server that alerts are handed to; without `host` nothing is mailed."""

    host: str = ""
    port: int = 587
    security: Literal["starttls", "tls", "none"] = "starttls"
    username: str = ""
    password: Secret = Secret("")
    sender: str = ""


class UptimeTier(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Below so many percent of uptime in a month, so many percent of its charges are credited."""

    below_percent: str
    credit_percent: int


class UptimeSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the terms promise for downtime; nothing while `credit_below_percent` is empty.

    `credit` says whether credit that is owed is applied by itself or waits for a person;
    `maintenance` whether what was announced `maintenance_notice_hours` ahead counts as downtime.
    """

    credit_below_percent: str = ""
    tiers: dict[str, UptimeTier] = msgspec.field(default_factory=dict)
    credit: Literal["propose", "apply"] = "propose"
    maintenance: Literal["counts", "excluded"] = "counts"
    maintenance_notice_hours: int = 24


def alert_faults(
    alerts: AlertSettings, mail: MailSettings, uptime: UptimeSettings
) -> Iterator[tuple[tuple[str, ...], str]]:
    """Yield the path of each setting that cannot work, with what it must be."""
    if not 0 <= alerts.low_balance_days <= _DAYS_MAX:
        yield ("alerts", "low_balance_days"), f"must be from 0 to {_DAYS_MAX}"
    if not 0 < mail.port <= _PORT_MAX:
        yield ("mail", "port"), f"must be from 1 to {_PORT_MAX}"
    if mail.host and "@" not in mail.sender:
        yield ("mail", "sender"), 'must be an address, like "troth@example.org"'
    if bool(mail.username) != (not mail.password.is_empty):
        yield ("mail", "username"), "and 'mail.password' go together"
    if mail.username and mail.security == "none":
        yield ("mail", "security"), 'must be "starttls" or "tls" where there is a password'
    if not 0 <= uptime.maintenance_notice_hours <= _HOURS_MAX:
        yield ("uptime", "maintenance_notice_hours"), f"must be from 0 to {_HOURS_MAX}"
    yield from _uptime_faults(uptime.credit_below_percent, uptime.tiers)


def _uptime_faults(
    start: str, tiers: Mapping[str, UptimeTier]
) -> Iterator[tuple[tuple[str, ...], str]]:
    begins = nusd_of(start or "0")
    if begins is None or begins > _WHOLE * NANO:
        yield ("uptime", "credit_below_percent"), 'must be percent, like "99.5"'
    elif bool(start) != bool(tiers):
        yield ("uptime", "credit_below_percent"), "and 'uptime.tiers' go together"
    for name, tier in tiers.items():
        below = nusd_of(tier.below_percent)
        if below is None or begins is None or below > begins:
            yield (
                ("uptime", "tiers", name, "below_percent"),
                "must be percent, at most 'uptime.credit_below_percent'",
            )
        if not 0 < tier.credit_percent <= _WHOLE:
            yield ("uptime", "tiers", name, "credit_percent"), "must be from 1 to 100"
