"""What documents are made by: who sells, how VAT is charged, in which language."""

import datetime as dt
from calendar import isleap
from pathlib import Path
from typing import Final

import msgspec

from troth.control.documents.shape import Party
from troth.kernel.closed_tables import dotted, into, parse
from troth.kernel.errors import Misconfigured
from troth.kernel.fields import Code

RATES_FILE: Final = Path(__file__).parent / "vat_rates.toml"
WITHOUT_END: Final = 1_000_000_000
_EPOCH: Final = dt.date(1970, 1, 1)
_LEAP_DAY: Final = (2, 29)
_BP_DECIMALS: Final = 2
_BP_MAX: Final = 10_000


class Engine(Code):
    """Who computes VAT."""

    NONE = "none"
    TABLE = "table"
    STRIPE_TAX = "stripe_tax"


class Point(Code):
    """When VAT is due."""

    TOPUP = "topup"
    USAGE = "usage"


class Rate(msgspec.Struct, frozen=True):
    """A country's standard rate in hundredths of a percent, from a day since 1970 on.

    `source` says who said so; empty where the table does not.
    """

    country: str
    since: int
    rate_bp: int
    source: str = ""


class Rates(msgspec.Struct, frozen=True):
    """All rates, the latest of a country last, with where they come from."""

    rates: tuple[Rate, ...] = ()
    source: str = ""
    checked_on: str = ""

    def known(self, country: str, day: int) -> int | None:
        """Return a country's rate on a day, None where the table has none."""
        found = [each for each in self.rates if each.country == country and each.since <= day]
        return max(found, key=lambda each: each.since).rate_bp if found else None

    def at(self, country: str, day: int) -> int:
        """Return a country's rate on a day.

        Raises:
            Misconfigured: the table has none.
        """
        found = self.known(country, day)
        if found is None:
            raise Misconfigured(
                f"the table of VAT rates has none for '{country}' on {date_of(day)}; add it to a "
                "file of your own and name that in 'vat.table'"
            )
        return found


class Keep(msgspec.Struct, frozen=True):
    """How long documents are kept: for `years`, or without end.

    They count from the end of a document's business year, whose last day is `year_ends` (month and
    day), or from the document's own day where it `is_to_the_day`.
    """

    years: int = 10
    is_to_the_day: bool = False
    year_ends: tuple[int, int] = (12, 31)
    has_end: bool = True

    def until(self, issued: dt.date) -> int:
        """Return the last day, since 1970, on which a document of a date must be there."""
        if not self.has_end:
            return WITHOUT_END
        if self.is_to_the_day:
            return _years_after(issued.year + self.years, issued.month, issued.day)
        is_over = (issued.month, issued.day) > self.year_ends
        return _years_after(issued.year + is_over + self.years, *self.year_ends)


def _years_after(year: int, month: int, day: int) -> int:
    """Return a day; the 29th of February of a year that has none is the 1st of March."""
    if (month, day) == _LEAP_DAY and not isleap(year):
        month, day = 3, 1
    return day_of(dt.date(year, month, day))


class Terms(msgspec.Struct, frozen=True):
    """All of it. `registered` are the countries where the seller charges VAT beside its own.

    `EU` among them stands for all of the Union: the One-Stop Shop. `details_days` after an account
    is closed it is forgotten who it was.
    """

    series: str = "TROTH"
    seller: Party = Party("")
    engine: Engine = Engine.NONE
    point: Point = Point.TOPUP
    registered: tuple[str, ...] = ()
    rates: Rates = Rates()
    language: str = "en"
    keep: Keep = Keep()
    details_days: int = 30
    fonts: str = ""


class _RateRow(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    country: str
    percent: str
    since: dt.date
    source: str = ""


class _RatesTable(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    source: str
    checked_on: dt.date
    rate: tuple[_RateRow, ...]
    sources: dict[str, str] = {}


def read_rates(file: Path) -> Rates:
    """Read a table of rates as an operator edits it.

    Raises:
        Misconfigured: file and field of what cannot be read.
    """
    try:
        text = file.read_text("utf-8")
    except (OSError, UnicodeDecodeError):
        raise Misconfigured(f"{file}: this file of VAT rates cannot be read") from None
    table = into(_RatesTable, parse(str(file), text), lambda path: f"{file}: {dotted(path)}")
    unknown = {row.source for row in table.rate} - {"", *table.sources}
    if unknown:
        raise Misconfigured(f"{file}: a rate names a source that is not among 'sources'")
    rates = tuple(
        sorted(
            (_rate(row, table.sources.get(row.source, table.source)) for row in table.rate),
            key=lambda each: (each.country, each.since),
        )
    )
    if len({(each.country, each.since) for each in rates}) < len(rates):
        raise Misconfigured(f"{file}: a country has two rates from the same day on")
    return Rates(rates, table.source, table.checked_on.isoformat())


def _rate(row: _RateRow, source: str) -> Rate:
    is_country = len(row.country) == 2 and row.country.isascii() and row.country.isupper()  # noqa: PLR2004
    rate_bp = _bp(row.percent)
    if not is_country or rate_bp is None:
        raise Misconfigured(
            "each VAT rate needs 'country' with two capital letters and 'percent' as digits with "
            'at most two decimals in a string, such as "25.5"'
        )
    return Rate(row.country, day_of(row.since), rate_bp, source)


def _bp(percent: str) -> int | None:
    whole, dot, decimals = percent.partition(".")
    if not (whole.isascii() and whole.isdecimal()) or len(decimals) > _BP_DECIMALS:
        return None
    if dot and not (decimals.isascii() and decimals.isdecimal()):
        return None
    value = int(whole) * 100 + int(decimals.ljust(_BP_DECIMALS, "0"))
    return value if value <= _BP_MAX else None


def day_of(date: dt.date) -> int:
    """Return a date as days since 1970-01-01."""
    return (date - _EPOCH).days


def date_of(day: int) -> str:
    """Return days since 1970-01-01 as an ISO date."""
    return (_EPOCH + dt.timedelta(days=day)).isoformat()


def first_of_month(day: int) -> int:
    """Return the first day of a day's month, both since 1970-01-01."""
    return day_of((_EPOCH + dt.timedelta(days=day)).replace(day=1))
