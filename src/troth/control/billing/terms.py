"""What all flows of payments are bound by: the operator's terms, and how references are kept."""

from collections.abc import Callable
from typing import Final, Literal

import msgspec

from troth.control.audit import Actor
from troth.kernel.errors import InvalidValue
from troth.kernel.money import NANO
from troth.kernel.sealer import Sealer
from troth.ledger.books import wallet_purse
from troth.store.transaction import Transaction

NUSD_PER_CENT: Final = NANO // 100
MS_OF_HOUR: Final = 3_600_000
MS_OF_DAY: Final = 24 * MS_OF_HOUR
NOBODY: Final = -1
"""The uid of what happens by itself: a webhook, a duty."""


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


def lock_wallet(tx: Transaction, org: bytes) -> None:
    """Let nobody else move a wallet until this transaction ends: first of all that is locked."""
    tx.row("SELECT 1 FROM book WHERE id = ? {lock}", (wallet_purse(org),))


def checked_cents(param: str, nusd: int) -> int:
    """Return whole cents of an amount in nano-USD.

    Raises:
        InvalidValue: it is nothing, or not whole cents.
    """
    if nusd <= 0 or nusd % NUSD_PER_CENT:
        raise InvalidValue(param, "give more than 0, in whole cents, such as 12.50")
    return nusd // NUSD_PER_CENT
