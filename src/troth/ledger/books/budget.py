"""Budgets: a limit a period, spent through the same leases as a wallet.

A rule belongs to a purse; each period is a row of its own, made when it is first asked for.
Running requests settle into the period they were admitted in.
"""

from enum import Enum
from typing import Final

import msgspec

from troth.kernel.periods import Period, span
from troth.store.transaction import Transaction

UNLIMITED: Final = 2**62
WARNINGS: Final = (50, 80, 100)
"""Percent of a limit at which somebody is told."""


class Mode(Enum):
    """Whether the limit stops requests or only tells somebody."""

    HARD = "hard"
    ALERT = "alert"


class Rule(msgspec.Struct, frozen=True, array_like=True):
    """A budget as its owner set it; periods are those of the zone's calendar."""

    purse: bytes
    period: Period
    zone: str
    mode: Mode
    limit_nusd: int


class Budget(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One period of a budget; `ends_at` 0 for a budget without periods."""

    purse: bytes
    starts_at: int
    ends_at: int
    mode: Mode
    limit_nusd: int
    spent: int
    held: int

    @property
    def available(self) -> int:
        """Return what may still be lent; an alert never stops anybody."""
        if self.mode is Mode.ALERT:
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
    starts_at, ends_at = span(rule.period, rule.zone, now_ms)
    tx.execute(
        "UPDATE budget SET ends_at = ?, limit_nusd = ?, mode = ? WHERE purse = ? AND starts_at = ?",
        (ends_at, rule.limit_nusd, rule.mode.value, rule.purse, starts_at),
    )


def rule(tx: Transaction, purse: bytes) -> Rule | None:
    """Return a purse's rule."""
    return tx.row(
        "SELECT purse, period, zone, mode, limit_nusd FROM budget_rule WHERE purse = ?",
        (purse,),
        Rule,
    )


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
    return tx.row(_SELECT + " AND starts_at = ? {lock}", (purse, starts_at), Budget)


def running(tx: Transaction, purse: bytes, now_ms: int) -> Budget | None:
    """Return the running period as it stands, without locking it; it may not have begun yet."""
    found = rule(tx, purse)
    if found is None:
        return None
    starts_at, ends_at = span(found.period, found.zone, now_ms)
    begun = tx.row(_SELECT + " AND starts_at = ?", (purse, starts_at), Budget)
    return begun or Budget(purse, starts_at, ends_at, found.mode, found.limit_nusd, 0, 0)


def of_epoch(tx: Transaction, purse: bytes, epoch: int) -> Budget | None:
    """Return and lock the period whose lease had this epoch, None when there is none."""
    return tx.row(
        _SELECT + " AND first_epoch <= ? ORDER BY first_epoch DESC, starts_at DESC LIMIT 1 {lock}",
        (purse, epoch),
        Budget,
    )


_SELECT: Final = (
    "SELECT purse, starts_at, ends_at, mode, limit_nusd, spent, held FROM budget WHERE purse = ?"
)


class Crossing(msgspec.Struct, frozen=True, gc=False):
    """A budget's spending has passed a part of its limit for the first time in its period."""

    purse: bytes
    starts_at: int
    percent: int
    spent: int
    limit_nusd: int


def crossings(tx: Transaction, ended_after_ms: int) -> list[Crossing]:
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
