"""The test cards, by the names that Stripe gives them; no number, for nobody types one here."""

from collections.abc import Mapping
from typing import Final, Literal

import msgspec

from troth.proof.twin.fake_stripe.refusals import Decline

NEEDS_PERSON: Final = Decline(
    "authentication_required",
    "authentication_required",
    "Your card was declined. This transaction requires authentication.",
)
NOT_CONFIRMED: Final = Decline(
    "payment_intent_authentication_failure",
    "",
    "The provided PaymentMethod has failed authentication.",
)


class TestCard(msgspec.Struct, frozen=True):
    """One card and how it behaves. `title` is for the pay page.

    `secure` says when its bank asks for the person: on every payment, or on the first of a saved
    card. `dispute` is the bank's reason to take the money back later.
    """

    __test__ = False
    token: str
    brand: str
    last4: str
    title: str
    decline: Decline | None = None
    secure: Literal["never", "first", "always"] = "never"
    dispute: str = ""
    is_inquiry: bool = False
    refund: Literal["at_once", "slow", "fails"] = "at_once"


def _no(decline_code: str, message: str, code: str = "card_declined") -> Decline:
    return Decline(code, decline_code, message)


CARDS: Final = (
    TestCard("pm_card_visa", "visa", "4242", "Pays"),
    TestCard("pm_card_mastercard", "mastercard", "4444", "Pays, another brand"),
    TestCard(
        "pm_card_chargeDeclined",
        "visa",
        "0002",
        "Declined",
        _no("generic_decline", "Your card was declined."),
    ),
    TestCard(
        "pm_card_chargeDeclinedInsufficientFunds",
        "visa",
        "9995",
        "Declined: insufficient funds",
        _no("insufficient_funds", "Your card has insufficient funds."),
    ),
    TestCard(
        "pm_card_chargeDeclinedExpiredCard",
        "visa",
        "0069",
        "Declined: expired",
        _no("expired_card", "Your card has expired.", "expired_card"),
    ),
    TestCard(
        "pm_card_authenticationRequired",
        "visa",
        "3184",
        "3-D Secure, each time",
        secure="always",
    ),
    TestCard(
        "pm_card_authenticationRequiredOnSetup",
        "visa",
        "3155",
        "3-D Secure, the first time",
        secure="first",
    ),
    TestCard("pm_card_createDispute", "visa", "0259", "Disputed later", dispute="fraudulent"),
    TestCard(
        "pm_card_createDisputeInquiry",
        "visa",
        "1976",
        "Bank inquires later",
        dispute="fraudulent",
        is_inquiry=True,
    ),
    TestCard("pm_card_pendingRefund", "visa", "7726", "Refund takes a while", refund="slow"),
    TestCard("pm_card_refundFail", "visa", "5126", "Refund fails later", refund="fails"),
)
BY_TOKEN: Final[Mapping[str, TestCard]] = {card.token: card for card in CARDS}
