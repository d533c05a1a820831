"""VAT numbers: one form for each, refused where a digit is wrong or the country is another."""

import pytest

from troth.control import documents
from troth.control.documents import vat_ids
from troth.control.documents.vat_ids import UNION
from troth.kernel.errors import InvalidValue

VALID = (
    ("AT", "ATU13585627"),
    ("BE", "BE0428759497"),
    ("BE", "BE1019887692"),
    ("BG", "BG175074752"),
    ("CY", "CY10259033P"),
    ("CZ", "CZ25123891"),
    ("DE", "DE136695976"),
    ("DK", "DK13585628"),
    ("EE", "EE100931558"),
    ("ES", "ESB58378431"),
    ("FI", "FI20774740"),
    ("FR", "FR40303265045"),
    ("GR", "EL094259216"),
    ("HR", "HR33392005961"),
    ("HU", "HU12892312"),
    ("IE", "IE3628739UA"),
    ("IE", "IE8Z49289F"),
    ("IT", "IT00743110157"),
    ("LT", "LT213179412"),
    ("LT", "LT290061371314"),
    ("LU", "LU15027442"),
    ("LV", "LV40003521600"),
    ("MT", "MT11679112"),
    ("NL", "NL004495445B01"),
    ("PL", "PL8567346215"),
    ("PT", "PT501964843"),
    ("RO", "RO11198699"),
    ("SE", "SE556188840401"),
    ("SI", "SI50223054"),
    ("SK", "SK2022749619"),
    ("CH", "CHE-107.787.577 IVA"),
    ("GB", "GB980780684"),
    ("NO", "NO 995 525 828 MVA"),
)
"""Numbers that validators of others take as well; their owners are of no matter."""


def is_taken(country: str, text: str) -> bool:
    try:
        return bool(documents.checked_vat_id(country, text))
    except InvalidValue:
        return False


def test_there_is_a_number_of_every_country_of_the_union() -> None:
    assert {country for country, _ in VALID} == UNION | {"CH", "GB", "NO"}


@pytest.mark.parametrize(("country", "number"), VALID)
def test_a_valid_number_is_taken_as_it_is_written_and_written_plainly(
    country: str, number: str
) -> None:
    assert documents.checked_vat_id(country, number) == number
    plain = "".join(sign for sign in number if sign.isalnum())
    assert documents.checked_vat_id(country, plain.lower()) == number


@pytest.mark.parametrize(("country", "number"), VALID)
def test_a_wrong_digit_is_seen(country: str, number: str) -> None:
    """Where a digit is no part of the check, as in the suffix of Dutch numbers, it is not."""
    changes = [
        f"{number[:at]}{other}{number[at + 1 :]}"
        for at, sign in enumerate(number)
        for other in "0123456789"
        if sign.isdigit() and other != sign
    ]
    seen = sum(not is_taken(country, changed) for changed in changes)
    assert seen >= len(changes) * 4 // 5


@pytest.mark.parametrize(("country", "number"), VALID)
def test_a_number_of_another_country_is_refused(country: str, number: str) -> None:
    others = UNION - {country}
    assert [other for other in others if is_taken(other, number)] == []


@pytest.mark.parametrize(
    ("country", "text", "written"),
    [
        ("DE", "de 136695976", "DE136695976"),
        ("DE", "136695976", "DE136695976"),
        ("FR", "Fr 40 303 265 045", "FR40303265045"),
        ("GR", "GR 094259216", "EL094259216"),
        ("GR", "094259216", "EL094259216"),
        ("GB", "GB 980 7806 84", "GB980780684"),
        ("NO", "995525828", "NO 995 525 828 MVA"),
        ("MC", "FR40303265045", "FR40303265045"),
        ("IM", "980 7806 84", "GB980780684"),
        ("LI", "50 301", "50301"),
        ("LI", "FL-50301", "50301"),
        ("LI", "CHE-107.787.577 MWST", "CHE-107.787.577 MWST"),
        ("US", "12-3456789", "12-3456789"),
        ("DE", "  ", ""),
    ],
)
def test_a_vat_number_is_written_in_one_form(country: str, text: str, written: str) -> None:
    assert documents.checked_vat_id(country, text) == written


def test_without_the_extra_no_number_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vat_ids, "eu_vat", None)
    with pytest.raises(InvalidValue) as refused:
        documents.checked_vat_id("DE", "DE136695976")
    assert "install troth[vat]" in refused.value.message
    assert documents.checked_vat_id("DE", "") == ""


@pytest.mark.parametrize(
    ("country", "text"),
    [
        ("DE", "DE136695978"),
        ("DE", "DEDE136695976"),
        ("DE", "FR40303265045"),
        ("FR", "DE136695976"),
        ("GR", "GR094259216X"),
        ("CH", "CHE-107.787.578 IVA"),
        ("CH", "50301"),
        ("LI", "5030"),
        ("LI", "DE136695976"),
        ("MC", "MC123"),
        ("IM", "GB802311781"),
        ("NO", "995525829MVA"),
        ("GB", "GB802311781"),
        ("US", "x" * 25),
        ("US", "é"),
    ],
)
def test_what_is_no_vat_number_of_its_country_is_refused(country: str, text: str) -> None:
    with pytest.raises(InvalidValue) as refused:
        documents.checked_vat_id(country, text)
    assert text not in refused.value.message
