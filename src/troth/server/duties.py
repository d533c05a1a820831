"""What the desk does by itself, each thing after its own pause, in one thread.

A duty opens its own transactions, so that a call to a company outside is never made inside one. A
database that is busy is tried again at the next turn; any other fault is one line of the log, and
the others go on.
"""

from collections.abc import Callable, Sequence
from contextlib import suppress
from threading import Event, Thread
from typing import Final

import msgspec

from troth.control import supply
from troth.kernel.clock import Clock
from troth.kernel.errors import TrothError
from troth.kernel.log import Log
from troth.server.alerting import (
    expire_credit,
    find_low_balances,
    forget_contacts,
    raise_alerts,
    send_mails,
    tell_endings,
)
from troth.server.day_duties import (
    close_days,
    forget_deeds,
    forget_guards,
    forget_names,
    forget_usage,
)
from troth.server.document_duties import issue_months, issue_receipts
from troth.server.log_lines import DutyFailed, DutyName
from troth.server.office import Office
from troth.server.shelf import stock_of
from troth.store.transaction import Locked

_MS: Final = 1_000_000
_STOP_SECONDS: Final = 5
_LONGEST_PAUSE_MS: Final = 60_000


class Duty(msgspec.Struct, frozen=True):
    """Something to do again `every_ms` after it was last begun."""

    name: DutyName
    every_ms: int
    work: Callable[[Office], None]


def renew_prices(office: Office) -> None:
    """Put in force what was accepted for a moment that has come, and tell the gateways."""
    now_ms = office.clock.now_ms()
    with office.store.read() as tx:
        if supply.mark(tx, now_ms) == office.sales.mark:
            return
        stock = stock_of(tx, office.catalog, now_ms)
        is_new = supply.last_in_force(tx) != stock.catalog.price_set
    if is_new:
        with office.store.write() as tx:
            supply.remember(tx, stock.catalog, now_ms)
    office.sales.sell(stock)


DUTIES: Final = (
    Duty(DutyName.CLOSE_DAYS, 60_000, close_days),
    Duty(DutyName.FORGET_GUARDS, 600_000, forget_guards),
    Duty(DutyName.RENEW_PRICES, 1_000, renew_prices),
    Duty(DutyName.EXPIRE_CREDIT, 60_000, expire_credit),
    Duty(DutyName.RAISE_ALERTS, 15_000, raise_alerts),
    Duty(DutyName.LOW_BALANCES, 600_000, find_low_balances),
    Duty(DutyName.TELL_ENDINGS, 60_000, tell_endings),
    Duty(DutyName.FORGET_CONTACTS, 60_000, forget_contacts),
    Duty(DutyName.FORGET_DEEDS, 600_000, forget_deeds),
    Duty(DutyName.FORGET_NAMES, 600_000, forget_names),
    Duty(DutyName.FORGET_USAGE, 3_600_000, forget_usage),
)
"""What only the database is needed for, in the order of a turn."""

SLOW_DUTIES: Final = (
    Duty(DutyName.SEND_MAILS, 15_000, send_mails),
    Duty(DutyName.ISSUE_RECEIPTS, 5_000, issue_receipts),
    Duty(DutyName.ISSUE_MONTHS, 600_000, issue_months),
)
"""What waits for others or reads much; it has a thread of its own."""


class Duties:
    """Does what is due until `stop`."""

    def __init__(self, office: Office, duties: Sequence[Duty], *, clock: Clock, log: Log) -> None:
        self._office = office
        self._clock = clock
        self._log = log
        self._due = [(0, duty) for duty in duties]
        self._ended = Event()
        self._thread = Thread(target=self._run, name="duties", daemon=True)

    def start(self) -> None:
        """Begin, in a thread of its own."""
        self._thread.start()

    def stop(self) -> None:
        """End after the duty at hand."""
        self._ended.set()
        if self._thread.is_alive():
            self._thread.join(_STOP_SECONDS)

    def turn(self) -> int:
        """Do what is due; return the milliseconds until something is due again."""
        now_ms = self._clock.monotonic_ns() // _MS
        for index, (due_ms, duty) in enumerate(self._due):
            if due_ms <= now_ms and not self._ended.is_set():
                self._due[index] = (now_ms + duty.every_ms, duty)
                self._do(duty)
        return min((due_ms - now_ms for due_ms, _ in self._due), default=_LONGEST_PAUSE_MS)

    def _do(self, duty: Duty) -> None:
        with suppress(Locked):
            try:
                duty.work(self._office)
            except TrothError:
                self._log.write(DutyFailed(duty.name))

    def _run(self) -> None:
        pause_ms = 0
        while not self._ended.wait(min(pause_ms, _LONGEST_PAUSE_MS) / 1_000):
            pause_ms = max(1, self.turn())
