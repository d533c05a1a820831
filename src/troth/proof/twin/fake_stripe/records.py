"""What the double keeps: Stripe's objects with the fields that say anything, amounts in cents."""

import msgspec

from troth.proof.twin.fake_stripe.cards import TestCard
from troth.proof.twin.fake_stripe.refusals import Decline

Notes = dict[str, str]
"""Metadata: what the merchant wrote upon an object."""


class Payer(msgspec.Struct):
    """A customer."""

    id: str
    created: int
    email: str = ""
    name: str = ""
    description: str = ""
    notes: Notes = {}


class Card(msgspec.Struct):
    """A payment method. A closed one pays no more, and refunds to it fail."""

    id: str
    created: int
    kind: TestCard
    payer: str = ""
    is_set_up: bool = False
    is_closed: bool = False


class Intent(msgspec.Struct):
    """A payment from its first try to its end."""

    id: str
    created: int
    cents: int
    currency: str
    status: str = "requires_payment_method"
    payer: str = ""
    card: str = ""
    notes: Notes = {}
    description: str = ""
    saves_card: bool = False
    session: str = ""
    tax_cents: int = 0
    charge: str = ""
    failure: Decline | None = None
    canceled_at: int = 0


class Charge(msgspec.Struct):
    """One try to take the money."""

    id: str
    created: int
    intent: str
    cents: int
    currency: str
    card: str
    payer: str
    notes: Notes
    failure: Decline | None = None
    refunded_cents: int = 0
    dispute: str = ""
    movement: str = ""


class Line(msgspec.Struct, frozen=True):
    """One line of what is bought."""

    name: str
    unit_cents: int
    count: int


class Session(msgspec.Struct):
    """A checkout page."""

    id: str
    created: int
    expires_at: int
    currency: str
    lines: tuple[Line, ...]
    tax_cents: int
    success_url: str
    cancel_url: str
    url: str
    reference: str = ""
    payer: str = ""
    makes_payer: bool = False
    email: str = ""
    notes: Notes = {}
    intent_notes: Notes = {}
    description: str = ""
    saves_card: bool = False
    has_tax: bool = False
    status: str = "open"
    is_paid: bool = False
    intent: str = ""

    @property
    def net_cents(self) -> int:
        """What the lines come to, without tax."""
        return sum(line.unit_cents * line.count for line in self.lines)

    @property
    def cents(self) -> int:
        """What is asked in all."""
        return self.net_cents + self.tax_cents


class Refund(msgspec.Struct):
    """Money sent back."""

    id: str
    created: int
    charge: str
    intent: str
    cents: int
    currency: str
    status: str
    reason: str = ""
    notes: Notes = {}
    movement: str = ""
    failure_movement: str = ""
    failure_reason: str = ""


class Movement(msgspec.Struct):
    """A balance transaction: one line of the merchant's account at the company."""

    id: str
    created: int
    kind: str
    category: str
    source: str
    cents: int
    fee_cents: int
    currency: str
    available_on: int
    payout: str = ""


class Dispute(msgspec.Struct):
    """Money that the payer's bank wants back. An inquiry moves none."""

    id: str
    created: int
    charge: str
    intent: str
    cents: int
    currency: str
    reason: str
    status: str
    due_by: int
    notes: Notes = {}
    movements: tuple[Movement, ...] = ()
    evidence: str = ""
    submissions: int = 0


class Payout(msgspec.Struct):
    """Money on its way to the merchant's bank."""

    id: str
    created: int
    cents: int
    currency: str
    arrives: int
    status: str = "in_transit"
    movement: str = ""
    failure_movement: str = ""


class Event(msgspec.Struct, frozen=True):
    """Something that happened, with the object as it was then, already in JSON."""

    id: str
    created: int
    kind: str
    about: str
    shown: msgspec.Raw
    request: str = ""
    key: str = ""


Record = Payer | Card | Intent | Charge | Session | Refund | Dispute | Movement | Payout
