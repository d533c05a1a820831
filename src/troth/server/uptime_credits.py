"""What a measured month owes for its downtime: shown, or credited by itself where that is set."""

from typing import Final

import msgspec

from troth.control import availability, promotions, usage
from troth.control.audit import Actor
from troth.kernel.errors import InvalidValue
from troth.server.office import Office
from troth.server.status_page import MS_OF_DAY, terms_of
from troth.store.transaction import Transaction

_NOBODY: Final = -1
"""The uid of what happens by itself."""


class Due(msgspec.Struct, frozen=True):
    """A month's downtime, and what it owes to whom."""

    month: usage.Month
    downtime_ms: int
    owed: list[promotions.Owed]


def downtime_of(tx: Transaction, office: Office, month: usage.Month) -> int:
    """Return the downtime that was measured in a month.

    Raises:
        InvalidValue: nothing of the month was measured.
    """
    terms = terms_of(office.alerts.availability)
    found = availability.of_month(tx, month, terms, office.clock.now_ms())
    if found is None:
        raise InvalidValue("downtime_ms", "nothing of this month was measured: say its downtime")
    return found.down_ms


def due(tx: Transaction, office: Office) -> Due | None:
    """Return what the month before this one owes; None where nothing can be owed yet."""
    month = _last_month(office.clock.now_ms())
    if not office.alerts.uptime or not usage.is_closed(tx, month):
        return None
    try:
        downtime_ms = downtime_of(tx, office, month)
    except InvalidValue:
        return None
    owed = promotions.owed(tx, month, downtime_ms, office.alerts.uptime)
    return Due(month, downtime_ms, [each for each in owed if each.amount_nusd > 0])


def credit_downtime(office: Office) -> None:
    """Credit what the last month owes, once, where the settings say that nobody has to be asked."""
    if not office.alerts.availability.is_credit_applied:
        return
    with office.store.read() as tx:
        found = due(tx, office)
    waiting = [each for each in found.owed if not each.is_credited] if found else []
    if found is None or not waiting:
        return
    with office.store.write() as tx:
        credit(tx, Actor(_NOBODY, office.clock.now_ms()), found.month, (waiting, found.downtime_ms))


def credit(
    tx: Transaction, actor: Actor, month: usage.Month, each: tuple[list[promotions.Owed], int]
) -> int:
    """Credit what is owed for so much downtime; return how many were credited just now."""
    owed, downtime_ms = each
    return sum(promotions.credit_owed(tx, actor, month, (one, downtime_ms)) for one in owed)


def _last_month(now_ms: int) -> usage.Month:
    this = usage.month_at(now_ms // MS_OF_DAY)
    return usage.month_at(this.first - 1)
