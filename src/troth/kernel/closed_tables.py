"""Files that people write, read whole or not at all: TOML text to a closed struct.

An unknown key, a wrong type, a missing field: the error names file and line, the nearest known
key where there is one, and what to do. Nothing is read here but the text that is passed in.
"""

import datetime as dt
import re
import tomllib
from collections.abc import Callable, Iterator, Mapping
from difflib import get_close_matches
from functools import lru_cache
from typing import Final, TypeVar

import msgspec

from troth.kernel.errors import Misconfigured
from troth.kernel.secret import Secret

Value = (
    str
    | int
    | float
    | bool
    | dt.date
    | dt.time
    | list["Value"]
    | tuple["Value", ...]
    | dict[str, "Value"]
)
Table = dict[str, "Value"]
Path = tuple[str, ...]
"""Where a value stands: keys from the root, list positions as digits."""

Shape = TypeVar("Shape")

_KEY: Final = re.compile(r'\s*("[^"]*"|\'[^\']*\'|[A-Za-z0-9_-]+)\s*(\.?)')
_STEP: Final = re.compile(r"\.([A-Za-z0-9_]+)|\[(\d+)\]|(\[\.\.\.\])")
_UNKNOWN: Final = re.compile(r"Object contains unknown field `([^`]*)`")
_MISSING: Final = re.compile(r"Object missing required field `([^`]*)`")
_ODD_WORD: Final = re.compile(r"Invalid enum value '?([^']*)'?")
_ANY: Final = "[...]"
_DESCRIBED: Final[dict[type, msgspec.inspect.Type]] = {}


def parse(file: str, text: str) -> Table:
    """Return the table of a TOML text; `file` is only named in the error.

    Raises:
        Misconfigured: the text is not TOML; file and line are named.
    """
    try:
        table: Table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise Misconfigured(f"{file}: not valid TOML: {error}. Correct the line.") from None
    return table


def line_of(text: str, path: Path) -> int:
    """Return the line (from 1) that sets `path`, or the nearest table around it; 0 for none."""
    places = _places(text)
    around = (path[:length] for length in range(len(path), 0, -1))
    return next((places[keys] for keys in around if keys in places), 0)


@lru_cache(maxsize=2)
def _places(text: str) -> Mapping[Path, int]:
    """Return the first line of each path; a file is asked for every value that it sets."""
    places: dict[Path, int] = {}
    for line, keys in _lines(text):
        places.setdefault(keys, line)
    return places


def _lines(text: str) -> Iterator[tuple[int, Path]]:
    """Yield each line that opens a table or sets a key, with the whole path it sets."""
    table: Path = ()
    counts: dict[Path, int] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        stripped = line.strip()
        if stripped.startswith("[["):
            name = _keys(stripped[2:])
            counts[name] = counts.get(name, -1) + 1
            table = (*name, str(counts[name]))
            yield number, table
        elif stripped.startswith("["):
            table = _keys(stripped[1:])
            yield number, table
        elif keys := _keys(stripped):
            yield number, table + keys


def _keys(text: str) -> Path:
    """Return the dotted key that a line starts with."""
    keys: list[str] = []
    at = 0
    while match := _KEY.match(text, at):
        keys.append(match.group(1).strip("\"'"))
        at = match.end()
        if not match.group(2):
            break
    return tuple(keys)


def into(
    shape: type[Shape], table: Table, where: Callable[[Path], str], *, strict: bool = True
) -> Shape:
    """Return `table` as `shape`; `where` names the place a path was set at (`troth.toml:12`).

    Raises:
        Misconfigured: an unknown key, a wrong type, a missing field.
    """
    try:
        return _convert(shape, table, strict=strict)
    except msgspec.ValidationError as error:
        sentence, _, steps = str(error).partition(" - at `$")
    path = _resolved(shape, table, _steps(steps.rstrip("`")), strict=strict)
    raise Misconfigured(_explained(shape, sentence, path, where)) from None


def _convert(shape: type[Shape], table: Table, *, strict: bool) -> Shape:
    return msgspec.convert(table, shape, strict=strict, dec_hook=_secret)


def _secret(_kind: type[Secret], value: Value) -> Secret:
    if isinstance(value, str):
        return Secret(value)
    raise TypeError("expected a string")


def _steps(text: str) -> Path:
    return tuple(name or index or _ANY for name, index, _ in _STEP.findall(text))


def _resolved(shape: type[Shape], table: Table, steps: Path, *, strict: bool) -> Path:
    """Replace each `[...]` of a path by the key that is at fault."""
    while _ANY in steps:
        at = steps.index(_ANY)
        steps = _with_key(shape, table, steps, at, strict=strict)
    return steps


def _with_key(shape: type[Shape], table: Table, steps: Path, at: int, *, strict: bool) -> Path:
    before = steps[:at]
    key = next(
        key
        for key in _inside(table, before)
        if not _fits(shape, _only(table, before, key), strict=strict)
    )
    return (*before, key, *steps[at + 1 :])


def _fits(shape: type[Shape], table: Table, *, strict: bool) -> bool:
    try:
        _convert(shape, table, strict=strict)
    except msgspec.ValidationError:
        return False
    return True


def _inside(table: Table, path: Path) -> Table:
    """Return the table at `path`."""
    found: Value = table
    for step in path:
        if isinstance(found, dict):
            found = found[step]
        else:
            assert isinstance(found, (list, tuple))
            found = found[int(step)]
    assert isinstance(found, dict)
    return found


def _only(table: Table, path: Path, key: str) -> Table:
    """Return a copy whose table at `path` holds nothing but `key`."""
    if not path:
        return {key: table[key]}
    first = table[path[0]]
    if isinstance(first, dict):
        return {**table, path[0]: _only(first, path[1:], key)}
    assert isinstance(first, (list, tuple))
    at = int(path[1])
    item = first[at]
    assert isinstance(item, dict)
    return {**table, path[0]: [*first[:at], _only(item, path[2:], key), *first[at + 1 :]]}


def _explained(shape: type[Shape], sentence: str, path: Path, where: Callable[[Path], str]) -> str:
    if unknown := _UNKNOWN.match(sentence):
        name = unknown.group(1)
        near = get_close_matches(name, known_keys(shape, path), n=1, cutoff=0.5)
        fix = f"Did you mean '{dotted((*path, near[0]))}'?" if near else "Remove it."
        return f"{where((*path, name))}: unknown key '{dotted((*path, name))}'. {fix}"
    if missing := _MISSING.match(sentence):
        whole = (*path, missing.group(1))
        return f"{where(path)}: '{dotted(whole)}' is missing. Add it."
    node = node_at(shape, path)
    if (odd := _ODD_WORD.match(sentence)) and isinstance(node, msgspec.inspect.LiteralType):
        words = [str(value) for value in node.values if value]
        near = get_close_matches(odd.group(1), words, n=1, cutoff=0.5)
        fix = f" Did you mean '{near[0]}'?" if near else ""
        return f"{where(path)}: '{dotted(path)}' must be one of: {', '.join(words)}.{fix}"
    fault = sentence[:1].lower() + sentence[1:]
    return f"{where(path)}: '{dotted(path)}': {fault}. Correct the value."


def dotted(path: Path) -> str:
    """Return a path as one writes it; keys with other signs are quoted."""
    return ".".join(key if re.fullmatch(r"[A-Za-z0-9_-]+", key) else f'"{key}"' for key in path)


def known_keys(shape: type[Shape], path: Path) -> list[str]:
    """Return the keys that the table at `path` may hold; empty for free names."""
    node = node_at(shape, path)
    kinds = node.types if isinstance(node, msgspec.inspect.UnionType) else (node,)
    return [
        field.encode_name
        for kind in kinds
        if isinstance(kind, msgspec.inspect.StructType)
        for field in kind.fields
    ]


def node_at(shape: type[Shape], path: Path) -> msgspec.inspect.Type | None:
    """Return the type that stands at `path`, or None when the shape has no such place."""
    node: msgspec.inspect.Type | None = _described(shape)
    for step in path:
        node = _child(node, step)
    return node


def _described(shape: type[Shape]) -> msgspec.inspect.Type:
    """Return the shape's description, which is dear to make and always the same."""
    known = _DESCRIBED.get(shape)
    if known is None:
        known = _DESCRIBED[shape] = msgspec.inspect.type_info(shape)
    return known


def _child(node: msgspec.inspect.Type | None, step: str) -> msgspec.inspect.Type | None:
    match node:
        case msgspec.inspect.StructType():
            return next((f.type for f in node.fields if f.encode_name == step), None)
        case msgspec.inspect.DictType():
            return node.value_type
        case msgspec.inspect.ListType() | msgspec.inspect.VarTupleType():
            return node.item_type
        case msgspec.inspect.UnionType():
            children = (_child(kind, step) for kind in node.types)
            return next((child for child in children if child is not None), None)
        case _:
            return None
