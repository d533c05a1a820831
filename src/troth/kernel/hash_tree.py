"""A binary tree of SHA-256 over leaves in their order: its root, and the way from a leaf to it.

A node is the digest of a one byte and its two children; an odd last node moves up as it is. A leaf
is a digest already, of something that begins with another byte.
"""

from collections.abc import Sequence
from hashlib import sha256
from typing import Final

EMPTY_ROOT: Final = sha256(b"").digest()
_NODE: Final = b"\x01"

Step = tuple[bool, bytes]
"""Whether the other child stands left, and its digest."""


def root(leaves: Sequence[bytes]) -> bytes:
    """Return the root over leaves."""
    level = list(leaves)
    while len(level) > 1:
        level = _above(level)
    return level[0] if level else EMPTY_ROOT


def _above(level: list[bytes]) -> list[bytes]:
    pairs = zip(level[0::2], level[1::2], strict=False)
    above = [sha256(_NODE + left + right).digest() for left, right in pairs]
    return above + level[-1:] if len(level) % 2 else above


def path(leaves: Sequence[bytes], index: int) -> list[Step]:
    """Return the steps from a leaf to the root."""
    steps = []
    level = list(leaves)
    while len(level) > 1:
        other = index ^ 1
        if other < len(level):
            steps.append((other < index, level[other]))
        level = _above(level)
        index //= 2
    return steps


def leads(leaf: bytes, steps: Sequence[Step], to: bytes) -> bool:
    """Tell whether steps lead from a leaf to a root."""
    for is_left, other in steps:
        pair = other + leaf if is_left else leaf + other
        leaf = sha256(_NODE + pair).digest()
    return leaf == to
