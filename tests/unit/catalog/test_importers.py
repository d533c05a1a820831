"""Published price lists in the shapes that they have, with numbers of our own."""

from fractions import Fraction

import msgspec
import pytest

from troth.catalog.importers import READERS, Quote
from troth.catalog.importers.quote import number
from troth.kernel.errors import InvalidValue

TODAY = "2026-11-21"

GENAI = b"""[
 {"id": "mistral", "models": [{"id": "m", "prices": {"input_mtok": 1}}]},
 {"id": "anthropic", "name": "A", "models": [
  {"id": "large", "match": {"equals": "large"}, "prices_checked": "2026-11-01",
   "prices": [
    {"prices": {"input_mtok": 4, "output_mtok": 20}},
    {"constraint": {"start_date": "2026-11-21"}, "prices": {
      "input_mtok": {"base": 3, "tiers": [{"start": 200000, "price": 6}]},
      "cache_write_mtok": 3.75, "cache_read_mtok": 0.3, "output_mtok": 15, "odd_mtok": 1}},
    {"constraint": {"start_date": "2026-11-22"}, "prices": {"input_mtok": 9}},
    {"constraint": {"start_time": "00:00", "end_time": "06:00"}, "prices": {"input_mtok": 1}}]},
  {"id": "per-call", "prices": {"requests_kcount": 5}},
  {"id": "unpriced", "prices": {}}]}]"""

MODELS_DEV = b"""{
 "elsewhere": {"models": 7},
 "groq": {"id": "groq", "models": {
  "flat": {"cost": {"input": 0.15, "output": 0.6, "cache_read": 0.075, "thinking": 2}},
  "tiered": {"cost": {"input": 2.0, "output": 6.0, "tiers": [
     {"input": 4.0, "output": 12.0, "tier": {"type": "context", "size": 272000}},
     {"input": 1.0, "tier": {"type": "hour", "size": 3}}],
     "context_over_200k": {"input": 5.0}}},
  "older": {"cost": {"input": 2.0, "context_over_200k": {"input": 5.0}}},
  "none": {}}}}"""

LITELLM = b"""{
 "sample_spec": {"input_cost_per_token": "prose", "litellm_provider": 5},
 "claude-x": {"litellm_provider": "anthropic", "mode": "chat", "max_input_tokens": 200000,
   "input_cost_per_token": 3e-06, "output_cost_per_token": 1.5e-05,
   "cache_creation_input_token_cost": 3.75e-06,
   "cache_creation_input_token_cost_above_1hr": 6e-06,
   "cache_read_input_token_cost": 3e-07,
   "input_cost_per_token_above_200k_tokens": 6e-06,
   "cache_creation_input_token_cost_above_1hr_above_200k_tokens": 1.2e-05,
   "input_cost_per_token_priority": 1, "output_cost_per_token_batches": 1,
   "search_context_cost_per_query": {"search_context_size_low": 0.01},
   "input_cost_per_query": null},
 "groq/whisper": {"litellm_provider": "groq", "input_cost_per_second": 0.000030833},
 "gpt-noise": {"litellm_provider": "openai", "input_cost_per_token": 1.4999999999999999e-07,
   "output_cost_per_token": 1.23456789012345678e-07},
 "azure/x": {"litellm_provider": "azure", "input_cost_per_token": "not read"}}"""

OPENROUTER = b"""{"data": [
 {"id": "a/one", "pricing": {"prompt": "0.0000025", "completion": "0.00001", "request": "0.01",
   "image": "0.003", "internal_reasoning": "0", "input_cache_read": "0.00000025",
   "input_cache_write": "0", "web_search": "0",
   "overrides": [{"min_prompt_tokens": 100000, "prompt": "0.000005"}, {"at_night": true,
    "prompt": "0.0000025", "completion": "0.000005"}]}},
 {"id": "a/auto", "pricing": {"prompt": "-1", "completion": "-1"}}]}"""


def quotes(form: str, text: bytes) -> dict[str, Quote]:
    return {quote.model: quote for quote in READERS[form](text, TODAY)}


def amounts(quote: Quote) -> dict[tuple[str, int], int]:
    return {(line.unit, line.tier_start): line.amount_nusd for line in quote.lines}


def test_dated_and_tiered_prices_are_read_as_of_a_day() -> None:
    found = quotes("genai", GENAI)
    assert set(found) == {"large", "per-call"}
    large = found["large"]
    assert amounts(large) == {
        ("input", 0): 3_000_000_000,
        ("input", 200_001): 6_000_000_000,
        ("cache_write_5m", 0): 3_750_000_000,
        ("cache_read", 0): 300_000_000,
        ("output", 0): 15_000_000_000,
    }
    assert (large.kind, large.checked_on) == ("anthropic", "2026-11-01")
    assert large.ignored == ("odd_mtok",)
    assert large.timed == ("input",)
    assert "cache_write_1h" in large.silent
    (line,) = found["per-call"].lines
    assert (line.unit, line.amount_nusd, line.per) == ("requests", 5_000_000_000, 1_000)


OFF_PEAK = b"""[{"id": "deepinfra", "models": [{"id": "day-and-night", "prices": [
 {"constraint": {"start_time": "00:30:00Z", "end_time": "16:30:00Z"},
  "prices": {"input_mtok": 0.27, "cache_read_mtok": 0.07, "output_mtok": 1.1}},
 {"constraint": {"start_time": "16:30:00Z", "end_time": "00:30:00Z"},
  "prices": {"input_mtok": 0.135, "cache_read_mtok": 0.07, "output_mtok": 0.55}}]}]}]"""


@pytest.mark.parametrize("is_swapped", [False, True])
def test_of_prices_by_the_hour_the_dearest_is_taken_and_told(is_swapped: bool) -> None:  # noqa: FBT001
    text = OFF_PEAK
    if is_swapped:
        text = text.replace(b"0.27", b"9").replace(b"0.135", b"0.27").replace(b"9", b"0.135")
    (found,) = quotes("genai", text).values()
    assert amounts(found) == {
        ("input", 0): 270_000_000,
        ("cache_read", 0): 70_000_000,
        ("output", 0): 1_100_000_000,
    }
    assert set(found.timed) >= {"input", "output"}


def test_tiers_of_a_context_are_read_and_others_noted() -> None:
    found = quotes("models-dev", MODELS_DEV)
    assert set(found) == {"flat", "tiered", "older"}
    assert amounts(found["flat"])["cache_read", 0] == 75_000_000
    assert found["flat"].ignored == ("thinking",)
    assert amounts(found["tiered"]) == {
        ("input", 0): 2_000_000_000,
        ("input", 272_001): 4_000_000_000,
        ("output", 0): 6_000_000_000,
        ("output", 272_001): 12_000_000_000,
    }
    assert (found["tiered"].ignored, found["tiered"].timed) == ((), ("input",))
    assert amounts(found["older"])["input", 200_001] == 5_000_000_000


def test_prices_of_one_token_or_second_are_read_exactly() -> None:
    found = quotes("litellm", LITELLM)
    assert set(found) == {"claude-x", "whisper", "gpt-noise"}
    large = found["claude-x"]
    assert amounts(large) == {
        ("input", 0): 3_000_000_000,
        ("input", 200_001): 6_000_000_000,
        ("cache_read", 0): 300_000_000,
        ("cache_write_5m", 0): 3_750_000_000,
        ("cache_write_1h", 0): 6_000_000_000,
        ("cache_write_1h", 200_001): 12_000_000_000,
        ("output", 0): 15_000_000_000,
    }
    assert large.ignored == ("search_context_cost_per_query",)
    (second,) = found["whisper"].lines
    assert (second.unit, second.amount_nusd, second.per) == ("audio_ms", 110_998_800, 3_600_000)


def test_a_number_that_a_float_has_bent_is_set_right_and_a_finer_one_is_flagged() -> None:
    noise = quotes("litellm", LITELLM)["gpt-noise"]
    assert amounts(noise) == {("input", 0): 150_000_000, ("output", 0): 123_456_789}
    assert noise.moved == ()
    fine = LITELLM.replace(b"1.23456789012345678e-07", b"1.2345e-14")
    assert quotes("litellm", fine)["gpt-noise"].moved == ("output",)


def test_prices_in_strings_are_read_and_what_varies_is_left_out() -> None:
    found = quotes("openrouter", OPENROUTER)
    assert set(found) == {"a/one"}
    one = found["a/one"]
    assert amounts(one) == {
        ("input", 0): 2_500_000_000,
        ("input", 100_000): 5_000_000_000,
        ("output", 0): 10_000_000_000,
        ("requests", 0): 10_000_000_000,
        ("cache_read", 0): 250_000_000,
        ("searches", 0): 0,
    }
    assert (one.ignored, one.timed) == (("image",), ("output",))


@pytest.mark.parametrize(
    ("form", "old", "new", "field"),
    [
        ("genai", b"3.75", b'"much"', r"$[1].models[0].prices.cache_write_mtok"),
        ("genai", b'"base": 3', b'"base": -3', r"input_mtok.base"),
        ("genai", b'"start": 200000', b'"start": 0.5', r"input_mtok.tiers[0].start"),
        ("genai", b'"id": "large"', b'"id": 7', r"$[1].models[0].id"),
        ("genai", b'{"start_date": "2026-11-21"}', b"7", r"prices[1].constraint"),
        ("models-dev", b'"cost": {"input": 0.15', b'"cost": {"input": {}', "groq.models.flat"),
        ("models-dev", b'"size": 272000', b'"size": null', "tiers[0].tier.size"),
        ("models-dev", b'"tiers": [', b'"tiers": [5, ', "tiers[0]"),
        ("litellm", b"3e-06", b"NaN", "$"),
        ("litellm", b"3e-06", b"3e-600", "claude-x.input_cost_per_token"),
        ("litellm", b"3e-06", b"1e20", "claude-x.input_cost_per_token"),
        ("litellm", b'"anthropic"', b"5", "claude-x.litellm_provider"),
        ("openrouter", b'"0.00001"', b'"0,1"', r"$.data[0].pricing.completion"),
        ("openrouter", b'"data"', b'"rows"', "$"),
        ("openrouter", b"}]}", b"}]", "$"),
        ("openrouter", b'"0.00001"', b'"100.1"', r"$.data[0].pricing.completion"),
        ("openrouter", b"}]}", b"}," + b"[" * 9_000 + b"]" * 9_000 + b"]}", "$"),
        ("litellm", b"{", b'{"deep":' + b"[" * 9_000 + b"]" * 9_000 + b",", "$"),
    ],
)
def test_a_bad_file_is_refused_with_its_field(
    form: str, old: bytes, new: bytes, field: str
) -> None:
    good = {"genai": GENAI, "models-dev": MODELS_DEV, "litellm": LITELLM, "openrouter": OPENROUTER}
    assert old in good[form]
    with pytest.raises(InvalidValue) as refused:
        READERS[form](good[form].replace(old, new, 1), TODAY)
    assert field in str(refused.value.param)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (b"0.1", Fraction(1, 10)),
        (b"1E-7", Fraction(1, 10**7)),
        (b"2.5e+1", Fraction(25)),
        (b'"0.0000001"', Fraction(1, 10**7)),
        (b"-3", Fraction(-3)),
        (b"null", None),
    ],
)
def test_a_number_is_what_its_text_says(text: bytes, value: Fraction | None) -> None:
    assert number("x", msgspec.Raw(text)) == value
