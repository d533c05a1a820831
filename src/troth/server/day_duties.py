"""What the desk does about days by itself: close those that are over, drop what they outlive."""

from typing import Final

from troth.control import deeds, documents, reports, usage
from troth.ledger import books
from troth.server.office import DESK, Office

_GUARDS_A_STEP: Final = 5_000
_ROWS_A_STEP: Final = 2_000


def close_days(office: Office) -> None:
    """Close each day that is over; freeze its sums and post its cost in the same transaction."""
    closed: int | None = 0
    while closed is not None:
        with office.store.write() as tx:
            closed = books.close_day(tx, office.clock.now_ms())
            if closed is not None:
                usage.freeze(tx, closed)
                reports.post_costs(tx, closed, DESK, office.clock.now_ms())


def forget_guards(office: Office) -> None:
    """Drop what guards against a second posting of journals that nobody replays any more."""
    gone = _GUARDS_A_STEP
    while gone == _GUARDS_A_STEP:
        with office.store.write() as tx:
            gone = books.forget_guards(tx, office.clock.now_ms(), _GUARDS_A_STEP)


def forget_deeds(office: Office) -> None:
    """Drop the names that callers gave to deeds a day ago."""
    with office.store.write() as tx:
        deeds.forget(tx, office.clock.now_ms())


def forget_names(office: Office) -> None:
    """Drop the names that callers gave to requests a day ago."""
    with office.store.write() as tx:
        usage.forget_names(tx, office.clock.now_ms())


def forget_usage(office: Office) -> None:
    """Drop the rows of single requests whose time is over, and what is kept of their hours."""
    gone = _ROWS_A_STEP if office.usage_days else 0
    while gone == _ROWS_A_STEP:
        with office.store.write() as tx:
            gone = usage.forget(tx, office.usage_days, office.clock.now_ms(), _ROWS_A_STEP)
    now_ms = office.clock.now_ms()
    gone = office.usage_days
    while gone and not office.exports.are_read(office.clock):
        with office.store.write() as tx:
            first = documents.unwritten_since(tx)
            gone = usage.forget_day(tx, office.usage_days, now_ms, first)
