"""Price sheets: what each class of the usage vector costs, compiled to one integer sum.

A sheet's tiers hold integer weights over one common denominator, so a charge is fourteen integer
products and one floor division, exact at any size.
"""

from collections.abc import Iterable, Mapping
from math import lcm
from typing import Final, Literal

import msgspec

from troth.kernel.errors import Misconfigured
from troth.kernel.quantities import CLASSES, Quantities, tokens_in

TierMode = Literal["whole", "marginal"]

_BY_INPUT: Final = ("cache_read", "cache_write_5m", "cache_write_1h")
_PRICED_CLASSES: Final = frozenset(CLASSES)


class PriceLine(msgspec.Struct, frozen=True):
    """One dated price of one class: so many nano-USD per `per` units, from a context size on."""

    unit: str
    amount_nusd: int
    per: int = 1_000_000
    tier_start: int = 0


class Tier(msgspec.Struct, frozen=True, gc=False):
    """Weights in the order of the vector's classes, over one denominator.

    `dear_input` and `dear_output` are the dearest weights that a text token can meet on either
    side, `dear_written` the same where a caller may write to a provider's cache, `a_call` what
    one call costs by itself.
    """

    start: int
    under: int
    weights: tuple[int, ...]
    priced: frozenset[str]
    dear_input: int
    dear_written: int
    dear_output: int
    a_call: int


class Sheet(msgspec.Struct, frozen=True):
    """The compiled prices of one offering; `id` names the price set that it came from.

    In mode `whole` all units are charged at the tier of the request's input size.
    """

    id: str
    tiers: tuple[Tier, ...]
    lines: tuple[PriceLine, ...]

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

    def charge(self, used: Quantities) -> int:
        """Return what the quantities cost in nano-USD, rounded down once."""
        tiers = self.tiers
        tier = tiers[0] if len(tiers) == 1 else self.tier(tokens_in(used))
        return weigh(used, tier.weights) // tier.under

    def bounds(
        self, input_tokens: int, outputs: tuple[int, ...], *, asks_cache: bool
    ) -> tuple[int, ...]:
        """Return what to set aside for at most so many tokens in, and for each number out.

        Rounded up once. Takes the dearest tier that the input can reach and the dearest class on
        each side: a bound never profits from a tier, a cached prompt or hidden reasoning.
        """
        most: tuple[int, ...] = ()
        for tier in self.tiers:
            if tier.start > input_tokens:
                break
            dear_in = tier.dear_written if asks_cache else tier.dear_input
            dear_out, under = tier.dear_output, tier.under
            over = input_tokens * dear_in + tier.a_call
            found = tuple([-(-(over + count * dear_out) // under) for count in outputs])
            most = tuple(map(max, most, found)) if most else found
        return most

    def affordable_output(self, nusd: int, input_tokens: int, *, asks_cache: bool) -> int:
        """Return how many output tokens `nusd` pays for beside so many input tokens."""
        least = MOST_TOKENS
        for tier in self.tiers:
            if tier.start > input_tokens:
                break
            dear_in = tier.dear_written if asks_cache else tier.dear_input
            left = nusd * tier.under - input_tokens * dear_in - tier.a_call
            if left < 0:
                return 0
            if tier.dear_output:
                least = min(least, left // tier.dear_output)
        return least


OUTPUT_AT: Final = CLASSES.index("output")
REASONING_AT: Final = CLASSES.index("reasoning")
READ_AT: Final = CLASSES.index("cache_read")
INPUT_AT: Final = CLASSES.index("input")
MOST_TOKENS: Final = 2**31
_WRITTEN: Final = tuple(CLASSES.index(name) for name in ("cache_write_5m", "cache_write_1h"))
_REQUESTS_AT: Final = CLASSES.index("requests")


def weigh(used: Quantities, weights: tuple[int, ...]) -> int:
    """Return the sum of quantities times weights: nano-USD times the tier's denominator."""
    (a, b, c, d, e, f, g, h, i, j, k, m, n, o) = weights
    return (
        used.input * a
        + used.cache_read * b
        + used.cache_write_5m * c
        + used.cache_write_1h * d
        + used.input_audio * e
        + used.input_image * f
        + used.output * g
        + used.reasoning * h
        + used.output_audio * i
        + used.images * j
        + used.audio_ms * k
        + used.characters * m
        + used.requests * n
        + used.searches * o
    )


def compile_sheet(sheet_id: str, lines: Iterable[PriceLine]) -> Sheet:
    """Compile dated lines to a sheet.

    A class without a price falls back as the billing terms say: reasoning is charged as output,
    cache reads and writes as input; any other class is free and only reachable by an answer.

    Raises:
        Misconfigured: no line at all, an unknown class, a negative amount, a zero denominator.
    """
    kept = tuple(lines)
    if not kept:
        raise Misconfigured("a price sheet needs at least one line; price 0 is a price")
    for line in kept:
        _check(line)
    starts = sorted({line.tier_start for line in kept} | {0})
    tiers = tuple(_tier(start, _in_force(kept, start)) for start in starts)
    return Sheet(sheet_id, tiers, kept)


def _check(line: PriceLine) -> None:
    if line.unit not in _PRICED_CLASSES:
        raise Misconfigured(f"'{line.unit}' is no class of the usage vector")
    if line.amount_nusd < 0 or line.per <= 0 or line.tier_start < 0:
        raise Misconfigured(f"the price of '{line.unit}' must be >= 0 per a count > 0")


def _in_force(lines: tuple[PriceLine, ...], start: int) -> dict[str, PriceLine]:
    """Return each class's line in the tier that starts at `start`."""
    best: dict[str, PriceLine] = {}
    for line in sorted(lines, key=lambda line: line.tier_start):
        if line.tier_start <= start:
            best[line.unit] = line
    return best


def _tier(start: int, by_unit: Mapping[str, PriceLine]) -> Tier:
    under = lcm(*(line.per for line in by_unit.values()))
    weights = {unit: line.amount_nusd * (under // line.per) for unit, line in by_unit.items()}
    for unit in _BY_INPUT:
        weights.setdefault(unit, weights.get("input", 0))
    weights.setdefault("reasoning", weights.get("output", 0))
    ordered = tuple(weights.get(unit, 0) for unit in CLASSES)
    dear_input = max(ordered[INPUT_AT], ordered[READ_AT])
    return Tier(
        start,
        under,
        ordered,
        frozenset(by_unit),
        dear_input=dear_input,
        dear_written=max(dear_input, *(ordered[at] for at in _WRITTEN)),
        dear_output=max(ordered[OUTPUT_AT], ordered[REASONING_AT]),
        a_call=ordered[_REQUESTS_AT],
    )
