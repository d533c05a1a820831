"""genai-prices: its `data.json`, dated and tiered. Prices per million tokens, thousand requests."""

from collections.abc import Mapping
from typing import Final

import msgspec

from troth.catalog.importers.quote import (
    Lines,
    Quote,
    count,
    fields,
    items,
    parsed,
    text,
    unit_of,
)
from troth.kernel.quantities import CLASSES

_KINDS: Final = frozenset({"anthropic", "groq", "openai", "openrouter", "deepinfra"})
_UNITS: Final[Mapping[str, str]] = {
    "input_mtok": "input",
    "cache_read_mtok": "cache_read",
    "cache_write_mtok": "cache_write_5m",
    "output_mtok": "output",
    "input_audio_mtok": "input_audio",
    "output_audio_mtok": "output_audio",
    "requests_kcount": "requests",
}
_SILENT: Final = unit_of(_UNITS, CLASSES)
_COUNTS: Final = {"requests_kcount": 1_000}
_MILLION: Final = 1_000_000
_NULL: Final = msgspec.Raw(b"null")


class _Model(msgspec.Struct):
    id: str
    prices: msgspec.Raw
    prices_checked: str | None = None


class _Provider(msgspec.Struct):
    id: str
    models: list[_Model]


def read(body: bytes, today: str) -> list[Quote]:
    """Return the prices in force on a day, of the providers we know.

    Raises:
        InvalidValue: the file is not of this form; the field is named.
    """
    found = []
    for at, provider in enumerate(parsed(body, list[_Provider])):
        if provider.id not in _KINDS:
            continue
        for index, model in enumerate(provider.models):
            lines = Lines(f"$[{at}].models[{index}].prices")
            _read(lines, f"$[{at}].models[{index}].prices", model.prices, today)
            if not lines.is_empty:
                checked_on = model.prices_checked or ""
                quote = lines.quote(provider.id, model.id, checked_on=checked_on, silent=_SILENT)
                found.append(quote)
    return found


def _read(lines: Lines, path: str, prices: msgspec.Raw, today: str) -> None:
    """Read plain prices, or the last of dated ones whose day has come; of all hours the dearest."""
    if not bytes(prices).lstrip().startswith(b"["):
        _read_prices(lines, path, fields(path, prices))
        return
    chosen: msgspec.Raw | None = None
    timed: list[tuple[str, msgspec.Raw]] = []
    for at, item in enumerate(items(path, prices)):
        conditional = fields(f"{path}[{at}]", item)
        constraint = conditional.get("constraint", _NULL)
        condition = {} if constraint == _NULL else fields(f"{path}[{at}].constraint", constraint)
        if "start_time" in condition:
            timed.append((f"{path}[{at}].prices", conditional.get("prices", _NULL)))
            continue
        start = condition.get("start_date")
        if start is None or text(f"{path}[{at}].constraint.start_date", start) <= today:
            chosen = conditional.get("prices", _NULL)
    if chosen is not None:
        _read_prices(lines, path, fields(f"{path}.prices", chosen))
    for where, at_an_hour in timed:
        others = Lines(where)
        _read_prices(others, where, fields(where, at_an_hour))
        lines.at_another_hour(others)


def _read_prices(lines: Lines, path: str, prices: Mapping[str, msgspec.Raw]) -> None:
    for field, raw in prices.items():
        unit = _UNITS.get(field)
        if unit is None:
            lines.ignored[field] = None
            continue
        units = _COUNTS.get(field, _MILLION)
        if not bytes(raw).lstrip().startswith(b"{"):
            lines.add(field, raw, unit, units)
            continue
        tiered = fields(f"{path}.{field}", raw)
        lines.add(f"{field}.base", tiered.get("base", _NULL), unit, units)
        for at, item in enumerate(items(f"{path}.{field}.tiers", tiered.get("tiers", _NULL))):
            where = f"{path}.{field}.tiers[{at}]"
            tier = fields(where, item)
            above = count(f"{where}.start", tier.get("start", _NULL))
            lines.add(
                f"{field}.tiers[{at}].price", tier.get("price", _NULL), unit, units, above=above
            )
