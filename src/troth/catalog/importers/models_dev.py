"""models.dev: its `api.json`. Prices per million tokens; a tier repeats all of them."""

from collections.abc import Mapping
from typing import Final

import msgspec

from troth.catalog.importers.quote import Lines, Quote, count, fields, items, parsed, unit_of
from troth.kernel.quantities import CLASSES

_KINDS: Final = frozenset({"anthropic", "deepinfra", "groq", "openai", "openrouter"})
_UNITS: Final[Mapping[str, str]] = {
    "input": "input",
    "cache_read": "cache_read",
    "cache_write": "cache_write_5m",
    "output": "output",
    "reasoning": "reasoning",
    "input_audio": "input_audio",
    "output_audio": "output_audio",
}
_SILENT: Final = unit_of(_UNITS, CLASSES)
_MILLION: Final = 1_000_000
_OLD_TIER: Final = "context_over_200k"
_NULL: Final = msgspec.Raw(b"null")


class _Model(msgspec.Struct):
    cost: dict[str, msgspec.Raw] | None = None
    last_updated: str = ""


class _Provider(msgspec.Struct):
    models: dict[str, _Model]


def read(body: bytes, today: str) -> list[Quote]:
    """Return the prices of the providers we know.

    Raises:
        InvalidValue: the file is not of this form; the field is named.
    """
    del today
    found = []
    for kind, raw in parsed(body, dict[str, msgspec.Raw]).items():
        if kind not in _KINDS:
            continue
        for name, model in parsed(bytes(raw), _Provider).models.items():
            lines = Lines(f"{kind}.models.{name}.cost")
            _read(lines, f"{kind}.models.{name}.cost", model.cost or {})
            if not lines.is_empty:
                found.append(lines.quote(kind, name, checked_on="", silent=_SILENT))
    return found


def _read(lines: Lines, path: str, cost: Mapping[str, msgspec.Raw]) -> None:
    _read_prices(lines, "", cost, 0)
    tiers = items(f"{path}.tiers", cost["tiers"]) if "tiers" in cost else []
    for at, item in enumerate(tiers):
        tier = fields(f"{path}.tiers[{at}]", item)
        bound = fields(f"{path}.tiers[{at}].tier", tier.get("tier", _NULL))
        above = count(f"{path}.tiers[{at}].tier.size", bound.get("size", _NULL))
        if bytes(bound.get("type", _NULL)) == b'"context"':
            _read_prices(lines, f"tiers[{at}].", tier, above)
        else:
            others = Lines(f"{path}.tiers[{at}]")
            _read_prices(others, "", tier, 0)
            lines.at_another_hour(others)
    if _OLD_TIER in cost and not tiers:
        prices = fields(f"{path}.{_OLD_TIER}", cost[_OLD_TIER])
        _read_prices(lines, f"{_OLD_TIER}.", prices, 200_000)


def _read_prices(lines: Lines, prefix: str, prices: Mapping[str, msgspec.Raw], above: int) -> None:
    for field, raw in prices.items():
        if field in {"tiers", "tier", _OLD_TIER}:
            continue
        unit = _UNITS.get(field)
        if unit is None:
            lines.ignored[field] = None
        else:
            lines.add(f"{prefix}{field}", raw, unit, _MILLION, above=above)
