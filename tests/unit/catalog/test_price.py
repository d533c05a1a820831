"""Price sheets against exact fractions: every class, every tier, one rounding."""

from fractions import Fraction

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from troth.catalog.price import (
    MOST_TOKENS,
    UNIT_MAX_NUSD,
    PriceLine,
    Sheet,
    TierMode,
    compile_sheet,
)
from troth.kernel.errors import Misconfigured
from troth.kernel.quantities import CLASSES, Quantities, tokens_in

COUNTS = st.integers(0, 10**7)
VECTORS = st.builds(Quantities, *[COUNTS for _ in CLASSES])
LINES = st.lists(
    st.builds(
        PriceLine,
        st.sampled_from(CLASSES),
        st.integers(0, 10**11),
        st.sampled_from([1, 1_000, 10**6, 3_600_000]),
        st.sampled_from([0, 0, 200_000]),
        st.sampled_from([0, 0, 0, 1_000]),
    ),
    min_size=1,
    max_size=12,
    unique_by=lambda line: (line.unit, line.tier_start),
)


def price_of(lines: list[PriceLine], unit: str, context: int) -> Fraction:
    """The oracle: the line of the highest tier that the context reaches."""
    reached = [line for line in lines if line.unit == unit and line.tier_start <= context]
    if not reached:
        return Fraction(-1)
    highest = max(reached, key=lambda line: line.tier_start)
    return Fraction(highest.amount_nusd, highest.per)


FALLBACK = {"reasoning": "output"} | dict.fromkeys(
    ("cache_read", "cache_write_5m", "cache_write_1h"), "input"
)
MODES: tuple[TierMode, ...] = ("whole", "marginal")


def priced(lines: list[PriceLine], unit: str, context: int) -> Fraction:
    price = price_of(lines, unit, context)
    if price < 0 and unit in FALLBACK:
        price = price_of(lines, FALLBACK[unit], context)
    return max(price, Fraction(0))


def exact(lines: list[PriceLine], used: Quantities, mode: TierMode = "whole") -> Fraction:
    context = tokens_in(used)
    total = Fraction(0)
    for unit in CLASSES:
        count = getattr(used, unit)
        least = [line.min_quantity for line in lines if line.unit == unit and line.min_quantity]
        if count and least:
            count = max(count, least[-1])
        if mode == "whole":
            total += priced(lines, unit, context) * count
            continue
        starts = sorted({0, *(line.tier_start for line in lines)})
        for start, end in zip(starts, [*(start - 1 for start in starts[1:]), count], strict=True):
            inside = min(count, end) - max(0, start - 1)
            total += priced(lines, unit, start) * max(0, inside)
    return total


@given(LINES, VECTORS, st.sampled_from(MODES))
def test_a_charge_equals_the_exact_fraction_rounded_down(
    lines: list[PriceLine], used: Quantities, mode: TierMode
) -> None:
    assert compile_sheet("set", lines, mode).charge(used) == exact(lines, used, mode).__floor__()


@given(
    lines=LINES,
    tokens=st.tuples(COUNTS, COUNTS),
    asks=st.tuples(st.booleans(), st.booleans()),
    mode=st.sampled_from(MODES),
)
def test_no_usage_within_the_bound_costs_more_than_it(
    lines: list[PriceLine], tokens: tuple[int, int], asks: tuple[bool, bool], mode: TierMode
) -> None:
    read, written = tokens
    sheet = compile_sheet("set", lines, mode)
    asks_cache, asks_media = asks
    (most,) = sheet.bounds(read, (written,), asks_cache=asks_cache, asks_media=asks_media)
    half = read // 2
    used = [
        Quantities(input=read, output=written),
        Quantities(input=half, cache_read=read - half, reasoning=written),
        Quantities(
            input=half, cache_read=read - half, output=min(3, written), reasoning=written // 2
        ),
        Quantities(requests=1, input=read, output=written),
    ]
    if asks_cache:
        used.append(Quantities(cache_write_1h=read, output=written))
    if asks_media:
        used.append(Quantities(input_audio=half, input_image=read - half, output_audio=written))
    assert all(sheet.charge(vector) <= most for vector in used)


@given(LINES, st.integers(0, 10**12), COUNTS)
def test_what_is_affordable_fits_the_amount_and_one_more_does_not(
    lines: list[PriceLine], nusd: int, read: int
) -> None:
    sheet = compile_sheet("set", lines)
    tokens = sheet.affordable_output(nusd, read, asks_cache=False)
    nothing, so_many, one_more = sheet.bounds(read, (0, tokens, tokens + 1), asks_cache=False)
    if nothing > nusd:
        assert tokens == 0
    elif tokens < MOST_TOKENS:
        assert so_many <= nusd < one_more


def test_images_and_sound_are_bound_by_their_own_prices() -> None:
    lines = [
        PriceLine("input", 2, 1),
        PriceLine("input_audio", 40, 1),
        PriceLine("output", 8, 1),
        PriceLine("output_audio", 80, 1),
    ]
    sheet = compile_sheet("set", lines)
    assert sheet.bounds(10, (5,), asks_cache=False) == (60,)
    assert sheet.bounds(10, (5,), asks_cache=False, asks_media=True) == (800,)
    assert sheet.affordable_output(800, 10, asks_cache=False) == 97
    assert sheet.affordable_output(800, 10, asks_cache=True, asks_media=True) == 5


def test_a_provider_that_caches_unasked_is_bound_at_its_price_of_writes() -> None:
    plain = [PriceLine("input", 2, 1), PriceLine("cache_write_5m", 3, 1)]
    asked = [*plain, PriceLine("cache_write_1h", 4, 1)]
    assert compile_sheet("set", plain).bounds(10, (0,), asks_cache=False) == (30,)
    assert compile_sheet("set", asked).bounds(10, (0,), asks_cache=False) == (20,)
    assert compile_sheet("set", asked).bounds(10, (0,), asks_cache=True) == (40,)


def test_what_cannot_charge_is_not_sound() -> None:
    sheet = compile_sheet("set", [PriceLine("input", 5)])
    (tier,) = sheet.tiers
    assert sheet.is_sound
    for wrong in (
        (),
        (msgspec.structs.replace(tier, under=0),),
        (msgspec.structs.replace(tier, weights=(1,)),),
        (msgspec.structs.replace(tier, weights=(-1, *tier.weights[1:])),),
    ):
        assert not msgspec.structs.replace(sheet, tiers=wrong).is_sound


def test_the_dearest_price_of_the_longest_request_fits_the_books() -> None:
    """Amounts are 64 bits on the link, in the journal and in both databases."""
    context = 10_000_000
    dearest = compile_sheet("set", [PriceLine(unit, UNIT_MAX_NUSD, 1) for unit in CLASSES])
    [bound] = dearest.bounds(context, (context,), asks_cache=True, asks_media=True)
    assert bound < 2**63


def test_a_free_model_affords_any_length() -> None:
    sheet = compile_sheet("set", [PriceLine("input", 0), PriceLine("output", 0)])
    assert sheet.affordable_output(0, 10_000, asks_cache=True) == MOST_TOKENS
    assert sheet.bounds(10_000, (10_000,), asks_cache=True) == (0,)


def test_a_class_without_a_price_is_not_priced_but_falls_back() -> None:
    sheet = compile_sheet("set", [PriceLine("input", 3_000_000), PriceLine("output", 15_000_000)])
    assert sheet.is_priced("input")
    assert not sheet.is_priced("cache_read")
    assert sheet.charge(Quantities(cache_read=10, reasoning=2)) == 30 + 30


@pytest.mark.parametrize(
    "lines",
    [
        [],
        [PriceLine("words", 1)],
        [PriceLine("input", -1)],
        [PriceLine("input", 1, 0)],
        [PriceLine("input", 1, 1, -1)],
        [PriceLine("input", 1, 1, 0, -1)],
        [PriceLine("input", 1), PriceLine("input", 2)],
        [PriceLine("output", 1), PriceLine("input", 10**17 + 1)],
        [PriceLine("input", 1), PriceLine("input", 1, tier_start=9), PriceLine("input", 2, 7, 9)],
    ],
)
def test_a_sheet_that_cannot_be_right_is_refused(lines: list[PriceLine]) -> None:
    with pytest.raises(Misconfigured):
        compile_sheet("set", lines)


def test_a_sheet_whose_first_tier_starts_late_charges_nothing_below_it() -> None:
    sheet: Sheet = compile_sheet("set", [PriceLine("input", 5, 1, 200_000)])
    assert sheet.charge(Quantities(input=10)) == 0
    assert sheet.charge(Quantities(input=200_000)) == 1_000_000


def test_a_marginal_tier_starts_behind_its_first_unit() -> None:
    with pytest.raises(Misconfigured, match="second unit"):
        compile_sheet("set", [PriceLine("images", 5, 1, 1)], "marginal")


def test_each_unit_of_a_marginal_sheet_costs_what_its_tier_says() -> None:
    lines = [PriceLine("images", 40, 1), PriceLine("images", 10, 1, 3)]
    sheet = compile_sheet("set", lines, "marginal")
    assert [sheet.charge(Quantities(images=count)) for count in range(5)] == [0, 40, 80, 90, 100]


def test_what_was_used_at_all_is_charged_as_the_least_quantity() -> None:
    sheet = compile_sheet("set", [PriceLine("audio_ms", 7, 1, 0, 10_000)])
    assert not sheet.is_plain
    assert sheet.charge(Quantities()) == 0
    assert sheet.charge(Quantities(audio_ms=1)) == 70_000
    assert sheet.charge(Quantities(audio_ms=10_001)) == 70_007
