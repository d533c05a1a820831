"""Statements: a wallet's month, from its opening to its closing, explained to the nano-dollar.

The lines are the frozen sums of closed days and the hours of the open one: never single requests.
What a day's receipts sum to is what its lines sum to is what its close says.
"""

import csv
import io
from collections.abc import Iterator
from typing import Final

import msgspec

from troth.control.usage.cells import inert
from troth.control.usage.months import Month, date_of
from troth.control.usage.record import HOURS_OF_DAY
from troth.kernel import ids
from troth.kernel.money import usd
from troth.ledger import books
from troth.store.transaction import Transaction, Value

_CLOSED: Final = """
SELECT r.day, r.api_key, k.project, r.model, count, failed, tokens_in, tokens_cached, tokens_out,
  images, audio_ms, characters, charged
FROM rollup_day AS r LEFT JOIN api_key AS k ON k.ref = r.api_key
WHERE r.org = ? AND r.day >= ? AND r.day < ? ORDER BY r.day, r.api_key, r.model"""
_OPEN: Final = """
SELECT r.hour / 24, r.api_key, k.project, r.model, count, failed, tokens_in, tokens_cached,
  tokens_out, images, audio_ms, characters, charged
FROM rollup_hour AS r LEFT JOIN api_key AS k ON k.ref = r.api_key
WHERE r.hour >= ? AND r.hour < ? AND r.org = ? ORDER BY r.hour, r.api_key, r.model"""
_CLOSES: Final = """
SELECT day, opening, paid_in, charged, paid_out, closing, hash FROM day_close
WHERE book = ? AND day >= ? AND day < ? ORDER BY day"""
_ENTRIES: Final = """
SELECT id, day, kind, CASE WHEN cr = ? THEN amount ELSE -amount END FROM entry
WHERE day >= ? AND day < ? AND (cr = ? OR dr = ?) ORDER BY at, id"""
_Row = tuple[int, bytes, bytes | None, str, int, int, int, int, int, int, int, int, int]


class Line(msgspec.Struct, frozen=True):
    """What a key used of a model on a day. `project` is empty where the key has none."""

    day: str
    key: str
    project: str
    model: str
    requests: int
    failed: int
    tokens_in: int
    tokens_cached: int
    tokens_out: int
    images: int
    audio_ms: int
    characters: int
    charged_nusd: int


class Movement(msgspec.Struct, frozen=True):
    """An entry of the wallet's book: credit above zero, what left it below."""

    entry: str
    day: str
    kind: str
    amount_nusd: int


class ClosedDay(msgspec.Struct, frozen=True):
    """A day's close as the books froze it."""

    day: str
    opening_nusd: int
    credited_nusd: int
    charged_nusd: int
    left_nusd: int
    closing_nusd: int
    hash: str


class Statement(msgspec.Struct, frozen=True):
    """A wallet's month: opening + credited - charged - left = closing.

    `left_nusd` left it otherwise than by charges (refunds, gifts that ended, disputes).
    `is_final` tells that all its days are closed; `difference_nusd` is what does not add up, 0.
    """

    organization: str
    month: str
    is_final: bool
    opening_nusd: int
    credited_nusd: int
    charged_nusd: int
    left_nusd: int
    closing_nusd: int
    difference_nusd: int
    requests: int
    movements: list[Movement]
    days: list[ClosedDay]
    lines: list[Line]


def statement(transaction: Transaction, org_raw: bytes, month: Month) -> Statement:
    """Return an organization's month as it stands in the books."""
    opened = transaction.row("SELECT day FROM open_day WHERE id = 1", (), tuple[int])
    today = opened[0] if opened else month.end
    days = _days(transaction, org_raw, month)
    lines = list(_lines(transaction, org_raw, month, today=today))
    movements = _movements(transaction, org_raw, month)
    credited = sum(each.amount_nusd for each in movements if each.amount_nusd > 0)
    left = -sum(each.amount_nusd for each in movements if each.amount_nusd < 0)
    charged = sum(line.charged_nusd for line in lines)
    is_final = today >= month.end
    if is_final:
        closing = days[-1].closing_nusd if days else 0
    else:
        wallet = books.wallet(transaction, org_raw)
        closing = wallet.posted if wallet else 0
    opening = days[0].opening_nusd if days else closing - credited + charged + left
    return Statement(
        organization=ids.text("org", org_raw),
        month=month.name,
        is_final=is_final,
        opening_nusd=opening,
        credited_nusd=credited,
        charged_nusd=charged,
        left_nusd=left,
        closing_nusd=closing,
        difference_nusd=opening + credited - charged - left - closing,
        requests=sum(line.requests for line in lines),
        movements=movements,
        days=days,
        lines=lines,
    )


def _days(transaction: Transaction, org_raw: bytes, month: Month) -> list[ClosedDay]:
    rows = transaction.rows(
        _CLOSES,
        (books.wallet_purse(org_raw), month.first, month.end),
        tuple[int, int, int, int, int, int, bytes],
    )
    return [ClosedDay(date_of(row[0]), *row[1:6], row[6].hex()) for row in rows]


def _lines(transaction: Transaction, org_raw: bytes, month: Month, *, today: int) -> Iterator[Line]:
    closed = transaction.rows(_CLOSED, (org_raw, month.first, min(month.end, today)))
    yield from (_line(row) for row in msgspec.convert(closed, list[_Row]))
    if not month.first <= today < month.end:
        return
    first = today * HOURS_OF_DAY
    hours = transaction.rows(_OPEN, (first, first + HOURS_OF_DAY, org_raw))
    sums: dict[tuple[Value, ...], list[int]] = {}
    for row in msgspec.convert(hours, list[_Row]):
        kept = sums.setdefault(row[:4], [0] * len(row[4:]))
        kept[:] = [one + other for one, other in zip(kept, row[4:], strict=True)]
    for cell, figures in sorted(sums.items()):
        yield _line(msgspec.convert((*cell, *figures), _Row))


def _line(row: _Row) -> Line:
    day, key, project, model, *sums = row
    named = ids.text("prj", project) if project else ""
    return Line(date_of(day), ids.text("key", key), named, model, *sums)


def _movements(transaction: Transaction, org_raw: bytes, month: Month) -> list[Movement]:
    book = books.wallet_purse(org_raw)
    rows = transaction.rows(
        _ENTRIES, (book, month.first, month.end, book, book), tuple[bytes, int, str, int]
    )
    return [Movement(entry.hex(), date_of(day), kind, amount) for entry, day, kind, amount in rows]


_COLUMNS: Final = (
    "kind", "day", "key", "project", "model", "requests", "failed", "tokens_in", "tokens_cached",
    "tokens_out", "images", "audio_ms", "characters", "amount_nusd", "amount_usd",
)  # fmt: skip


def as_csv(found: Statement) -> str:
    """Return a statement as CSV: movements, then usage; all amounts sum to what the month moved.

    A text that a spreadsheet would compute, such as `=1+1`, has an apostrophe before it.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(_COLUMNS)
    for each in found.movements:
        amount = each.amount_nusd
        blanks = [""] * (len(_COLUMNS) - 4)
        writer.writerow([each.kind, each.day, *blanks, amount, usd(amount)])
    for line in found.lines:
        *told, charged = msgspec.structs.astuple(line)
        cells = (inert(each) if isinstance(each, str) else each for each in told)
        writer.writerow(["usage", *cells, -charged, usd(-charged)])
    return text.getvalue()
