"""A charge taken apart: the lines whose exact sum, rounded down once, is what was charged.

`Sheet.charge` is one weighted sum over a common denominator, fast and silent. Here is the same sum
as somebody would write it down: each class, how many units, at which line of the price list.
"""

from collections.abc import Mapping, Sequence
from math import lcm
from typing import Final

import msgspec

from troth.catalog.price import FALLBACKS, PriceLine, Sheet, lines_in_force
from troth.kernel.quantities import CLASSES, Quantities, tokens_in


class ChargeLine(msgspec.Struct, frozen=True):
    """So many units of a class at one price: `counted` x `amount_nusd` / `per`.

    `used` is what was counted upstream; `counted` is more where the price has a least quantity.
    `priced_as` is the class whose price was taken, empty for what is free. `tier_start` is where
    that price begins.
    """

    unit: str
    used: int
    counted: int
    priced_as: str
    tier_start: int
    amount_nusd: int
    per: int


_FREE: Final = PriceLine("", 0, 1)


def explained(sheet: Sheet, used: Quantities) -> tuple[ChargeLine, ...]:
    """Return the lines of a charge, in the order of the vector's classes and of tiers."""
    counts = dict(zip(CLASSES, msgspec.structs.astuple(used), strict=True))
    least = dict(zip(CLASSES, sheet.least, strict=True)) if sheet.least else {}
    spans = _spans(sheet, used)
    return tuple(
        line
        for unit, count in counts.items()
        if count
        for line in _of_class(unit, count, max(count, least.get(unit, 0)), spans)
    )


def summed(lines: Sequence[ChargeLine]) -> int:
    """Return what the lines come to in nano-USD, rounded down once."""
    under = lcm(*(each.per for each in lines))
    return sum(each.counted * each.amount_nusd * (under // each.per) for each in lines) // under


_Span = tuple[int, int | None, Mapping[str, PriceLine]]
"""Units after the first number up to the second, None without an end, and their prices."""


def _spans(sheet: Sheet, used: Quantities) -> list[_Span]:
    """Return which units of each class meet which prices."""
    if sheet.mode == "whole":
        start = sheet.tier(tokens_in(used)).start
        return [(0, None, lines_in_force(sheet.lines, start))]
    starts = [tier.start for tier in sheet.tiers]
    ends = [*(start - 1 for start in starts[1:]), None]
    befores = [0, *(start - 1 for start in starts[1:])]
    return [
        (before, end, lines_in_force(sheet.lines, start))
        for before, end, start in zip(befores, ends, starts, strict=True)
    ]


def _of_class(unit: str, count: int, counted: int, spans: Sequence[_Span]) -> list[ChargeLine]:
    found = []
    for before, end, prices in spans:
        line = prices.get(unit) or prices.get(FALLBACKS.get(unit, ""), _FREE)
        units = max(0, (counted if end is None else min(counted, end)) - before)
        if units:
            shown = max(0, (count if end is None else min(count, end)) - before)
            found.append(
                ChargeLine(
                    unit, shown, units, line.unit, line.tier_start, line.amount_nusd, line.per
                )
            )
    return found
