"""What was on offer and at what price: each price set that was ever in force, kept for receipts."""

from troth.catalog.load import Catalog
from troth.catalog.versions import in_force
from troth.control.supply.pins import Pin, pin, pinned_catalogs, pins
from troth.control.supply.prices import (
    Charged,
    last_in_force,
    remember,
    sale_in_set,
    sheets_of_set,
)
from troth.control.supply.versions import Notice, PriceList, Wanted, accept, versions
from troth.store.transaction import Transaction

__all__ = [
    "Charged",
    "Notice",
    "Pin",
    "PriceList",
    "Wanted",
    "accept",
    "last_in_force",
    "mark",
    "pin",
    "pinned_catalogs",
    "pins",
    "remember",
    "sale_in_set",
    "sheets_of_set",
    "sold",
    "versions",
]


def sold(transaction: Transaction, catalog: Catalog, now_ms: int) -> Catalog:
    """Return the catalog at the prices that are in force now.

    Raises:
        Misconfigured: a version that was accepted makes no price sheet.
    """
    return in_force(catalog, versions(transaction), now_ms)


def mark(transaction: Transaction, now_ms: int) -> tuple[int, ...]:
    """Return numbers that differ when what is sold, or to whom, may differ: cheap to ask for."""
    found = transaction.row(
        "SELECT (SELECT coalesce(max(place), 0) FROM price_version),"
        " (SELECT count(*) FROM price_version WHERE effective_at <= ?),"
        " (SELECT coalesce(max(place), 0) FROM price_pin),"
        " (SELECT count(*) FROM price_pin WHERE ends_at > ?)",
        (now_ms, now_ms),
        tuple[int, int, int, int],
    )
    return found or ()
