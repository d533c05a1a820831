"""VAT numbers: their form and check digits. Nobody is asked whether a number is in force.

Needs the extra `vat`; without it a number is refused, for VAT would depend on what was not checked.
"""

from typing import Final

from troth.kernel.errors import InvalidValue

try:
    from stdnum.ch import vat as ch_vat
    from stdnum.eu import vat as eu_vat
    from stdnum.exceptions import ValidationError
    from stdnum.gb import vat as gb_vat
except ImportError:  # it comes with an extra
    eu_vat = None  # type: ignore[assignment]

UNION: Final = frozenset(
    [
        "AT",
        "BE",
        "BG",
        "HR",
        "CY",
        "CZ",
        "DK",
        "EE",
        "FI",
        "FR",
        "DE",
        "GR",
        "HU",
        "IE",
        "IT",
        "LV",
        "LT",
        "LU",
        "MT",
        "NL",
        "PL",
        "PT",
        "RO",
        "SK",
        "SI",
        "ES",
        "SE",
    ]
)
_PREFIXES: Final = {"GR": "EL"}
_LENGTH_MAX: Final = 24


def is_country(text: str) -> bool:
    """Tell whether a text has the form of a country's two letters."""
    return len(text) == 2 and text.isascii() and text.isalpha() and text.isupper()  # noqa: PLR2004


def checked(country: str, text: str) -> str:
    """Return a VAT number as it is written on documents.

    Numbers of the Union, Great Britain and Switzerland are checked with their check digits and must
    be of the country; others only for what may stand in a number.

    Raises:
        InvalidValue: it cannot be a VAT number of this country.
    """
    plain = "".join(text.upper().split())
    if not plain:
        return ""
    if eu_vat is None:
        raise InvalidValue("vat_id", "VAT numbers need the extra: install troth[vat]")
    try:
        return _formed(country, plain)
    except ValidationError:
        raise InvalidValue("vat_id", f"this is no VAT number of {country}") from None


def _formed(country: str, plain: str) -> str:
    if country in UNION:
        prefix = _PREFIXES.get(country, country)
        number = plain if plain.startswith(prefix) else prefix + plain
        return str(eu_vat.validate(number))
    if country == "GB":
        return f"GB{gb_vat.validate(plain)}"
    if country in {"CH", "LI"}:
        return str(ch_vat.format(ch_vat.validate(plain)))
    if len(plain) > _LENGTH_MAX or not plain.isascii() or not plain.isprintable():
        raise ValidationError
    return plain
