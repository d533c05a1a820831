"""Days, weeks and months of a time zone, as spans of unix milliseconds."""

from datetime import UTC, datetime, timedelta
from enum import Enum
from typing import Final
from zoneinfo import ZoneInfo

FOREVER: Final = 0
"""The end of what has none."""
_WEEK_DAYS: Final = 7
_DAYS_TO_NEXT_MONTH: Final = 31


class Period(Enum):
    """How often something starts anew; weeks start on Monday."""

    DAY = "day"
    WEEK = "week"
    MONTH = "month"
    TOTAL = "total"


def span(period: Period, zone: str, now_ms: int) -> tuple[int, int]:
    """Return start and end of the period that holds `now_ms`, by the calendar of a time zone.

    Ends are local midnights, whatever the clocks do meanwhile: a day has 23 to 25 hours.
    """
    if period is Period.TOTAL:
        return 0, FOREVER
    now = datetime.fromtimestamp(now_ms / 1_000, UTC).astimezone(ZoneInfo(zone))
    start = now.replace(hour=0, minute=0, second=0, microsecond=0, fold=0)
    if period is Period.DAY:
        return _ms(start), _ms(start + timedelta(days=1))
    if period is Period.WEEK:
        start -= timedelta(days=start.weekday())
        return _ms(start), _ms(start + timedelta(days=_WEEK_DAYS))
    start = start.replace(day=1)
    return _ms(start), _ms((start + timedelta(days=_DAYS_TO_NEXT_MONTH)).replace(day=1))


def is_same_day(one: tuple[int, str], other: tuple[int, str]) -> bool:
    """Tell whether two moments (unix ms), each in a time zone, have the same date there."""
    first, second = (
        datetime.fromtimestamp(ms / 1_000, UTC).astimezone(ZoneInfo(zone)).date()
        for ms, zone in (one, other)
    )
    return first == second


def _ms(moment: datetime) -> int:
    return int(moment.timestamp()) * 1_000
