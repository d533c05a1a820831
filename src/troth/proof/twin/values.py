"""JSON values of the mock provider: a value made from a JSON schema, a count of tokens."""

from collections.abc import Iterable
from typing import Final

import msgspec

Json = None | bool | int | float | str | list["Json"] | dict[str, "Json"]
Fields = dict[str, "Json"]

_ENCODER: Final = msgspec.json.Encoder()
_SAMPLES: Final[dict[str, Json]] = {
    "string": "Ada",
    "integer": 7,
    "number": 1.5,
    "boolean": True,
    "null": None,
}


def encoded(value: Json) -> bytes:
    """Return the value as JSON bytes."""
    return _ENCODER.encode(value)


def fields_of(value: Json) -> Fields:
    """Return the value if it is an object, else an empty one."""
    return value if isinstance(value, dict) else {}


def items_of(value: Json) -> list[Json]:
    """Return the value if it is a list, else an empty one."""
    return value if isinstance(value, list) else []


def text_of(value: Json) -> str:
    """Return the value if it is a string, else an empty one."""
    return value if isinstance(value, str) else ""


def whole_of(value: Json, otherwise: int) -> int:
    """Return the value if it is an integer, else `otherwise`."""
    return value if isinstance(value, int) and not isinstance(value, bool) else otherwise


def tokens_of(value: Json) -> int:
    """Count tokens as this provider does: one for four bytes, at least one."""
    data = value.encode("utf-8", "surrogatepass") if isinstance(value, str) else encoded(value)
    return max(1, len(data) // 4)


def sample(schema: Json, root: Json = None) -> Json:
    """Return the smallest value that fits a JSON schema (the subset that callers send)."""
    root = schema if root is None else root
    shape = fields_of(schema)
    reference = text_of(shape.get("$ref"))
    if reference:
        return sample(_follow(root, reference.lstrip("#/").split("/")), root)
    if "const" in shape:
        return shape["const"]
    for choices in ("enum", "anyOf", "oneOf"):
        options = items_of(shape.get(choices))
        if options:
            return options[0] if choices == "enum" else sample(options[0], root)
    return _by_type(shape, root)


def _by_type(shape: Fields, root: Json) -> Json:
    kind = shape.get("type")
    if isinstance(kind, list):
        kind = kind[0]
    if kind == "object" or "properties" in shape:
        properties = fields_of(shape.get("properties"))
        return {name: sample(inner, root) for name, inner in properties.items()}
    if kind == "array":
        return [sample(shape.get("items"), root)]
    return _SAMPLES.get(text_of(kind), "Ada")


def _follow(root: Json, steps: Iterable[str]) -> Json:
    for step in steps:
        root = fields_of(root).get(step)
    return root
