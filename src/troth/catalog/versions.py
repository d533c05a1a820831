"""Price versions: what was accepted for a model at a provider, from when on, beside the catalog.

A version holds whole sheets, for sale and cost. It takes the place of the catalog's prices, or of
an earlier version, once its time has come; nothing accepted before is ever changed.
"""

from collections.abc import Iterable, Iterator, Mapping
from fractions import Fraction
from typing import Final

import msgspec

from troth.catalog.load import Catalog, named
from troth.catalog.offering import Offering
from troth.catalog.price import Sheet, Tier
from troth.kernel.quantities import CLASSES


class PriceVersion(msgspec.Struct, frozen=True):
    """Prices of one model at one provider from `effective_at_ms` on; sheets carry no set's id.

    `place` counts accepted versions: of two for the same moment the later accepted one holds.
    """

    place: int
    model: str
    provider: str
    effective_at_ms: int
    sale: Sheet
    cost: Sheet
    source: str = ""
    checked_on: str = ""
    created_by: int = 0
    created_at_ms: int = 0


_Place = tuple[str, str]


def reached(versions: Iterable[PriceVersion], at_ms: int) -> dict[_Place, PriceVersion]:
    """Return the version that holds at a moment, by model and provider."""
    best: dict[_Place, PriceVersion] = {}
    for version in sorted(versions, key=lambda each: (each.effective_at_ms, each.place)):
        if version.effective_at_ms <= at_ms:
            best[version.model, version.provider] = version
    return best


def in_force(catalog: Catalog, versions: Iterable[PriceVersion], at_ms: int) -> Catalog:
    """Return the catalog as it sells at a moment; versions of what it does not offer wait."""
    held = reached(versions, at_ms)
    if not held:
        return catalog
    return _priced(catalog, {place: (one.sale, one.cost) for place, one in held.items()})


def _priced(catalog: Catalog, sheets: Mapping[_Place, tuple[Sheet, Sheet]]) -> Catalog:
    offerings = {
        name: tuple(_with(each, sheets.get((name, each.upstream.id))) for each in found)
        for name, found in catalog.offerings.items()
    }
    return named(msgspec.structs.replace(catalog, offerings=offerings))


def _with(offering: Offering, sheets: tuple[Sheet, Sheet] | None) -> Offering:
    if sheets is None:
        return offering
    return msgspec.structs.replace(offering, sale=sheets[0], cost=sheets[1])


def pinned(
    catalog: Catalog, price_set: str, sheets: Mapping[_Place, tuple[Sheet, Sheet]]
) -> Catalog:
    """Return the catalog at the prices of an earlier set; what that set lacks keeps today's.

    What is asked is the earlier set's; what we pay is what we pay today.
    """
    offerings = {
        name: tuple(
            msgspec.structs.replace(each, sale=sheets[name, each.upstream.id][0])
            if (name, each.upstream.id) in sheets
            else each
            for each in found
        )
        for name, found in catalog.offerings.items()
    }
    return msgspec.structs.replace(catalog, offerings=offerings, price_set=price_set)


def rises(old: Sheet, new: Sheet) -> tuple[str, ...]:
    """Return the classes of which some use would cost more than it did, in the vector's order."""
    starts = sorted({tier.start for sheet in (old, new) for tier in sheet.tiers})
    found = {unit for start in starts for unit in _dearer(old.tier(start), new.tier(start))}
    found |= {
        unit
        for at, unit in enumerate(CLASSES)
        if _least(new, at) > _least(old, at) and any(tier.weights[at] for tier in new.tiers)
    }
    if old.mode != new.mode and len(old.tiers) > 1 and len(new.tiers) > 1:
        found |= {line.unit for line in new.lines if line.tier_start}
    return tuple(unit for unit in CLASSES if unit in found)


def _least(sheet: Sheet, at: int) -> int:
    return sheet.least[at] if sheet.least else 0


def _dearer(old: Tier, new: Tier) -> Iterator[str]:
    for unit, before, after in zip(CLASSES, old.weights, new.weights, strict=True):
        if after * old.under > before * new.under:
            yield unit


def below_cost(sale: Sheet, cost: Sheet) -> tuple[str, ...]:
    """Return the classes that cost us more, somewhere, than we ask for them."""
    return rises(sale, cost)


def unit_price(sheet: Sheet, unit: str, context: int = 0) -> Fraction | None:
    """Return a class's own price for one unit in nano-USD, None where it has none."""
    lines = [line for line in sheet.lines if line.unit == unit and line.tier_start <= context]
    if not lines:
        return None
    best = max(lines, key=lambda line: line.tier_start)
    return Fraction(best.amount_nusd, best.per)


DAY_MS: Final = 86_400_000
