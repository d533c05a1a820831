"""Settings of `[payments]`: who takes money for credit, with which keys, within which limits."""

from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from typing import Final, Literal
from urllib.parse import urlsplit

import msgspec

from troth.kernel.money import nusd_of
from troth.kernel.secret import Secret

NUSD_PER_CENT: Final = 10_000_000
PAYMENT_VARIABLES: Final[Mapping[str, str]] = {
    "api_key": "STRIPE_API_KEY",
    "webhook_secret": "STRIPE_WEBHOOK_SECRET",
}
"""Where the company's own tools look for its secrets; asked last."""

_KEYS: Final = ("sk_test_", "sk_live_", "rk_test_", "rk_live_")
_LIVE: Final = ("sk_live_", "rk_live_")
_LOOPBACK: Final = frozenset({"127.0.0.1", "::1", "localhost"})
_DAYS_MAX: Final = 3_650
_CENTS_MIN: Final = 50
_CENTS_MAX: Final = 99_999_999
"""What the company itself takes at least and at most in one payment."""


class PaymentSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Who takes payments; nobody by default. Amounts in dollars, at most two decimals.

    Without `webhook_secret` there is no webhook route: payments are then found by asking.
    `api_base` is for a double on this machine. `return_url` is where a payer comes back to.
    `references` says whether the company's references of payments and cards may be kept, sealed;
    without them there are no saved cards. `refund_window_days` 0 is any time, `refund_fee` who
    bears what the company keeps, `credit_days` 0: bought credit does not end. `tax_part` names the
    jurisdiction that taxes of top-ups are owed to; empty: none are asked.
    """

    kind: Literal["none", "stripe"] = "none"
    api_key: Secret = Secret("")
    webhook_secret: Secret = Secret("")
    api_base: str = ""
    currency: Literal["usd"] = "usd"
    topup_min_usd: str = "5"
    topup_max_usd: str = "1000"
    return_url: str = ""
    references: Literal["sealed", "none"] = "sealed"
    refund_window_days: int = 0
    refund_fee: Literal["operator", "organization"] = "operator"
    credit_days: int = 0
    tax_part: str = ""

    @property
    def is_on(self) -> bool:
        """Tell whether anybody takes payments."""
        return self.kind != "none"

    @property
    def topup_min_cents(self) -> int:
        """The least top-up."""
        return _cents(self.topup_min_usd) or 0

    @property
    def topup_max_cents(self) -> int:
        """The largest top-up."""
        return _cents(self.topup_max_usd) or 0


class PaymentTerms(msgspec.Struct, frozen=True):
    """What the control process takes payments with: handed over once, shown nowhere."""

    api_key: str
    webhook_secret: str
    api_base: str
    currency: str
    topup_min_cents: int
    topup_max_cents: int
    return_url: str
    references: Literal["sealed", "none"] = "sealed"
    refund_window_days: int = 0
    refund_fee: Literal["operator", "organization"] = "operator"
    credit_days: int = 0
    tax_part: str = ""


def payment_terms(payments: PaymentSettings) -> PaymentTerms | None:
    """Return the terms, or None where nobody takes payments."""
    if not payments.is_on:
        return None
    return PaymentTerms(
        api_key=payments.api_key.reveal(),
        webhook_secret=payments.webhook_secret.reveal(),
        api_base=payments.api_base,
        currency=payments.currency,
        topup_min_cents=payments.topup_min_cents,
        topup_max_cents=payments.topup_max_cents,
        return_url=payments.return_url,
        references=payments.references,
        refund_window_days=payments.refund_window_days,
        refund_fee=payments.refund_fee,
        credit_days=payments.credit_days,
        tax_part=payments.tax_part,
    )


def _cents(dollars: str) -> int | None:
    """Return whole cents, or None for what is no amount of whole cents."""
    nusd = nusd_of(dollars)
    return None if nusd is None or nusd % NUSD_PER_CENT else nusd // NUSD_PER_CENT


def payment_faults(payments: PaymentSettings) -> Iterator[tuple[str, str]]:
    """Yield each setting that cannot work, with what it must be; secrets are not quoted."""
    for name in ("topup_min_usd", "topup_max_usd"):
        if _cents(getattr(payments, name)) is None:
            yield name, 'must be US dollars and whole cents, like "5" or "7.50"'
            return
    if payments.topup_min_cents < _CENTS_MIN:
        yield "topup_min_usd", "must be at least 0.50: the company takes no less"
    if not payments.topup_min_cents <= payments.topup_max_cents <= _CENTS_MAX:
        yield "topup_max_usd", "must be between 'payments.topup_min_usd' and 999999.99"
    yield from _day_faults(payments)
    if payments.return_url and not _is_web_page(payments.return_url):
        yield "return_url", "must be an https address; http only on this machine"
    if payments.is_on:
        yield from _secret_faults(payments)
        if not payments.return_url:
            yield "return_url", "is missing: name the page that a payer comes back to"


def payment_warnings(payments: PaymentSettings) -> tuple[str, ...]:
    """Return what works less well than it could: the fault, a full stop, what to do."""
    if not payments.is_on:
        return ()
    found = []
    if find_spec("stripe") is None:
        found.append("Payments need the extra. Install troth[stripe].")
    if payments.webhook_secret.is_empty:
        found.append(
            "There is no webhook secret, so credit comes when we ask, not when it is paid. "
            f"Set the variable {PAYMENT_VARIABLES['webhook_secret']}, or "
            "'payments.webhook_secret_file'."
        )
    return tuple(found)


def _day_faults(payments: PaymentSettings) -> Iterator[tuple[str, str]]:
    for name in ("refund_window_days", "credit_days"):
        if not 0 <= getattr(payments, name) <= _DAYS_MAX:
            yield name, f"must be from 0 to {_DAYS_MAX}"


def _secret_faults(payments: PaymentSettings) -> Iterator[tuple[str, str]]:
    key, seal = payments.api_key.reveal(), payments.webhook_secret.reveal()
    if not key:
        yield "api_key", f"is missing: set the variable {PAYMENT_VARIABLES['api_key']}, or a file"
    elif not key.startswith(_KEYS):
        yield "api_key", "must be a secret or restricted key: sk_... or rk_..., never pk_..."
    if seal and not seal.startswith("whsec_"):
        yield "webhook_secret", "must be the signing secret of a webhook endpoint: whsec_..."
    if payments.api_base:
        parts = urlsplit(payments.api_base)
        if parts.scheme != "http" or parts.hostname not in _LOOPBACK or parts.path.strip("/"):
            yield "api_base", "must be http on this machine: it is for the shipped double only"
        elif key.startswith(_LIVE):
            yield "api_base", "may not be set together with a live key"


def _is_web_page(url: str) -> bool:
    parts = urlsplit(url)
    is_local = parts.scheme == "http" and parts.hostname in _LOOPBACK
    return bool(parts.hostname) and (parts.scheme == "https" or is_local)
