"""How long the service was away, by day and month: all endpoints alike, minute by minute.

Time before the first minute that was ever noted is not counted, neither as up nor as away.
"""

from collections.abc import Sequence
from typing import Final

import msgspec

from troth.control.availability import minutes
from troth.control.availability.minutes import MINUTES_OF_DAY, MS_OF_MINUTE, Bits
from troth.control.availability.windows import Window, windows
from troth.control.usage import Month
from troth.store.transaction import Transaction

_WRITTEN_LATER: Final = 2
"""Minutes at the end that may not be noted yet."""
_DECIMALS: Final = 10_000


class Terms(msgspec.Struct, frozen=True):
    """Whether maintenance that was announced in time is left out."""

    is_maintenance_excluded: bool = False


class Sum(msgspec.Struct, frozen=True):
    """A day or a month. Of `down_ms`, `upstream_ms` are failures behind us.

    `observed_ms` is what is counted, `excluded_ms` the maintenance that is not. Each is the mean of
    the endpoints, and no part of a millisecond away is forgotten.
    """

    observed_ms: int = 0
    down_ms: int = 0
    upstream_ms: int = 0
    excluded_ms: int = 0

    def plus(self, other: "Sum") -> "Sum":
        """Return both together."""
        return Sum(
            self.observed_ms + other.observed_ms,
            self.down_ms + other.down_ms,
            self.upstream_ms + other.upstream_ms,
            self.excluded_ms + other.excluded_ms,
        )

    @property
    def percent(self) -> str:
        """Uptime with four decimals, rounded down; empty where nothing was observed."""
        return _percent(self.observed_ms, self.down_ms)

    @property
    def own_percent(self) -> str:
        """The same without the failures behind us."""
        return _percent(self.observed_ms, self.down_ms - self.upstream_ms)


def by_day(tx: Transaction, days: tuple[int, int], terms: Terms, now_ms: int) -> dict[int, Sum]:
    """Return the sums of days from the first up to but not including the end."""
    begun = minutes.since(tx)
    if begun is None:
        return {}
    first = max(days[0], begun // MINUTES_OF_DAY)
    end_minute = now_ms // MS_OF_MINUTE - _WRITTEN_LATER
    end = min(days[1], end_minute // MINUTES_OF_DAY + 1)
    noted = minutes.days(tx, first, end)
    out = [
        each
        for each in windows(tx, first * MINUTES_OF_DAY * MS_OF_MINUTE)
        if each.is_planned and terms.is_maintenance_excluded
    ]
    sums = {}
    for day in range(first, end):
        start = day * MINUTES_OF_DAY
        counted = minutes.span(begun - start, end_minute - start)
        sums[day] = _sum(list(noted.get(day, {}).values()), counted, _planned(out, start))
    return sums


def is_up(tx: Transaction, now_ms: int) -> bool:
    """Tell whether an endpoint answered in one of the last minutes."""
    now = now_ms // MS_OF_MINUTE
    for minute in (now, now - 1):
        day, place = divmod(minute, MINUTES_OF_DAY)
        found = minutes.days(tx, day, day + 1).get(day, {})
        if any(each.up >> place & 1 for each in found.values()):
            return True
    return False


def of_month(tx: Transaction, month: Month, terms: Terms, now_ms: int) -> Sum | None:
    """Return the sum of a month up to now; None when nothing of it was measured."""
    found = by_day(tx, (month.first, month.end), terms, now_ms)
    whole = Sum()
    for each in found.values():
        whole = whole.plus(each)
    return whole if whole.observed_ms or whole.excluded_ms else None


def _planned(out: Sequence[Window], start: int) -> int:
    """Return the bits of whole minutes that lie in a window, of the day that starts so."""
    bits = 0
    for each in out:
        first = -(-each.starts_at_ms // MS_OF_MINUTE) - start
        bits |= minutes.span(first, each.ends_at_ms // MS_OF_MINUTE - start)
    return bits


def _sum(endpoints: Sequence[Bits], counted: int, planned: int) -> Sum:
    observed = counted & ~planned
    many = max(1, len(endpoints))
    every = endpoints or (Bits(),)
    down = sum((observed & ~each.up).bit_count() for each in every)
    upstream = sum((observed & ~each.up & each.upstream).bit_count() for each in every)
    return Sum(
        observed.bit_count() * MS_OF_MINUTE,
        -(-down * MS_OF_MINUTE // many),
        upstream * MS_OF_MINUTE // many,
        (counted & planned).bit_count() * MS_OF_MINUTE,
    )


def _percent(whole_ms: int, down_ms: int) -> str:
    if not whole_ms:
        return ""
    parts = (whole_ms - down_ms) * 100 * _DECIMALS // whole_ms
    return f"{parts // _DECIMALS}.{parts % _DECIMALS:04d}"
