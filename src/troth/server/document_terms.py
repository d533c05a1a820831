"""Turns the settings of documents into the terms they are made by, and refuses what cannot be."""

import datetime as dt
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from troth.control import documents
from troth.kernel.errors import InvalidValue, Misconfigured
from troth.server.document_settings import DocumentSettings, InvoiceSettings
from troth.server.settings import Settings

_SERIES_MAX: Final = 12
_YEARS_MAX: Final = 100
_DAYS_MAX: Final = 3_650
_YEAR_END: Final = re.compile(r"\d\d-\d\d", re.ASCII)
_END_OF_DAYS: Final = 1_000_000
_ENDLESS: Final = (
    "'invoices.keep_without_end' keeps names of people for ever. "
    "Set it to false and 'invoices.keep_years' to what the law asks for"
)


def document_settings(settings: Settings) -> DocumentSettings:
    """Return what of the settings is about documents.

    Raises:
        Misconfigured: a value that cannot be; or somebody could pay, and who sells or how VAT is
            charged is not said.
    """
    wanted = DocumentSettings(settings.seller, settings.vat, settings.invoices)
    document_terms(wanted)
    faults = _selling_faults(wanted, settings.payments.tax_part) if settings.payments.is_on else ()
    for fault in faults:
        raise Misconfigured(f"payments are on, and {fault}")
    return wanted


def _selling_faults(wanted: DocumentSettings, tax_part: str) -> Iterator[str]:
    """Yield what is wrong where somebody can pay; who asks for VAT and who writes it must agree."""
    engine = wanted.vat.engine
    if not engine:
        say = 'say "none", "table" or "stripe_tax"; ask who does your taxes'
        yield f"'vat.engine' is missing: {say}"
    if not wanted.seller.name:
        yield "'seller.name' is missing: it stands on every receipt"
    if engine == "stripe_tax" and not tax_part:
        yield "'payments.tax_part' is missing: without it Stripe is not asked to compute VAT"
    if engine != "stripe_tax" and tax_part:
        yield "'payments.tax_part' has Stripe add VAT beside 'vat.engine'; set one of them anew"


def document_terms(wanted: DocumentSettings) -> documents.Terms:
    """Return the terms.

    Raises:
        Misconfigured: a value that cannot be, or a table of rates that cannot be read.
    """
    for name, fault in _faults(wanted):
        raise Misconfigured(f"'{name}' {fault}")
    seller, vat = wanted.seller, wanted.vat
    engine = documents.Engine(vat.engine or "none")
    terms = documents.Terms(
        series=seller.series,
        seller=documents.Party(
            seller.name,
            seller.address,
            seller.country,
            _vat_id(wanted),
            seller.registration,
            seller.email,
        ),
        engine=engine,
        point=documents.Point(vat.point or "topup"),
        registered=vat.registered,
        rates=documents.read_rates(Path(vat.table) if vat.table else documents.RATES_FILE),
        language=wanted.invoices.language,
        keep=_keep(wanted.invoices),
        details_days=wanted.invoices.details_days,
        fonts=wanted.invoices.fonts,
    )
    if engine is documents.Engine.TABLE:
        for country in sorted(documents.taxed_in([seller.country, *vat.registered])):
            terms.rates.at(country, _END_OF_DAYS)
    return terms


def _faults(wanted: DocumentSettings) -> Iterator[tuple[str, str]]:
    seller, vat = wanted.seller, wanted.vat
    is_plain = seller.series.isascii() and seller.series.isalnum() and seller.series.isupper()
    if not is_plain or len(seller.series) > _SERIES_MAX:
        yield "seller.series", f"must be 1 to {_SERIES_MAX} capital letters and digits"
    if seller.country and not documents.is_country(seller.country):
        yield "seller.country", 'must be two capital letters of ISO 3166, like "CH" or "GR"'
    if not 1 <= wanted.invoices.keep_years <= _YEARS_MAX:
        yield "invoices.keep_years", f"must be from 1 to {_YEARS_MAX}"
    if _month_and_day(wanted.invoices.year_ends) is None:
        yield "invoices.year_ends", 'must be a month and a day, like "12-31"'
    if not 0 <= wanted.invoices.details_days <= _DAYS_MAX:
        yield "invoices.details_days", f"must be from 0 to {_DAYS_MAX}"
    if not all(
        each == documents.ONE_STOP_SHOP or documents.is_country(each) for each in vat.registered
    ):
        yield "vat.registered", 'must be countries, like ["GB", "EU"]'
    if vat.engine in {"table", "stripe_tax"}:
        yield from _taxing_faults(wanted)


def _keep(wanted: InvoiceSettings) -> documents.Keep:
    return documents.Keep(
        wanted.keep_years,
        wanted.keep_from == "day",
        _month_and_day(wanted.year_ends) or (12, 31),
        not wanted.keep_without_end,
    )


def _month_and_day(text: str) -> tuple[int, int] | None:
    if not _YEAR_END.fullmatch(text):
        return None
    try:
        found = dt.date.fromisoformat(f"2024-{text}")
    except ValueError:
        return None
    return found.month, found.day


def document_warnings(settings: Settings) -> tuple[str, ...]:
    """Return what of the settings of documents works, and should be looked at."""
    if not settings.invoices.keep_without_end:
        return ()
    return (_ENDLESS,)


def _taxing_faults(wanted: DocumentSettings) -> Iterator[tuple[str, str]]:
    vat = wanted.vat
    if not vat.point:
        yield "vat.point", 'must say when VAT is due: "topup" or "usage"'
    if vat.engine == "stripe_tax" and vat.point == "usage":
        yield "vat.engine", 'must be "table" where VAT is due on usage: nobody pays by usage'
    if not wanted.seller.country:
        yield "seller.country", "is missing: VAT depends on it"
    if not wanted.seller.vat_id:
        yield "seller.vat_id", "is missing: it stands on every invoice"


def _vat_id(wanted: DocumentSettings) -> str:
    if not wanted.seller.country:
        return wanted.seller.vat_id
    try:
        return documents.checked_vat_id(wanted.seller.country, wanted.seller.vat_id)
    except InvalidValue as wrong:
        raise Misconfigured(f"'seller.vat_id': {wrong.reason}") from None
