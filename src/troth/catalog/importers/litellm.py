"""LiteLLM: its `model_prices_and_context_window.json`. Prices for one token, second, image."""

import re
from collections.abc import Mapping
from typing import Final

import msgspec

from troth.catalog.importers.quote import Lines, Quote, fields, parsed, text, unit_of
from troth.kernel.quantities import CLASSES

_KINDS: Final = frozenset({"anthropic", "deepinfra", "groq", "openai", "openrouter"})
_UNITS: Final[Mapping[str, str]] = {
    "input_cost_per_token": "input",
    "cache_read_input_token_cost": "cache_read",
    "cache_creation_input_token_cost": "cache_write_5m",
    "cache_creation_input_token_cost_above_1hr": "cache_write_1h",
    "output_cost_per_token": "output",
    "output_cost_per_reasoning_token": "reasoning",
    "input_cost_per_audio_token": "input_audio",
    "output_cost_per_audio_token": "output_audio",
    "input_cost_per_image_token": "input_image",
    "output_cost_per_image": "images",
    "input_cost_per_second": "audio_ms",
    "input_cost_per_character": "characters",
    "input_cost_per_query": "requests",
}
_SILENT: Final = unit_of(_UNITS, CLASSES)
_MS_OF_SECOND: Final = 1_000
_TIER: Final = re.compile(r"(.+?)_above_(\d{1,6})(k?)_tokens")
_OTHER_SERVICE: Final = ("_batches", "_flex", "_priority")
"""Prices of services that Troth does not ask for: batches, slower and faster queues."""
_NULL: Final = msgspec.Raw(b"null")
_NO_MODELS: Final = frozenset({"sample_spec", "fallback_generalizations"})


def read(body: bytes, today: str) -> list[Quote]:
    """Return the prices of the providers we know.

    Raises:
        InvalidValue: the file is not of this form; the field is named.
    """
    del today
    found = []
    for name, raw in parsed(body, dict[str, msgspec.Raw]).items():
        if name in _NO_MODELS:
            continue
        entry = fields(name, raw)
        kind = text(f"{name}.litellm_provider", entry.get("litellm_provider", msgspec.Raw(b'""')))
        if kind not in _KINDS:
            continue
        lines = Lines(name)
        _read(lines, entry)
        if not lines.is_empty:
            model = name.removeprefix(f"{kind}/")
            found.append(lines.quote(kind, model, checked_on="", silent=_SILENT))
    return found


def _read(lines: Lines, entry: Mapping[str, msgspec.Raw]) -> None:
    for field, raw in entry.items():
        if "cost" not in field or field.endswith(_OTHER_SERVICE):
            continue
        name, above = field, 0
        tier = _TIER.fullmatch(field)
        if tier is not None:
            name, above = tier[1], int(tier[2]) * (1_000 if tier[3] else 1)
        unit = _UNITS.get(name)
        if unit is not None:
            units = _MS_OF_SECOND if unit == "audio_ms" else 1
            lines.add(field, raw, unit, units, above=above)
        elif raw != _NULL:
            lines.ignored[field] = None
