"""What a payment company does for us, as closed values; one adapter knows the company itself.

Each call goes over a network: make it outside transactions. Amounts are whole cents of `currency`
(three lower-case letters), taxes included. A `key` is our own name for a deed: the same key has the
same outcome however often it is sent. `topup` and `refund` are our references; a `ref` is the
company's. A `payer` is whom the company knows an organization as, a `card` a saved card's
reference: a card's number is never here.
"""

from enum import Enum
from typing import Protocol

from msgspec import Struct


class CheckoutAsk(Struct, frozen=True):
    """A page to pay on. `saves_card` keeps the card for later charges; `has_tax` adds taxes."""

    key: str
    topup: str
    organization: str
    cents: int
    currency: str
    payer: str | None
    saves_card: bool
    success_url: str
    cancel_url: str
    has_tax: bool = False


class CheckoutPage(Struct, frozen=True):
    """A page that was made, and when it ends."""

    session: str
    url: str
    expires_at_s: int


class Session(Struct, frozen=True):
    """A page as it stands. `cents` is what is asked in all, `tax_cents` the part that is tax.

    `is_open` while it can still be paid, or the bank is still to say; neither open nor paid when it
    ended.
    """

    ref: str
    topup: str
    is_paid: bool
    is_open: bool
    intent: str | None
    cents: int
    tax_cents: int
    currency: str
    payer: str | None


class SavedCharge(Struct, frozen=True):
    """A charge to a saved card while nobody is there to confirm it."""

    key: str
    topup: str
    payer: str
    card: str
    cents: int
    currency: str


class IntentStatus(Enum):
    """How a payment stands."""

    SUCCEEDED = "succeeded"
    PROCESSING = "processing"
    NEEDS_ACTION = "needs_action"
    """A person must confirm it, as with 3-D Secure."""
    DECLINED = "declined"
    CANCELED = "canceled"


class Intent(Struct, frozen=True):
    """A payment. `topup` is empty when it is none of ours; `decline_code` the company's word.

    `fee_cents` is what the company kept, None while that is not known.
    """

    ref: str
    status: IntentStatus
    cents: int
    currency: str
    topup: str
    payer: str | None = None
    card: str | None = None
    refunded_cents: int = 0
    tax_cents: int = 0
    decline_code: str = ""
    fee_cents: int | None = None


class RefundAsk(Struct, frozen=True):
    """Money back to where a payment came from."""

    key: str
    refund: str
    intent: str
    cents: int


class RefundStatus(Enum):
    """How a refund stands. A failed one may follow one that had succeeded."""

    PROCESSING = "processing"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    NEEDS_ACTION = "needs_action"


class Refund(Struct, frozen=True):
    """A refund. One that was refused outright is FAILED and has an empty `ref`."""

    ref: str
    refund: str
    intent: str
    cents: int
    status: RefundStatus


class DisputeStatus(Enum):
    """How a dispute stands. A WARNING moves no money."""

    OPEN = "open"
    WON = "won"
    LOST = "lost"
    WARNING = "warning"


class Dispute(Struct, frozen=True):
    """A payer's bank wants its money back; while it is open or lost the company has taken it."""

    ref: str
    intent: str
    cents: int
    status: DisputeStatus


class About(Enum):
    """What kind of object a notice is about."""

    SESSION = "session"
    INTENT = "intent"
    REFUND = "refund"
    DISPUTE = "dispute"
    OTHER = "other"


class Notice(Struct, frozen=True):
    """A verified webhook or a swept event. It names an object; nothing else of it is believed."""

    event: str
    kind: About
    about: str
    at_s: int


class MovementKind(Enum):
    """What moved our balance at the company."""

    CHARGE = "charge"
    REFUND = "refund"
    REFUND_FAILURE = "refund_failure"
    DISPUTE = "dispute"
    DISPUTE_REVERSAL = "dispute_reversal"
    FEE = "fee"
    PAYOUT = "payout"
    PAYOUT_REVERSAL = "payout_reversal"
    """The bank has sent a payout back."""
    OTHER = "other"


class Movement(Struct, frozen=True):
    """One line of the company's own books.

    `about` is the intent of a charge, the refund, the dispute or the payout, else the company's
    reference of whatever it was. `cents` is signed as our balance sees it; `net_cents` is `cents`
    less `fee_cents`. `payout` is the one that paid it out.
    """

    ref: str
    kind: MovementKind
    about: str
    cents: int
    fee_cents: int
    net_cents: int
    at_s: int
    payout: str | None = None


class PayoutStatus(Enum):
    """Whether a payout is at the bank."""

    UNDERWAY = "underway"
    PAID = "paid"
    FAILED = "failed"


class Payout(Struct, frozen=True):
    """Money on its way to the operator's bank."""

    ref: str
    cents: int
    status: PayoutStatus
    arrives_at_s: int


class Payments(Protocol):
    """The company. After either error, ask again with the same key.

    Each method raises PaymentsDown when no answer came, and Missing when the company knows no such
    object.
    """

    def checkout(self, ask: CheckoutAsk) -> CheckoutPage:
        """Make a page to pay on."""
        ...

    def session(self, ref: str) -> Session:
        """Return a page as it stands now."""
        ...

    def end_page(self, session: str) -> None:
        """Let a page be paid no more; one that is paid or has ended stays as it is."""
        ...

    def charge_saved(self, ask: SavedCharge) -> Intent:
        """Charge a saved card, once for a key however old; a decline is an answer, no error."""
        ...

    def intent(self, ref: str) -> Intent:
        """Return a payment as it stands now."""
        ...

    def intent_of(self, topup: str) -> Intent | None:
        """Return the payment that carries our reference, for who keeps none of the company's."""
        ...

    def refund(self, ask: RefundAsk) -> Refund:
        """Send money back to where it came from, once for a key however old."""
        ...

    def refund_state(self, ref: str) -> Refund:
        """Return a refund as it stands now."""
        ...

    def dispute(self, ref: str) -> Dispute:
        """Return a dispute as it stands now."""
        ...

    def notices(self, since_s: int) -> list[Notice]:
        """Return what happened since a unix time, the oldest first."""
        ...

    def movements(self, since_s: int, until_s: int) -> list[Movement]:
        """Return the lines of the company's books from one unix time up to another."""
        ...

    def payouts(self, since_s: int) -> list[Payout]:
        """Return the payouts made since a unix time, the oldest first."""
        ...


class Envelope(Protocol):
    """Opens webhooks: the only reader of their bytes."""

    def open(self, body: bytes, signature: str, now_s: int) -> Notice:
        """Verify a webhook against its `signature` header and return what it names.

        Raises:
            BadSignature: it was not sealed with our secret, or not lately.
        """
        ...
