"""The form of an API key: `sk-troth-`, public id, secret, checksum; 70 bytes in all.

bcrypt reads 72 bytes, so the whole key is what is hashed. The checksum lets a mistyped key be
refused before any look-up; the public id is how a key is found.
"""

import zlib
from typing import Final

import msgspec

from troth.kernel.ids import Entropy
from troth.kernel.secret import Secret

PREFIX: Final = "sk-troth-"
PUBLIC_ID_LENGTH: Final = 12
SECRET_LENGTH: Final = 43
CHECKSUM_LENGTH: Final = 6
LENGTH: Final = len(PREFIX) + PUBLIC_ID_LENGTH + SECRET_LENGTH + CHECKSUM_LENGTH

_ALPHABET: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_BASE: Final = len(_ALPHABET)
_ID_BYTES: Final = 9
_SECRET_BYTES: Final = 32


class MintedKey(msgspec.Struct, frozen=True):
    """A new key: the text is shown once and never kept."""

    text: Secret
    public_id: str


def _base62(number: int, length: int) -> str:
    digits = ""
    for _ in range(length):
        number, digit = divmod(number, _BASE)
        digits = _ALPHABET[digit] + digits
    return digits


def _checksum(body: str) -> str:
    return _base62(zlib.crc32(body.encode()), CHECKSUM_LENGTH)


def mint(entropy: Entropy) -> MintedKey:
    """Make a key with a 71-bit public id and a 256-bit secret."""
    public_id = _base62(int.from_bytes(entropy(_ID_BYTES), "big"), PUBLIC_ID_LENGTH)
    secret = _base62(int.from_bytes(entropy(_SECRET_BYTES), "big"), SECRET_LENGTH)
    body = PREFIX + public_id + secret
    return MintedKey(Secret(body + _checksum(body)), public_id)


def public_id_of(text: str) -> str | None:
    """Return the public id of a well-formed key with a true checksum, else None."""
    if len(text) != LENGTH or not text.startswith(PREFIX) or not text.isascii():
        return None
    body = text[:-CHECKSUM_LENGTH]
    if _checksum(body) != text[-CHECKSUM_LENGTH:]:
        return None
    return text[len(PREFIX) : len(PREFIX) + PUBLIC_ID_LENGTH]
