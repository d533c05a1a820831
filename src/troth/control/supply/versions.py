"""Prices that an operator accepted: kept for ever, in force from their moment on."""

import datetime as dt
from collections.abc import Sequence
from typing import Final

import msgspec

from troth.catalog.load import Catalog
from troth.catalog.offering import Offering
from troth.catalog.price import PriceLine, Sheet, TierMode, compile_sheet
from troth.catalog.versions import PriceVersion, in_force, rises
from troth.control.audit import Action, Actor, append
from troth.control.supply.prices import StoredLine, sheet_of
from troth.kernel.errors import InvalidValue, Misconfigured
from troth.store.transaction import Row, Transaction

_TEXT_LENGTH_MAX: Final = 300
_LATEST_MS: Final = 2**53


_LINES: Final = (
    "SELECT place, kind, unit, tier_start, tier_mode, amount, per, min_quantity FROM price_line"
    " ORDER BY place, kind, tier_start, unit"
)


class PriceList(msgspec.Struct, frozen=True):
    """The lines of one sheet, and how its tiers count."""

    lines: tuple[PriceLine, ...]
    mode: TierMode = "whole"


class Wanted(msgspec.Struct, frozen=True):
    """New prices of a model at a provider, and where they stand."""

    model: str
    provider: str
    sale: PriceList
    cost: PriceList
    source: str = ""
    checked_on: str = ""


class Notice(msgspec.Struct, frozen=True):
    """From when new prices hold, and how long before a rise must be known."""

    effective_at_ms: int
    least_ms: int


def versions(transaction: Transaction) -> list[PriceVersion]:
    """Return all that was ever accepted, in the order of acceptance.

    Raises:
        Misconfigured: a kept version makes no price sheet.
    """
    heads = transaction.rows(
        "SELECT place, model, upstream, effective_at, source, checked_on, created_by, created_at"
        " FROM price_version ORDER BY place",
        (),
        tuple[int, str, str, int, str, str, int, int],
    )
    lines: dict[int, list[StoredLine]] = {}
    for place, *line in transaction.rows(_LINES) if heads else ():
        assert isinstance(place, int)
        lines.setdefault(place, []).append(msgspec.convert(line, StoredLine))
    found = []
    for place, model, provider, effective_at, source, checked_on, uid, at in heads:
        what, kept = f"accepted price {place}", lines.get(place, [])
        sale, cost = (sheet_of("", kept, kind, what) for kind in ("sale", "cost"))
        found.append(
            PriceVersion(
                place, model, provider, effective_at, sale, cost, source, checked_on, uid, at
            )
        )
    return found


def accept(
    transaction: Transaction,
    actor: Actor,
    catalog: Catalog,
    wanted: Sequence[Wanted],
    *,
    notice: Notice,
) -> list[PriceVersion]:
    """Keep new prices, all or none, to be in force from a moment on.

    Raises:
        InvalidValue: the moment is past; a row names what is not offered or makes no sheet; a
            rise that the notice does not cover.
    """
    at_ms = notice.effective_at_ms
    if not actor.at_ms <= at_ms <= _LATEST_MS:
        raise InvalidValue("effective_at_ms", "this must not be in the past")
    if not wanted:
        raise InvalidValue("rows", "there is nothing to accept")
    known = versions(transaction)
    before = in_force(catalog, known, at_ms)
    place = known[-1].place if known else 0
    made = []
    for row, one in enumerate(wanted):
        offering = _offering(before, f"rows[{row}]", one)
        sale = _sheet(f"rows[{row}].sale", one.sale)
        cost = _sheet(f"rows[{row}].cost", one.cost)
        _check_notice(f"rows[{row}]", offering.sale, sale, notice, now_ms=actor.at_ms)
        place += 1
        made.append(
            PriceVersion(
                place,
                one.model,
                one.provider,
                at_ms,
                sale,
                cost,
                _text(f"rows[{row}].source", one.source),
                _day(f"rows[{row}].checked_on", one.checked_on),
                actor.uid,
                actor.at_ms,
            )
        )
    _check_once(wanted)
    _keep(transaction, actor, made)
    return made


def _check_once(wanted: Sequence[Wanted]) -> None:
    places = [(one.model, one.provider) for one in wanted]
    for row, place in enumerate(places):
        if place in places[:row]:
            raise InvalidValue(f"rows[{row}]", "this model at this provider stands here twice")


def _offering(catalog: Catalog, path: str, one: Wanted) -> Offering:
    offerings = catalog.offerings.get(one.model)
    if offerings is None:
        raise InvalidValue(f"{path}.model", "no such model is offered here")
    for offering in offerings:
        if offering.upstream.id == one.provider:
            return offering
    raise InvalidValue(f"{path}.provider", "this provider does not offer the model here")


def _sheet(path: str, prices: PriceList) -> Sheet:
    try:
        return compile_sheet("", prices.lines, prices.mode)
    except Misconfigured as wrong:
        raise InvalidValue(path, wrong.problem) from None


def _check_notice(path: str, old: Sheet, new: Sheet, notice: Notice, *, now_ms: int) -> None:
    earliest_ms = now_ms + notice.least_ms
    risen = rises(old, new) if notice.effective_at_ms < earliest_ms else ()
    if risen:
        day = dt.datetime.fromtimestamp(earliest_ms / 1_000, dt.UTC).strftime("%Y-%m-%d %H:%MZ")
        classes = ", ".join(risen)
        reason = f"{path} raises the price of {classes}: that needs notice, so {day} at the soonest"
        raise InvalidValue("effective_at_ms", reason)


def _text(path: str, text: str) -> str:
    if len(text) > _TEXT_LENGTH_MAX or not text.isprintable():
        raise InvalidValue(path, f"this must be at most {_TEXT_LENGTH_MAX} printable characters")
    return text


def _day(path: str, text: str) -> str:
    if text:
        try:
            dt.date.fromisoformat(text)
        except ValueError:
            raise InvalidValue(path, "this must be a date such as 2026-11-21") from None
    return text


def _keep(transaction: Transaction, actor: Actor, made: Sequence[PriceVersion]) -> None:
    transaction.insert(
        "INSERT INTO price_version (place, model, upstream, effective_at, source, checked_on,"
        " created_by, created_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        [
            (
                one.place,
                one.model,
                one.provider,
                one.effective_at_ms,
                one.source,
                one.checked_on,
                one.created_by,
                one.created_at_ms,
            )
            for one in made
        ],
    )
    transaction.insert(
        "INSERT INTO price_line (place, kind, unit, tier_start, tier_mode, amount, per,"
        " min_quantity) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        [row for one in made for row in _line_rows(one)],
    )
    for one in made:
        append(transaction, actor, Action.PRICE_ACCEPT, one.model, other=one.provider)


def _line_rows(one: PriceVersion) -> list[Row]:
    return [
        (
            one.place,
            kind,
            line.unit,
            line.tier_start,
            sheet.mode,
            line.amount_nusd,
            line.per,
            line.min_quantity,
        )
        for kind, sheet in (("sale", one.sale), ("cost", one.cost))
        for line in sheet.lines
    ]
