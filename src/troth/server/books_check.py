"""Every night, and at each start: do all rules of the books hold for all that they hold?

Each posting checks what it moves. This looks at everything, in one read that stops nobody; a rule
that does not hold ends money work until somebody has looked, as it does in a posting.
"""

from typing import Final, Protocol

from troth.kernel.log import Log
from troth.ledger import books
from troth.server.faults import number_of
from troth.server.log_lines import MoneyStopped
from troth.server.office import Office

_SUM: Final = "I1 the books sum to zero"


class Moneyed(Protocol):
    """Who moves money, as long as the books agree."""

    is_broken: bool


class BooksCheck:
    """Checks the books once a day, when the day before was closed."""

    def __init__(self, desk: Moneyed, log: Log) -> None:
        self._desk = desk
        self._log = log
        self._day = -1

    def turn(self, office: Office) -> None:
        """Check, unless that was done since the last day was closed."""
        with office.store.read() as tx:
            day = tx.number("SELECT day FROM open_day WHERE id = 1")
            if day == self._day:
                return
            broken = books.everywhere(tx)
            if tx.number("SELECT CAST(sum(posted) AS bigint) FROM book"):
                broken.insert(0, _SUM)
        self._day = day
        for rule in broken:
            self._desk.is_broken = True
            self._log.write(MoneyStopped(number_of(rule)))
