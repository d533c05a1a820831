"""VAT numbers: their form and check digits. Nobody is asked whether a number is in force.

Needs the extra `vat`; without it a number is refused, for VAT would depend on what was not checked.
"""

import re
from collections.abc import Iterable
from typing import Final

from troth.kernel.errors import InvalidValue

try:
    from stdnum.ch import vat as ch_vat
    from stdnum.eu import vat as eu_vat
    from stdnum.exceptions import ValidationError
    from stdnum.gb import vat as gb_vat
    from stdnum.no import mva as no_vat
except ImportError:  # it comes with an extra
    eu_vat = None  # type: ignore[assignment]

# fmt: off
UNION: Final = frozenset((
    "AT", "BE", "BG", "CY", "CZ", "DE", "DK", "EE", "ES", "FI", "FR", "GR", "HR", "HU",
    "IE", "IT", "LT", "LU", "LV", "MT", "NL", "PL", "PT", "RO", "SE", "SI", "SK",
))
COUNTRIES: Final = frozenset((  # ISO 3166-1, and XK as banks and post offices write Kosovo
    "AD", "AE", "AF", "AG", "AI", "AL", "AM", "AO", "AQ", "AR", "AS", "AT", "AU", "AW", "AX", "AZ",
    "BA", "BB", "BD", "BE", "BF", "BG", "BH", "BI", "BJ", "BL", "BM", "BN", "BO", "BQ", "BR", "BS",
    "BT", "BV", "BW", "BY", "BZ", "CA", "CC", "CD", "CF", "CG", "CH", "CI", "CK", "CL", "CM", "CN",
    "CO", "CR", "CU", "CV", "CW", "CX", "CY", "CZ", "DE", "DJ", "DK", "DM", "DO", "DZ", "EC", "EE",
    "EG", "EH", "ER", "ES", "ET", "FI", "FJ", "FK", "FM", "FO", "FR", "GA", "GB", "GD", "GE", "GF",
    "GG", "GH", "GI", "GL", "GM", "GN", "GP", "GQ", "GR", "GS", "GT", "GU", "GW", "GY", "HK", "HM",
    "HN", "HR", "HT", "HU", "ID", "IE", "IL", "IM", "IN", "IO", "IQ", "IR", "IS", "IT", "JE", "JM",
    "JO", "JP", "KE", "KG", "KH", "KI", "KM", "KN", "KP", "KR", "KW", "KY", "KZ", "LA", "LB", "LC",
    "LI", "LK", "LR", "LS", "LT", "LU", "LV", "LY", "MA", "MC", "MD", "ME", "MF", "MG", "MH", "MK",
    "ML", "MM", "MN", "MO", "MP", "MQ", "MR", "MS", "MT", "MU", "MV", "MW", "MX", "MY", "MZ", "NA",
    "NC", "NE", "NF", "NG", "NI", "NL", "NO", "NP", "NR", "NU", "NZ", "OM", "PA", "PE", "PF", "PG",
    "PH", "PK", "PL", "PM", "PN", "PR", "PS", "PT", "PW", "PY", "QA", "RE", "RO", "RS", "RU", "RW",
    "SA", "SB", "SC", "SD", "SE", "SG", "SH", "SI", "SJ", "SK", "SL", "SM", "SN", "SO", "SR", "SS",
    "ST", "SV", "SX", "SY", "SZ", "TC", "TD", "TF", "TG", "TH", "TJ", "TK", "TL", "TM", "TN", "TO",
    "TR", "TT", "TV", "TW", "TZ", "UA", "UG", "UM", "US", "UY", "UZ", "VA", "VC", "VE", "VG", "VI",
    "VN", "VU", "WF", "WS", "XK", "YE", "YT", "ZA", "ZM", "ZW",
))
# fmt: on
ONE_STOP_SHOP: Final = "EU"
"""Stands for all of the Union among the countries where a seller charges VAT."""
TERRITORIES: Final = {"LI": "CH", "MC": "FR", "IM": "GB"}
"""Countries without VAT of their own, and whose territory they belong to for it."""
_PREFIXES: Final = {"GR": "EL"}
_LENGTH_MAX: Final = 24
_LIECHTENSTEIN: Final = re.compile(r"(?:FL-?|LI-?)?(\d{5})", re.ASCII)


def territory(country: str) -> str:
    """Return the country whose VAT is charged in another."""
    return TERRITORIES.get(country, country)


def taxed_in(countries: Iterable[str]) -> set[str]:
    """Return the countries whose rates a seller needs that charges VAT in these."""
    found = {territory(country) for country in countries}
    return found - {ONE_STOP_SHOP} | (UNION if ONE_STOP_SHOP in found else set())


def is_country(text: str) -> bool:
    """Tell whether a text is a country's two letters: of one that is not there nobody owes VAT."""
    return text in COUNTRIES


def checked(country: str, text: str) -> str:
    """Return a VAT number as it is written on documents.

    Numbers of the Union, Great Britain, Norway and Switzerland are checked with their check digits
    and must be of the country, or of the one it belongs to for VAT. Numbers of Liechtenstein have
    none: five digits, or a Swiss number. Others are only checked for what may stand in a number.

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
    place = territory(country)
    if place in UNION:
        prefix = _PREFIXES.get(place, place)
        own = prefix if plain.startswith(prefix) else place
        return str(eu_vat.validate(prefix + plain.removeprefix(own)))
    short = _LIECHTENSTEIN.fullmatch(plain) if country == "LI" else None
    if short is not None:
        return short[1]
    if place == "GB":
        return f"GB{gb_vat.validate(plain)}"
    if place == "CH":
        return str(ch_vat.format(ch_vat.validate(plain)))
    if place == "NO":
        digits = plain.removeprefix("NO").removesuffix("MVA")
        return str(no_vat.format(no_vat.validate(f"{digits}MVA")))
    if len(plain) > _LENGTH_MAX or not plain.isascii() or not plain.isprintable():
        raise ValidationError
    return plain
