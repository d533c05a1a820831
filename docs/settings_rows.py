"""Reads names and defaults of all settings off their types, for the page and its test."""

from collections.abc import Iterator

import msgspec
from msgspec.inspect import DictType, StructType, type_info

from troth.kernel.secret import Secret
from troth.server.settings import Settings


def leaves() -> Iterator[tuple[str, str]]:
    """Yield each setting's dotted name, and its default as the page shows it."""
    root = type_info(Settings)
    assert isinstance(root, StructType)
    yield from _within(root, "")


def _within(struct: StructType, prefix: str) -> Iterator[tuple[str, str]]:
    for field in struct.fields:
        name, kind = prefix + field.encode_name, field.type
        if isinstance(kind, DictType) and isinstance(kind.value_type, StructType):
            yield from _within(kind.value_type, f"{name}.NAME.")
        elif isinstance(kind, StructType) and not prefix:
            yield from _within(kind, f"{name}.")
        else:
            yield name, _shown(field)


def _shown(field: msgspec.inspect.Field) -> str:
    """Return a default as TOML writes it; what has none is marked as needed."""
    if field.required:
        return "needed"
    default = field.default if field.default is not msgspec.NODEFAULT else field.default_factory()
    if isinstance(default, Secret) or default in ("", None):
        return "empty"
    if isinstance(default, msgspec.Struct):
        return "none"
    if isinstance(default, frozenset | tuple):
        return f"`{sorted(default)}`".replace("'", '"')
    if isinstance(default, bool | str):
        return f"`{str(default).lower()}`"
    return f"`{default:_}`" if isinstance(default, int) else f"`{default}`"
