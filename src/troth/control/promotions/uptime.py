"""Uptime credits: what the terms owe for a month's downtime, seen first and credited once."""

from collections.abc import Sequence

import msgspec

from troth.control.audit import Action, Actor, append
from troth.control.usage import Month, is_closed
from troth.kernel import ids
from troth.kernel.errors import InvalidValue
from troth.kernel.money import NANO
from troth.ledger import books
from troth.ledger.books import Credit, LotKind
from troth.store.transaction import Transaction

_WHOLE = 100
_DESK = 0


class Owed(msgspec.Struct, frozen=True):
    """What an organization is owed for a month. `is_credited`: it has it, whatever is owed now."""

    organization: str
    charged_nusd: int
    credit_percent: int
    amount_nusd: int
    is_credited: bool


def percent_for(downtime_ms: int, month: Month, tiers: Sequence[tuple[int, int]]) -> int:
    """Return the percent of charges that is credited for so much downtime, 0 for none.

    `tiers` are pairs of uptime in nano-percent and percent of charges, the lowest uptime first.
    """
    up = (month.length_ms - downtime_ms) * _WHOLE * NANO
    return next((credit for below, credit in tiers if up < below * month.length_ms), 0)


def owed(
    transaction: Transaction, month: Month, downtime_ms: int, tiers: Sequence[tuple[int, int]]
) -> list[Owed]:
    """Return what each organization that was charged in a month is owed for its downtime.

    A closed account is owed nothing: gifts end with it.

    Raises:
        InvalidValue: the terms promise nothing, the month is not closed, or the downtime is longer.
    """
    if not tiers:
        reason = "the terms promise no credit: set 'uptime.credit_below_percent' and its tiers"
        raise InvalidValue("month", reason)
    if not 0 <= downtime_ms <= month.length_ms:
        raise InvalidValue("downtime_ms", "give a length within the month")
    if not is_closed(transaction, month):
        raise InvalidValue("month", "wait until all days of the month are closed")
    percent = percent_for(downtime_ms, month, tiers)
    rows = transaction.rows(
        "SELECT r.org, CAST(sum(r.charged) AS bigint), CAST(coalesce("
        " (SELECT u.amount_nusd FROM uptime_credit AS u WHERE u.org = r.org AND u.month = ?), 0)"
        " AS bigint) FROM rollup_day AS r WHERE r.day >= ? AND r.day < ?"
        " AND NOT EXISTS (SELECT 1 FROM closing WHERE closing.org = r.org)"
        " GROUP BY r.org HAVING sum(r.charged) > 0 ORDER BY r.org",
        (month.first, month.first, month.end),
        tuple[bytes, int, int],
    )
    return [
        Owed(
            ids.text("org", org),
            charged,
            percent,
            credited or charged * percent // _WHOLE,
            credited > 0,
        )
        for org, charged, credited in rows
    ]


def credit_owed(
    transaction: Transaction, actor: Actor, month: Month, each: tuple[Owed, int]
) -> bool:
    """Credit what is owed for so much downtime; False when nothing is, or it was credited."""
    due, downtime_ms = each
    raw = ids.raw_of("org", due.organization)
    if due.is_credited or due.amount_nusd <= 0 or raw is None:
        return False
    key = f"uptime {month.name} {due.organization}"
    is_new = books.credit(
        transaction, Credit(key, raw, LotKind.SLA, due.amount_nusd), _DESK, actor.at_ms
    )
    if is_new:
        transaction.execute(
            "INSERT INTO uptime_credit (month, org, amount_nusd, downtime_ms, at)"
            " VALUES (?, ?, ?, ?, ?)",
            (month.first, raw, due.amount_nusd, downtime_ms, actor.at_ms),
        )
        append(
            transaction,
            actor,
            Action.CREDIT_UPTIME,
            due.organization,
            amount_nusd=due.amount_nusd,
        )
    return is_new
