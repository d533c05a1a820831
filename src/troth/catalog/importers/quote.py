"""A quote: what a published list says that a model costs at a provider, without a float.

Numbers are taken from their text. What is no whole number of nano-dollars for so many units is
rounded to the nearest, and noted where that moves it by more than a millionth.
"""

import re
from collections.abc import Iterable, Mapping
from fractions import Fraction
from typing import Final, TypeVar

import msgspec

from troth.catalog.load import PER, PER_MILLION
from troth.catalog.price import UNIT_MAX_NUSD, PriceLine
from troth.kernel.errors import InvalidValue
from troth.kernel.money import NANO

Shape = TypeVar("Shape")

_NUMBER: Final = re.compile(r"(-?)(\d{1,40})(?:\.(\d{1,60}))?(?:[eE]([+-]?\d{1,3}))?")
_EXPONENT_MAX: Final = 60
_MOVED: Final = Fraction(1, 1_000_000)


class Quote(msgspec.Struct, frozen=True):
    """What a list says of one model: `kind` is the provider's, `model` the name that it has there.

    `silent` are classes of which the list never says anything, `moved` those whose number had to
    be rounded noticeably, `ignored` the list's own names of prices that have no class here. The
    price of classes that are `timed` depends on the hour or the like: the dearest is taken.
    """

    kind: str
    model: str
    lines: tuple[PriceLine, ...]
    checked_on: str = ""
    silent: frozenset[str] = frozenset()
    moved: tuple[str, ...] = ()
    ignored: tuple[str, ...] = ()
    timed: tuple[str, ...] = ()


class Lines:
    """Collects the prices of one model, class by class and tier by tier."""

    def __init__(self, path: str) -> None:
        """`path` is where the model stands in the file, for the error."""
        self._path = path
        self._found: dict[tuple[str, int], PriceLine] = {}
        self._moved: dict[str, None] = {}
        self._timed: dict[str, None] = {}
        self.ignored: dict[str, None] = {}

    def add(self, field: str, raw: msgspec.Raw, unit: str, units: int, *, above: int = 0) -> None:
        """Take a price in US dollars for so many units; null is none.

        Raises:
            InvalidValue: it is no number, negative, or too large.
        """
        path = f"{self._path}.{field}"
        usd = number(path, raw)
        if usd is None:
            return
        per = PER.get(unit, PER_MILLION)
        exact = usd * NANO * per / units
        amount = int(exact + Fraction(1, 2))
        if usd < 0 or amount > per * UNIT_MAX_NUSD:
            raise InvalidValue(
                path, "this must be a price from 0 to 100 US dollars for a single one"
            )
        if abs(amount - exact) > exact * _MOVED:
            self._moved[unit] = None
        start = above + 1 if above else 0
        self._found[unit, start] = PriceLine(unit, amount, per, start)

    def at_another_hour(self, other: "Lines") -> None:
        """Take the dearer of two prices that hold at different hours, class by class."""
        for line in other.lines:
            place = (line.unit, line.tier_start)
            known = self._found.get(place)
            if known is None or known.amount_nusd != line.amount_nusd:
                self._timed[line.unit] = None
            if known is None or line.amount_nusd > known.amount_nusd:
                self._found[place] = line

    def quote(self, kind: str, model: str, *, checked_on: str, silent: frozenset[str]) -> Quote:
        """Return all that was collected; a class in a tier without a base keeps the tier only."""
        return Quote(
            kind,
            model,
            self.lines,
            checked_on,
            silent,
            tuple(self._moved),
            tuple(self.ignored),
            tuple(self._timed),
        )

    @property
    def lines(self) -> tuple[PriceLine, ...]:
        """Return what was collected so far."""
        return tuple(sorted(self._found.values(), key=lambda one: (one.tier_start, one.unit)))

    @property
    def is_empty(self) -> bool:
        """Whether nothing has a price."""
        return not self._found


def number(path: str, raw: msgspec.Raw) -> Fraction | None:
    """Return a JSON number, or one in a string, exactly as it is written; None for null.

    Raises:
        InvalidValue: it is neither.
    """
    text = bytes(raw).strip().decode("utf-8", "replace")
    if text == "null":
        return None
    found = _NUMBER.fullmatch(text.removeprefix('"').removesuffix('"'))
    if found is None or abs(int(found[4] or 0)) > _EXPONENT_MAX:
        raise InvalidValue(path, "this must be a number")
    decimals = found[3] or ""
    value = Fraction(int(found[2] + decimals), 10 ** len(decimals)) * _power(int(found[4] or 0))
    return -value if found[1] else value


def _power(exponent: int) -> Fraction:
    return Fraction(10**exponent) if exponent >= 0 else Fraction(1, 10**-exponent)


def parsed(body: bytes, shape: type[Shape]) -> Shape:
    """Return a file as its shape.

    Raises:
        InvalidValue: it is not JSON of this shape; the field is named.
    """
    try:
        return msgspec.json.decode(body, type=shape)
    except msgspec.ValidationError as error:
        said, _, path = str(error).partition(" - at `")
        raise InvalidValue(path.removesuffix("`") or "$", said) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise InvalidValue("$", "this file is not JSON, or nested too deeply") from None


def count(path: str, raw: msgspec.Raw) -> int:
    """Return a count > 0, such as where a tier begins.

    Raises:
        InvalidValue: it is none.
    """
    value = number(path, raw)
    if value is None or value.denominator != 1 or value <= 0:
        raise InvalidValue(path, "this must be a whole number > 0")
    return int(value)


def fields(path: str, raw: msgspec.Raw) -> Mapping[str, msgspec.Raw]:
    """Return an object's fields, still encoded.

    Raises:
        InvalidValue: it is no object.
    """
    try:
        return msgspec.json.decode(raw, type=dict[str, msgspec.Raw])
    except (msgspec.MsgspecError, UnicodeDecodeError):
        raise InvalidValue(path, "this must be an object") from None


def items(path: str, raw: msgspec.Raw) -> list[msgspec.Raw]:
    """Return a list's items, still encoded.

    Raises:
        InvalidValue: it is no list.
    """
    try:
        return msgspec.json.decode(raw, type=list[msgspec.Raw])
    except (msgspec.MsgspecError, UnicodeDecodeError):
        raise InvalidValue(path, "this must be a list") from None


def text(path: str, raw: msgspec.Raw) -> str:
    """Return a string.

    Raises:
        InvalidValue: it is none.
    """
    try:
        return msgspec.json.decode(raw, type=str)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        raise InvalidValue(path, "this must be a string") from None


def unit_of(names: Mapping[str, str], known: Iterable[str]) -> frozenset[str]:
    """Return the classes that a list never prices, out of all of `known`."""
    return frozenset(known) - frozenset(names.values())
