"""Reads a request's parameters as Stripe does: bracketed names, typed, the unknown refused."""

import re
from collections.abc import Iterator
from typing import Final
from urllib.parse import parse_qsl

from troth.proof.twin.fake_stripe.refusals import invalid
from troth.proof.twin.values import Fields

_STEP: Final = re.compile(r"\[([^\]]*)\]")
_NOTES_MAX: Final = 50
_NOTE_NAME_MAX: Final = 40
_NOTE_MAX: Final = 500


def nested(form: str) -> Fields:
    """Return `a[b]=1&c[0]=2` as `{"a": {"b": "1"}, "c": {"0": "2"}}`."""
    root: Fields = {}
    for name, value in parse_qsl(form, keep_blank_values=True, strict_parsing=False):
        head, _, _ = name.partition("[")
        steps = [head, *_STEP.findall(name)]
        at = root
        for step in steps[:-1]:
            inner = at.setdefault(step or str(len(at)), {})
            at = inner if isinstance(inner, dict) else {}
        at[steps[-1] or str(len(at))] = value
    return root


class Params:
    """The parameters of one request, or a table within them. What nobody reads is unknown."""

    __slots__ = ("_at", "_fields", "_inner", "_read")

    def __init__(self, fields: Fields, at: str = "") -> None:
        self._fields = fields
        self._at = at
        self._read: set[str] = set()
        self._inner: list[Params] = []

    def path(self, name: str) -> str:
        """Return a parameter's whole name, such as `line_items[0][quantity]`."""
        return f"{self._at}[{name}]" if self._at else name

    def has(self, name: str) -> bool:
        """Tell whether a parameter was sent."""
        return name in self._fields

    def text(self, name: str, otherwise: str = "") -> str:
        """Return a text, or `otherwise` where none was sent."""
        self._read.add(name)
        value = self._fields.get(name, otherwise)
        if not isinstance(value, str):
            raise invalid(f"Invalid string: {self.path(name)}", self.path(name))
        return value

    def needed(self, name: str) -> str:
        """Return a text that must be there."""
        value = self.text(name)
        if not value:
            path = self.path(name)
            raise invalid(f"Missing required param: {path}.", path, "parameter_missing")
        return value

    def one_of(self, name: str, *allowed: str) -> str:
        """Return a text that is empty or one of a list."""
        value = self.text(name)
        if value and value not in allowed:
            raise invalid(f"Invalid {name}: must be one of {', '.join(allowed)}", self.path(name))
        return value

    def whole(self, name: str, otherwise: int = 0) -> int:
        """Return an integer, or `otherwise` where none was sent."""
        text = self.text(name)
        if not text:
            return otherwise
        if not text.removeprefix("-").isdecimal():
            path = self.path(name)
            raise invalid(f"Invalid integer: {path}", path, "parameter_invalid_integer")
        return int(text)

    def flag(self, name: str) -> bool:
        """Return a boolean, false where none was sent."""
        return self.one_of(name, "true", "false") == "true"

    def table(self, name: str) -> "Params":
        """Return a table, empty where none was sent."""
        self._read.add(name)
        value = self._fields.get(name, {})
        if not isinstance(value, dict):
            raise invalid(f"Invalid object: {self.path(name)}", self.path(name))
        inner = Params(value, self.path(name))
        self._inner.append(inner)
        return inner

    def items(self, name: str) -> "list[Params]":
        """Return a list of tables."""
        whole = self.table(name)
        return [whole.table(each) for each in sorted(whole._fields, key=_number)]

    def texts(self, name: str) -> list[str]:
        """Return a list of texts."""
        whole = self.table(name)
        return [whole.text(each) for each in sorted(whole._fields, key=_number)]

    def notes(self, name: str = "metadata") -> dict[str, str]:
        """Return metadata, within Stripe's limits."""
        whole = self.table(name)
        found = {each: whole.text(each) for each in whole._fields}
        if len(found) > _NOTES_MAX:
            raise invalid("Metadata can have up to 50 keys.", self.path(name))
        for each, value in found.items():
            if len(each) > _NOTE_NAME_MAX or len(value) > _NOTE_MAX:
                raise invalid("Metadata: a name or a value is too long.", whole.path(each))
        return found

    def end(self) -> None:
        """Refuse what nobody has read."""
        for path in self.unread():
            raise invalid(f"Received unknown parameter: {path}", path, "parameter_unknown")

    def unread(self) -> Iterator[str]:
        """Yield the whole names of what nobody has read."""
        yield from (self.path(name) for name in self._fields if name not in self._read)
        for inner in self._inner:
            yield from inner.unread()


def _number(name: str) -> int:
    return int(name) if name.isdecimal() else 0
