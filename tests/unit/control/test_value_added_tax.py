"""VAT: who owes it, at which rate on which day, and how much of an amount it is."""

import datetime as dt
from fractions import Fraction
from pathlib import Path

import pytest

from troth.control import documents
from troth.control.documents import Engine, Party, Terms
from troth.control.documents.shape import Tax, Treatment
from troth.control.documents.tax import on_top, share, tax_of, within
from troth.control.documents.terms import day_of
from troth.control.documents.vat_ids import UNION
from troth.kernel.errors import Misconfigured

RATES = documents.read_rates(documents.RATES_FILE)
TODAY = day_of(dt.date(2026, 11, 21))
STANDARD, REVERSE, OUTSIDE = Treatment.STANDARD, Treatment.REVERSE_CHARGE, Treatment.OUTSIDE


def terms(home: str, *registered: str) -> Terms:
    return Terms(
        seller=Party("s", country=home), engine=Engine.TABLE, registered=registered, rates=RATES
    )


@pytest.mark.parametrize(
    ("home", "registered", "there", "vat_id", "expected"),
    [
        ("DE", (), "DE", "", (STANDARD, 1_900)),
        ("DE", (), "DE", "x", (STANDARD, 1_900)),
        ("DE", (), "", "", (STANDARD, 1_900)),
        ("DE", (), "FR", "x", (REVERSE, 0)),
        ("DE", (), "FR", "", (STANDARD, 1_900)),
        ("DE", ("EU",), "FR", "", (STANDARD, 2_000)),
        ("DE", ("EU",), "FI", "", (STANDARD, 2_550)),
        ("DE", (), "MC", "x", (REVERSE, 0)),
        ("DE", (), "GB", "x", (REVERSE, 0)),
        ("DE", (), "GB", "", (OUTSIDE, 0)),
        ("DE", ("GB",), "GB", "", (STANDARD, 2_000)),
        ("DE", (), "US", "", (OUTSIDE, 0)),
        ("DE", (), "CH", "x", (OUTSIDE, 0)),
        ("DE", ("CH",), "CH", "x", (STANDARD, 810)),
        ("CH", (), "CH", "x", (STANDARD, 810)),
        ("CH", (), "LI", "", (STANDARD, 810)),
        ("CH", (), "DE", "x", (REVERSE, 0)),
        ("CH", (), "DE", "", (OUTSIDE, 0)),
        ("CH", ("EU",), "DE", "", (STANDARD, 1_900)),
        ("CH", (), "NO", "x", (REVERSE, 0)),
        ("CH", (), "NO", "", (OUTSIDE, 0)),
        ("CH", ("NO",), "NO", "", (STANDARD, 2_500)),
        ("CH", ("MC",), "FR", "", (STANDARD, 2_000)),
        ("DE", ("LI",), "CH", "", (STANDARD, 810)),
        ("CH", ("NO",), "NO", "x", (REVERSE, 0)),
    ],
)
def test_the_buyer_and_the_seller_decide_the_treatment(  # noqa: PLR0917
    home: str,
    registered: tuple[str, ...],
    there: str,
    vat_id: str,
    expected: tuple[Treatment, int],
) -> None:
    buyer = Party("b", country=there, vat_id=vat_id)
    found = tax_of(terms(home, *registered), buyer, TODAY)
    assert (found.treatment, found.rate_bp) == expected


def test_without_an_engine_there_is_no_vat() -> None:
    assert tax_of(Terms(), Party("b", country="DE"), TODAY) == Tax(Treatment.NONE)


@pytest.mark.parametrize(
    ("country", "date", "rate_bp"),
    [
        ("CH", dt.date(2017, 12, 31), 800),
        ("CH", dt.date(2018, 1, 1), 770),
        ("CH", dt.date(2023, 12, 31), 770),
        ("CH", dt.date(2024, 1, 1), 810),
        ("FI", dt.date(2024, 8, 31), 2_400),
        ("FI", dt.date(2024, 9, 1), 2_550),
        ("DE", dt.date(2020, 6, 30), 1_900),
        ("DE", dt.date(2020, 7, 1), 1_600),
        ("DE", dt.date(2020, 12, 31), 1_600),
        ("DE", dt.date(2021, 1, 1), 1_900),
        ("EE", dt.date(2023, 12, 31), 2_000),
        ("EE", dt.date(2024, 1, 1), 2_200),
        ("EE", dt.date(2025, 6, 30), 2_200),
        ("EE", dt.date(2025, 7, 1), 2_400),
        ("IE", dt.date(2020, 8, 31), 2_300),
        ("IE", dt.date(2020, 9, 1), 2_100),
        ("IE", dt.date(2021, 3, 1), 2_300),
        ("LU", dt.date(2022, 12, 31), 1_700),
        ("LU", dt.date(2023, 12, 31), 1_600),
        ("LU", dt.date(2024, 1, 1), 1_700),
        ("NO", dt.date(2026, 1, 1), 2_500),
        ("RO", dt.date(2025, 7, 31), 1_900),
        ("RO", dt.date(2025, 8, 1), 2_100),
        ("SK", dt.date(2024, 12, 31), 2_000),
        ("SK", dt.date(2025, 1, 1), 2_300),
    ],
)
def test_a_rate_holds_from_its_day_on(country: str, date: dt.date, rate_bp: int) -> None:
    assert RATES.at(country, day_of(date)) == rate_bp


def test_the_shipped_table_has_every_country_of_the_union() -> None:
    assert len(UNION) == 27
    assert {each.country for each in RATES.rates} == UNION | {"CH", "GB", "NO"}
    assert RATES.source
    assert RATES.checked_on == "2026-11-21"


def test_every_shipped_rate_says_who_said_so_and_holds_since_2017() -> None:
    assert {each.source for each in RATES.rates} - {RATES.source}
    assert all(each.source and each.source != RATES.source for each in RATES.rates)
    since_2017 = day_of(dt.date(2017, 1, 1))
    assert all(RATES.at(each.country, since_2017) for each in RATES.rates)


def test_no_shipped_rate_repeats_the_one_before_it() -> None:
    pairs = zip(RATES.rates, RATES.rates[1:], strict=False)
    same = [new for old, new in pairs if (old.country, old.rate_bp) == (new.country, new.rate_bp)]
    assert same == []


def test_a_country_without_a_rate_is_named() -> None:
    with pytest.raises(Misconfigured, match="none for 'US'"):
        RATES.at("US", TODAY)


_ROW = 'source = "s"\nchecked_on = 2026-01-01\nrate = [{}]\n'


@pytest.mark.parametrize(
    "row",
    [
        '{ country = "de", percent = "19", since = 2021-01-01 }',
        '{ country = "DE", percent = "19.123", since = 2021-01-01 }',
        '{ country = "DE", percent = "1e2", since = 2021-01-01 }',
        '{ country = "DE", percent = "101", since = 2021-01-01 }',
        '{ country = "DE", percent = "-1", since = 2021-01-01 }',
        '{ country = "DE", percent = "19." , since = "soon" }',
        '{ country = "DE", rate = "19", since = 2021-01-01 }',
        '{ country = "DE", percent = "19", since = 2021-01-01, source = "hearsay" }',
        ", ".join(['{ country = "DE", percent = "19", since = 2021-01-01 }'] * 2),
    ],
)
def test_a_table_that_cannot_be_is_refused(tmp_path: Path, row: str) -> None:
    file = tmp_path / "rates.toml"
    file.write_text(_ROW.format(row), "utf-8")
    with pytest.raises(Misconfigured):
        documents.read_rates(file)


def test_an_operator_s_own_table_is_read(tmp_path: Path) -> None:
    file = tmp_path / "rates.toml"
    file.write_text(_ROW.format('{ country = "NO", percent = "25", since = 2005-01-01 }'), "utf-8")
    table = documents.read_rates(file)
    assert table.at("NO", TODAY) == 2_500
    assert [each.source for each in table.rates] == ["s"]
    with pytest.raises(Misconfigured, match="cannot be read"):
        documents.read_rates(tmp_path / "none.toml")


def test_vat_is_rounded_half_up_against_exact_fractions() -> None:
    for rate_bp in (770, 810, 1_700, 1_900, 2_550, 2_700):
        for cents in [*range(1, 400), 99_999, 123_456_789]:
            exact = Fraction(cents * rate_bp, 10_000 + rate_bp)
            assert within(cents, rate_bp) == int(exact + Fraction(1, 2))
            assert on_top(cents, rate_bp) == int(Fraction(cents * rate_bp, 10_000) + Fraction(1, 2))


def test_the_shares_of_a_sum_s_vat_end_with_all_of_it() -> None:
    for gross, tax in ((10_000, 1_597), (1, 0), (3, 1), (9_999, 749)):
        assert share(gross, tax, gross) == tax
        steps = [share(part, tax, gross) for part in range(gross + 1)]
        assert steps == sorted(steps)
        assert steps[0] == 0
    assert share(0, 0, 0) == 0
