"""Where and how our own code failed, as codes: no message, no value, no local of any frame."""

from types import TracebackType
from typing import Final

import msgspec

from troth.kernel.errors import TrothError
from troth.kernel.fields import Code


class Plane(Code):
    """The part of the source that a fault came from."""

    KERNEL = "kernel"
    WIRE = "wire"
    STORE = "store"
    CATALOG = "catalog"
    LEDGER = "ledger"
    PROVIDERS = "providers"
    ROUTING = "routing"
    GATEWAY = "gateway"
    CONTROL = "control"
    SERVER = "server"
    ELSEWHERE = "elsewhere"


class Kind(Code):
    """What kind of error it was."""

    ASSERTION = "assertion"
    ATTRIBUTE = "attribute"
    LOOKUP = "lookup"
    MEMORY = "memory"
    OPERATING_SYSTEM = "operating_system"
    OURS = "ours"
    RUNTIME = "runtime"
    TYPE = "type"
    VALUE = "value"
    OTHER = "other"


_KINDS: Final[tuple[tuple[type[BaseException], Kind], ...]] = (
    (TrothError, Kind.OURS),
    (AssertionError, Kind.ASSERTION),
    (AttributeError, Kind.ATTRIBUTE),
    (LookupError, Kind.LOOKUP),
    (MemoryError, Kind.MEMORY),
    (OSError, Kind.OPERATING_SYSTEM),
    (TypeError, Kind.TYPE),
    (ValueError, Kind.VALUE),
    (RuntimeError, Kind.RUNTIME),
)


class Where(msgspec.Struct, frozen=True):
    """The innermost frame of ours: its plane and the line in its file, and the error's kind."""

    plane: Plane
    line: int
    kind: Kind


def where(error: BaseException | None, traceback: TracebackType | None) -> Where:
    """Return where an error came from."""
    plane, line = Plane.ELSEWHERE, 0
    while traceback is not None:
        name = str(traceback.tb_frame.f_globals.get("__name__", ""))
        top, _, rest = name.partition(".")
        if top == "troth":
            plane, line = _plane(rest), traceback.tb_lineno
        elif name == "__main__":
            plane, line = Plane.SERVER, traceback.tb_lineno
        traceback = traceback.tb_next
    kind = next((kind for types, kind in _KINDS if isinstance(error, types)), Kind.OTHER)
    return Where(plane, line, kind)


def _plane(rest: str) -> Plane:
    found = rest.partition(".")[0]
    return Plane(found) if found in Plane.__members__.values() else Plane.ELSEWHERE


def number_of(rule: str) -> int:
    """Return the number of a rule of the books such as `I4 ...`, 0 for one without."""
    digits = rule.partition(" ")[0][1:]
    return int(digits) if digits.isdecimal() else 0
