"""Nano-USD: strings without a float, there and back."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from troth.kernel.money import MAX_NUSD, nusd_of, usd


def test_dollars_are_written_with_all_nine_decimals() -> None:
    assert usd(0) == "0.000000000"
    assert usd(123_456) == "0.000123456"
    assert usd(12_000_000_001) == "12.000000001"
    assert usd(-5) == "-0.000000005"


@given(st.integers(0, MAX_NUSD))
def test_what_is_written_is_read_back_exactly(nusd: int) -> None:
    assert nusd_of(usd(nusd)) == nusd


@pytest.mark.parametrize(
    "text", ["", ".", "1.", ".5", "-1", "+1", "1e3", " 1", "0.0000000001", "1,5", "٣", "9" * 20]
)
def test_what_is_no_exact_amount_is_refused(text: str) -> None:
    assert nusd_of(text) is None


def test_a_short_decimal_is_read_as_it_stands() -> None:
    assert nusd_of("12.5") == 12_500_000_000
