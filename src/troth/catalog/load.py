"""A catalog as people write it, turned into models, offerings and price sheets.

The tables are closed: `into` of `kernel.closed_tables` names file, line and nearest key of a fault.
Prices are US dollars in strings, per million tokens or characters, per hour of audio, per image,
per thousand requests or searches; no float comes near them.
"""

import datetime as dt
from collections.abc import Iterable, Mapping
from hashlib import sha256
from pathlib import Path as File
from typing import Annotated, Final

import msgspec

from troth.catalog.model import IMAGE_TOKENS, Endpoint, Feature, Model
from troth.catalog.offering import Cancel, Offering, Quirk, Upstream
from troth.catalog.price import PriceLine, Sheet, TierMode, compile_sheet
from troth.kernel.closed_tables import Path, into, line_of, parse
from troth.kernel.errors import Misconfigured
from troth.kernel.money import NANO, nusd_of
from troth.kernel.quantities import CLASSES
from troth.kernel.usage_record import MODEL_BYTES_MAX

PER: Final[Mapping[str, int]] = {
    "audio_ms": 3_600_000,
    "images": 1,
    "requests": 1_000,
    "searches": 1_000,
}
"""For how many units a price is quoted; a million for every class that is not here."""

SHIPPED: Final = File(__file__).parent / "shipped"
PER_MILLION: Final = 1_000_000


class PriceTable(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Prices by class of the usage vector, in US dollars; an empty one is no price, 0 is one.

    In a tier `above` is the input size, in tokens, beyond which these prices hold instead; where
    `tier_mode` is `marginal` it is the count of a class beyond which its further units cost so
    much. `minimums` are the least quantities that are charged of a class that was used.
    """

    input: str = ""
    cache_read: str = ""
    cache_write_5m: str = ""
    cache_write_1h: str = ""
    input_audio: str = ""
    input_image: str = ""
    output: str = ""
    reasoning: str = ""
    output_audio: str = ""
    images: str = ""
    audio_ms: str = ""
    characters: str = ""
    requests: str = ""
    searches: str = ""
    above: int = 0
    tiers: tuple["PriceTable", ...] = ()
    tier_mode: TierMode = "whole"
    minimums: dict[str, int] = msgspec.field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse what is not an exact number of nano-dollars; msgspec adds where it stands."""
        for unit in CLASSES:
            text = _text(self, unit)
            if text and nusd_of(text) is None:
                raise ValueError(
                    f"'{unit}' must be US dollars in a string with at most nine decimals, "
                    'such as "0.15"'
                )
        starts = {tier.above for tier in self.tiers if tier.above > 0 and not tier.tiers}
        if len(starts) < len(self.tiers):
            raise ValueError("each tier needs its own 'above' > 0 and no tiers of its own")
        if any(unit not in CLASSES or count <= 0 for unit, count in self.minimums.items()):
            raise ValueError("'minimums' must name classes of prices, each with a count > 0")
        if any(not _text(self, unit) for unit in self.minimums):
            raise ValueError("'minimums' must name classes that have a price here")

    def lines(self) -> tuple[PriceLine, ...]:
        """Return the lines that a sheet is compiled from; none means no price."""
        above = (line for tier in self.tiers for line in self._lines(tier, tier.above + 1))
        return (*self._lines(self, 0), *above)

    def _lines(self, tier: "PriceTable", start: int) -> Iterable[PriceLine]:
        for unit in CLASSES:
            amount = nusd_of(_text(tier, unit))
            if amount is not None:
                least = self.minimums.get(unit, 0)
                yield PriceLine(unit, amount, PER.get(unit, PER_MILLION), start, least)


def _text(prices: PriceTable, unit: str) -> str:
    text = getattr(prices, unit)
    assert isinstance(text, str)
    return text


class OfferingTable(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A model at one provider. Without `cost` what we pay is what we ask.

    With `margin`, a share such as "0.20", what we ask is `cost` and so much more, rounded up to
    whole nano-dollars for so many units; `price` must then be left out. `cancel` says what the
    provider bills of an answer that nobody waits for, as was true on `cancel_checked_on`.
    `embedding_batch` is how many inputs it takes in a call, 0 for any number. `quirks` is what it
    does otherwise than its provider.
    """

    provider: str = ""
    upstream_model: str = ""
    price: PriceTable = PriceTable()
    cost: PriceTable = PriceTable()
    margin: str = ""
    exact: bool = False
    cancel: Cancel = "bills_full"
    cancel_checked_on: dt.date | None = None
    lacks: frozenset[Feature] = frozenset()
    extra_fields: frozenset[str] = frozenset()
    quirks: frozenset[Quirk] = frozenset()
    embedding_batch: Annotated[int, msgspec.Meta(ge=0)] | None = None
    reasoning_inside: bool = True

    def check(self) -> None:
        """Refuse a margin that is none or stands beside a price, and quirks that cannot both be."""
        if {"limit_max_tokens", "limit_max_completion_tokens"} <= self.quirks:
            raise ValueError("'quirks' must name one field for the limit, not both")
        if not self.margin:
            return
        if nusd_of(self.margin) is None:
            raise ValueError("'margin' must be a share in a string, such as \"0.20\"")
        if self.price.lines() or not self.cost.lines():
            raise ValueError("'margin' needs 'cost', and no 'price' beside it")

    def sale(self, price_set: str) -> Sheet | None:
        """Return what we ask, None where it has no price."""
        if self.margin:
            lines = marked_up(self.cost.lines(), nusd_of(self.margin) or 0)
            return compile_sheet(price_set, lines, self.cost.tier_mode)
        lines = self.price.lines()
        return compile_sheet(price_set, lines, self.price.tier_mode) if lines else None

    def paid(self, price_set: str) -> Sheet | None:
        """Return what we pay, None where that is what we ask."""
        lines = self.cost.lines()
        return compile_sheet(price_set, lines, self.cost.tier_mode) if lines else None


def marked_up(lines: Iterable[PriceLine], margin_nano: int) -> tuple[PriceLine, ...]:
    """Return prices raised by a share in billionths, each rounded up once."""
    return tuple(
        msgspec.structs.replace(
            line, amount_nusd=-(-line.amount_nusd * (NANO + margin_nano) // NANO)
        )
        for line in lines
    )


class ModelTable(OfferingTable, frozen=True, forbid_unknown_fields=True):
    """A public name: what it can do, and its first offering; `offerings` are those to try next.

    `source` and `checked_on` say where its prices stand and when somebody looked. `image_tokens`
    is the most that one image can count, `page_tokens` the same of a page of a document, 0 where
    nobody says. With `hidden_reasoning` the model thinks in tokens that it bills and does not show.
    """

    title: str = ""
    owner: str = ""
    created_on: dt.date = dt.date(2026, 1, 1)
    context_length: int = 8_192
    max_output: int = 4_096
    endpoints: frozenset[Endpoint] = frozenset({"chat", "messages"})
    features: frozenset[Feature] = frozenset()
    normalizing: bool = False
    hidden_reasoning: bool = False
    image_tokens: int = IMAGE_TOKENS
    page_tokens: int = 0
    dimensions: int = 0
    offerings: tuple[OfferingTable, ...] = ()
    source: str = ""
    checked_on: dt.date | None = None

    def __post_init__(self) -> None:
        """Refuse sizes that no request could fit."""
        if self.context_length <= 0 or not 0 < self.max_output <= self.context_length:
            raise ValueError("'context_length' and 'max_output' must be > 0, output the smaller")
        if self.image_tokens <= 0 or self.page_tokens < 0:
            raise ValueError("'image_tokens' must be > 0 and 'page_tokens' >= 0")
        others = {row.provider for row in self.offerings} - {"", self.provider}
        if len(others) < len(self.offerings):
            raise ValueError("each of 'offerings' needs a 'provider' of its own")
        for row in (self, *self.offerings):
            row.check()


class CatalogFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A file of models."""

    models: dict[str, ModelTable]


class Source(msgspec.Struct, frozen=True):
    """Where prices stand, and the day somebody looked, such as `2026-11-21`."""

    source: str
    checked_on: str


class Catalog(msgspec.Struct, frozen=True):
    """What can be bought: offerings by public name, in the order to try; the price set's id.

    `unpriced` are the names that are not served because they have no price. `margins`, by name and
    provider in billionths, are those from which prices were computed.
    """

    offerings: dict[str, tuple[Offering, ...]]
    unpriced: tuple[str, ...]
    price_set: str
    margins: dict[str, dict[str, int]] = msgspec.field(default_factory=dict)
    sources: dict[str, Source] = msgspec.field(default_factory=dict)


def read_models(file: str, text: str) -> dict[str, ModelTable]:
    """Return the models of a catalog file's text.

    Raises:
        Misconfigured: file, line, nearest key and fix.
    """

    def where(path: Path) -> str:
        return f"{file}:{line_of(text, path)}"

    return into(CatalogFile, parse(file, text), where).models


def shipped(kind: str) -> dict[str, ModelTable]:
    """Return the models that come with Troth for a kind of provider; often none."""
    file = SHIPPED / f"{kind}.toml"
    if not file.is_file():
        return {}
    return read_models(f"shipped/{kind}.toml", file.read_text("utf-8"))


def at_provider(
    models: Mapping[str, ModelTable], provider: str, margin: str = ""
) -> dict[str, ModelTable]:
    """Return the models with their first offering at `provider`.

    With `margin` their prices are what we pay, and what we ask is so much more.
    """
    at = {name: msgspec.structs.replace(table, provider=provider) for name, table in models.items()}
    if not margin:
        return at
    return {
        name: msgspec.structs.replace(table, price=PriceTable(), cost=table.price, margin=margin)
        if table.price.lines()
        else table
        for name, table in at.items()
    }


def merge(
    models: Iterable[Mapping[str, ModelTable]], own: Mapping[str, ModelTable]
) -> dict[str, ModelTable]:
    """Return one catalog: a name at two providers is offered by both; `own` rows replace theirs."""
    merged: dict[str, ModelTable] = {}
    for tables in models:
        for name, table in tables.items():
            first = merged.get(name)
            merged[name] = table if first is None else _beside(first, table)
    return merged | dict(own)


def _beside(first: ModelTable, second: ModelTable) -> ModelTable:
    more = OfferingTable(**{name: getattr(second, name) for name in _OFFERING_FIELDS})
    return msgspec.structs.replace(first, offerings=(*first.offerings, more, *second.offerings))


_OFFERING_FIELDS: Final = OfferingTable.__struct_fields__


def build(
    tables: Mapping[str, ModelTable],
    upstreams: Mapping[str, Upstream],
    without: frozenset[str] = frozenset(),
) -> Catalog:
    """Return the catalog of these tables at these upstreams; `without` are not to be used.

    Raises:
        Misconfigured: an offering names a provider that is not configured.
    """
    offerings: dict[str, tuple[Offering, ...]] = {}
    unpriced: list[str] = []
    margins: dict[str, dict[str, int]] = {}
    for name, table in tables.items():
        rows = _priced(name, table)
        if not rows:
            unpriced.append(name)
        model = _model(name, table)
        margins |= {name: shares} if (shares := _margins(rows)) else {}
        found = [_offering(model, row, upstreams) for row in rows]
        if usable := tuple(each for each in found if each.upstream.id not in without):
            offerings[name] = usable
    sources = {name: _source(table) for name, table in tables.items() if table.source}
    return named(Catalog(offerings, tuple(unpriced), "", margins, sources))


def _source(table: ModelTable) -> Source:
    return Source(table.source, table.checked_on.isoformat() if table.checked_on else "")


def _margins(rows: Iterable[OfferingTable]) -> dict[str, int]:
    return {row.provider: nusd_of(row.margin) or 0 for row in rows if row.margin}


def named(catalog: Catalog) -> Catalog:
    """Return the catalog with its price set's id, which is a digest of all that it sells."""
    offerings = catalog.offerings
    rows = sorted(
        (name, each.upstream.id, *_ordered(each.sale), *_ordered(each.cost))
        for name, found in offerings.items()
        for each in found
    )
    price_set = f"ps_{sha256(msgspec.msgpack.encode(rows)).hexdigest()[:16]}"
    stamped = {
        name: tuple(_stamped(each, price_set) for each in found)
        for name, found in offerings.items()
    }
    return msgspec.structs.replace(catalog, offerings=stamped, price_set=price_set)


def _ordered(sheet: Sheet) -> tuple[TierMode, list[PriceLine]]:
    return sheet.mode, sorted(sheet.lines, key=lambda line: (line.tier_start, line.unit))


def _stamped(offering: Offering, price_set: str) -> Offering:
    sale = msgspec.structs.replace(offering.sale, id=price_set)
    is_same = offering.cost is offering.sale
    cost = sale if is_same else msgspec.structs.replace(offering.cost, id=price_set)
    return msgspec.structs.replace(offering, sale=sale, cost=cost)


def _priced(name: str, table: ModelTable) -> list[OfferingTable]:
    """Return the offerings that have a price; those without are not served."""
    rows = ([table] if table.provider else []) + list(table.offerings)
    if not rows:
        raise Misconfigured(
            f"model '{name}' is offered by nobody. Add 'provider' to its table, the name of one "
            "of your [providers]."
        )
    return [row for row in rows if row.price.lines() or row.margin]


def _model(name: str, table: ModelTable) -> Model:
    if not name.isprintable():  # it goes into headers of answers
        raise Misconfigured("the name of a model holds a sign that cannot be printed")
    if len(name.encode()) > MODEL_BYTES_MAX:
        raise Misconfigured(f"the name of a model is {MODEL_BYTES_MAX} bytes at most")
    created = dt.datetime.combine(table.created_on, dt.time(), tzinfo=dt.UTC)
    return Model(
        name=name,
        owner=table.owner or table.provider,
        created_at=int(created.timestamp()),
        context_length=table.context_length,
        max_output=table.max_output,
        endpoints=table.endpoints,
        features=table.features,
        title=table.title,
        normalizing=table.normalizing,
        dimensions=table.dimensions,
        hidden_reasoning=table.hidden_reasoning,
        image_tokens=table.image_tokens,
        page_tokens=table.page_tokens,
    )


def _offering(model: Model, row: OfferingTable, upstreams: Mapping[str, Upstream]) -> Offering:
    upstream = upstreams.get(row.provider)
    if upstream is None:
        known = ", ".join(sorted(upstreams)) or "none"
        raise Misconfigured(
            f"model '{model.name}' names the provider '{row.provider}', which is not configured "
            f"(there are: {known}). Add [providers.{row.provider}] or correct the name."
        )
    sale = row.sale("")
    assert sale is not None
    return Offering(
        model=model,
        upstream=upstream,
        upstream_model=row.upstream_model or model.name,
        sale=sale,
        cost=row.paid("") or sale,
        exact=row.exact and "odd_events" not in row.quirks,
        cancel=row.cancel,
        lacks=row.lacks,
        extra_fields=row.extra_fields,
        embedding_batch=row.embedding_batch,
        reasoning_inside=row.reasoning_inside,
        quirks=row.quirks,
    )
