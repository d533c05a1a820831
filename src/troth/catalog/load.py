"""A catalog as people write it, turned into models, offerings and price sheets.

The tables are closed: `into` of `kernel.closed_tables` names file, line and nearest key of a fault.
Prices are US dollars in strings, per million tokens or characters, per hour of audio, per image,
per thousand requests or searches; no float comes near them.
"""

import datetime as dt
from collections.abc import Iterable, Mapping
from hashlib import sha256
from pathlib import Path as File
from typing import Final

import msgspec

from troth.catalog.model import Endpoint, Feature, Model
from troth.catalog.offering import Cancel, Offering, Upstream
from troth.catalog.price import PriceLine, Sheet, compile_sheet
from troth.kernel.closed_tables import Path, into, line_of, parse
from troth.kernel.errors import Misconfigured
from troth.kernel.money import nusd_of
from troth.kernel.quantities import CLASSES

PER: Final[Mapping[str, int]] = {
    "audio_ms": 3_600_000,
    "images": 1,
    "requests": 1_000,
    "searches": 1_000,
}
"""For how many units a price is quoted; a million for every class that is not here."""

SHIPPED: Final = File(__file__).parent / "shipped"
_PER_MILLION: Final = 1_000_000


class PriceTable(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Prices by class of the usage vector, in US dollars; an empty one is no price, 0 is one.

    In a tier `above` is the input size, in tokens, beyond which these prices hold instead.
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

    def __post_init__(self) -> None:
        """Refuse what is not an exact number of nano-dollars; msgspec adds where it stands."""
        for unit in CLASSES:
            text = _text(self, unit)
            if text and nusd_of(text) is None:
                raise ValueError(
                    f"'{unit}' must be US dollars in a string with at most nine decimals, "
                    'such as "0.15"'
                )
        if any(tier.above <= 0 or tier.tiers for tier in self.tiers):
            raise ValueError("each tier needs 'above' > 0 and no tiers of its own")

    def lines(self) -> tuple[PriceLine, ...]:
        """Return the dated lines that a sheet is compiled from; none means no price."""
        own = tuple(_lines(self, 0))
        return own + tuple(line for tier in self.tiers for line in _lines(tier, tier.above + 1))


def _lines(prices: PriceTable, start: int) -> Iterable[PriceLine]:
    for unit in CLASSES:
        amount = nusd_of(_text(prices, unit))
        if amount is not None:
            yield PriceLine(unit, amount, PER.get(unit, _PER_MILLION), start)


def _text(prices: PriceTable, unit: str) -> str:
    text = getattr(prices, unit)
    assert isinstance(text, str)
    return text


class OfferingTable(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A model at one provider. Without `cost` what we pay is what we ask."""

    provider: str = ""
    upstream_model: str = ""
    price: PriceTable = PriceTable()
    cost: PriceTable = PriceTable()
    exact: bool = False
    cancel: Cancel = "bills_full"
    lacks: frozenset[Feature] = frozenset()
    extra_fields: frozenset[str] = frozenset()
    reasoning_inside: bool = True


class ModelTable(OfferingTable, frozen=True, forbid_unknown_fields=True):
    """A public name: what it can do, and its first offering; `offerings` are those to try next.

    `source` and `checked_on` say where its prices stand and when somebody looked.
    """

    title: str = ""
    owner: str = ""
    created_on: dt.date = dt.date(2026, 1, 1)
    context_length: int = 8_192
    max_output: int = 4_096
    endpoints: frozenset[Endpoint] = frozenset({"chat", "messages"})
    features: frozenset[Feature] = frozenset()
    normalizing: bool = False
    dimensions: int = 0
    offerings: tuple[OfferingTable, ...] = ()
    source: str = ""
    checked_on: dt.date | None = None

    def __post_init__(self) -> None:
        """Refuse sizes that no request could fit."""
        if self.context_length <= 0 or not 0 < self.max_output <= self.context_length:
            raise ValueError("'context_length' and 'max_output' must be > 0, output the smaller")
        if any(offering.provider == "" for offering in self.offerings):
            raise ValueError("each of 'offerings' needs a 'provider'")


class CatalogFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A file of models."""

    models: dict[str, ModelTable]


class Catalog(msgspec.Struct, frozen=True):
    """What can be bought: offerings by public name, in the order to try; the price set's id.

    `unpriced` are the names that are not served because they have no price.
    """

    offerings: dict[str, tuple[Offering, ...]]
    unpriced: tuple[str, ...]
    price_set: str


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


def at_provider(models: Mapping[str, ModelTable], provider: str) -> dict[str, ModelTable]:
    """Return the models with their first offering at `provider`."""
    return {
        name: msgspec.structs.replace(table, provider=provider) for name, table in models.items()
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
    price_set = _digest(tables)
    offerings: dict[str, tuple[Offering, ...]] = {}
    unpriced: list[str] = []
    for name, table in tables.items():
        rows = _priced(name, table)
        if not rows:
            unpriced.append(name)
        model = _model(name, table)
        found = [_offering(model, row, upstreams, price_set) for row in rows]
        if usable := tuple(each for each in found if each.upstream.id not in without):
            offerings[name] = usable
    return Catalog(offerings, tuple(unpriced), price_set)


def _priced(name: str, table: ModelTable) -> list[OfferingTable]:
    """Return the offerings that have a price; those without are not served."""
    rows = ([table] if table.provider else []) + list(table.offerings)
    if not rows:
        raise Misconfigured(
            f"model '{name}' is offered by nobody. Add 'provider' to its table, the name of one "
            "of your [providers]."
        )
    return [row for row in rows if row.price.lines()]


def _model(name: str, table: ModelTable) -> Model:
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
    )


def _offering(
    model: Model, row: OfferingTable, upstreams: Mapping[str, Upstream], price_set: str
) -> Offering:
    upstream = upstreams.get(row.provider)
    if upstream is None:
        known = ", ".join(sorted(upstreams)) or "none"
        raise Misconfigured(
            f"model '{model.name}' names the provider '{row.provider}', which is not configured "
            f"(there are: {known}). Add [providers.{row.provider}] or correct the name."
        )
    sale = _sheet(price_set, row.price)
    return Offering(
        model=model,
        upstream=upstream,
        upstream_model=row.upstream_model or model.name,
        sale=sale,
        cost=_sheet(price_set, row.cost) if row.cost.lines() else sale,
        exact=row.exact,
        cancel=row.cancel,
        lacks=row.lacks,
        extra_fields=row.extra_fields,
        reasoning_inside=row.reasoning_inside,
    )


def _sheet(price_set: str, prices: PriceTable) -> Sheet:
    return compile_sheet(price_set, prices.lines())


def _digest(tables: Mapping[str, ModelTable]) -> str:
    """Return the id of the price set: a digest of every price with its model and provider."""
    rows = sorted(
        (name, row.provider, row.price.lines(), row.cost.lines())
        for name, table in tables.items()
        for row in (table, *table.offerings)
    )
    return f"ps_{sha256(msgspec.msgpack.encode(rows)).hexdigest()[:16]}"
