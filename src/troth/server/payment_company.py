"""Finds who takes payments. Its client library is loaded only where somebody does."""

from importlib import import_module
from typing import TYPE_CHECKING, Final

from troth.control.billing.ports import Envelope, Payments
from troth.server.payment_settings import PaymentTerms
from troth.server.stripe_envelope import StripeEnvelope
from troth.server.stripe_words import Reach

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Protocol

    class Company(Payments, Protocol):
        """Payments, and whether the company lets us in at all."""

        def reach(self) -> Reach:
            """Try the key."""
            ...


_STRIPE: Final = "troth.server.stripe_payments"


def open_payments(terms: PaymentTerms) -> Payments:
    """Return the company. Loading its library takes a fifth of a second.

    Raises:
        Misconfigured: the extra is not installed.
    """
    return _connected(terms)


def reach(terms: PaymentTerms) -> Reach:
    """Try the key: one call over the network, half a minute at most.

    Raises:
        Misconfigured: the extra is not installed.
    """
    return _connected(terms).reach()


def _connected(terms: PaymentTerms) -> "Company":
    connect: Callable[[str, str], Company] = import_module(_STRIPE).stripe_payments
    return connect(terms.api_key, terms.api_base)


def open_envelope(terms: PaymentTerms) -> Envelope | None:
    """Return what opens webhooks, or None without a secret: then there must be no route."""
    return StripeEnvelope(terms.webhook_secret) if terms.webhook_secret else None
