"""How fast organizations use their credit, from the roll-ups of the last seven days."""

from typing import Final

import msgspec

from troth.control.usage.record import MS_OF_HOUR
from troth.store.transaction import Transaction

_DAY_HOURS: Final = 24
_WEEK_HOURS: Final = 7 * _DAY_HOURS


class Pace(msgspec.Struct, frozen=True):
    """What an organization was charged in its last `hours`, of which there are 24 to 168."""

    org: bytes
    charged_nusd: int
    hours: int

    def days_of(self, nusd: int) -> int:
        """Return how many whole days an amount lasts at this pace."""
        return max(0, nusd) * self.hours // (self.charged_nusd * _DAY_HOURS)


def paces(transaction: Transaction, now_ms: int) -> list[Pace]:
    """Return the paces of all organizations that were charged in the last seven days.

    Who began within them is measured from its first hour, and a day at least.
    """
    hour = now_ms // MS_OF_HOUR
    rows = transaction.rows(
        "SELECT org, sum(charged), min(hour) FROM rollup_hour WHERE hour > ?"
        " GROUP BY org HAVING sum(charged) > 0 ORDER BY org",
        (hour - _WEEK_HOURS,),
        tuple[bytes, int, int],
    )
    return [
        Pace(org, int(charged), max(_DAY_HOURS, hour - first + 1)) for org, charged, first in rows
    ]
