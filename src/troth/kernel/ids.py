"""Typed identifiers: sixteen bytes inside, a prefix and 32 hex digits outside.

The first six bytes are the unix time in milliseconds, so that rows made together lie together
in an index; the other ten are random, so that an identifier cannot be guessed.
"""

import os
from collections.abc import Callable
from typing import Final, Literal, get_args

from troth.kernel.clock import Clock

Kind = Literal[
    "org", "key", "req", "prj", "top", "lot", "seat", "usr", "code", "camp", "alert",
    "rfd", "dsp", "itm", "mnt",
]  # fmt: skip

KINDS: Final[tuple[Kind, ...]] = get_args(Kind)
RAW_BYTES: Final = 16
_RANDOM_BYTES: Final = 10
_POOL_BYTES: Final = _RANDOM_BYTES * 256

Entropy = Callable[[int], bytes]
"""Gives n random bytes; `system_entropy` in production, a seeded one in a simulation."""


def system_entropy(count: int) -> bytes:
    """Return `count` bytes of the operating system's randomness."""
    return os.urandom(count)


class IdMaker:
    """Makes identifiers; draws its randomness in blocks, for a request needs one in 0.3 us."""

    __slots__ = ("_at", "_clock", "_entropy", "_pool")

    def __init__(self, clock: Clock, entropy: Entropy = system_entropy) -> None:
        self._clock = clock
        self._entropy = entropy
        self._pool = b""
        self._at = 0

    def raw(self) -> bytes:
        """Return sixteen new bytes: time in milliseconds, then randomness."""
        at = self._at
        if at >= len(self._pool):
            self._pool = self._entropy(_POOL_BYTES)
            at = 0
        self._at = end = at + _RANDOM_BYTES
        return self._clock.now_ms().to_bytes(6, "big") + self._pool[at:end]

    def new(self, kind: Kind) -> str:
        """Return a new identifier in its outer form, such as `org_0193...`."""
        return text(kind, self.raw())


def text(kind: Kind, raw: bytes) -> str:
    """Return the outer form of sixteen bytes."""
    return f"{kind}_{raw.hex()}"


def made_at_ms(raw: bytes) -> int:
    """Return when sixteen bytes were made, in unix milliseconds."""
    return int.from_bytes(raw[:6], "big")


def raw_of(kind: Kind, outer: str) -> bytes | None:
    """Return the sixteen bytes of an outer form, or None when it is not one of that kind."""
    prefix, _, digits = outer.partition("_")
    if prefix != kind or len(digits) != 2 * RAW_BYTES:
        return None
    try:
        raw = bytes.fromhex(digits)
    except ValueError:
        return None
    return raw if raw.hex() == digits else None
