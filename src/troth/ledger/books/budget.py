"""Budgets: a limit a period, spent through the same leases as a wallet.

A rule belongs to a purse; each period is a row of its own, made when it is first asked for.
Running requests settle into the period they were admitted in.
"""

from datetime import UTC, datetime, timedelta
from enum import Enum
from typing import Final
from zoneinfo import ZoneInfo

import msgspec

from troth.store.transaction import Transaction

UNLIMITED: Final = 2**62
FOREVER: Final = 0
WARNINGS: Final = (50, 80, 100)
"""Percent of a limit at which somebody is told."""
_DECEMBER: Final = 12


class Period(Enum):
    """How often a budget starts anew, in its organization's time zone; weeks start on Monday."""

    DAY = "day"
    WEEK = "week"
    MONTH = "month"
    TOTAL = "total"


class Mode(Enum):
    """Whether the limit stops requests or only tells somebody."""

    HARD = "hard"
    ALERT = "alert"


class Rule(msgspec.Struct, frozen=True):
    """A budget as its owner set it."""

    purse: bytes
    period: Period
    zone: str
    mode: Mode
    limit_nusd: int


class Budget(msgspec.Struct, frozen=True, gc=False):
    """One period of a budget; `ends_at` 0 for a budget without periods."""

    purse: bytes
    starts_at: int
    ends_at: int
    mode: str
    limit_nusd: int
    spent: int
    held: int

    @property
    def available(self) -> int:
        """Return what may still be lent; an alert never stops anybody."""
        if self.mode == Mode.ALERT.value:
            return UNLIMITED
        return self.limit_nusd - self.spent - self.held


def set_rule(tx: Transaction, rule: Rule, now_ms: int) -> None:
    """Set or change a budget; the running period takes the new limit at once."""
    tx.execute(
        "INSERT INTO budget_rule (purse, period, zone, mode, limit_nusd) VALUES (?, ?, ?, ?, ?)"
        " ON CONFLICT (purse) DO UPDATE SET period = excluded.period, zone = excluded.zone,"
        " mode = excluded.mode, limit_nusd = excluded.limit_nusd",
        (rule.purse, rule.period.value, rule.zone, rule.mode.value, rule.limit_nusd),
    )
    starts_at, _ = span(rule.period, rule.zone, now_ms)
    tx.execute(
        "UPDATE budget SET limit_nusd = ?, mode = ? WHERE purse = ? AND starts_at = ?",
        (rule.limit_nusd, rule.mode.value, rule.purse, starts_at),
    )


def drop_rule(tx: Transaction, purse: bytes) -> None:
    """End a budget: nothing more is lent from it. Its row stays, so that no epoch repeats."""
    tx.execute("UPDATE budget_rule SET mode = 'off' WHERE purse = ?", (purse,))


def rule(tx: Transaction, purse: bytes) -> Rule | None:
    """Return a purse's rule."""
    found = tx.row(
        "SELECT period, zone, mode, limit_nusd FROM budget_rule WHERE purse = ? AND mode <> 'off'",
        (purse,),
        tuple[str, str, str, int],
    )
    if found is None:
        return None
    period, zone, mode, limit_nusd = found
    return Rule(purse, Period(period), zone, Mode(mode), limit_nusd)


def current(tx: Transaction, purse: bytes, now_ms: int) -> Budget | None:
    """Return the running period, made if this is its first use, and lock it."""
    found = rule(tx, purse)
    if found is None:
        return None
    starts_at, ends_at = span(found.period, found.zone, now_ms)
    tx.execute(
        "INSERT INTO budget (purse, starts_at, ends_at, mode, limit_nusd, first_epoch)"
        " SELECT purse, ?, ?, mode, limit_nusd, epoch + 1 FROM budget_rule WHERE purse = ?"
        " ON CONFLICT DO NOTHING",
        (starts_at, ends_at, purse),
    )
    return at(tx, purse, starts_at)


def running(tx: Transaction, purse: bytes, now_ms: int) -> Budget | None:
    """Return the running period as it stands, without locking it; it may not have begun yet."""
    found = rule(tx, purse)
    if found is None:
        return None
    starts_at, ends_at = span(found.period, found.zone, now_ms)
    row = tx.row(
        "SELECT spent, held FROM budget WHERE purse = ? AND starts_at = ?",
        (purse, starts_at),
        tuple[int, int],
    )
    spent, held = row or (0, 0)
    return Budget(purse, starts_at, ends_at, found.mode.value, found.limit_nusd, spent, held)


def at(tx: Transaction, purse: bytes, starts_at: int) -> Budget | None:
    """Return and lock the period that started then."""
    found = tx.row(
        "SELECT purse, starts_at, ends_at, mode, limit_nusd, spent, held FROM budget"
        " WHERE purse = ? AND starts_at = ? {lock}",
        (purse, starts_at),
        tuple[bytes, int, int, str, int, int, int],
    )
    return Budget(*found) if found else None


class Crossing(msgspec.Struct, frozen=True, gc=False):
    """A budget's spending has passed a part of its limit for the first time in its period."""

    purse: bytes
    starts_at: int
    percent: int
    spent: int
    limit_nusd: int


def crossings(tx: Transaction, ended_after_ms: int = 0) -> list[Crossing]:
    """Return what was passed since the last call; each part of each period once.

    Periods that ended before `ended_after_ms` are left alone.
    """
    found = tx.rows(
        "SELECT purse, starts_at, spent, limit_nusd, warned FROM budget"
        " WHERE warned < 100 AND (ends_at = 0 OR ends_at > ?) AND spent * 100 >= limit_nusd * ?",
        (ended_after_ms, WARNINGS[0]),
        tuple[bytes, int, int, int, int],
    )
    crossed = []
    for purse, starts_at, spent, limit_nusd, warned in found:
        percent = max(each for each in WARNINGS if spent * 100 >= limit_nusd * each)
        if percent > warned:
            tx.execute(
                "UPDATE budget SET warned = ? WHERE purse = ? AND starts_at = ?",
                (percent, purse, starts_at),
            )
            crossed.append(Crossing(purse, starts_at, percent, spent, limit_nusd))
    return crossed


def of_epoch(tx: Transaction, purse: bytes, epoch: int) -> Budget | None:
    """Return and lock the period whose lease had this epoch, None when there is none."""
    found = tx.row(
        "SELECT starts_at FROM budget WHERE purse = ? AND first_epoch <= ?"
        " ORDER BY first_epoch DESC, starts_at DESC",
        (purse, epoch),
        tuple[int],
    )
    return at(tx, purse, found[0]) if found else None


def span(period: Period, zone: str, now_ms: int) -> tuple[int, int]:
    """Return start and end of the period that holds `now_ms`, in unix milliseconds."""
    if period is Period.TOTAL:
        return 0, FOREVER
    local = datetime.fromtimestamp(now_ms / 1_000, UTC).astimezone(ZoneInfo(zone))
    start = local.replace(hour=0, minute=0, second=0, microsecond=0, fold=0)
    if period is Period.DAY:
        return _ms(start), _ms(_days_after(start, 1))
    if period is Period.WEEK:
        start = _days_after(start, -start.weekday())
        return _ms(start), _ms(_days_after(start, 7))
    start = start.replace(day=1)
    if start.month == _DECEMBER:
        return _ms(start), _ms(start.replace(year=start.year + 1, month=1))
    return _ms(start), _ms(start.replace(month=start.month + 1))


def _days_after(start: datetime, days: int) -> datetime:
    """Move a local midnight by days of the calendar, whatever the clocks do meanwhile."""
    return start + timedelta(days=days)


def _ms(moment: datetime) -> int:
    return int(moment.timestamp()) * 1_000
