"""How fast organizations use their credit, from the roll-ups of the last seven days."""

from typing import Final

import msgspec

from troth.control.usage.record import MS_OF_HOUR
from troth.store.transaction import Transaction

_DAY_HOURS: Final = 24
_WEEK_HOURS: Final = 7 * _DAY_HOURS


class Pace(msgspec.Struct, frozen=True):
    """What an organization was charged in the last seven days, or since it began."""

    org: bytes
    charged_nusd: int

    def days_of(self, nusd: int, since_ms: int, now_ms: int) -> int:
        """Return how many whole days an amount lasts at this pace.

        Who began less than seven days ago, at `since_ms`, is measured from then, a day at least.
        """
        hours = min(_WEEK_HOURS, max(_DAY_HOURS, (now_ms - since_ms) // MS_OF_HOUR + 1))
        return max(0, nusd) * hours // (self.charged_nusd * _DAY_HOURS)


def paces(transaction: Transaction, now_ms: int) -> list[Pace]:
    """Return the paces of all organizations that were charged in the last seven days."""
    rows = transaction.rows(
        "SELECT org, CAST(sum(charged) AS bigint) FROM rollup_hour WHERE hour > ?"
        " GROUP BY org HAVING sum(charged) > 0 ORDER BY org",
        (now_ms // MS_OF_HOUR - _WEEK_HOURS,),
        tuple[bytes, int],
    )
    return [Pace(*row) for row in rows]
