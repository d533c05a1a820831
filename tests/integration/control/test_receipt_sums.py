"""What a receipt says is enough to compute its charge again, to the nano-dollar."""

from fractions import Fraction
from itertools import product

import msgspec
import pytest

from tests.integration.control.test_usage_records import record
from troth.catalog import load
from troth.catalog.load import Catalog
from troth.catalog.price import PriceLine, Sheet, TierMode, compile_sheet
from troth.control import supply, usage
from troth.kernel.quantities import CLASSES, Quantities
from troth.server.office import Office
from troth.server.records import receipt_document

TIERED = [
    PriceLine("input", 3_000_000_000),
    PriceLine("input", 6_000_000_001, tier_start=200_001),
    PriceLine("output", 15_000_000_000),
    PriceLine("output", 22_500_000_000, tier_start=200_001),
    PriceLine("cache_read", 300_000_000),
    PriceLine("audio_ms", 111, 3_600_000, min_quantity=10_000),
    PriceLine("requests", 7, 1),
    PriceLine("images", 13, 3),
]
KINDS = ("anthropic", "deepinfra", "groq", "openai", "openrouter")


class Line(msgspec.Struct):
    """A line of a sum, as a reader of the JSON knows it."""

    unit: str
    used: int
    counted: int
    priced_as: str
    tier_start: int
    amount_nusd: int
    per: int


class Price(msgspec.Struct):
    """What a charge is made of."""

    price_set: str
    since_ms: int
    tier_mode: str
    tier_start: int
    lines: list[Line]
    total_nusd: int
    operator_nusd: int


class Listed(msgspec.Struct):
    """A line of the whole price list."""

    unit: str
    min_quantity: int


class Found(msgspec.Struct):
    """A receipt."""

    price_set: str
    charged_nusd: int
    unit_prices: list[Listed]
    price: Price | None


def again(price: Price) -> int:
    """Compute a charge from the receipt and nothing else."""
    parts = [Fraction(each.counted * each.amount_nusd, each.per) for each in price.lines]
    return sum(parts, Fraction(0)).__floor__() - price.operator_nusd


def sold_at(office: Office, sheet: Sheet, price_set: str) -> Catalog:
    named = msgspec.structs.replace(sheet, id=price_set)
    offerings = {
        model: tuple(msgspec.structs.replace(each, sale=named, cost=named) for each in found)
        for model, found in office.catalog.offerings.items()
    }
    return msgspec.structs.replace(office.catalog, offerings=offerings, price_set=price_set)


def receipt(office: Office, sheet: Sheet, used: Quantities, *, bears: int = 0) -> Found:
    """Return a receipt for a usage, of which the operator bore some."""
    catalog = sold_at(office, sheet, "set " + office.maker.raw().hex())
    plain = record(
        1,
        request="req_" + office.maker.raw().hex(),
        price_set=catalog.price_set,
        charged_nusd=sheet.charge(used) - bears,
    )
    made = msgspec.structs.replace(plain, quantities=used)
    with office.store.write() as tx:
        supply.remember(tx, catalog, office.clock.now_ms())
        usage.write(tx, [made])
        document = receipt_document(tx, "", "", made.request)
    assert document is not None
    return msgspec.json.decode(document, type=Found)


def price_of(found: Found) -> Price:
    assert found.price is not None
    return found.price


def usages() -> list[Quantities]:
    sizes = (0, 199_990, 200_000, 1_234_567)
    mixed = [Quantities(**dict.fromkeys(CLASSES, n)) for n in (0, 1, 40_000, 200_001)]
    return [
        Quantities(input=read, output=written, cache_read=7, reasoning=3, audio_ms=1, images=2)
        for read, written in product(sizes, sizes)
    ] + mixed


@pytest.mark.parametrize("mode", ["whole", "marginal"])
def test_a_charge_is_computed_again_from_its_receipt_alone(office: Office, mode: TierMode) -> None:
    sheet = compile_sheet("", TIERED, mode)
    for used in usages():
        found = receipt(office, sheet, used)
        assert again(price_of(found)) == found.charged_nusd == sheet.charge(used)
        assert price_of(found).total_nusd == found.charged_nusd


def test_every_shipped_price_list_is_explained_to_the_last_nano_dollar(office: Office) -> None:
    used = Quantities(**{unit: 100_003 + at for at, unit in enumerate(CLASSES)})
    count = 0
    for kind in KINDS:
        for table in load.shipped(kind).values():
            sheet = table.sale("set")
            assert sheet is not None
            found = receipt(office, sheet, used)
            assert again(price_of(found)) == found.charged_nusd == sheet.charge(used)
            count += 1
    assert count > 20


def test_a_receipt_names_tier_mode_least_quantity_and_what_was_priced_as_what(
    office: Office,
) -> None:
    used = Quantities(input=200_001, cache_write_5m=5, reasoning=2, audio_ms=40, searches=3)
    found = receipt(office, compile_sheet("", TIERED), used)
    price = price_of(found)
    assert (price.tier_mode, price.tier_start) == ("whole", 200_001)
    assert price.price_set == found.price_set
    assert price.since_ms == office.clock.now_ms()
    shown = [
        (each.unit, each.used, each.counted, each.priced_as, each.tier_start)
        for each in price.lines
    ]
    assert shown == [
        ("input", 200_001, 200_001, "input", 200_001),
        ("cache_write_5m", 5, 5, "input", 200_001),
        ("reasoning", 2, 2, "output", 200_001),
        ("audio_ms", 40, 10_000, "audio_ms", 0),
        ("searches", 3, 3, "", 0),
    ]
    least = [each.min_quantity for each in found.unit_prices if each.unit == "audio_ms"]
    assert least == [10_000]


def test_a_marginal_price_list_has_a_line_a_tier(office: Office) -> None:
    found = receipt(office, compile_sheet("", TIERED, "marginal"), Quantities(input=200_005))
    lines = price_of(found).lines
    assert [(each.tier_start, each.counted) for each in lines] == [(0, 200_000), (200_001, 5)]


def test_what_the_operator_bore_is_told(office: Office) -> None:
    found = receipt(office, compile_sheet("", TIERED), Quantities(input=10_000), bears=1_000)
    assert price_of(found).operator_nusd == 1_000
    assert again(price_of(found)) == found.charged_nusd


def test_a_receipt_of_a_price_set_that_is_not_known_claims_nothing(office: Office) -> None:
    made = record(1, price_set="never")
    with office.store.write() as tx:
        usage.write(tx, [made])
        document = receipt_document(tx, "", "", made.request)
    assert document is not None
    found = msgspec.json.decode(document, type=Found)
    assert (found.price, found.unit_prices) == (None, [])
