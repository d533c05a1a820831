"""Proposals: what would change if a published list were right, with a red flag on what looks wrong.

Nothing here changes a price. A person reads the proposal, strikes out rows, and accepts the rest.
"""

from collections.abc import Iterable, Sequence
from fractions import Fraction
from typing import Final

import msgspec

from troth.catalog.importers.quote import Quote
from troth.catalog.load import marked_up
from troth.catalog.price import PriceLine, Sheet, compile_sheet
from troth.catalog.versions import below_cost, rises, unit_price
from troth.kernel.errors import Misconfigured
from troth.kernel.fields import Code
from troth.kernel.quantities import CLASSES

MUCH: Final = Fraction(1, 5)
"""A change that is larger than this share of the old price is flagged."""


class FlagCode(Code):
    """What looks wrong, or what a reader should know."""

    CHANGE = "change_above_20_percent"
    LONG_WRITE = "write_1h_not_twice_input"
    READ_ABOVE_INPUT = "read_above_input"
    OUTPUT_BELOW_INPUT = "output_below_input"
    DISAGREE = "sources_disagree"
    UNIT_DROPPED = "unit_dropped"
    TIER_DROPPED = "tier_dropped"
    BELOW_COST = "below_cost"
    MOVED = "number_moved"
    IGNORED = "field_ignored"
    KEPT = "unit_kept"
    RISE = "rise"
    BY_HOUR = "price_by_hour"
    """The list has several prices by the hour: off-peak is not sold, the dearest is proposed."""


_FREE_ANYWAY: Final = frozenset(CLASSES) - {
    "input",
    "cache_read",
    "cache_write_5m",
    "cache_write_1h",
    "reasoning",
}
"""Classes that cost nothing where they have no price: a 0 that a list gives them says the same."""
NOTES: Final = frozenset({FlagCode.KEPT, FlagCode.RISE, FlagCode.IGNORED})
"""What a reader should know and need not fear."""


class Flag(msgspec.Struct, frozen=True):
    """A flag and the class, or the list's own name, that it stands on."""

    code: FlagCode
    unit: str = ""

    @property
    def is_red(self) -> bool:
        """Whether somebody must have looked before it is accepted."""
        return self.code not in NOTES


class Offered(msgspec.Struct, frozen=True):
    """A model as it is offered: at which provider, of which kind, under which name there.

    `margin_nano` is the share that its price is computed with, -1 where price or cost is set.
    """

    model: str
    provider: str
    kind: str
    upstream_model: str
    sale: Sheet
    cost: Sheet
    margin_nano: int = -1


class Proposed(msgspec.Struct, frozen=True):
    """New sheets for one offering, and what to look at."""

    offered: Offered
    sale: Sheet
    cost: Sheet
    checked_on: str
    flags: tuple[Flag, ...]


class Proposal(msgspec.Struct, frozen=True):
    """What a list would change; `unchanged` offerings agree with it, `unknown` are not in it.

    Among the unknown are those of which it says nothing that makes a price list here.

    `by_hour` are all, changed or not, whose price there depends on the hour.
    """

    rows: tuple[Proposed, ...]
    unchanged: tuple[str, ...]
    unknown: tuple[str, ...]
    by_hour: tuple[str, ...] = ()


def propose(
    offered: Iterable[Offered], quotes: Iterable[Quote], beside: Sequence[Iterable[Quote]] = ()
) -> Proposal:
    """Return what would change; `beside` are other lists that are only compared."""
    by_place = {(quote.kind, quote.model): quote for quote in quotes}
    others = [{(quote.kind, quote.model): quote for quote in one} for one in beside]
    rows: list[Proposed] = []
    unchanged: list[str] = []
    unknown: list[str] = []
    by_hour: list[str] = []
    for one in offered:
        place = (one.kind, one.upstream_model)
        quote = by_place.get(place)
        if quote is None:
            unknown.append(one.model)
            continue
        if quote.timed:
            by_hour.append(one.model)
        try:
            cost = _cost(one, quote)
        except Misconfigured:
            unknown.append(one.model)
            continue
        if _is_same(cost, one.cost):
            unchanged.append(one.model)
            continue
        second = [found[place] for found in others if place in found]
        rows.append(_row(one, quote, cost, second))
    return Proposal(tuple(rows), tuple(unchanged), tuple(unknown), tuple(by_hour))


def _cost(one: Offered, quote: Quote) -> Sheet:
    """Return the quoted prices, with those of which the list never speaks as they are now."""
    kept = [line for line in one.cost.lines if line.unit in quote.silent]
    least = {line.unit: line.min_quantity for line in one.cost.lines}
    lines = [
        msgspec.structs.replace(line, min_quantity=least.get(line.unit, 0))
        for line in (*quote.lines, *kept)
        if line.amount_nusd or line.unit in least or line.unit not in _FREE_ANYWAY
    ]
    return compile_sheet("", _ordered(lines), one.cost.mode)


def _ordered(lines: Iterable[PriceLine]) -> list[PriceLine]:
    return sorted(lines, key=lambda line: (line.tier_start, CLASSES.index(line.unit)))


def _is_same(new: Sheet, old: Sheet) -> bool:
    return _ordered(new.lines) == _ordered(old.lines)


def _row(one: Offered, quote: Quote, cost: Sheet, second: Sequence[Quote]) -> Proposed:
    sale = _sale(one, cost)
    flags = (
        *_changes(one.cost, cost),
        *_shape(cost),
        *_dropped(one.cost, cost),
        *(Flag(FlagCode.DISAGREE, unit) for unit in _disagreeing(cost, second)),
        *(Flag(FlagCode.BELOW_COST, unit) for unit in below_cost(sale, cost)),
        *(Flag(FlagCode.MOVED, unit) for unit in quote.moved),
        *(Flag(FlagCode.BY_HOUR, unit) for unit in quote.timed),
        *(Flag(FlagCode.IGNORED, name) for name in quote.ignored),
        *(Flag(FlagCode.KEPT, unit) for unit in CLASSES if _is_kept(one, quote, unit)),
        *(Flag(FlagCode.RISE, unit) for unit in rises(one.sale, sale)),
    )
    return Proposed(one, sale, cost, quote.checked_on, flags)


def _is_kept(one: Offered, quote: Quote, unit: str) -> bool:
    return unit in quote.silent and unit_price(one.cost, unit) is not None


def _sale(one: Offered, cost: Sheet) -> Sheet:
    """Return what would be asked: by the margin, or as the cost where that is what is asked."""
    if one.margin_nano >= 0:
        return compile_sheet("", marked_up(cost.lines, one.margin_nano), cost.mode)
    return cost if _is_same(one.sale, one.cost) else msgspec.structs.replace(one.sale, id="")


def _starts(*sheets: Sheet) -> list[int]:
    return sorted({tier.start for sheet in sheets for tier in sheet.tiers})


def _changes(old: Sheet, new: Sheet) -> list[Flag]:
    """Flag classes that move by more than a fifth anywhere."""
    return [
        Flag(FlagCode.CHANGE, unit)
        for unit in CLASSES
        if any(
            _is_much(unit_price(old, unit, start), unit_price(new, unit, start))
            for start in _starts(old, new)
        )
    ]


def _is_much(old: Fraction | None, new: Fraction | None) -> bool:
    return old is not None and new is not None and abs(new - old) > old * MUCH


def _shape(sheet: Sheet) -> list[Flag]:
    """Flag prices that stand in an odd relation to each other in any tier."""
    found: dict[Flag, None] = {}
    for start in _starts(sheet):
        given, read, written, made = (
            unit_price(sheet, unit, start)
            for unit in ("input", "cache_read", "cache_write_1h", "output")
        )
        if given is None:
            continue
        if written is not None and written != 2 * given:
            found[Flag(FlagCode.LONG_WRITE, "cache_write_1h")] = None
        if read is not None and read > given:
            found[Flag(FlagCode.READ_ABOVE_INPUT, "cache_read")] = None
        if made is not None and made < given:
            found[Flag(FlagCode.OUTPUT_BELOW_INPUT, "output")] = None
    return list(found)


def _dropped(old: Sheet, new: Sheet) -> list[Flag]:
    """Flag classes and tiers that were priced and would not be."""
    units = [
        Flag(FlagCode.UNIT_DROPPED, unit)
        for unit in CLASSES
        if any(line.unit == unit for line in old.lines)
        and not any(line.unit == unit for line in new.lines)
    ]
    tiers = set(_starts(old)) - set(_starts(new))
    return [*units, *(Flag(FlagCode.TIER_DROPPED, str(start)) for start in sorted(tiers))]


def _disagreeing(cost: Sheet, second: Sequence[Quote]) -> list[str]:
    """Return the classes that another list prices differently in any tier."""
    found = []
    for unit in CLASSES:
        for quote in second:
            other = compile_sheet("", quote.lines)
            prices = [
                (unit_price(cost, unit, start), unit_price(other, unit, start))
                for start in _starts(cost, other)
            ]
            if any(a is not None and b is not None and a != b for a, b in prices):
                found.append(unit)
                break
    return found
