"""The public page of status, as JSON: uptime of days and months, maintenance; no customer."""

import datetime as dt
from typing import Final

import msgspec

from troth.control import availability
from troth.control.availability import MS_OF_MINUTE, Sum, Window
from troth.kernel.clock import iso
from troth.server.handover import AvailabilityTerms
from troth.store.transaction import Transaction

MS_OF_DAY: Final = 86_400_000
_DAYS: Final = 90
_MONTHS: Final = 12
_EPOCH: Final = dt.date(1970, 1, 1)


class Uptime(msgspec.Struct, frozen=True):
    """A day or a month. Percent have four decimals, rounded down; minutes are rounded up.

    `own_percent` leaves out the failures of upstreams, which `uptime_percent` counts.
    """

    name: str
    uptime_percent: str
    own_percent: str
    down_minutes: int
    maintenance_minutes: int


class Maintenance(msgspec.Struct, frozen=True):
    """One window, in ISO times."""

    ref: str
    announced_at: str
    starts_at: str
    ends_at: str
    is_emergency: bool
    is_cancelled: bool


class StatusPage(msgspec.Struct, frozen=True):
    """All of it; `measured_since` is empty before anything was measured."""

    written_at: str
    measured_since: str
    is_up: bool
    is_maintenance_excluded: bool
    months: list[Uptime]
    days: list[Uptime]
    maintenance: list[Maintenance]


def terms_of(terms: AvailabilityTerms) -> availability.Terms:
    """Return by which terms sums are made."""
    return availability.Terms(terms.is_maintenance_excluded)


def status_page(tx: Transaction, terms: AvailabilityTerms, now_ms: int) -> StatusPage:
    """Return the page: ninety days, the months of a year, and windows of the last ninety days."""
    today = now_ms // MS_OF_DAY
    first = _first_of_months(today)
    sums = availability.by_day(tx, (first, today + 1), terms_of(terms), now_ms)
    months: dict[str, Sum] = {}
    for day, each in sums.items():
        name = _date(day).isoformat()[:7]
        months[name] = months.get(name, Sum()).plus(each)
    since = availability.since(tx)
    return StatusPage(
        written_at=iso(now_ms),
        measured_since="" if since is None else iso(since * MS_OF_MINUTE),
        is_up=availability.is_up(tx, now_ms),
        is_maintenance_excluded=terms.is_maintenance_excluded,
        months=[uptime(name, months[name]) for name in sorted(months, reverse=True)],
        days=[
            uptime(_date(day).isoformat(), sums[day])
            for day in sorted(sums, reverse=True)
            if day > today - _DAYS
        ],
        maintenance=[
            shown_window(each) for each in availability.windows(tx, now_ms - _DAYS * MS_OF_DAY)
        ],
    )


def page_of(tx: Transaction, terms: AvailabilityTerms, now_ms: int) -> bytes:
    """Return the page as it is served."""
    return msgspec.json.encode(status_page(tx, terms, now_ms))


def uptime(name: str, each: Sum) -> Uptime:
    """Return a sum as it is shown."""
    return Uptime(
        name,
        each.percent,
        each.own_percent,
        -(-each.down_ms // MS_OF_MINUTE),
        each.excluded_ms // MS_OF_MINUTE,
    )


def shown_window(window: Window) -> Maintenance:
    """Return a window as it is shown."""
    return Maintenance(
        window.ref,
        iso(window.announced_at_ms),
        iso(window.starts_at_ms),
        iso(window.ends_at_ms),
        window.is_emergency,
        bool(window.cancelled_at_ms),
    )


def _date(day: int) -> dt.date:
    return _EPOCH + dt.timedelta(days=day)


def _first_of_months(today: int) -> int:
    """Return the first day of the month that was so many months ago."""
    date = _date(today)
    months = date.year * 12 + date.month - 1 - (_MONTHS - 1)
    return (dt.date(months // 12, months % 12 + 1, 1) - _EPOCH).days
