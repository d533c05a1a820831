"""Every model, class and tier of the shipped catalog against exact fractions.

Short here; `--prove` tries a million usages. The oracle reads the catalog's own tables, not the
compiled sheets, and knows no integers: dollars per so many units, as `Fraction`.
"""

from fractions import Fraction
from random import Random  # noqa: TID251 - a seed makes each run the same
from typing import Final

import msgspec
import pytest

from troth.catalog import load
from troth.catalog.load import PER, ModelTable, PriceTable, marked_up
from troth.catalog.price import Sheet, TierMode, compile_sheet
from troth.kernel.quantities import CLASSES, INPUT_CLASSES, OUTPUT_CLASSES, Quantities, tokens_in

KINDS: Final = ("anthropic", "deepinfra", "groq", "openai", "openrouter", "simulated")
SHORT, LONG = 20_000, 1_000_000
FALLBACK: Final = {
    "cache_read": "input",
    "cache_write_5m": "input",
    "cache_write_1h": "input",
    "reasoning": "output",
}
NANO: Final = 10**9


class Priced(msgspec.Struct, frozen=True):
    """A model as it is shipped, and the sheet that gateways would charge it by."""

    name: str
    table: ModelTable
    prices: PriceTable
    sheet: Sheet


def shipped() -> list[Priced]:
    found = []
    for kind in KINDS:
        for name, table in load.shipped(kind).items():
            sheet = table.sale("set")
            assert sheet is not None, name
            found.append(Priced(f"{kind} {name}", table, table.price, sheet))
    return found


CATALOG: Final = shipped()


def dollars(prices: PriceTable, unit: str, context: int) -> Fraction:
    """Return US dollars for one unit, straight from the table's texts."""
    text = getattr(prices, unit)
    for tier in sorted(prices.tiers, key=lambda tier: tier.above):
        if context > tier.above and getattr(tier, unit):
            text = getattr(tier, unit)
    if text:
        return Fraction(text) / PER.get(unit, 1_000_000)
    return dollars(prices, FALLBACK[unit], context) if unit in FALLBACK else Fraction(0)


class Oracle:
    """Charges by fractions; prices are looked up once a tier."""

    def __init__(self, prices: PriceTable) -> None:
        self._starts = [0, *sorted(tier.above + 1 for tier in prices.tiers)]
        self._weights = [
            [dollars(prices, unit, start) * NANO for unit in CLASSES] for start in self._starts
        ]

    def exact(self, used: Quantities) -> Fraction:
        at = sum(tokens_in(used) >= start for start in self._starts) - 1
        counts = msgspec.structs.astuple(used)
        pairs = zip(counts, self._weights[at], strict=True)
        return sum((count * price for count, price in pairs if count), Fraction(0))


def usage(random: Random, edges: list[int]) -> Quantities:
    """Return a usage: a few classes, sizes of every order, often right at a tier's edge."""
    classes = random.sample(CLASSES, random.randint(1, 6))
    counts = {unit: random.randrange(1 << random.randint(0, 31)) for unit in classes}
    if edges and random.random() < 0.3:
        unit = random.choice(INPUT_CLASSES)
        counts = {name: counts[name] for name in classes if name not in INPUT_CLASSES}
        counts[unit] = max(0, random.choice(edges) + random.randint(-1, 1))
    return Quantities(**counts)


def edges_of(prices: PriceTable) -> list[int]:
    return [tier.above for tier in prices.tiers] + [tier.above + 1 for tier in prices.tiers]


def check_charges(count: int, seed: int) -> int:
    """Charge random usages of all models; return the greatest difference to the exact amount."""
    random = Random(seed)  # noqa: S311 - no secret
    oracles = [Oracle(each.prices) for each in CATALOG]
    edges = [edges_of(each.prices) for each in CATALOG]
    worst = Fraction(0)
    for number in range(count):
        at = number % len(CATALOG)
        used = usage(random, edges[at])
        exact = oracles[at].exact(used)
        charged = CATALOG[at].sheet.charge(used)
        assert charged == exact.__floor__(), CATALOG[at].name
        worst = max(worst, exact - charged)
    assert 0 <= worst < 1
    return count


def test_charges_are_exact_and_rounded_down_by_less_than_a_nano_dollar() -> None:
    assert check_charges(SHORT, seed=1) == SHORT


@pytest.mark.prove
def test_a_million_charges_are_exact() -> None:
    assert check_charges(LONG, seed=2) == LONG


@pytest.mark.parametrize("priced", CATALOG, ids=[each.name for each in CATALOG])
def test_each_class_and_tier_of_each_model_alone(priced: Priced) -> None:
    oracle = Oracle(priced.prices)
    for start in [0, *edges_of(priced.prices)]:
        for unit in CLASSES:
            for count in (0, 1, 2, 999, 1_000_000, 2**31 - 1):
                used = Quantities(**({"input": start} | {unit: count}))
                assert priced.sheet.charge(used) == oracle.exact(used).__floor__()


def within(
    random: Random, most_in: int, most_out: int, *, asks_cache: bool, asks_media: bool
) -> Quantities:
    """Return a usage within a bound, of the classes that the request can come to."""
    left = {"in": random.randint(0, most_in), "out": random.randint(0, most_out)}
    media = {"input_audio", "input_image", "output_audio"}
    hidden = set() if asks_cache else {"cache_write_1h", "cache_write_5m"}
    hidden |= set() if asks_media else media
    counts: dict[str, int] = {"requests": random.randint(0, 1)}
    for side, units in (("in", INPUT_CLASSES), ("out", OUTPUT_CLASSES)):
        able = [unit for unit in units if unit not in hidden]
        random.shuffle(able)
        for unit in able[:-1]:
            counts[unit] = random.choice((0, left[side], random.randint(0, left[side])))
            left[side] -= counts[unit]
        counts[able[-1]] = left[side]
    return Quantities(**counts)


def check_bounds(count: int, seed: int, sheets: list[tuple[str, Sheet, int]]) -> int:
    random = Random(seed)  # noqa: S311 - no secret
    for number in range(count):
        name, sheet, edge = sheets[number % len(sheets)]
        most_in = random.choice((edge, edge + 1, random.randrange(1, 2_000_000)))
        most_out = random.randrange(1 << random.randint(0, 20))
        asks_cache, asks_media = random.random() < 0.5, random.random() < 0.3
        (bound,) = sheet.bounds(most_in, (most_out,), asks_cache=asks_cache, asks_media=asks_media)
        used = within(random, most_in, most_out, asks_cache=asks_cache, asks_media=asks_media)
        assert sheet.charge(used) <= bound, name
    return count


def bounded() -> list[tuple[str, Sheet, int]]:
    return [
        (each.name, each.sheet, max([1, *edges_of(each.prices)]))
        for each in CATALOG
        if "chat" in each.table.endpoints
    ]


def test_no_usage_within_its_bound_costs_more_than_was_set_aside() -> None:
    assert check_bounds(SHORT, 3, bounded()) == SHORT


@pytest.mark.prove
def test_no_usage_of_a_million_costs_more_than_was_set_aside() -> None:
    assert check_bounds(LONG, 4, bounded()) == LONG


def test_writes_that_nobody_asked_for_are_within_the_bound_where_a_provider_makes_them() -> None:
    found = 0
    for each in CATALOG:
        units = {line.unit for line in each.sheet.lines}
        if "cache_write_5m" not in units or "cache_write_1h" in units:
            continue
        found += 1
        for size in (1, 272_000, 272_001, 1_000_000):
            (bound,) = each.sheet.bounds(size, (0,), asks_cache=False)
            assert each.sheet.charge(Quantities(cache_write_5m=size)) <= bound
    assert found


@pytest.mark.parametrize("margin", [0, 1, 150_000_000, 333_333_333, 10**9])
def test_a_margin_never_asks_less_than_its_share(margin: int) -> None:
    for each in CATALOG:
        for paid, asked in zip(each.sheet.lines, marked_up(each.sheet.lines, margin), strict=True):
            exact = Fraction(paid.amount_nusd * (NANO + margin), NANO)
            assert exact <= asked.amount_nusd < exact + 1


MODES: Final[tuple[TierMode, ...]] = ("whole", "marginal")


@pytest.mark.parametrize("mode", MODES)
def test_the_catalogs_tiers_are_exact_in_both_modes(mode: TierMode) -> None:
    random = Random(5)  # noqa: S311 - no secret
    for each in CATALOG:
        if not each.prices.tiers:
            continue
        sheet = compile_sheet("set", each.sheet.lines, mode)
        for _ in range(200):
            used = usage(random, edges_of(each.prices))
            assert sheet.charge(used) == by_hand(each.prices, used, mode).__floor__()


def by_hand(prices: PriceTable, used: Quantities, mode: TierMode) -> Fraction:
    if mode == "whole":
        return Oracle(prices).exact(used)
    total = Fraction(0)
    (tier,) = prices.tiers
    for unit in CLASSES:
        count = getattr(used, unit)
        below = min(count, tier.above)
        total += below * dollars(prices, unit, 0) * NANO
        total += (count - below) * dollars(prices, unit, tier.above + 1) * NANO
    return total


@pytest.mark.parametrize("priced", CATALOG, ids=[each.name for each in CATALOG])
def test_what_is_shipped_says_where_it_stands_and_when_somebody_looked(priced: Priced) -> None:
    table = priced.table
    assert table.checked_on is not None
    assert table.source.startswith("https://") or table.source == "made up"
    assert table.title
    assert table.owner
    assert table.cancel == "bills_full" or table.cancel_checked_on or table.source == "made up"
    if "image_input" in table.features and table.source != "made up":
        assert table.image_tokens > 0
