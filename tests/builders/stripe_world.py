"""Payments over the double of Stripe in this process, on a clock that moves when told."""

from msgspec.structs import replace

from troth.control.billing.ports import CheckoutAsk, Payments, SavedCharge, Session
from troth.kernel.clock import ManualClock
from troth.proof.twin.fake_stripe.company import FakeStripe
from troth.proof.twin.fake_stripe.in_process import carrier
from troth.proof.twin.fake_stripe.terms import Terms
from troth.server.stripe_payments import stripe_payments

KEY = "sk_test_123"
ASK = CheckoutAsk(
    key="checkout-1",
    topup="top_1",
    organization="org_1",
    cents=2_500,
    currency="usd",
    payer=None,
    saves_card=True,
    success_url="http://127.0.0.1/back?page={CHECKOUT_SESSION_ID}",
    cancel_url="http://127.0.0.1/back",
)
DAY_MS = 86_400_000


class StripeWorld:
    """The double, the adapter that speaks to it, and their clock."""

    def __init__(self, terms: Terms | None = None, clock: ManualClock | None = None) -> None:
        self.clock = clock or ManualClock()
        self.company = FakeStripe(terms or Terms(), self.clock)
        self.payments: Payments = stripe_payments(KEY, carrier=carrier(self.company))

    @property
    def now_s(self) -> int:
        return self.clock.now_ms() // 1_000

    def pass_seconds(self, seconds: int) -> None:
        self.clock.advance(seconds * 1_000)

    def paid(self, topup: str = "top_1", card: str = "pm_card_visa") -> Session:
        """Make a page, pay on it, and return it as it then stands."""
        page = self.payments.checkout(replace(ASK, key=f"checkout-{topup}", topup=topup))
        self.company.pay(page.session, card)
        return self.payments.session(page.session)

    def saved(self, topup: str, cents: int = 1_000) -> SavedCharge:
        """Return a charge to the card that paid for `top_1`."""
        known = self.payments.intent_of("top_1")
        assert known is not None
        assert known.payer
        assert known.card
        return SavedCharge(f"charge-{topup}", topup, known.payer, known.card, cents, "usd")
