"""What gateways sell now: the catalog in force, those of pinned price sets, and who is pinned."""

from collections.abc import Iterator, Mapping

import msgspec

from troth.catalog.load import Catalog
from troth.control import supply
from troth.server import snapshot
from troth.server.messages import CatalogPart
from troth.store.transaction import Transaction


class Stock(msgspec.Struct, frozen=True):
    """All that is sold at a moment. `pinned` are catalogs by price set, `pins` sets by org.

    `mark` tells one stock from another without computing either.
    """

    catalog: Catalog
    pinned: Mapping[str, Catalog] = msgspec.field(default_factory=dict)
    pins: Mapping[str, str] = msgspec.field(default_factory=dict)
    mark: tuple[int, ...] = ()


def stock_of(transaction: Transaction, catalog: Catalog, now_ms: int) -> Stock:
    """Return what is sold now of what is configured.

    Raises:
        Misconfigured: a price that was accepted, or a set that is pinned, makes no sheet.
    """
    sold = supply.sold(transaction, catalog, now_ms)
    pins = supply.pins(transaction, now_ms)
    pinned = supply.pinned_catalogs(transaction, sold, pins)
    mark = supply.mark(transaction, now_ms)
    return Stock(sold, pinned, {each.org: each.price_set for each in pins}, mark)


class Shelf:
    """Holds the stock that gateways have, and cuts it into messages."""

    def __init__(self, stock: Stock, credentials: Mapping[str, str]) -> None:
        """Begin with what is in force at the start; `credentials` are by upstream."""
        self._stock = stock
        self._credentials = credentials

    @property
    def mark(self) -> tuple[int, ...]:
        """The mark of the stock that gateways have, empty before the first that was computed."""
        return self._stock.mark

    def put(self, stock: Stock) -> bool:
        """Take a new stock; tell whether prices differ from those that gateways have."""
        old, self._stock = self._stock, stock
        return list(_sets(old)) != list(_sets(stock))

    def moved(self, stock: Stock) -> tuple[str, ...]:
        """Return the organizations whose pin differs from what gateways have."""
        old, new = self._stock.pins, stock.pins
        return tuple(org for org in {**old, **new} if old.get(org) != new.get(org))

    def parts(self, generation: int) -> list[CatalogPart]:
        """Return all of it as messages; the last one puts it in force."""
        stock = self._stock
        parts = [
            part
            for price_set, catalog in stock.pinned.items()
            for part in snapshot.pinned_parts(catalog, price_set, generation)
        ]
        return parts + snapshot.catalog_parts(stock.catalog, self._credentials, generation)


def _sets(stock: Stock) -> Iterator[str]:
    yield stock.catalog.price_set
    yield from stock.pinned
