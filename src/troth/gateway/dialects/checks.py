"""What a field's value must be. A check takes the field's path and its value, and raises.

No sentence quotes the value: it may be content.
"""

from collections.abc import Callable
from typing import Final

from troth.gateway.exchange import Fields, Json
from troth.kernel.errors import InvalidValue, MissingParameter, UnpricedFeature

Check = Callable[[str, Json], None]
"""Raises `InvalidValue` when the value at the path is not what it must be."""


def any_value(_path: str, _value: Json) -> None:
    """Let every value pass: something else checks it."""


def boolean(path: str, value: Json) -> None:
    """Take true or false."""
    if type(value) is not bool:
        raise InvalidValue(path, "This must be true or false.")


def text(path: str, value: Json) -> None:
    """Take a string."""
    if type(value) is not str:
        raise InvalidValue(path, "This must be a string.")


def mapping(path: str, value: Json) -> None:
    """Take an object."""
    if type(value) is not dict:
        raise InvalidValue(path, "This must be an object.")


def listing(path: str, value: Json) -> None:
    """Take a list."""
    if type(value) is not list:
        raise InvalidValue(path, "This must be a list.")


def number(least: float, most: float) -> Check:
    """Take a number between both bounds, which belong to it."""

    def check(path: str, value: Json) -> None:
        if (type(value) is not int and type(value) is not float) or not least <= value <= most:
            raise InvalidValue(path, f"This must be a number from {least} to {most}.")

    return check


def integer(least: int, most: int) -> Check:
    """Take an integer between both bounds, which belong to it."""

    def check(path: str, value: Json) -> None:
        if type(value) is not int or not least <= value <= most:
            raise InvalidValue(path, f"This must be an integer from {least} to {most}.")

    return check


def one_of(*words: str) -> Check:
    """Take one of some words."""
    allowed: Final = frozenset(words)

    def check(path: str, value: Json) -> None:
        if type(value) is not str or value not in allowed:
            raise InvalidValue(path, f"This must be one of: {', '.join(words)}.")

    return check


def at_list_price(*words: str) -> Check:
    """Take what is served at the published price; another service has a price that is not known."""
    allowed: Final = frozenset(words)

    def check(path: str, value: Json) -> None:
        if type(value) is not str:
            raise InvalidValue(path, "This must be a string.")
        if value not in allowed:
            raise UnpricedFeature(path)

    return check


def texts(most: int) -> Check:
    """Take a list of at most so many strings."""

    def check(path: str, value: Json) -> None:
        if type(value) is not list or len(value) > most:
            raise InvalidValue(path, f"This must be a list of at most {most} strings.")
        for at, item in enumerate(value):
            if type(item) is not str:
                raise InvalidValue(f"{path}[{at}]", "This must be a string.")

    return check


def text_or_texts(most: int) -> Check:
    """Take a string, or a list of at most so many."""
    many: Final = texts(most)

    def check(path: str, value: Json) -> None:
        if type(value) is not str:
            many(path, value)

    return check


def required_text(path: str, owner: Fields, name: str) -> str:
    """Return the string under a name.

    Raises:
        MissingParameter: it is absent.
        InvalidValue: it is no string.
    """
    value = owner.get(name)
    if value is None:
        raise MissingParameter(path)
    if type(value) is not str:
        raise InvalidValue(path, "This must be a string.")
    return value


def required_mapping(path: str, value: Json) -> Fields:
    """Return the object.

    Raises:
        MissingParameter: it is absent.
        InvalidValue: it is no object.
    """
    if value is None:
        raise MissingParameter(path)
    if type(value) is not dict:
        raise InvalidValue(path, "This must be an object.")
    return value


def required_list(path: str, value: Json, most: int) -> list[Json]:
    """Return the list of one to `most` items.

    Raises:
        MissingParameter: it is absent.
        InvalidValue: it is no list, is empty or too long.
    """
    if value is None:
        raise MissingParameter(path)
    if type(value) is not list or not 1 <= len(value) <= most:
        raise InvalidValue(path, f"This must be a list of 1 to {most} items.")
    return value


def utf8_bytes(value: str) -> int:
    """Return how many bytes the string takes in UTF-8."""
    return len(value) if value.isascii() else len(value.encode())
