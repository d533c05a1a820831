"""Stripe's words, and what they mean in the words of `control.billing`."""

import re
from collections.abc import Mapping
from enum import Enum
from typing import Final

from troth.control.billing.ports import (
    About,
    DisputeStatus,
    IntentStatus,
    MovementKind,
    PayoutStatus,
    RefundStatus,
)
from troth.kernel.errors import Missing

TOPUP: Final = "troth_topup"
REFUND: Final = "troth_refund"
ORGANIZATION: Final = "troth_organization"
TAXED: Final = "troth_taxed"
"""What we write upon the company's objects."""

KINDS: Final = (
    "checkout.session.completed",
    "checkout.session.expired",
    "checkout.session.async_payment_succeeded",
    "checkout.session.async_payment_failed",
    "payment_intent.succeeded",
    "payment_intent.payment_failed",
    "payment_intent.canceled",
    "refund.created",
    "refund.updated",
    "refund.failed",
    "charge.dispute.created",
    "charge.dispute.updated",
    "charge.dispute.closed",
)
ABOUT: Final[Mapping[str, About]] = {
    "checkout.session": About.SESSION,
    "payment_intent": About.INTENT,
    "refund": About.REFUND,
    "dispute": About.DISPUTE,
}
"""What kind of object a notice is about, by Stripe's name of it."""
INTENTS: Final[Mapping[str, IntentStatus]] = {
    "succeeded": IntentStatus.SUCCEEDED,
    "requires_action": IntentStatus.NEEDS_ACTION,
    "canceled": IntentStatus.CANCELED,
}
REFUNDS: Final[Mapping[str, RefundStatus]] = {
    "succeeded": RefundStatus.SUCCEEDED,
    "failed": RefundStatus.FAILED,
    "canceled": RefundStatus.FAILED,
    "requires_action": RefundStatus.NEEDS_ACTION,
}
DISPUTES: Final[Mapping[str, DisputeStatus]] = {
    "won": DisputeStatus.WON,
    "prevented": DisputeStatus.WON,
    "lost": DisputeStatus.LOST,
    "warning_needs_response": DisputeStatus.WARNING,
    "warning_under_review": DisputeStatus.WARNING,
    "warning_closed": DisputeStatus.WARNING,
}
MOVEMENTS: Final[Mapping[str, MovementKind]] = {
    "charge": MovementKind.CHARGE,
    "refund": MovementKind.REFUND,
    "refund_failure": MovementKind.REFUND_FAILURE,
    "dispute": MovementKind.DISPUTE,
    "dispute_reversal": MovementKind.DISPUTE_REVERSAL,
    "fee": MovementKind.FEE,
    "payout": MovementKind.PAYOUT,
    "payout_reversal": MovementKind.PAYOUT_REVERSAL,
}
PAYOUTS: Final[Mapping[str, PayoutStatus]] = {
    "paid": PayoutStatus.PAID,
    "failed": PayoutStatus.FAILED,
    "canceled": PayoutStatus.FAILED,
}
_REFERENCE: Final = re.compile(r"\w{1,100}")


class Reach(Enum):
    """Whether the company lets us in."""

    ANSWERS = "answers"
    REFUSES = "refuses"
    SILENT = "silent"


def checked(ref: str) -> str:
    """Return a reference that may stand in a path or a query.

    Raises:
        Missing: nothing of the company's is called so.
    """
    if not _REFERENCE.fullmatch(ref):
        raise Missing
    return ref
