"""Price versions: which prices hold when, what a rise is, and what a pin keeps."""

import msgspec
import pytest

from tests.unit.catalog.test_load import SMALL, UPSTREAMS
from troth.catalog import load
from troth.catalog.load import Catalog
from troth.catalog.price import PriceLine, Sheet, TierMode, compile_sheet
from troth.catalog.versions import PriceVersion, below_cost, in_force, pinned, rises, unit_price
from troth.kernel.quantities import Quantities


def catalog() -> Catalog:
    return load.build(load.read_models("catalog.toml", SMALL), UPSTREAMS)


def sheet(*lines: tuple[str, int], mode: TierMode = "whole", above: int = 0) -> Sheet:
    later = [PriceLine(unit, amount * 2, tier_start=above) for unit, amount in lines if above]
    return compile_sheet("", [PriceLine(unit, amount) for unit, amount in lines] + later, mode)


def version(place: int, effective_at_ms: int, amount: int) -> PriceVersion:
    asked, paid = sheet(("input", amount)), sheet(("input", amount // 2))
    return PriceVersion(place, "house/small", "house", effective_at_ms, asked, paid)


def asked(sold: Catalog) -> int:
    return sold.offerings["house/small"][0].sale.charge(Quantities(input=1_000_000))


def test_a_version_holds_from_its_moment_on() -> None:
    base, versions = catalog(), [version(1, 1_000, 70), version(2, 2_000, 90)]
    assert in_force(base, versions, 999) is base
    assert asked(in_force(base, versions, 1_000)) == 70
    assert asked(in_force(base, versions, 1_999)) == 70
    assert asked(in_force(base, versions, 2_000)) == 90
    assert in_force(base, versions, 2_000).offerings["house/small"][0].cost.charge(
        Quantities(input=1_000_000)
    ) == (45)


def test_of_two_for_one_moment_the_later_accepted_holds() -> None:
    assert asked(in_force(catalog(), [version(2, 5, 90), version(1, 5, 70)], 5)) == 90


def test_a_set_is_named_for_its_prices_wherever_they_come_from() -> None:
    base = catalog()
    sold = in_force(base, [version(1, 0, 70)], 0)
    (offering,) = sold.offerings["house/small"]
    assert sold.price_set != base.price_set
    assert offering.sale.id == offering.cost.id == sold.price_set
    (own,) = base.offerings["house/small"]
    plain = msgspec.structs.replace(own.sale, id="")
    same = PriceVersion(1, "house/small", "house", 0, plain, plain)
    assert in_force(base, [same], 0).price_set == base.price_set


def test_a_version_of_what_is_not_offered_waits() -> None:
    base = catalog()
    strange = msgspec.structs.replace(version(1, 0, 70), model="gone")
    assert in_force(base, [strange], 0).price_set == base.price_set


def test_a_pin_keeps_what_is_asked_and_not_what_is_paid() -> None:
    base = catalog()
    now = in_force(base, [version(1, 0, 10_000_000_000)], 0)
    (old,) = base.offerings["house/small"]
    kept = pinned(now, base.price_set, {("house/small", "house"): (old.sale, old.cost)})
    (offering,) = kept.offerings["house/small"]
    assert offering.sale == old.sale
    assert offering.sale.id == base.price_set == kept.price_set
    assert offering.cost == now.offerings["house/small"][0].cost
    assert asked(pinned(now, "ps", {})) == asked(now)


@pytest.mark.parametrize(
    ("old", "new", "units"),
    [
        (sheet(("input", 5)), sheet(("input", 5)), ()),
        (sheet(("input", 5)), sheet(("input", 4)), ()),
        (sheet(("output", 5)), sheet(("output", 6)), ("output", "reasoning")),
        (
            sheet(("input", 5)),
            sheet(("input", 5), ("cache_write_1h", 10)),
            ("cache_write_1h",),
        ),
        (sheet(("input", 5), ("cache_read", 1)), sheet(("input", 5)), ("cache_read",)),
        (sheet(("images", 5)), sheet(("images", 5), above=100), ("images",)),
        (sheet(("images", 5), above=100), sheet(("images", 5), above=50), ("images",)),
        (sheet(("images", 5), above=50), sheet(("images", 5), above=100), ()),
        (
            sheet(("images", 5), above=50),
            sheet(("images", 5), mode="marginal", above=50),
            ("images",),
        ),
        (
            sheet(("audio_ms", 5)),
            compile_sheet("", [PriceLine("audio_ms", 5, min_quantity=10)]),
            ("audio_ms",),
        ),
    ],
)
def test_a_rise_is_any_use_that_would_cost_more(
    old: Sheet, new: Sheet, units: tuple[str, ...]
) -> None:
    assert rises(old, new) == units


def test_what_is_sold_below_its_cost_is_named() -> None:
    assert below_cost(sheet(("output", 5)), sheet(("output", 6))) == ("output", "reasoning")
    assert below_cost(sheet(("output", 6)), sheet(("output", 6))) == ()


def test_a_unit_price_is_the_class_own() -> None:
    tiered = sheet(("input", 3_000_000), above=100)
    assert unit_price(tiered, "input") == 3
    assert unit_price(tiered, "input", 100) == 6
    assert unit_price(tiered, "cache_read") is None
