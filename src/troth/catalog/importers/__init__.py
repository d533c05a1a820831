"""Price lists that others publish, read to quotes. They only ever propose: nothing here is live.

Each reader takes the bytes of one file and returns what it says of models at providers we know.
"""

from collections.abc import Callable, Mapping
from typing import Final, Literal

from troth.catalog.importers import genai, litellm, models_dev, openrouter
from troth.catalog.importers.quote import Quote

Format = Literal["genai", "models-dev", "litellm", "openrouter"]

READERS: Final[Mapping[str, Callable[[bytes, str], list[Quote]]]] = {
    "genai": genai.read,
    "models-dev": models_dev.read,
    "litellm": litellm.read,
    "openrouter": openrouter.read,
}
"""By format; each takes the file and today's date, such as `2026-11-21`."""

__all__ = ["READERS", "Format", "Quote"]
