"""What must be there, where a type says that it may be missing."""

from typing import TypeVar

from troth.kernel.errors import InvariantBroken

Value = TypeVar("Value")


def present(value: Value | None, rule: str) -> Value:
    """Return a value that is there.

    Raises:
        InvariantBroken: it is missing; `rule` says why it must not be.
    """
    if value is None:
        raise InvariantBroken(rule)
    return value
