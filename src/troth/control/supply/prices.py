"""Price sets as they came into force. Rows are added and never changed."""

import msgspec

from troth.catalog.load import Catalog
from troth.catalog.price import Sheet
from troth.store.transaction import Row, Transaction


class UnitPrice(msgspec.Struct, frozen=True):
    """So many nano-USD for `per` units of a class, from an input of `tier_start` tokens on."""

    unit: str
    amount_nusd: int
    per: int
    tier_start: int


def remember(transaction: Transaction, catalog: Catalog, now_ms: int) -> bool:
    """Keep the catalog's price set; False when it was in force before."""
    known = transaction.row("SELECT 1 FROM price WHERE price_set = ?", (catalog.price_set,))
    if known:
        return False
    rows = [
        row
        for model, offerings in catalog.offerings.items()
        for offering in offerings
        for kind, sheet in (("sale", offering.sale), ("cost", offering.cost))
        for row in _rows((model, offering.upstream.id, kind), sheet, now_ms)
    ]
    transaction.insert(
        "INSERT INTO price (price_set, model, upstream, kind, unit, tier_start, amount, per,"
        " effective_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        rows,
    )
    return True


def _rows(where: tuple[str, str, str], sheet: Sheet, now_ms: int) -> list[Row]:
    return [
        (sheet.id, *where, line.unit, line.tier_start, line.amount_nusd, line.per, now_ms)
        for line in sheet.lines
    ]


def in_set(
    transaction: Transaction, price_set: str, model: str, upstream: str
) -> tuple[UnitPrice, ...]:
    """Return what was asked for a model at an upstream under a price set."""
    rows = transaction.rows(
        "SELECT unit, amount, per, tier_start FROM price"
        " WHERE price_set = ? AND model = ? AND upstream = ? AND kind = 'sale'"
        " ORDER BY tier_start, unit",
        (price_set, model, upstream),
        tuple[str, int, int, int],
    )
    return tuple(UnitPrice(*row) for row in rows)
