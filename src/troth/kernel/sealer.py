"""Keeps small texts so that only this installation can read them, with nothing but HMAC."""

from collections.abc import Callable
from hashlib import sha256
from hmac import compare_digest
from hmac import new as hmac_of
from typing import Final, Literal

from troth.kernel.errors import invariant

_NONCE_BYTES: Final = 16
_MARK_BYTES: Final = 16
_BLOCK_BYTES: Final = 32

Use = Literal["payments", "people"]
"""What is sealed: references of payments, or what names a person. Each has keys of its own."""


class Sealer:
    """Seals and opens texts of one use.

    A text is added to a stream of HMAC-SHA256 over a random nonce and a counter; HMAC with a second
    key over both says that nothing was changed. A mark is a keyed hash: the same text has the same
    mark, and nobody without the key can try texts out.
    """

    __slots__ = ("_entropy", "_mark", "_stream", "_tag", "_use")

    def __init__(self, key: bytes, entropy: Callable[[int], bytes], use: Use = "payments") -> None:
        self._entropy = entropy
        self._use: Use = use
        self._stream, self._tag, self._mark = (
            hmac_of(key, f"troth {use} {what}".encode(), sha256).digest()
            for what in ("stream", "tag", "mark")
        )

    def new_key(self) -> bytes:
        """Return a random key."""
        return self._entropy(_BLOCK_BYTES)

    def own(self, key: bytes) -> "Sealer":
        """Return a sealer of the same use with another key."""
        return Sealer(key, self._entropy, self._use)

    def mark(self, text: str) -> bytes:
        """Return a text's keyed hash, 16 bytes."""
        return hmac_of(self._mark, text.encode(), sha256).digest()[:_MARK_BYTES]

    def seal(self, text: str) -> bytes:
        """Return a text as it may be kept."""
        nonce = self._entropy(_NONCE_BYTES)
        sealed = nonce + self._mix(nonce, text.encode())
        return sealed + self._sign(sealed)

    def unseal(self, sealed: bytes) -> str:
        """Return a text that was sealed here.

        Raises:
            InvariantBroken: it was changed, or sealed with another key.
        """
        inner, tag = sealed[:-_BLOCK_BYTES], sealed[-_BLOCK_BYTES:]
        invariant(compare_digest(self._sign(inner), tag), "what was sealed is as it was sealed")
        return self._mix(inner[:_NONCE_BYTES], inner[_NONCE_BYTES:]).decode()

    def _sign(self, sealed: bytes) -> bytes:
        return hmac_of(self._tag, sealed, sha256).digest()

    def _mix(self, nonce: bytes, text: bytes) -> bytes:
        blocks = range(-(-len(text) // _BLOCK_BYTES))
        stream = b"".join(
            hmac_of(self._stream, nonce + block.to_bytes(4, "big"), sha256).digest()
            for block in blocks
        )
        return bytes(a ^ b for a, b in zip(text, stream, strict=False))
