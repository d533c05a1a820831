"""What all flows of payments are bound by: the operator's terms, and how references are kept."""

from collections.abc import Callable
from hashlib import sha256
from hmac import compare_digest
from hmac import new as hmac_of
from typing import Final, Literal

import msgspec

from troth.control.audit import Actor
from troth.kernel.errors import InvalidValue, invariant
from troth.kernel.money import NANO

NUSD_PER_CENT: Final = NANO // 100
MS_OF_HOUR: Final = 3_600_000
MS_OF_DAY: Final = 24 * MS_OF_HOUR
NOBODY: Final = -1
"""The uid of what happens by itself: a webhook, a duty."""
_NONCE_BYTES: Final = 16
_MARK_BYTES: Final = 16
_BLOCK_BYTES: Final = 32


def automatic(now_ms: int) -> Actor:
    """Return who acts when nobody does."""
    return Actor(NOBODY, now_ms)


class Terms(msgspec.Struct, frozen=True):
    """The operator's terms. Amounts in whole cents of `currency`; 0 days is no limit.

    `keeps_references` says whether the company's references of payments and cards may be kept at
    all. `refund_fee` is who bears what the company keeps of a payment that is given back.
    `tax_part` names the jurisdiction that taxes of top-ups are owed to; empty: no taxes are asked.
    """

    currency: str = "usd"
    topup_cents_min: int = 500
    topup_cents_max: int = 100_000
    return_url: str = ""
    keeps_references: bool = True
    refund_window_days: int = 0
    refund_fee: Literal["operator", "organization"] = "operator"
    paid_expiry_days: int = 0
    tax_part: str = ""


class Sealer:
    """Keeps references so that only this installation can read them, with nothing but HMAC.

    A reference is added to a stream of HMAC-SHA256 over a random nonce and a counter; HMAC with a
    second key over both says that nothing was changed. A mark is a keyed hash: the same reference
    has the same mark, and nobody without the key can try references out.
    """

    __slots__ = ("_entropy", "_mark", "_stream", "_tag")

    def __init__(self, key: bytes, entropy: Callable[[int], bytes]) -> None:
        self._entropy = entropy
        self._stream, self._tag, self._mark = (
            hmac_of(key, b"troth payments " + use, sha256).digest()
            for use in (b"stream", b"tag", b"mark")
        )

    def mark(self, reference: str) -> bytes:
        """Return a reference's keyed hash, 16 bytes."""
        return hmac_of(self._mark, reference.encode(), sha256).digest()[:_MARK_BYTES]

    def seal(self, reference: str) -> bytes:
        """Return a reference as it may be kept."""
        nonce = self._entropy(_NONCE_BYTES)
        sealed = nonce + self._mix(nonce, reference.encode())
        return sealed + self._sign(sealed)

    def unseal(self, sealed: bytes) -> str:
        """Return a reference that was sealed here.

        Raises:
            InvariantBroken: it was changed, or sealed with another key.
        """
        inner, tag = sealed[:-_BLOCK_BYTES], sealed[-_BLOCK_BYTES:]
        invariant(compare_digest(self._sign(inner), tag), "a sealed reference is as it was sealed")
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


class Till(msgspec.Struct, frozen=True):
    """What the flows work with: terms, sealer, and the stripe of books that they write to."""

    terms: Terms
    sealer: Sealer
    new_id: Callable[[], bytes]
    desk: int = 0

    def kept(self, reference: str | None) -> bytes | None:
        """Return a reference as it may be kept, None where none may be."""
        if not reference or not self.terms.keeps_references:
            return None
        return self.sealer.seal(reference)

    def opened(self, sealed: bytes | None) -> str | None:
        """Return a kept reference, None for one that was not kept."""
        return self.sealer.unseal(sealed) if sealed is not None else None


def checked_cents(param: str, nusd: int) -> int:
    """Return whole cents of an amount in nano-USD.

    Raises:
        InvalidValue: it is nothing, or not whole cents.
    """
    if nusd <= 0 or nusd % NUSD_PER_CENT:
        raise InvalidValue(param, "give more than 0, in whole cents, such as 12.50")
    return nusd // NUSD_PER_CENT
