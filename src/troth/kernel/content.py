"""`Content`: prompts, completions, audio, images, texts to embed. It has no way to a sink.

A structure test lists every place that calls `open`.
"""

from collections.abc import Sequence
from typing import final

from troth.kernel.refusing import Refusing


@final
class Content(Refusing):
    """A thin holder of byte parts; parts are joined once, when a dialect opens it."""

    __slots__ = ("_parts",)

    def __init__(self, parts: Sequence[bytes]) -> None:
        self._parts = parts

    @property
    def size(self) -> int:
        """How many bytes there are."""
        return sum(map(len, self._parts))

    def open(self) -> bytes:
        """Return the bytes. The caller must neither keep nor print them."""
        parts = self._parts
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def release(self) -> None:
        """Drop the parts, so that erase-on-free overwrites them now and not at the next cycle.

        Whoever opens it afterwards fails, rather than reads nothing.
        """
        del self._parts
