"""The layers of settings: each value with its origin, later layers over earlier ones."""

from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import TypeVar

import msgspec

from troth.kernel.closed_tables import (
    Path as Keys,
)
from troth.kernel.closed_tables import (
    Table,
    Value,
    dotted,
    known_keys,
    line_of,
    node_at,
    parse,
)
from troth.kernel.errors import Misconfigured

Shape = TypeVar("Shape")
Origins = dict[tuple[str, ...], str]

_FILE_SUFFIX = "_file"


class Layer(msgspec.Struct, frozen=True):
    """Values of one origin: leaves by path, where each stands, what a file's name is relative to.

    `places` also knows what stands inside a list, for an error to name its line.
    """

    leaves: dict[tuple[str, ...], Value]
    places: Origins
    folder: Path = Path()


class Layers:
    """The merged table, and for each leaf who set it."""

    def __init__(self) -> None:
        self.table: Table = {}
        self.origins: Origins = {}
        self._folders: dict[tuple[str, ...], Path] = {}

    def add(self, layer: Layer) -> None:
        """Lay a layer over what is there."""
        for path, value in layer.leaves.items():
            self.set(path, value, layer.places[path])
            self._folders[path] = layer.folder
        self.origins |= layer.places

    def set(self, path: Keys, value: Value, origin: str) -> None:
        """Set one leaf."""
        at = self.table
        for step in path[:-1]:
            inner = at.setdefault(step, {})
            if not isinstance(inner, dict):
                raise Misconfigured(f"{origin}: '{dotted(path)}': '{step}' is not a table.")
            at = inner
        at[path[-1]] = value
        self.origins[path] = origin
        self._folders.pop(path, None)

    def place(self, path: Keys) -> str:
        """Return where the value at `path`, or the nearest around or under it, was set."""
        for length in range(len(path), 0, -1):
            around = path[:length]
            for known, origin in self.origins.items():
                if known[:length] == around:
                    return origin
        return "settings"

    def folder(self, path: Keys) -> Path:
        """Return the folder that a relative path set at `path` starts from."""
        return self._folders.get(path, Path())


def file_layer(file: Path, shape: type[Shape]) -> Layer:
    """Return the layer of a settings file.

    Raises:
        Misconfigured: it cannot be read, or it is not TOML.
    """
    text = _text_of(file, str(file))
    leaves: dict[tuple[str, ...], Value] = {}
    places: Origins = {}
    for path, value in _leaves(parse(str(file), text), ()):
        place = f"{file}:{line_of(text, path)}"
        known = known_keys(shape, path[:-1])
        stem = path[-1].removesuffix(_FILE_SUFFIX)
        if stem != path[-1] and stem in known and path[-1] not in known:
            value = _text_of(file.parent / str(value), place).strip()  # noqa: PLW2901
            path = (*path[:-1], stem)  # noqa: PLW2901
        leaves[path] = value
        places[path] = place
        places |= {inner: f"{file}:{line_of(text, inner)}" for inner in _within(path, value)}
    return Layer(leaves, places, file.parent)


def variable_layer(variables: Mapping[str, str], prefix: str, shape: type[Shape]) -> Layer:
    """Return the layer of the environment: `PREFIX_A__B` is `a.b`.

    Raises:
        Misconfigured: a variable that names no setting, or a file that cannot be read.
    """
    leaves: dict[tuple[str, ...], Value] = {}
    places: Origins = {}
    for name, text in sorted(variables.items()):
        place = f"variable {name}"
        path = tuple(name.removeprefix(prefix).lower().split("__"))
        if node_at(shape, path) is None and path[-1].endswith(_FILE_SUFFIX):
            path = (*path[:-1], path[-1].removesuffix(_FILE_SUFFIX))
            text = _text_of(Path(text), place).strip()  # noqa: PLW2901
        leaves[path] = _value(text, path, shape, place)
        places[path] = place
    return Layer(leaves, places)


def flag_layer(values: Mapping[str, str], shape: type[Shape]) -> Layer:
    """Return the layer of the command line: values by dotted name.

    Raises:
        Misconfigured: a name that is no setting.
    """
    leaves: dict[tuple[str, ...], Value] = {}
    places: Origins = {}
    for name, text in values.items():
        path = tuple(name.split("."))
        places[path] = f"flag for {name}"
        leaves[path] = _value(text, path, shape, places[path])
    return Layer(leaves, places)


def _text_of(file: Path, place: str) -> str:
    try:
        return file.read_text("utf-8")
    except UnicodeDecodeError:
        raise Misconfigured(f"{place}: {file} is not text in UTF-8.") from None
    except OSError as error:
        raise Misconfigured(f"{place}: {file} cannot be read: {error.strerror}.") from None


def _value(text: str, path: Keys, shape: type[Shape], place: str) -> Value:
    """Return a text as the setting wants it: a list is written with commas."""
    node = node_at(shape, path)
    if node is None:
        raise Misconfigured(f"{place}: there is no setting '{dotted(path)}'. {_hint(path, shape)}")
    if isinstance(
        node,
        (msgspec.inspect.VarTupleType, msgspec.inspect.FrozenSetType, msgspec.inspect.ListType),
    ):
        return [item.strip() for item in text.split(",") if item.strip()]
    return text


def _hint(path: Keys, shape: type[Shape]) -> str:
    for length in range(len(path)):
        known = known_keys(shape, path[:length])
        if known and path[length] not in known:
            near = get_close_matches(path[length], known, n=1, cutoff=0.5)
            if near:
                return f"Did you mean '{dotted((*path[:length], near[0]))}'?"
            break
    return "'troth config show' lists them all."


def _leaves(table: Table, path: Keys) -> list[tuple[Keys, Value]]:
    """Return every value that is not a table, with its path; an empty table is a leaf."""
    found: list[tuple[Keys, Value]] = []
    for key, value in table.items():
        if isinstance(value, dict) and value:
            found.extend(_leaves(value, (*path, key)))
        else:
            found.append(((*path, key), value))
    return found


def _within(path: Keys, value: Value) -> list[Keys]:
    """Return the paths of all that stands in the tables of a list."""
    if isinstance(value, dict):
        return [(*path, key) for key in value] + [
            inner for key, item in value.items() for inner in _within((*path, key), item)
        ]
    if isinstance(value, (list, tuple)):
        return [inner for at, item in enumerate(value) for inner in _within((*path, str(at)), item)]
    return []
