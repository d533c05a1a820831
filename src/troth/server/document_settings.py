"""Settings of documents: who sells, how VAT is charged, in which language.

A gateway process loads this file with the other settings, so it knows no database and no tax rule.
"""

from typing import Literal

import msgspec


class SellerSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Who stands on documents as the seller. `series` begins each number: `TROTH-I2026-000001`."""

    series: str = "TROTH"
    name: str = ""
    address: tuple[str, ...] = ()
    country: str = ""
    vat_id: str = ""
    registration: str = ""
    email: str = ""


class VatSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How VAT is charged; both must be said before anybody can pay.

    `registered` are the countries where it is charged beside the seller's own, `EU` for all of the
    Union's. `table` is a file of rates in place of the shipped one.
    """

    engine: Literal["", "none", "table", "stripe_tax"] = ""
    point: Literal["", "topup", "usage"] = ""
    registered: tuple[str, ...] = ()
    table: str = ""


class InvoiceSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What documents are like, and for how many years they are kept.

    `keep_from` says from when the years count: from the end of the business year that a document
    falls into, which is the day `year_ends` of it, or from the document's own day. With
    `keep_without_end` they never go. `details_days` after an account is closed who it was is
    forgotten.
    """

    language: Literal["en", "de", "fr"] = "en"
    keep_years: int = 10
    keep_from: Literal["year-end", "day"] = "year-end"
    year_ends: str = "12-31"
    keep_without_end: bool = False
    details_days: int = 30
    fonts: str = ""


class DocumentSettings(msgspec.Struct, frozen=True):
    """All three, as the control process is given them."""

    seller: SellerSettings = SellerSettings()
    vat: VatSettings = VatSettings()
    invoices: InvoiceSettings = InvoiceSettings()
