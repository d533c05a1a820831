"""Roll-ups: sums by hour, organization, key and model, never recomputed from single requests.

When a day is closed its hours are summed once more and frozen: they outlive the hours.
"""

from operator import add
from typing import Final, Literal

import msgspec

from troth.control.usage.record import HOURS_OF_DAY, MS_OF_HOUR
from troth.kernel import ids
from troth.store.transaction import Transaction

Grouping = Literal["hour", "day", "organization", "key", "model"]
GROUPINGS: Final[tuple[Grouping, ...]] = ("hour", "day", "organization", "key", "model")


_COLUMNS: Final = (
    "org, api_key, model, count, failed, tokens_in, tokens_cached, tokens_out, images, audio_ms,"
    " characters, charged, cost"
)
KEPT_SUMS: Final = f"""(
SELECT hour, {_COLUMNS} FROM rollup_hour UNION ALL SELECT day * 24, {_COLUMNS} FROM rollup_day
WHERE day < coalesce((SELECT min(hour) / 24 FROM rollup_hour), 1000000000)) AS kept_sums"""  # noqa: S608
"""The hours that are kept; of days before, whose hours are gone, their sums at the first hour."""
_SELECT: Final = f"SELECT hour, {_COLUMNS} FROM {KEPT_SUMS} WHERE hour >= ? AND hour < ?"  # noqa: S608
_FREEZE: Final = """
INSERT INTO rollup_day (day, org, api_key, model, count, failed, tokens_in, tokens_cached,
  tokens_out, images, audio_ms, characters, charged, cost)
SELECT ?, org, api_key, model, sum(count), sum(failed), sum(tokens_in), sum(tokens_cached),
  sum(tokens_out), sum(images), sum(audio_ms), sum(characters), sum(charged), sum(cost)
FROM rollup_hour WHERE hour >= ? AND hour < ? GROUP BY org, api_key, model"""
_DISAGREEING: Final = """
SELECT DISTINCT day FROM (
  SELECT c.day, c.charged, coalesce((SELECT sum(r.charged) FROM rollup_day AS r
    WHERE r.day = c.day AND r.org = substr(c.book, 2)), 0) AS summed
  FROM day_close AS c JOIN book ON book.id = c.book WHERE book.kind = 'wallet' AND c.day >= (
    SELECT min(day) FROM rollup_day)
) AS both_sums WHERE charged <> summed ORDER BY day"""


class Period(msgspec.Struct, frozen=True):
    """From the hour of `start_ms` to that of `end_ms`, which is left out where it only begins."""

    start_ms: int
    end_ms: int


class Total(msgspec.Struct, frozen=True):
    """Sums of one group. `group` is a time (unix ms), a reference or a model's name."""

    group: str | int
    count: int
    failed: int
    tokens_in: int
    tokens_cached: int
    tokens_out: int
    images: int
    audio_ms: int
    characters: int
    charged_nusd: int
    cost_nusd: int


def freeze(transaction: Transaction, day: int) -> None:
    """Sum the hours of a day that was just closed; its sums never change again."""
    first = day * HOURS_OF_DAY
    transaction.execute(_FREEZE, (day, first, first + HOURS_OF_DAY))


def disagreeing(transaction: Transaction) -> list[int]:
    """Return the closed days whose sums are not what the books charged each wallet."""
    return [day for (day,) in transaction.rows(_DISAGREEING, (), tuple[int])]


def totals(
    transaction: Transaction, period: Period, by: Grouping, org_raw: bytes | None = None
) -> list[Total]:
    """Return the sums of a period, grouped, in the order of the groups; `org_raw` narrows."""
    span = (period.start_ms // MS_OF_HOUR, -(-period.end_ms // MS_OF_HOUR))
    rows = transaction.stream(
        _SELECT if org_raw is None else f"{_SELECT} AND org = ?",
        span if org_raw is None else (*span, org_raw),
        tuple[int, bytes, bytes, str, int, int, int, int, int, int, int, int, int, int],
    )
    sums: dict[str | int, tuple[int, ...]] = {}
    for row in rows:
        group = _group(row[0], row[1], row[2], by) if by != "model" else row[3]
        before = sums.get(group)
        sums[group] = tuple(map(add, before, row[4:])) if before else row[4:]
    return [Total(group, *sums[group]) for group in sorted(sums, key=lambda each: (str(each), 0))]


def _group(hour: int, org: bytes, key: bytes, by: Grouping) -> str | int:
    match by:
        case "hour":
            return hour * MS_OF_HOUR
        case "day":
            return hour // HOURS_OF_DAY * HOURS_OF_DAY * MS_OF_HOUR
        case "organization":
            return ids.text("org", org)
        case _:
            return ids.text("key", key)
