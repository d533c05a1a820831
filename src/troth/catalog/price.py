"""Price sheets: what each class of the usage vector costs, compiled to one integer sum.

A sheet's tiers hold integer weights over one common denominator, so a charge is fourteen integer
products and one floor division, exact at any size. A sheet of one tier without least quantities
is plain: it takes the short way, which is that of nearly every request.
"""

from collections.abc import Iterable, Mapping
from math import lcm
from operator import mul
from typing import Final, Literal

import msgspec

from troth.kernel.errors import Misconfigured
from troth.kernel.money import NANO
from troth.kernel.quantities import (
    CLASSES,
    INPUT_CLASSES,
    OUTPUT_CLASSES,
    Quantities,
    tokens_in,
)

TierMode = Literal["whole", "marginal"]

FALLBACKS: Final[Mapping[str, str]] = {
    "cache_read": "input",
    "cache_write_5m": "input",
    "cache_write_1h": "input",
    "reasoning": "output",
}
"""Classes that are charged as another where they have no price of their own."""
_PRICED_CLASSES: Final = frozenset(CLASSES)
UNIT_MAX_NUSD: Final = 100 * NANO
"""What one token, image or call may cost at most: what the longest request costs then still fits
the books' 64 bits."""


class PriceLine(msgspec.Struct, frozen=True):
    """One price of one class: so many nano-USD per `per` units, from `tier_start` on.

    A class of which anything was used is charged as at least `min_quantity` of it.
    """

    unit: str
    amount_nusd: int
    per: int = 1_000_000
    tier_start: int = 0
    min_quantity: int = 0


class Tier(msgspec.Struct, frozen=True, gc=False):
    """Weights in the order of the vector's classes, over one denominator.

    `dear_input` and `dear_output` are the dearest weights that a text token can meet on either
    side, writes that a provider makes unasked among them, `dear_written` the same where a caller
    asks to write to a provider's cache, `dear_media_in`
    and `dear_media_out` where images or sound go in or come out, `a_call` what one call costs by
    itself: its price per request, and what least quantities can add to a bound.
    """

    start: int
    under: int
    weights: tuple[int, ...]
    priced: frozenset[str]
    dear_input: int
    dear_written: int
    dear_output: int
    dear_media_in: int
    dear_media_out: int
    a_call: int


class Sheet(msgspec.Struct, frozen=True):
    """The compiled prices of one offering; `id` names the price set that it came from.

    In mode `whole` all units are charged at the tier of the request's input size. In mode
    `marginal` each class is divided by itself: its units before a tier's start at the price
    before, those from it on at the tier's. All tiers of a marginal sheet have one denominator.
    """

    id: str
    tiers: tuple[Tier, ...]
    lines: tuple[PriceLine, ...]
    mode: TierMode = "whole"
    least: tuple[int, ...] = ()
    """The least quantity of each class that is charged, empty where there is none."""
    is_plain: bool = True
    """One tier and no least quantity."""

    def tier(self, context_tokens: int) -> Tier:
        """Return the tier that an input of so many tokens falls into."""
        chosen = self.tiers[0]
        for tier in self.tiers[1:]:
            if context_tokens >= tier.start:
                chosen = tier
        return chosen

    def is_priced(self, unit: str) -> bool:
        """Tell whether the class has a price of its own."""
        return unit in self.tiers[0].priced

    @property
    def is_sound(self) -> bool:
        """Whether it can charge at all: what crossed a link is looked at before it is used."""
        return bool(self.tiers) and all(
            tier.under > 0 and len(tier.weights) == len(CLASSES) and min(tier.weights) >= 0
            for tier in self.tiers
        )

    def charge(self, used: Quantities) -> int:
        """Return what the quantities cost in nano-USD, rounded down once."""
        if self.is_plain:
            tier = self.tiers[0]
            return weigh(used, tier.weights) // tier.under
        counted = _at_least(used, self.least) if self.least else used
        if self.mode == "marginal":
            return _graduated(counted, self.tiers)
        tier = self.tier(tokens_in(used))
        return weigh(counted, tier.weights) // tier.under

    def bounds(
        self,
        input_tokens: int,
        outputs: tuple[int, ...],
        *,
        asks_cache: bool,
        asks_media: bool = False,
    ) -> tuple[int, ...]:
        """Return what to set aside for at most so many tokens in, and for each number out.

        Rounded up once. Takes the dearest tier that the input can reach, of a marginal sheet any,
        and the dearest class on each side: a bound never profits from a tier, a cached prompt or
        hidden reasoning. `asks_media` is for requests with images or sound, in or out.
        """
        if self.is_plain and not asks_media:
            tier = self.tiers[0]
            over = input_tokens * (tier.dear_written if asks_cache else tier.dear_input)
            over += tier.a_call
            dear_out, under = tier.dear_output, tier.under
            return tuple([-(-(over + count * dear_out) // under) for count in outputs])
        most: tuple[int, ...] = ()
        for tier in self.tiers:
            if tier.start > input_tokens and self.mode == "whole":
                break
            dear_in = tier.dear_written if asks_cache else tier.dear_input
            dear_out, under = tier.dear_output, tier.under
            if asks_media:
                dear_in = max(dear_in, tier.dear_media_in)
                dear_out = max(dear_out, tier.dear_media_out)
            over = input_tokens * dear_in + tier.a_call
            found = tuple([-(-(over + count * dear_out) // under) for count in outputs])
            most = tuple(map(max, most, found)) if most else found
        return most

    def affordable_output(
        self, nusd: int, input_tokens: int, *, asks_cache: bool, asks_media: bool = False
    ) -> int:
        """Return how many output tokens `nusd` pays for beside so many input tokens."""
        least = MOST_TOKENS
        for tier in self.tiers:
            if tier.start > input_tokens and self.mode == "whole":
                break
            dear_in = tier.dear_written if asks_cache else tier.dear_input
            dear_out = tier.dear_output
            if asks_media:
                dear_in = max(dear_in, tier.dear_media_in)
                dear_out = max(dear_out, tier.dear_media_out)
            left = nusd * tier.under - input_tokens * dear_in - tier.a_call
            if left < 0:
                return 0
            if dear_out:
                least = min(least, left // dear_out)
        return least


OUTPUT_AT: Final = CLASSES.index("output")
REASONING_AT: Final = CLASSES.index("reasoning")
READ_AT: Final = CLASSES.index("cache_read")
INPUT_AT: Final = CLASSES.index("input")
MOST_TOKENS: Final = 2**31
_WRITTEN: Final = tuple(CLASSES.index(name) for name in ("cache_write_5m", "cache_write_1h"))
_MEDIA_IN: Final = tuple(CLASSES.index(name) for name in ("input_audio", "input_image"))
_MEDIA_OUT: Final = CLASSES.index("output_audio")
_REQUESTS_AT: Final = CLASSES.index("requests")
_INPUT_AT_ALL: Final = tuple(CLASSES.index(name) for name in INPUT_CLASSES)
_OUTPUT_AT_ALL: Final = tuple(CLASSES.index(name) for name in OUTPUT_CLASSES)


def weigh(used: Quantities, weights: tuple[int, ...]) -> int:
    """Return the sum of quantities times weights: nano-USD times the tier's denominator."""
    text_in, text_out = used.input, used.output
    if used == Quantities(text_in, output=text_out):  # and nothing else, as a rule
        return text_in * weights[INPUT_AT] + text_out * weights[OUTPUT_AT]
    return sum(map(mul, msgspec.structs.astuple(used), weights))


def _at_least(used: Quantities, least: tuple[int, ...]) -> Quantities:
    """Return the quantities with each class that was used raised to its least."""
    counts = msgspec.structs.astuple(used)
    return Quantities(*[max(n, low) if n else 0 for n, low in zip(counts, least, strict=True)])


def _graduated(used: Quantities, tiers: tuple[Tier, ...]) -> int:
    """Return the sum over all tiers of each class's units that lie in it, rounded down once."""
    counts = msgspec.structs.astuple(used)
    ends = [*(tier.start - 1 for tier in tiers[1:]), max(counts)]
    total, before = 0, 0
    for tier, end in zip(tiers, ends, strict=True):
        inside = [max(0, min(count, end) - before) for count in counts]
        total += sum(count * weight for count, weight in zip(inside, tier.weights, strict=True))
        before = end
    return total // tiers[0].under


def compile_sheet(sheet_id: str, lines: Iterable[PriceLine], mode: TierMode = "whole") -> Sheet:
    """Compile lines to a sheet.

    A class without a price falls back as the billing terms say: reasoning is charged as output,
    cache reads and writes as input; any other class is free and only reachable by an answer.

    Raises:
        Misconfigured: no line at all, an unknown class, a negative amount or one above
            `UNIT_MAX_NUSD`, a zero denominator, two prices of a class in one tier, a marginal tier
            that starts at its first unit.
    """
    kept = tuple(lines)
    if not kept:
        raise Misconfigured("a price sheet needs at least one line; price 0 is a price")
    for line in kept:
        _check(line)
    if len({(line.unit, line.tier_start) for line in kept}) < len(kept):
        raise Misconfigured("a class has two prices in one tier")
    least = _least(kept)
    starts = sorted({line.tier_start for line in kept} | {0})
    under = lcm(*(line.per for line in kept)) if mode == "marginal" else 0
    tiers = tuple(_tier(start, lines_in_force(kept, start), least, under) for start in starts)
    if mode == "marginal" and 1 in starts:
        raise Misconfigured("a marginal tier starts at its second unit or later")
    is_plain = len(tiers) == 1 and not any(least)
    return Sheet(sheet_id, tiers, kept, mode, least if any(least) else (), is_plain)


def _check(line: PriceLine) -> None:
    if line.unit not in _PRICED_CLASSES:
        raise Misconfigured(f"'{line.unit}' is no class of the usage vector")
    if line.amount_nusd < 0 or line.per <= 0 or line.tier_start < 0 or line.min_quantity < 0:
        raise Misconfigured(f"the price of '{line.unit}' must be >= 0 per a count > 0")
    if line.amount_nusd > line.per * UNIT_MAX_NUSD:
        raise Misconfigured(f"the price of '{line.unit}' is above 100 US dollars for a single one")


def _least(lines: tuple[PriceLine, ...]) -> tuple[int, ...]:
    """Return the least quantity of each class, which is the same in all tiers."""
    by_unit = {line.unit: line.min_quantity for line in lines if line.min_quantity}
    return tuple(by_unit.get(unit, 0) for unit in CLASSES)


def lines_in_force(lines: tuple[PriceLine, ...], start: int) -> dict[str, PriceLine]:
    """Return each class's line in the tier that starts at `start`."""
    best: dict[str, PriceLine] = {}
    for line in sorted(lines, key=lambda line: line.tier_start):
        if line.tier_start <= start:
            best[line.unit] = line
    return best


def _written_unasked(by_unit: Mapping[str, PriceLine], weights: tuple[int, ...]) -> int:
    """Return what a token costs that a provider caches without being asked to.

    Who prices writes, but none for an hour, takes no wishes: it caches as it sees fit.
    """
    return 0 if "cache_write_1h" in by_unit else weights[_WRITTEN[0]]


def _tier(start: int, by_unit: Mapping[str, PriceLine], least: tuple[int, ...], under: int) -> Tier:
    under = under or lcm(*(line.per for line in by_unit.values()))
    weights = {unit: line.amount_nusd * (under // line.per) for unit, line in by_unit.items()}
    for unit, other in FALLBACKS.items():
        weights.setdefault(unit, weights.get(other, 0))
    ordered = tuple(weights.get(unit, 0) for unit in CLASSES)
    dear_input = max(ordered[INPUT_AT], ordered[READ_AT], _written_unasked(by_unit, ordered))
    raised = sum(ordered[at] * least[at] for at in (*_INPUT_AT_ALL, *_OUTPUT_AT_ALL))
    return Tier(
        start,
        under,
        ordered,
        frozenset(by_unit),
        dear_input=dear_input,
        dear_written=max(dear_input, *(ordered[at] for at in _WRITTEN)),
        dear_output=max(ordered[OUTPUT_AT], ordered[REASONING_AT]),
        dear_media_in=max(ordered[at] for at in _MEDIA_IN),
        dear_media_out=ordered[_MEDIA_OUT],
        a_call=ordered[_REQUESTS_AT] * max(1, least[_REQUESTS_AT]) + raised,
    )
