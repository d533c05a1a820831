"""Nano-USD: exact sums, one rounding, strings without a float."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from troth.kernel.money import MAX_NUSD, Price, Term, bound, charge, nusd_of, usd

TERMS = st.lists(
    st.builds(
        Term,
        st.integers(0, 10**9),
        st.builds(Price, st.integers(0, 10**12), st.sampled_from([1, 1000, 10**6, 3_600_000])),
    ),
    max_size=8,
)


def exact(terms: list[Term]) -> Fraction:
    return sum(
        (Fraction(t.count * t.price.amount_nusd, t.price.per) for t in terms), start=Fraction(0)
    )


@given(TERMS)
def test_a_charge_is_the_exact_sum_rounded_down_once(terms: list[Term]) -> None:
    assert charge(terms) == exact(terms).__floor__()


@given(TERMS)
def test_a_bound_is_the_exact_sum_rounded_up_once(terms: list[Term]) -> None:
    assert bound(terms) == exact(terms).__ceil__()


def test_nothing_costs_nothing() -> None:
    assert charge([]) == 0
    assert bound([]) == 0


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
