"""Proposals: what would change, and the flags on what looks wrong."""

import pytest

from troth.catalog.importers import Quote
from troth.catalog.price import PriceLine, Sheet, compile_sheet
from troth.catalog.propose import Flag, FlagCode, Offered, Proposed, propose

BASE = (
    PriceLine("input", 3_000),
    PriceLine("cache_read", 300),
    PriceLine("cache_write_1h", 6_000),
    PriceLine("output", 15_000),
)


def sheet(*lines: PriceLine) -> Sheet:
    return compile_sheet("", lines or BASE)


def offered(sale: Sheet | None = None, cost: Sheet | None = None, margin: int = -1) -> Offered:
    paid = cost or sheet()
    return Offered("m", "house", "anthropic", "up/m", sale or paid, paid, margin)


def quote(*lines: PriceLine, **more: tuple[str, ...] | frozenset[str]) -> Quote:
    quoted = Quote("anthropic", "up/m", lines, "2026-11-01")
    silent, moved, ignored, timed = (
        more.get(name, ()) for name in ("silent", "moved", "ignored", "timed")
    )
    return Quote(
        quoted.kind,
        quoted.model,
        lines,
        quoted.checked_on,
        frozenset(silent),
        tuple(moved),
        tuple(ignored),
        tuple(timed),
    )


def changed(unit: str, amount: int, start: int = 0) -> tuple[PriceLine, ...]:
    lines = [line for line in BASE if line.unit != unit or start]
    return (*lines, PriceLine(unit, amount, tier_start=start))


def row(one: Offered, quoted: Quote, *beside: Quote) -> Proposed:
    (found,) = propose([one], [quoted], [[each] for each in beside]).rows
    return found


def flags(one: Offered, quoted: Quote, *beside: Quote) -> set[str]:
    found = row(one, quoted, *beside).flags
    return {f"{flag.code}:{flag.unit}" for flag in found}


def test_what_agrees_and_what_is_not_in_the_list_is_counted() -> None:
    found = propose([offered()], [quote(*reversed(BASE))])
    assert (found.rows, found.unchanged) == ((), ("m",))
    assert propose([offered()], []).unknown == ("m",)
    free = (*BASE, PriceLine("output_audio", 0))
    assert propose([offered()], [quote(*free)]).unchanged == ("m",)


def test_a_row_that_makes_no_price_list_ends_no_import() -> None:
    """One of free classes alone, one whose tier no marginal list can have: the others are read."""
    by_call = offered(cost=sheet(PriceLine("requests", 5, 1_000)))
    tiers = (PriceLine("images", 5, 1), PriceLine("images", 4, 1, 3))
    marginal = compile_sheet("", tiers, "marginal")
    drawn = Offered("d", "house", "anthropic", "up/d", marginal, marginal)
    odd = Quote("anthropic", "up/d", (PriceLine("images", 5, 1), PriceLine("images", 4, 1, 1)))
    found = propose([by_call, drawn], [quote(PriceLine("output", 0)), odd])
    assert (found.rows, found.unknown) == ((), ("m", "d"))


@pytest.mark.parametrize(
    ("quoted", "expected"),
    [
        (
            quote(*changed("output", 18_001)),
            {"change_above_20_percent:output", "rise:output", "rise:reasoning"},
        ),
        (quote(*changed("output", 18_000)), {"rise:output", "rise:reasoning"}),
        (quote(*changed("output", 11_999)), {"change_above_20_percent:output"}),
        (quote(*changed("cache_write_1h", 5_999)), {"write_1h_not_twice_input:cache_write_1h"}),
        (
            quote(*changed("output", 2_999)),
            {"change_above_20_percent:output", "output_below_input:output"},
        ),
        (
            quote(*changed("cache_read", 3_001)),
            {
                "change_above_20_percent:cache_read",
                "read_above_input:cache_read",
                "rise:cache_read",
            },
        ),
        (quote(*BASE[:1], *BASE[2:]), {"unit_dropped:cache_read", "rise:cache_read"}),
        (
            quote(*changed("output", 14_000), moved=("output",), ignored=("odd",)),
            {"number_moved:output", "field_ignored:odd"},
        ),
        (
            quote(*BASE[:2], PriceLine("output", 14_000), silent=frozenset({"cache_write_1h"})),
            {"unit_kept:cache_write_1h"},
        ),
    ],
)
def test_what_looks_wrong_is_flagged(quoted: Quote, expected: set[str]) -> None:
    assert flags(offered(), quoted) == expected


def test_a_price_by_the_hour_is_flagged_red_and_told_even_where_nothing_changes() -> None:
    found = propose([offered()], [quote(*BASE, timed=("output",))])
    assert (found.unchanged, found.by_hour) == (("m",), ("m",))
    flagged = row(offered(), quote(*changed("output", 15_100), timed=("output",))).flags
    assert Flag(FlagCode.BY_HOUR, "output") in flagged
    assert Flag(FlagCode.BY_HOUR, "output").is_red


def test_a_tier_that_would_go_is_flagged() -> None:
    tiered = sheet(*BASE, PriceLine("input", 6_000, tier_start=200_001))
    assert "tier_dropped:200001" in flags(offered(cost=tiered), quote(*BASE))


def test_lists_that_disagree_are_flagged() -> None:
    quoted = quote(*changed("output", 14_000))
    assert "sources_disagree:output" in flags(offered(), quoted, quote(*changed("output", 14_001)))
    assert "sources_disagree:output" not in flags(offered(), quoted, quoted)


def test_what_would_be_sold_below_its_cost_is_flagged() -> None:
    dear = sheet(*(PriceLine(line.unit, line.amount_nusd + 100) for line in BASE))
    found = row(offered(sale=dear), quote(*changed("output", 15_101)))
    assert Flag(FlagCode.BELOW_COST, "output") in found.flags
    assert found.sale.lines == dear.lines


def test_a_price_by_margin_follows_its_cost() -> None:
    found = row(offered(sale=sheet(), margin=100_000_000), quote(*changed("output", 14_999)))
    asked = {line.unit: line.amount_nusd for line in found.sale.lines}
    assert asked["output"] == 16_499
    assert asked["input"] == 3_300


def test_what_is_asked_as_it_is_paid_goes_on_so() -> None:
    found = row(offered(), quote(*changed("output", 14_000)))
    assert found.sale is found.cost


def test_notes_are_not_red() -> None:
    assert not Flag(FlagCode.RISE, "input").is_red
    assert Flag(FlagCode.CHANGE, "input").is_red


def test_least_quantities_stay() -> None:
    cost = sheet(PriceLine("audio_ms", 5, min_quantity=10_000))
    found = row(offered(cost=cost), quote(PriceLine("audio_ms", 4)))
    assert found.cost.lines == (PriceLine("audio_ms", 4, min_quantity=10_000),)
