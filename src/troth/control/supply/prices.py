"""Price sets as they came into force. Rows are added and never changed."""

from collections.abc import Iterable

import msgspec

from troth.catalog.load import Catalog
from troth.catalog.price import PriceLine, Sheet, TierMode, compile_sheet
from troth.control.audit import Action, Actor, append
from troth.kernel.errors import Misconfigured
from troth.store.transaction import Row, Transaction

MACHINE_UID = -1
"""Who acts where nobody asked: the desk, when a price's time has come."""

Place = tuple[str, str]
"""A model's name and the upstream that it is priced at."""


class Charged(msgspec.Struct, frozen=True):
    """What was asked for a model at an upstream, and since when that price set was known."""

    sheet: Sheet
    since_ms: int


def remember(transaction: Transaction, catalog: Catalog, now_ms: int) -> bool:
    """Note that the catalog's price set is in force; False when it was the last one anyway.

    The first time its prices are kept, each time an audit entry says so.
    """
    if last_in_force(transaction) == catalog.price_set:
        return False
    known = transaction.row("SELECT 1 FROM price WHERE price_set = ?", (catalog.price_set,))
    if not known:
        rows = [
            row
            for model, offerings in catalog.offerings.items()
            for offering in offerings
            for kind, sheet in (("sale", offering.sale), ("cost", offering.cost))
            for row in _rows((model, offering.upstream.id, kind), sheet, now_ms)
        ]
        transaction.insert(
            "INSERT INTO price (price_set, model, upstream, kind, unit, tier_start, amount, per,"
            " effective_at, tier_mode, min_quantity) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            rows,
        )
    append(transaction, Actor(MACHINE_UID, now_ms), Action.PRICE_SET, catalog.price_set)
    return True


def last_in_force(transaction: Transaction) -> str:
    """Return the price set that came into force last, empty before the first."""
    found = transaction.row(
        "SELECT subject FROM audit_entry WHERE action = ? ORDER BY n DESC LIMIT 1",
        (str(Action.PRICE_SET),),
        tuple[str],
    )
    return found[0] if found else ""


def _rows(where: tuple[str, str, str], sheet: Sheet, now_ms: int) -> list[Row]:
    return [
        (
            sheet.id,
            *where,
            line.unit,
            line.tier_start,
            line.amount_nusd,
            line.per,
            now_ms,
            sheet.mode,
            line.min_quantity,
        )
        for line in sheet.lines
    ]


class StoredLine(msgspec.Struct, frozen=True, array_like=True):
    """A line as both tables of prices keep it."""

    kind: str
    unit: str
    tier_start: int
    tier_mode: TierMode
    amount: int
    per: int
    min_quantity: int


def sheet_of(price_set: str, lines: Iterable[StoredLine], kind: str, what: str) -> Sheet:
    """Compile the kept lines of one kind.

    Raises:
        Misconfigured: they make no sheet; `what` says which they are.
    """
    kept = [line for line in lines if line.kind == kind]
    try:
        return compile_sheet(
            price_set,
            [
                PriceLine(line.unit, line.amount, line.per, line.tier_start, line.min_quantity)
                for line in kept
            ],
            kept[0].tier_mode if kept else "whole",
        )
    except Misconfigured as wrong:
        raise Misconfigured(f"{what}: {wrong.problem}") from None


def sheets_of_set(transaction: Transaction, price_set: str) -> dict[Place, tuple[Sheet, Sheet]]:
    """Return sale and cost of each offering under a price set that was once in force."""
    rows = transaction.rows(
        "SELECT model, upstream, kind, unit, tier_start, tier_mode, amount, per, min_quantity"
        " FROM price WHERE price_set = ?"
        " ORDER BY model, upstream, kind, tier_start, unit",
        (price_set,),
    )
    by_place: dict[Place, list[StoredLine]] = {}
    for model, upstream, *line in rows:
        place = (str(model), str(upstream))
        by_place.setdefault(place, []).append(msgspec.convert(line, StoredLine))
    what = f"price set '{price_set}'"
    return {
        place: (
            sheet_of(price_set, lines, "sale", what),
            sheet_of(price_set, lines, "cost", what),
        )
        for place, lines in by_place.items()
    }


def sale_in_set(transaction: Transaction, price_set: str, place: Place) -> Charged | None:
    """Return what was asked at a place under a price set, None for a set that was never known."""
    rows = transaction.rows(
        "SELECT effective_at, kind, unit, tier_start, tier_mode, amount, per, min_quantity"
        " FROM price WHERE price_set = ? AND model = ? AND upstream = ? AND kind = 'sale'"
        " ORDER BY tier_start, unit",
        (price_set, *place),
    )
    if not rows:
        return None
    since_ms = rows[0][0]
    assert isinstance(since_ms, int)
    lines = [msgspec.convert(row[1:], StoredLine) for row in rows]
    return Charged(sheet_of(price_set, lines, "sale", f"price set '{price_set}'"), since_ms)
