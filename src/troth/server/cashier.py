"""Who takes payments for an office, and on which terms."""

from pathlib import Path

import msgspec

from troth.control.billing import Terms, Till
from troth.control.billing.ports import Envelope, Payments
from troth.kernel.ids import Entropy, IdMaker
from troth.kernel.sealer import Sealer
from troth.server.payment_company import open_envelope, open_payments
from troth.server.payment_settings import PaymentSettings, PaymentTerms, payment_terms
from troth.server.sealing import PAYMENTS_KEY, sealing_key


class Cashier(msgspec.Struct, frozen=True):
    """The company, what opens its webhooks (None: there is no route for them), and our till."""

    company: Payments
    envelope: Envelope | None
    till: Till


def open_cashier(
    terms: PaymentTerms | None, folder: Path, maker: IdMaker, entropy: Entropy
) -> Cashier | None:
    """Return who takes payments by the settings, None where nobody does.

    Raises:
        Misconfigured: the company's library or the sealing key cannot be used.
    """
    if terms is None:
        return None
    till = till_of(terms, sealing_key(folder, PAYMENTS_KEY, entropy), maker, entropy)
    return Cashier(open_payments(terms), open_envelope(terms), till)


def cashier_of_settings(
    settings: PaymentSettings, folder: Path, maker: IdMaker, entropy: Entropy
) -> Cashier | None:
    """Return who takes payments where no process hands the terms over.

    Raises:
        Misconfigured: the company's library or the sealing key cannot be used.
    """
    return open_cashier(payment_terms(settings), folder, maker, entropy)


def till_of(terms: PaymentTerms, key: bytes, maker: IdMaker, entropy: Entropy) -> Till:
    """Return the till of an installation's settings."""
    return Till(
        Terms(
            currency=terms.currency,
            topup_cents_min=terms.topup_min_cents,
            topup_cents_max=terms.topup_max_cents,
            return_url=terms.return_url,
            keeps_references=terms.references == "sealed",
            refund_window_days=terms.refund_window_days,
            refund_fee=terms.refund_fee,
            paid_expiry_days=terms.credit_days,
            tax_part=terms.tax_part,
        ),
        Sealer(key, entropy),
        maker.raw,
    )
