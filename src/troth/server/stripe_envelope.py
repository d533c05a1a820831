"""Opens Stripe's webhooks. The seal is checked over the raw bytes before anything is read."""

import hmac
from hashlib import sha256
from typing import Final

import msgspec

from troth.control.billing.ports import About, Notice
from troth.kernel.payment_errors import BadSignature
from troth.server.stripe_words import ABOUT

_SKEW_SECONDS: Final = 300
_MARKS_MAX: Final = 16
_HEADER_MAX: Final = 4_096
_TIME_DIGITS_MAX: Final = 12


class _Object(msgspec.Struct, frozen=True):
    id: str = ""
    object: str = ""


class _Inside(msgspec.Struct, frozen=True):
    object: _Object


class _Event(msgspec.Struct, frozen=True):
    id: str
    created: int
    data: _Inside


_DECODER: Final = msgspec.json.Decoder(_Event)


class StripeEnvelope:
    """Verifies by the endpoint's signing secret: `t=...,v1=...`, five minutes old at most.

    While a secret is being changed the company seals with both; one that fits is enough.
    """

    __slots__ = ("_secret",)

    def __init__(self, secret: str) -> None:
        """Keep the secret, which must not be empty: anybody could seal with that."""
        assert secret
        self._secret = secret.encode()

    def open(self, body: bytes, signature: str, now_s: int) -> Notice:
        """Verify a webhook against its `stripe-signature` header and return what it names.

        Raises:
            BadSignature: it was not sealed with our secret, or not lately.
        """
        at, marks = _read(signature)
        if not at or abs(now_s - int(at)) > _SKEW_SECONDS:
            raise BadSignature
        seal = hmac.new(self._secret, at.encode() + b"." + body, sha256).hexdigest()
        fits = [hmac.compare_digest(seal.encode(), mark) for mark in marks]
        if not any(fits):
            raise BadSignature
        try:
            event = _DECODER.decode(body)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            raise BadSignature from None
        about = event.data.object
        return Notice(event.id, ABOUT.get(about.object, About.OTHER), about.id, event.created)


def _read(signature: str) -> tuple[str, list[bytes]]:
    """Return the time and the v1 marks of a header; an empty time for what is none."""
    if len(signature) > _HEADER_MAX or not signature.isascii():
        return "", []
    parts = [part.partition("=") for part in signature.split(",")]
    times = [value for name, _, value in parts if name.strip() == "t"]
    marks = [value.strip().encode() for name, _, value in parts if name.strip() == "v1"]
    at = times[0].strip() if len(times) == 1 else ""
    is_time = at.isdecimal() and len(at) <= _TIME_DIGITS_MAX
    return (at if is_time else ""), marks[:_MARKS_MAX]
