"""What is counted when the upstream did not count: bytes over a ratio learned from its answers."""

from typing import Final

import msgspec

FIRST_RATIO: Final = (9, 2)
"""Bytes per token before anything was learned: 4.5, near English text."""
LONGEST_TOKEN: Final = 128
"""Bytes of the longest tokens that vocabularies hold: no text of more bytes is one token."""
_FORGET_AT: Final = 1_000_000


class _Seen(msgspec.Struct, gc=False):
    size: int
    tokens: int


class Ratios:
    """Bytes per token, by model, as reported answers taught them in this process."""

    __slots__ = ("_seen",)

    def __init__(self) -> None:
        self._seen: dict[str, _Seen] = {}

    def learn(self, model: str, size: int, tokens: int) -> None:
        """Take a reported answer of so many bytes and tokens into account."""
        if size <= 0 or tokens <= 0:
            return
        seen = self._seen.get(model)
        if seen is None:
            self._seen[model] = _Seen(size, tokens)
            return
        seen.size += size
        seen.tokens += tokens
        if seen.tokens > _FORGET_AT:
            seen.size >>= 1
            seen.tokens >>= 1

    def tokens(self, model: str, size: int) -> int:
        """Return how many tokens so many bytes are likely to be, rounded down."""
        seen = self._seen.get(model)
        if seen is None:
            return size * FIRST_RATIO[1] // FIRST_RATIO[0]
        return size * seen.tokens // seen.size
