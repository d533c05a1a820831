"""OpenRouter: its `/api/v1/models`. Prices in strings, for one token, request or search."""

from collections.abc import Mapping
from typing import Final

import msgspec

from troth.catalog.importers.quote import (
    Lines,
    Quote,
    count,
    fields,
    items,
    number,
    parsed,
    unit_of,
)
from troth.kernel.quantities import CLASSES

_UNITS: Final[Mapping[str, str]] = {
    "prompt": "input",
    "input_cache_read": "cache_read",
    "input_cache_write": "cache_write_5m",
    "input_cache_write_1h": "cache_write_1h",
    "completion": "output",
    "internal_reasoning": "reasoning",
    "audio": "input_audio",
    "request": "requests",
    "web_search": "searches",
}
_SILENT: Final = unit_of(_UNITS, CLASSES)
_ZERO_IS_NONE: Final = frozenset({"internal_reasoning", "input_cache_write", "input_cache_read"})
"""Fields in which 0 says that there is no price of its own, not that it is free."""
_NULL: Final = msgspec.Raw(b"null")


class _Model(msgspec.Struct):
    id: str
    pricing: dict[str, msgspec.Raw]


class _Answer(msgspec.Struct):
    data: list[_Model]


def read(body: bytes, today: str) -> list[Quote]:
    """Return the prices of all models; one whose price varies by request (-1) is left out.

    Raises:
        InvalidValue: the file is not of this form; the field is named.
    """
    del today
    found = []
    for at, model in enumerate(parsed(body, _Answer).data):
        path = f"$.data[{at}].pricing"
        if _varies(path, model.pricing):
            continue
        lines = Lines(path)
        _read(lines, "", model.pricing, 0)
        overrides = model.pricing.get("overrides", _NULL)
        for index, item in enumerate(items(path, overrides) if overrides != _NULL else ()):
            where = f"{path}.overrides[{index}]"
            override = fields(where, item)
            if "min_prompt_tokens" not in override:
                others = Lines(where)
                _read(others, "", override, 0)
                lines.at_another_hour(others)
                continue
            above = count(f"{where}.min_prompt_tokens", override["min_prompt_tokens"]) - 1
            _read(lines, f"overrides[{index}].", override, above)
        if not lines.is_empty:
            found.append(lines.quote("openrouter", model.id, checked_on="", silent=_SILENT))
    return found


def _varies(path: str, prices: Mapping[str, msgspec.Raw]) -> bool:
    prompt = number(f"{path}.prompt", prices.get("prompt", _NULL))
    return prompt is not None and prompt < 0


def _read(lines: Lines, prefix: str, prices: Mapping[str, msgspec.Raw], above: int) -> None:
    for field, raw in prices.items():
        if field in {"overrides", "min_prompt_tokens"}:
            continue
        is_zero = not bytes(raw).strip(b'"0.')
        unit = _UNITS.get(field)
        if unit is None:
            if not is_zero:
                lines.ignored[field] = None
        elif not (is_zero and field in _ZERO_IS_NONE):
            lines.add(f"{prefix}{field}", raw, unit, 1, above=above)
