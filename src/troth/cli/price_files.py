"""Proposals as files, and how prices and their changes are printed."""

import datetime as dt
from collections.abc import Callable, Iterable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Final

import click
import msgspec

from troth.catalog.importers import Quote
from troth.catalog.price import Sheet
from troth.catalog.propose import Flag, Offered, Proposal
from troth.catalog.versions import unit_price
from troth.kernel.clock import SystemClock
from troth.kernel.errors import InvalidValue
from troth.kernel.money import usd
from troth.kernel.quantities import CLASSES
from troth.server.shown_prices import (
    ProposalFile,
    ProposedRow,
    ShownPrices,
    ShownSheet,
    sheet_of,
    shown_sheet,
)

_MS: Final = 1_000
_PER_CENT: Final = 100


class AcceptedRow(msgspec.Struct, frozen=True):
    """A row as management takes it."""

    model: str
    provider: str
    sale: ShownSheet
    cost: ShownSheet
    source: str
    checked_on: str


class Acceptance(msgspec.Struct, frozen=True):
    """What management is asked to accept."""

    effective_at_ms: int
    rows: tuple[AcceptedRow, ...]


def today() -> str:
    """Return today's date in UTC."""
    return dt.datetime.fromtimestamp(SystemClock().now_ms() / _MS, dt.UTC).date().isoformat()


def moment_of(text: str) -> int:
    """Return unix milliseconds of a date or time in UTC; 0 for now."""
    if text == "now":
        return 0
    try:
        at = dt.datetime.fromisoformat(text)
    except ValueError:
        raise click.UsageError("a time must be like 2026-12-05, 2026-12-05T06:00Z or now") from None
    at = at if at.tzinfo else at.replace(tzinfo=dt.UTC)
    return int(at.timestamp()) * _MS


def quotes_of(reader: Callable[[bytes, str], list[Quote]], file: Path) -> list[Quote]:
    """Read a published list; a fault names the field and nothing else."""
    try:
        return reader(file.read_bytes(), today())
    except InvalidValue as wrong:
        raise click.UsageError(f"{file}: {wrong.message}") from None


def offered_of(each: ShownPrices) -> Offered:
    """Return an offering as management shows it."""
    return Offered(
        each.model,
        each.provider,
        each.kind,
        each.upstream_model,
        sheet_of("sale", each.now.sale),
        sheet_of("cost", each.now.cost),
        each.margin_nano,
    )


def file_of(proposal: Proposal, made_from: str) -> ProposalFile:
    """Return a proposal as its file."""
    rows = tuple(
        ProposedRow(
            row.offered.model,
            row.offered.provider,
            shown_sheet(row.sale),
            shown_sheet(row.cost),
            made_from,
            row.checked_on,
            tuple(_flag(flag) for flag in row.flags),
            any(flag.is_red for flag in row.flags),
        )
        for row in proposal.rows
    )
    return ProposalFile(made_from, today(), rows)


def _flag(flag: Flag) -> str:
    return f"{flag.code}:{flag.unit}" if flag.unit else str(flag.code)


def opened(file: Path) -> ProposalFile:
    """Return a proposal's file; a fault names the field and nothing else."""
    try:
        found = msgspec.json.decode(file.read_bytes(), type=ProposalFile)
        for at, row in enumerate(found.rows):
            for name, sheet in (("sale", row.sale), ("cost", row.cost)):
                sheet_of(f"rows[{at}].{name}", sheet)
    except msgspec.MsgspecError as error:
        raise click.UsageError(f"{file}: {error}") from None
    except InvalidValue as wrong:
        raise click.UsageError(f"{file}: {wrong.message}") from None
    return found


def form_of(found: ProposalFile, effective_at_ms: int) -> Acceptance:
    """Return what management is asked; flags stay in the file."""
    return Acceptance(
        effective_at_ms,
        tuple(
            AcceptedRow(row.model, row.provider, row.sale, row.cost, row.source, row.checked_on)
            for row in found.rows
        ),
    )


def price_rows(
    where: tuple[str, str], sale: ShownSheet, cost: ShownSheet, since: str
) -> Iterator[tuple[str, ...]]:
    """Yield a line of the table for each class and tier of a sheet."""
    paid = {(line.unit, line.tier_start): line.usd for line in cost.lines}
    for line in sale.lines:
        start = str(line.tier_start) if line.tier_start else ""
        amounts = (short(line.usd), short(paid.get((line.unit, line.tier_start), "")))
        yield (*where, line.unit, start, str(line.per), *amounts, since)


def change_rows(found: ProposalFile, offered: Iterable[Offered]) -> Iterator[tuple[str, ...]]:
    """Yield a line of the table for each price that would change, its flags beside it."""
    now = {(one.model, one.provider): one.cost for one in offered}
    for row in found.rows:
        old, new = now.get((row.model, row.provider)), sheet_of("cost", row.cost)
        starts = {tier.start for sheet in (old, new) if sheet for tier in sheet.tiers}
        flags = list(row.flags)
        for start in sorted(starts):
            for unit in CLASSES:
                before = unit_price(old, unit, start) if old else None
                after = unit_price(new, unit, start)
                if before == after:
                    continue
                told = [each for each in flags if each.endswith(f":{unit}")]
                flags = [each for each in flags if each not in told]
                named = (row.model, row.provider, unit, str(start or ""))
                yield (
                    *named,
                    _amount(old, unit, start),
                    _amount(new, unit, start),
                    *_moved(before, after),
                    ", ".join(told),
                )
        if flags:
            yield (row.model, row.provider, "", "", "", "", "", ", ".join(flags))


def _amount(sheet: Sheet | None, unit: str, start: int) -> str:
    lines = [
        line
        for line in (sheet.lines if sheet else ())
        if line.unit == unit and line.tier_start <= start
    ]
    if not lines:
        return ""
    return short(usd(max(lines, key=lambda line: line.tier_start).amount_nusd))


def _moved(before: Fraction | None, after: Fraction | None) -> tuple[str]:
    if before is None or after is None or not before:
        return ("new" if before is None else "gone" if after is None else "",)
    return (f"{round((after - before) / before * _PER_CENT):+d} %",)


def short(amount: str) -> str:
    """Leave out the zeros at the end, but not those of whole cents."""
    whole, dot, decimals = amount.partition(".")
    return f"{whole}.{decimals.rstrip('0'):0<2}" if dot else amount
