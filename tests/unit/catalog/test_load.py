"""Catalog files: tables become models, offerings and sheets, and each fault has a place."""

import pytest

from troth.catalog import load
from troth.catalog.load import Catalog
from troth.catalog.offering import Upstream
from troth.kernel.errors import Misconfigured
from troth.kernel.quantities import Quantities

HOUSE = Upstream(
    id="house",
    provider="llamacpp",
    dialect="openai",
    scheme="http",
    host="127.0.0.1",
    port=8000,
    base_path="/v1",
)
SPARE = Upstream(
    id="spare",
    provider="vllm",
    dialect="openai",
    scheme="http",
    host="127.0.0.1",
    port=8001,
    base_path="/v1",
)
UPSTREAMS = {"house": HOUSE, "spare": SPARE}
SMALL = """
[models."house/small"]
provider = "house"
upstream_model = "small"
context_length = 8000
max_output = 1000
price = { input = "0.15", cache_read = "0.075", output = "0.60" }
"""


def built(text: str) -> Catalog:
    return load.build(load.read_models("catalog.toml", text), UPSTREAMS)


def fault(text: str) -> str:
    with pytest.raises(Misconfigured) as caught:
        built(text)
    return caught.value.problem


def test_a_table_becomes_an_offering() -> None:
    (offering,) = built(SMALL).offerings["house/small"]
    assert offering.upstream is HOUSE
    assert offering.upstream_model == "small"
    assert offering.model.context_length == 8_000
    assert offering.sale.id.startswith("ps_")


def test_odd_events_are_never_relayed_as_they_came() -> None:
    exact = SMALL.replace('provider = "house"', 'provider = "house"\nexact = true', 1)
    odd = exact.replace("exact = true", 'exact = true\nquirks = ["odd_events", "no_turn_names"]')
    ((plain,), (quirky,)) = (built(text).offerings["house/small"] for text in (exact, odd))
    assert (plain.exact, quirky.exact) == (True, False)
    assert quirky.quirks == {"odd_events", "no_turn_names"}


def test_prices_are_exact_nano_dollars() -> None:
    (offering,) = built(SMALL).offerings["house/small"]
    used = Quantities(input=1_000_000, cache_read=1_000_000, output=1_000_000)
    assert offering.sale.charge(used) == 825_000_000
    assert offering.sale.charge(Quantities(input=7)) == 1_050


def test_without_a_cost_what_is_paid_is_what_is_asked() -> None:
    (offering,) = built(SMALL).offerings["house/small"]
    assert offering.cost == offering.sale
    (cheap,) = built(SMALL + 'cost = { input = "0", output = "0" }').offerings["house/small"]
    assert cheap.cost.charge(Quantities(input=9_999_999)) == 0


def test_further_offerings_are_tried_in_their_order() -> None:
    text = SMALL + (
        '[[models."house/small".offerings]]\nprovider = "spare"\nprice = { input = "1" }\n'
    )
    first, second = built(text).offerings["house/small"]
    assert (first.upstream.id, second.upstream.id) == ("house", "spare")
    assert second.upstream_model == "house/small"


def test_a_model_without_a_price_is_not_served() -> None:
    catalog = built('[models."free"]\nprovider = "house"\n')
    assert catalog.offerings == {}
    assert catalog.unpriced == ("free",)


def test_a_price_of_zero_is_a_price() -> None:
    catalog = built('[models."free"]\nprovider = "house"\nprice = { input = "0", output = "0" }\n')
    assert list(catalog.offerings) == ["free"]


def test_an_upstream_that_may_not_be_used_is_left_out() -> None:
    tables = load.read_models("catalog.toml", SMALL)
    assert load.build(tables, UPSTREAMS, frozenset({"house"})).offerings == {}


def test_a_tier_holds_beyond_its_input() -> None:
    text = """
[models.tiered]
provider = "house"
[models.tiered.price]
input = "1"
output = "2"
[[models.tiered.price.tiers]]
above = 1000
input = "3"
"""
    (offering,) = built(text).offerings["tiered"]
    assert offering.sale.charge(Quantities(input=1_000)) == 1_000_000
    assert offering.sale.charge(Quantities(input=1_001)) == 3_003_000


@pytest.mark.parametrize("above", ["1000", "0", "-1"])
def test_two_tiers_cannot_begin_at_one_input(above: str) -> None:
    tiers = '[[models.tiered.price.tiers]]\nabove = %s\ninput = "%s"\n'
    text = '[models.tiered]\nprovider = "house"\n[models.tiered.price]\ninput = "1"\n'
    assert "its own 'above' > 0" in fault(text + tiers % ("1000", "2") + tiers % (above, "3"))


def test_the_price_set_is_named_for_its_prices() -> None:
    same = built(SMALL.replace("max_output = 1000", "max_output = 999"))
    dearer = built(SMALL.replace('"0.60"', '"0.61"'))
    assert built(SMALL).price_set == same.price_set
    assert built(SMALL).price_set != dearer.price_set


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('"0.15"', '"a lot"', "catalog.toml:7: 'models.\"house/small\".price': 'input' must be"),
        ('"0.15"', '"0.1234567891"', "at most nine decimals"),
        ('"0.15"', "0.15", "catalog.toml:7: 'models.\"house/small\".price.input': expected `str`"),
        ("cache_read", "cached", "unknown key 'models.\"house/small\".price.cached'. Did you mean"),
        ("context_length", "contextlength", "catalog.toml:5: unknown key"),
        ("max_output = 1000", "max_output = 9000", "'max_output' must be > 0, output the smaller"),
        ('provider = "house"', 'provider = "hose"', "names the provider 'hose', which is not"),
        ('provider = "house"', "", "is offered by nobody"),
        ("[models", "[models.", "not valid TOML"),
        (
            'provider = "house"',
            'provider = "house"\nquirks = ["odd"]',
            'catalog.toml:4: \'models."house/small".quirks',
        ),
        (
            'provider = "house"',
            'provider = "house"\nquirks = ["limit_max_tokens", "limit_max_completion_tokens"]',
            "'quirks' must name one field",
        ),
        (
            'provider = "house"',
            'provider = "house"\nofferings = [{ provider = "house" }]',
            "each of 'offerings' needs a 'provider' of its own",
        ),
        (
            'provider = "house"',
            'features = ["tool"]',
            'catalog.toml:3: \'models."house/small".feat',
        ),
    ],
)
def test_a_fault_has_a_place_and_a_fix(old: str, new: str, said: str) -> None:
    assert said in fault(SMALL.replace(old, new, 1))


@pytest.mark.parametrize(
    "kind", ["simulated", "openai", "anthropic", "groq", "deepinfra", "openrouter"]
)
def test_a_shipped_catalog_is_whole(kind: str) -> None:
    tables = load.at_provider(load.shipped(kind), "house")
    catalog = load.build(tables, UPSTREAMS)
    assert catalog.unpriced == ()
    assert set(catalog.offerings) == set(tables)
    for table in tables.values():
        assert table.source
        assert table.checked_on is not None
        assert table.endpoints


def test_servers_of_ones_own_have_no_shipped_models() -> None:
    assert load.shipped("llamacpp") == {}


def test_a_name_at_two_providers_is_offered_by_both() -> None:
    tables = load.read_models("catalog.toml", SMALL)
    merged = load.merge((tables, load.at_provider(tables, "spare")), {})
    offered = load.build(merged, UPSTREAMS).offerings["house/small"]
    assert [each.upstream.id for each in offered] == ["house", "spare"]


def test_ones_own_row_replaces_a_shipped_one() -> None:
    tables = load.read_models("catalog.toml", SMALL)
    own = load.at_provider(tables, "spare")
    offered = load.build(load.merge((tables,), own), UPSTREAMS).offerings["house/small"]
    assert [each.upstream.id for each in offered] == ["spare"]


MARKED_UP = """
[models.resold]
provider = "house"
margin = "0.15"
cost = { input = "0.333333333", output = "2" }
"""


def test_a_margin_is_computed_once_and_rounded_up() -> None:
    catalog = built(MARKED_UP)
    (offering,) = catalog.offerings["resold"]
    asked = {line.unit: line.amount_nusd for line in offering.sale.lines}
    assert asked == {"input": 383_333_333, "output": 2_300_000_000}
    assert offering.cost.charge(Quantities(output=1_000_000)) == 2_000_000_000
    assert catalog.margins == {"resold": {"house": 150_000_000}}


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('"0.15"', '"15%"', "'margin' must be a share"),
        ("cost =", "price =", "'margin' needs 'cost', and no 'price'"),
        ('"2" }', '"2", minimums = { words = 3 } }', "'minimums' must name classes"),
        ('"2" }', '"2", minimums = { images = 3 } }', "that have a price here"),
        ('"2" }', '"2", tier_mode = "steep" }', "tier_mode"),
        ("cost =", "image_tokens = 0\ncost =", "'image_tokens' must be > 0"),
    ],
)
def test_a_margin_or_minimum_that_cannot_be_is_named(old: str, new: str, said: str) -> None:
    assert said in fault(MARKED_UP.replace(old, new))


def test_a_providers_margin_raises_its_shipped_prices() -> None:
    tables = load.read_models("catalog.toml", SMALL)
    raised = load.at_provider(tables, "house", "0.10")
    (offering,) = load.build(raised, UPSTREAMS).offerings["house/small"]
    assert offering.sale.charge(Quantities(input=1_000_000)) == 165_000_000
    assert offering.cost.charge(Quantities(input=1_000_000)) == 150_000_000
    unpriced = load.read_models("catalog.toml", '[models."free"]\n')
    assert load.at_provider(unpriced, "house", "0.10")["free"].margin == ""


def test_least_quantities_and_marginal_tiers_are_read() -> None:
    text = """
[models.drawn]
provider = "house"
[models.drawn.price]
images = "0.04"
audio_ms = "0.36"
tier_mode = "marginal"
minimums = { audio_ms = 10000 }
[[models.drawn.price.tiers]]
above = 2
images = "0.01"
"""
    (offering,) = built(text).offerings["drawn"]
    assert offering.sale.charge(Quantities(images=3)) == 90_000_000
    assert offering.sale.charge(Quantities(audio_ms=1)) == 1_000_000


def test_a_name_that_cannot_stand_in_a_header_is_refused_before_anything_is_served() -> None:
    assert "cannot be printed" in fault(SMALL.replace("house/small", "house\\nsmall"))


def test_a_name_too_long_for_a_usage_record_is_refused_before_anything_is_served() -> None:
    longest = "é" * 36
    assert list(built(SMALL.replace("house/small", longest)).offerings) == [longest]
    assert "72 bytes" in fault(SMALL.replace("house/small", longest + "s"))
