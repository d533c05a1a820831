"""Chance that follows from a seed: the same seed, the same double, on every machine."""

from hashlib import sha256
from typing import Final

_LETTERS: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_THOUSAND: Final = 1_000


class Draw:
    """A stream of chance; `part` streams are independent of how far the others went."""

    __slots__ = ("_count", "_seed")

    def __init__(self, seed: str) -> None:
        self._seed = seed
        self._count = 0

    def part(self, name: str) -> "Draw":
        """Return a stream of its own."""
        return Draw(f"{self._seed}/{name}")

    def number(self) -> int:
        """Return a number of 256 bits."""
        self._count += 1
        return int.from_bytes(sha256(f"{self._seed}:{self._count}".encode()).digest())

    def below(self, bound: int) -> int:
        """Return a number from 0 to `bound` - 1."""
        return self.number() % bound

    def happens(self, permille: int) -> bool:
        """Tell whether what happens so many times in a thousand happens now."""
        return permille > 0 and self.below(_THOUSAND) < permille

    def text(self, length: int) -> str:
        """Return letters and digits, at most 40."""
        number = self.number()
        found = []
        for _ in range(length):
            number, at = divmod(number, len(_LETTERS))
            found.append(_LETTERS[at])
        return "".join(found)
