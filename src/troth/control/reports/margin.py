"""What is earned and lost: charges less cost, from roll-ups, the worst first.

What was corrected after a provider's bill counts: more or less cost, and less charged. Of whose
requests a cost was corrected no bill says, so that organizations have theirs as it was counted. A
charge that a gift paid counts as charged: what gifts cost is in the books, not here.
"""

from typing import Final, Literal, get_args

import msgspec

from troth.control.usage import KEPT_SUMS
from troth.kernel import ids
from troth.store.transaction import Transaction

By = Literal["model", "provider", "organization"]
WAYS: Final[tuple[By, ...]] = get_args(By)
_WHOLE: Final = 10_000
_SUPPLY: Final = """
SELECT part, sum(count), sum(charged), sum(cost) FROM (
  SELECT {0} AS part, count, charged, cost FROM rollup_supply WHERE day BETWEEN ? AND ?
  UNION ALL SELECT {0}, 0, CASE what WHEN 'charge' THEN -amount ELSE 0 END,
    CASE what WHEN 'cost' THEN amount ELSE 0 END FROM correction WHERE day BETWEEN ? AND ?
) AS moved GROUP BY part"""
_COLUMNS: Final = {"model": "model", "provider": "provider"}
_ORGANIZATIONS: Final = f"""
SELECT org, sum(count), sum(charged), sum(cost) FROM (
  SELECT org, count, charged, cost FROM {KEPT_SUMS} WHERE hour BETWEEN ? AND ?
  UNION ALL SELECT org, 0, -amount, 0 FROM correction WHERE what = 'charge' AND day BETWEEN ? AND ?
) AS moved GROUP BY org"""  # noqa: S608 - of constants
_HOURS: Final = 24


class Margin(msgspec.Struct, frozen=True):
    """One group. `margin_bp` are hundredths of a percent of what was charged, 0 for nothing."""

    group: str
    count: int
    charged_nusd: int
    cost_nusd: int
    margin_nusd: int
    margin_bp: int


def margins(tx: Transaction, by: By, first_day: int, last_day: int) -> list[Margin]:
    """Return the margin of each group over days since 1970, the lowest first."""
    days = (first_day, last_day)
    if by == "organization":
        span = (first_day * _HOURS, last_day * _HOURS + _HOURS - 1)
        owners = tx.rows(_ORGANIZATIONS, (*span, *days), tuple[bytes, int, int, int])
        found = [_margin(ids.text("org", raw), *map(int, sums)) for raw, *sums in owners]
    else:
        sql = _SUPPLY.format(_COLUMNS[by])
        rows = tx.rows(sql, (*days, *days), tuple[str, int, int, int])
        found = [_margin(group, *map(int, sums)) for group, *sums in rows]
    return sorted(found, key=lambda each: (each.margin_nusd, each.group))


def _margin(group: str, count: int, charged: int, cost: int) -> Margin:
    margin = charged - cost
    share = abs(margin) * _WHOLE // charged * (-1 if margin < 0 else 1) if charged else 0
    return Margin(group, count, charged, cost, margin, share)
