"""How management shows prices: what is asked and paid, from when on, and where it stands."""

import msgspec

from troth.catalog.load import Catalog
from troth.catalog.offering import Offering
from troth.catalog.price import PriceLine, Sheet, TierMode, compile_sheet
from troth.catalog.versions import PriceVersion, reached
from troth.kernel.errors import InvalidValue, Misconfigured
from troth.kernel.money import nusd_of, usd


class ShownLine(msgspec.Struct, frozen=True):
    """A price: `usd` for `per` units of a class, from `tier_start` on."""

    unit: str
    usd: str
    per: int
    tier_start: int = 0
    min_quantity: int = 0


class ShownSheet(msgspec.Struct, frozen=True):
    """The prices of an offering, and how its tiers count."""

    lines: tuple[ShownLine, ...]
    mode: TierMode = "whole"


class ShownVersion(msgspec.Struct, frozen=True):
    """Prices and where they stand; `effective_at_ms` is 0 for those of the catalog itself."""

    effective_at_ms: int
    sale: ShownSheet
    cost: ShownSheet
    source: str
    checked_on: str
    created_by: int = 0
    created_at_ms: int = 0


class ShownPrices(msgspec.Struct, frozen=True):
    """A model at a provider: its prices in force, and those that will be.

    `margin_nano` is the share that prices are computed with, in billionths, -1 where they are set.
    """

    model: str
    provider: str
    kind: str
    upstream_model: str
    price_set: str
    margin_nano: int
    now: ShownVersion
    coming: tuple[ShownVersion, ...] = ()


class ShownSet(msgspec.Struct, frozen=True):
    """What was asked and paid for a model at a provider under a price set."""

    model: str
    provider: str
    sale: ShownSheet
    cost: ShownSheet


class ShownPin(msgspec.Struct, frozen=True):
    """An organization that goes on at a price set, and until when."""

    organization: str
    price_set: str
    ends_at_ms: int


class ProposedRow(msgspec.Struct, frozen=True):
    """What a proposal's file says of one offering; `flags` are codes with the class they mean."""

    model: str
    provider: str
    sale: ShownSheet
    cost: ShownSheet
    source: str
    checked_on: str
    flags: tuple[str, ...]
    is_red: bool


class ProposalFile(msgspec.Struct, frozen=True):
    """A proposal as it is written for people: rows may be struck out, nothing else is needed."""

    made_from: str
    made_on: str
    rows: tuple[ProposedRow, ...]


def sheet_of(path: str, shown: ShownSheet) -> Sheet:
    """Return the sheet that is shown.

    Raises:
        InvalidValue: an amount is none, or the lines make no sheet.
    """
    lines = []
    for at, line in enumerate(shown.lines):
        amount = nusd_of(line.usd)
        if amount is None:
            raise InvalidValue(f"{path}.lines[{at}].usd", "this must be US dollars in digits")
        found = PriceLine(line.unit, amount, line.per, line.tier_start, line.min_quantity)
        lines.append(found)
    try:
        return compile_sheet("", lines, shown.mode)
    except Misconfigured as wrong:
        raise InvalidValue(path, wrong.problem) from None


def shown_sheet(sheet: Sheet) -> ShownSheet:
    """Return a sheet with its amounts in dollars."""
    return ShownSheet(
        tuple(
            ShownLine(
                line.unit, usd(line.amount_nusd), line.per, line.tier_start, line.min_quantity
            )
            for line in sheet.lines
        ),
        sheet.mode,
    )


def shown_prices(
    catalog: Catalog, sold: Catalog, versions: list[PriceVersion], now_ms: int
) -> list[ShownPrices]:
    """Return the prices of all that is sold, in the order of the catalog."""
    held = reached(versions, now_ms)
    return [
        ShownPrices(
            model=name,
            provider=each.upstream.id,
            kind=each.upstream.provider,
            upstream_model=each.upstream_model,
            price_set=sold.price_set,
            margin_nano=catalog.margins.get(name, {}).get(each.upstream.id, -1),
            now=_now(catalog, name, each, held.get((name, each.upstream.id))),
            coming=tuple(
                shown_version(one)
                for one in sorted(versions, key=lambda one: (one.effective_at_ms, one.place))
                if one.effective_at_ms > now_ms
                and (one.model, one.provider) == (name, each.upstream.id)
            ),
        )
        for name, offerings in sold.offerings.items()
        for each in offerings
    ]


def _now(
    catalog: Catalog, name: str, offering: Offering, version: PriceVersion | None
) -> ShownVersion:
    if version is not None:
        return shown_version(version)
    found = catalog.sources.get(name)
    return ShownVersion(
        0,
        shown_sheet(offering.sale),
        shown_sheet(offering.cost),
        found.source if found else "",
        found.checked_on if found else "",
    )


def shown_version(one: PriceVersion) -> ShownVersion:
    """Return a version as management shows it."""
    return ShownVersion(
        one.effective_at_ms,
        shown_sheet(one.sale),
        shown_sheet(one.cost),
        one.source,
        one.checked_on,
        one.created_by,
        one.created_at_ms,
    )
