"""The rule of a budget's purse, and its periods as they stand: what its owner set and is told.

The ledger lends from a purse as its rule says: each period is a row of its own, made there when it
is first asked for.
"""

from enum import Enum
from typing import Final

import msgspec

from troth.kernel.periods import Period, is_same_day, span
from troth.store.transaction import Transaction

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


class Running(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """The running period of a budget; `ends_at` 0 for a budget without periods."""

    starts_at: int
    ends_at: int
    limit_nusd: int
    spent: int
    held: int


class Crossing(msgspec.Struct, frozen=True, gc=False):
    """A budget's spending has passed a part of its limit for the first time in its period."""

    purse: bytes
    starts_at: int
    percent: int
    spent: int
    limit_nusd: int


def set_rule(transaction: Transaction, rule: Rule, now_ms: int) -> None:
    """Set or change a budget; the running period takes the new limit at once.

    Parts of the limit that are passed no more, because it was raised, will be told of again. In
    another time zone the period goes on with what was used in it, if it has the same first day.
    """
    before = rule_of(transaction, rule.purse)
    transaction.execute(
        "INSERT INTO budget_rule (purse, period, zone, mode, limit_nusd) VALUES (?, ?, ?, ?, ?)"
        " ON CONFLICT (purse) DO UPDATE SET period = excluded.period, zone = excluded.zone,"
        " mode = excluded.mode, limit_nusd = excluded.limit_nusd",
        (rule.purse, rule.period.value, rule.zone, rule.mode.value, rule.limit_nusd),
    )
    starts_at, ends_at = span(rule.period, rule.zone, now_ms)
    if before is not None and before.zone != rule.zone:
        _carry(transaction, before, rule, now_ms)
    transaction.execute(
        "UPDATE budget SET ends_at = ?, limit_nusd = ?, mode = ?, warned = CASE"
        " WHEN spent * 100 < ? THEN 0 WHEN spent * 100 < ? AND warned > 50 THEN 50"
        " WHEN spent * 100 < ? AND warned > 80 THEN 80 ELSE warned END"
        " WHERE purse = ? AND starts_at = ?",
        (
            ends_at,
            rule.limit_nusd,
            rule.mode.value,
            *(rule.limit_nusd * percent for percent in WARNINGS),
            rule.purse,
            starts_at,
        ),
    )


def _carry(transaction: Transaction, before: Rule, rule: Rule, now_ms: int) -> None:
    """Let a period that begins at another moment now begin with what was used since the old one."""
    old_start, _ = span(before.period, before.zone, now_ms)
    starts_at, ends_at = span(rule.period, rule.zone, now_ms)
    if starts_at == old_start or not is_same_day((old_start, before.zone), (starts_at, rule.zone)):
        return
    transaction.execute(
        "INSERT INTO budget (purse, starts_at, ends_at, mode, limit_nusd, spent, warned,"
        " first_epoch) SELECT b.purse, ?, ?, r.mode, r.limit_nusd, b.spent, b.warned, r.epoch + 1"
        " FROM budget AS b JOIN budget_rule AS r ON r.purse = b.purse"
        " WHERE b.purse = ? AND b.starts_at = ?"
        " ON CONFLICT (purse, starts_at) DO UPDATE SET spent = excluded.spent"
        " WHERE excluded.spent > budget.spent",
        (starts_at, ends_at, rule.purse, old_start),
    )


def rule_of(transaction: Transaction, purse: bytes) -> Rule | None:
    """Return a purse's rule."""
    return transaction.row(
        "SELECT purse, period, zone, mode, limit_nusd FROM budget_rule WHERE purse = ?",
        (purse,),
        Rule,
    )


def running(transaction: Transaction, purse: bytes, now_ms: int) -> Running | None:
    """Return the running period as it stands; one that has not begun has nothing spent."""
    rule = rule_of(transaction, purse)
    if rule is None:
        return None
    starts_at, ends_at = span(rule.period, rule.zone, now_ms)
    begun = transaction.row(
        "SELECT starts_at, ends_at, limit_nusd, spent, held FROM budget"
        " WHERE purse = ? AND starts_at = ?",
        (purse, starts_at),
        Running,
    )
    return begun or Running(starts_at, ends_at, rule.limit_nusd, 0, 0)


def crossings(transaction: Transaction, ended_after_ms: int) -> list[Crossing]:
    """Return what was passed since the last call; each part of each period once.

    Periods that ended before `ended_after_ms` are left alone.
    """
    found = transaction.rows(
        "SELECT purse, starts_at, spent, limit_nusd, warned FROM budget"
        " WHERE warned < 100 AND (ends_at = 0 OR ends_at > ?) AND spent * 100 >= limit_nusd * ?",
        (ended_after_ms, WARNINGS[0]),
        tuple[bytes, int, int, int, int],
    )
    crossed = []
    for purse, starts_at, spent, limit_nusd, warned in found:
        percent = max(each for each in WARNINGS if spent * 100 >= limit_nusd * each)
        if percent > warned:
            transaction.execute(
                "UPDATE budget SET warned = ? WHERE purse = ? AND starts_at = ?",
                (percent, purse, starts_at),
            )
            crossed.append(Crossing(purse, starts_at, percent, spent, limit_nusd))
    return crossed
