"""Months of the books: from the first day to before the first of the next, in UTC."""

import datetime as dt
import re
from typing import Final

import msgspec

from troth.control.usage.record import MS_OF_DAY
from troth.kernel.errors import InvalidValue
from troth.store.transaction import Transaction

_FORM: Final = re.compile(r"(20[0-9]{2})-(0[1-9]|1[0-2])")
_DAY: Final = re.compile(r"[0-9]{4}-[0-9]{2}-([0-9]{2})")
_MONTH_LENGTH: Final = len("2026-10")
_EPOCH: Final = dt.date(1970, 1, 1)
_DECEMBER: Final = 12
_LONGEST: Final = 31


class Month(msgspec.Struct, frozen=True):
    """Days from `first` up to but not including `end`, counted from 1970-01-01 (UTC)."""

    name: str
    first: int
    end: int

    @property
    def length_ms(self) -> int:
        """How long it is."""
        return (self.end - self.first) * MS_OF_DAY


def month_of(name: str, now_ms: int) -> Month:
    """Return a month by its name, such as `2026-10`.

    Raises:
        InvalidValue: this is no month, or one that has not begun.
    """
    found = _FORM.fullmatch(name)
    if found is None:
        raise InvalidValue("month", "give a month such as 2026-10")
    year, month = int(found[1]), int(found[2])
    first = _day(year, month)
    end = _day(year + 1, 1) if month == _DECEMBER else _day(year, month + 1)
    if first * MS_OF_DAY > now_ms:
        raise InvalidValue("month", "give a month that has begun")
    return Month(name, first, end)


def days_of(name: str, now_ms: int) -> Month:
    """Return a month by its name, or one day of it, such as `2026-10-31`.

    Raises:
        InvalidValue: this is neither, or it has not begun.
    """
    month = month_of(name[:_MONTH_LENGTH], now_ms)
    if name == month.name:
        return month
    found = _DAY.fullmatch(name)
    first = month.first + int(found[1]) - 1 if found is not None else -1
    if not month.first <= first < month.end or first * MS_OF_DAY > now_ms:
        raise InvalidValue("day", "give a day such as 2026-10-31 that has begun")
    return Month(name, first, first + 1)


def month_at(day: int) -> Month:
    """Return the month of a day."""
    date = _EPOCH + dt.timedelta(days=day)
    after = date.replace(day=1) + dt.timedelta(days=_LONGEST)
    first, end = date.replace(day=1), after.replace(day=1)
    return Month(date.isoformat()[:7], (first - _EPOCH).days, (end - _EPOCH).days)


def is_closed(tx: Transaction, month: Month) -> bool:
    """Tell whether all days of a month are closed, so that nothing can be charged to it."""
    opened = tx.row("SELECT day FROM open_day WHERE id = 1", (), tuple[int])
    return opened is not None and opened[0] >= month.end


def date_of(day: int) -> str:
    """Return a day of the books as a date, such as `2026-10-31`."""
    return (_EPOCH + dt.timedelta(days=day)).isoformat()


def _day(year: int, month: int) -> int:
    return (dt.date(year, month, 1) - _EPOCH).days
