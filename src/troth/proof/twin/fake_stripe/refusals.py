"""How the double says no: the envelope, types and codes of Stripe's errors."""

from typing import Final

import msgspec

from troth.proof.twin.values import Fields

BAD_REQUEST: Final = 400
UNAUTHORIZED: Final = 401
CARD: Final = 402
NOT_FOUND: Final = 404
CONFLICT: Final = 409


class Refusal(Exception):
    """A request that is not granted; `told` is the error object."""

    def __init__(self, status: int, told: Fields) -> None:
        super().__init__()
        self.status = status
        self.told = told


class NoAnswer(Exception):
    """The call gets no answer at all; whether it was executed is for the caller to find out."""


class Decline(msgspec.Struct, frozen=True):
    """Why a card did not pay."""

    code: str
    decline_code: str
    message: str


def invalid(message: str, param: str = "", code: str = "") -> Refusal:
    """Return a refusal of a request that is wrong."""
    told: Fields = {"type": "invalid_request_error", "message": message}
    if code:
        told["code"] = code
        told["doc_url"] = f"https://stripe.com/docs/error-codes/{code.replace('_', '-')}"
    if param:
        told["param"] = param
    return Refusal(BAD_REQUEST, told)


def no_such(kind: str, ref: str, param: str = "") -> Refusal:
    """Return a refusal of a reference: 404 where the path named it, 400 where a field did."""
    refusal = invalid(f"No such {kind}: '{ref}'", param or "id", "resource_missing")
    refusal.status = BAD_REQUEST if param else NOT_FOUND
    return refusal


def declined(decline: Decline, charge: str, intent: Fields) -> Refusal:
    """Return a card's refusal with the payment as it is now."""
    told: Fields = {
        "type": "card_error",
        "code": decline.code,
        "decline_code": decline.decline_code,
        "message": decline.message,
        "payment_intent": intent,
    }
    if charge:
        told["charge"] = charge
    return Refusal(CARD, told)
