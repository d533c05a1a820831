"""What one key was charged: in all, and in the present day, week and month (UTC)."""

from typing import Final

import msgspec

from troth.control.usage.record import MS_OF_HOUR
from troth.control.usage.rollups import KEPT_SUMS
from troth.kernel.periods import Period, span
from troth.store.transaction import Transaction

_SELECT: Final = f"""
SELECT CAST(coalesce(sum(charged), 0) AS bigint),
  CAST(coalesce(sum(CASE WHEN hour >= ? THEN charged END), 0) AS bigint),
  CAST(coalesce(sum(CASE WHEN hour >= ? THEN charged END), 0) AS bigint),
  CAST(coalesce(sum(CASE WHEN hour >= ? THEN charged END), 0) AS bigint)
FROM {KEPT_SUMS} WHERE api_key = ?"""  # noqa: S608 - of constants


class KeySums(msgspec.Struct, frozen=True):
    """Charges in nano-USD; weeks begin on Monday."""

    total: int
    day: int
    week: int
    month: int


def key_sums(transaction: Transaction, key_raw: bytes, now_ms: int) -> KeySums:
    """Return what a key was charged."""
    starts = [
        span(period, "UTC", now_ms)[0] // MS_OF_HOUR
        for period in (Period.DAY, Period.WEEK, Period.MONTH)
    ]
    row = transaction.row(_SELECT, (*starts, key_raw), tuple[int, int, int, int])
    return KeySums(*(row or (0, 0, 0, 0)))
