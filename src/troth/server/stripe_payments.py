"""Stripe behind the ports of `control.billing`: the one file that knows its client library.

Nothing of the library's texts leaves here, for they may quote what was sent. An answer that tells
of no known object is `Missing`, a card's refusal is a status, everything else is PaymentsDown.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Final

from typing_extensions import override

from troth.control.billing.ports import (
    About,
    CheckoutAsk,
    CheckoutPage,
    Dispute,
    DisputeStatus,
    Intent,
    IntentStatus,
    Movement,
    MovementKind,
    Notice,
    Payout,
    PayoutStatus,
    Refund,
    RefundAsk,
    RefundStatus,
    SavedCharge,
    Session,
)
from troth.kernel.errors import Misconfigured, Missing
from troth.kernel.payment_errors import PaymentsDown
from troth.server.stripe_words import (
    ABOUT,
    DISPUTES,
    INTENTS,
    KINDS,
    MOVEMENTS,
    ORGANIZATION,
    PAYOUTS,
    REFUND,
    REFUNDS,
    TAXED,
    TOPUP,
    Reach,
    checked,
)

try:
    import stripe
except ImportError:  # it comes with an extra
    stripe = None  # type: ignore[assignment]

Carrier = Callable[[str, str, Mapping[str, str], str], tuple[str, int, Mapping[str, str]]]
"""Carries method, url, headers and form; gives body, status and headers, or ConnectionError."""

_TIMEOUT_SECONDS: Final = (5.0, 20.0)
_RETRIES: Final = 1
_PAGE: Final = 100
_FEE: Final = "latest_charge.balance_transaction"


class StripePayments:
    """The port of payments over the company's client library."""

    def __init__(self, client: "stripe.StripeClient") -> None:
        self._api = client.v1

    def reach(self) -> Reach:
        """Try the key on something that it must be allowed to read, once."""
        try:
            self._api.balance_transactions.list({"limit": 1}, {"max_network_retries": 0})
        except (stripe.AuthenticationError, stripe.PermissionError):
            return Reach.REFUSES
        except stripe.StripeError:
            return Reach.SILENT
        return Reach.ANSWERS

    def checkout(self, ask: CheckoutAsk) -> CheckoutPage:
        """Make a page to pay on; cards, and whatever else the operator's dashboard allows."""
        notes = {TOPUP: ask.topup, **({TAXED: "1"} if ask.has_tax else {})}
        price: stripe.params.checkout.SessionCreateParamsLineItemPriceData = {
            "currency": ask.currency,
            "unit_amount": ask.cents,
            "product_data": {"name": "Credit"},
        }
        payment: stripe.params.checkout.SessionCreateParamsPaymentIntentData = {"metadata": notes}
        params: stripe.params.checkout.SessionCreateParams = {
            "mode": "payment",
            "line_items": [{"quantity": 1, "price_data": price}],
            "client_reference_id": ask.topup,
            "metadata": {**notes, ORGANIZATION: ask.organization},
            "payment_intent_data": payment,
            "success_url": ask.success_url,
            "cancel_url": ask.cancel_url,
        }
        if ask.payer is not None:
            params["customer"] = ask.payer
        elif ask.saves_card:
            params["customer_creation"] = "always"
        if ask.saves_card:
            payment["setup_future_usage"] = "off_session"
        if ask.has_tax:
            price["tax_behavior"] = "exclusive"
            params["automatic_tax"] = {"enabled": True}
            params["billing_address_collection"] = "required"
            if ask.payer is not None:
                params["customer_update"] = {"address": "auto"}
        with _asking():
            made = self._api.checkout.sessions.create(params, {"idempotency_key": ask.key})
            page = CheckoutPage(made.id, made.url or "", made.expires_at)
        if not page.url:
            raise PaymentsDown
        return page

    def session(self, ref: str) -> Session:
        """Return a page as it stands now."""
        with _asking():
            return _session(self._api.checkout.sessions.retrieve(checked(ref)))

    def end_page(self, session: str) -> None:
        """Let a page be paid no more; one that cannot be ended is paid, or has ended."""
        with _asking(), suppress(stripe.InvalidRequestError):
            self._api.checkout.sessions.expire(checked(session))

    def charge_saved(self, ask: SavedCharge) -> Intent:
        """Charge a saved card. One that was made before is found, however old its key is."""
        made = self._charged(ask)
        if made is not None:
            return made
        params: stripe.params.PaymentIntentCreateParams = {
            "amount": ask.cents,
            "currency": ask.currency,
            "customer": ask.payer,
            "payment_method": ask.card,
            "confirm": True,
            "off_session": True,
            "metadata": {TOPUP: ask.topup},
        }
        with _asking():
            try:
                found = self._api.payment_intents.create(params, {"idempotency_key": ask.key})
            except stripe.CardError as refused:
                if refused.error is None or refused.error.payment_intent is None:
                    raise PaymentsDown from None
                found = refused.error.payment_intent
            return self._intent(found)

    def intent(self, ref: str) -> Intent:
        """Return a payment as it stands now."""
        with _asking():
            found = self._api.payment_intents.retrieve(checked(ref), {"expand": [_FEE]})
            return self._intent(found)

    def intent_of(self, topup: str) -> Intent | None:
        """Return the payment that carries our reference. A minute may pass until it is found."""
        query = f"metadata['{TOPUP}']:'{checked(topup)}'"
        with _asking():
            found = self._api.payment_intents.search(
                {"query": query, "limit": _PAGE, "expand": [f"data.{_FEE}"]}
            )
            known = [self._intent(each) for each in found.data]
        paid = [each for each in known if each.status is IntentStatus.SUCCEEDED]
        return next(iter(paid or known), None)

    def refund(self, ask: RefundAsk) -> Refund:
        """Send money back. One that was made before is found, however old its key is."""
        with _asking():
            made = self._api.refunds.list({"payment_intent": checked(ask.intent), "limit": _PAGE})
            for each in made.auto_paging_iter():
                if _note(each.metadata, REFUND) == ask.refund:
                    return _refund(each)
            params: stripe.params.RefundCreateParams = {
                "payment_intent": ask.intent,
                "amount": ask.cents,
                "metadata": {REFUND: ask.refund},
            }
            try:
                sent = self._api.refunds.create(params, {"idempotency_key": ask.key})
            except stripe.InvalidRequestError as refused:
                if refused.code == "resource_missing":
                    raise
                return Refund("", ask.refund, ask.intent, ask.cents, RefundStatus.FAILED)
            return _refund(sent)

    def refund_state(self, ref: str) -> Refund:
        """Return a refund as it stands now."""
        with _asking():
            return _refund(self._api.refunds.retrieve(checked(ref)))

    def dispute(self, ref: str) -> Dispute:
        """Return a dispute as it stands now."""
        with _asking():
            found = self._api.disputes.retrieve(checked(ref))
            status = DISPUTES.get(found.status, DisputeStatus.OPEN)
            return Dispute(found.id, _ref(found.payment_intent) or "", found.amount, status)

    def notices(self, since_s: int) -> list[Notice]:
        """Return what happened since a unix time, the oldest first."""
        with _asking():
            found = self._api.events.list(
                {"created": {"gte": since_s}, "types": list(KINDS), "limit": _PAGE}
            )
            notices = []
            for event in found.auto_paging_iter():
                about = event.data.object
                kind = ABOUT.get(_note(about, "object"), About.OTHER)
                notices.append(Notice(event.id, kind, _note(about, "id"), event.created))
        return notices[::-1]

    def movements(self, since_s: int, until_s: int) -> list[Movement]:
        """Return the lines of the company's books from one unix time up to another."""
        paid_out: dict[str, str] = {}
        with _asking():
            payouts = self._api.payouts.list({"created": {"gte": since_s}, "limit": _PAGE})
            for payout in payouts.auto_paging_iter():
                if payout.automatic:
                    lines = self._api.balance_transactions.list(
                        {"payout": payout.id, "limit": _PAGE}
                    )
                    paid_out.update((line.id, payout.id) for line in lines.auto_paging_iter())
            found = self._api.balance_transactions.list(
                {
                    "created": {"gte": since_s, "lt": until_s},
                    "limit": _PAGE,
                    "expand": ["data.source"],
                }
            )
            moved = [_movement(each, paid_out.get(each.id)) for each in found.auto_paging_iter()]
        return moved[::-1]

    def payouts(self, since_s: int) -> list[Payout]:
        """Return the payouts made since a unix time, the oldest first."""
        with _asking():
            found = self._api.payouts.list({"created": {"gte": since_s}, "limit": _PAGE})
            made = [
                Payout(
                    each.id,
                    each.amount,
                    PAYOUTS.get(each.status, PayoutStatus.UNDERWAY),
                    each.arrival_date,
                )
                for each in found.auto_paging_iter()
            ]
        return made[::-1]

    def _charged(self, ask: SavedCharge) -> Intent | None:
        """Return the payment of an earlier try: the company forgets a key after a day."""
        with _asking():
            found = self._api.payment_intents.list({"customer": ask.payer, "limit": _PAGE})
            made = [each.id for each in found.data if _note(each.metadata, TOPUP) == ask.topup]
        return self.intent(made[0]) if made else None

    def _intent(self, found: "stripe.PaymentIntent") -> Intent:
        error = found.last_payment_error
        charge = None if isinstance(found.latest_charge, str) else found.latest_charge
        line = None if charge is None else charge.balance_transaction
        is_paid = found.status == "succeeded"
        return Intent(
            ref=found.id,
            status=_intent_status(found),
            cents=found.amount_received if is_paid else found.amount,
            currency=found.currency,
            topup=_note(found.metadata, TOPUP),
            payer=_ref(found.customer),
            card=_ref(found.payment_method),
            refunded_cents=0 if charge is None else charge.amount_refunded,
            tax_cents=self._tax_cents(found) if is_paid else 0,
            decline_code=_note(error, "decline_code") or _note(error, "code"),
            fee_cents=None if line is None or isinstance(line, str) else line.fee,
        )

    def _tax_cents(self, found: "stripe.PaymentIntent") -> int:
        """Return the tax within a payment; only its page tells."""
        if not _note(found.metadata, TAXED):
            return 0
        pages = self._api.checkout.sessions.list({"payment_intent": found.id, "limit": 1})
        return sum(_session(page).tax_cents for page in pages.data)


def _session(found: "stripe.checkout.Session") -> Session:
    totals = found.total_details
    return Session(
        ref=found.id,
        topup=_note(found.metadata, TOPUP),  # whoever opens a payment link may choose the reference
        is_paid=found.payment_status == "paid",
        is_open=found.payment_status != "paid" and found.status != "expired",
        intent=_ref(found.payment_intent),
        cents=found.amount_total or 0,
        tax_cents=0 if totals is None else totals.amount_tax,
        currency=found.currency or "",
        payer=_ref(found.customer),
    )


def _intent_status(found: "stripe.PaymentIntent") -> IntentStatus:
    """Return the status; one whose last try failed waits for another card or for the person."""
    error = found.last_payment_error
    if found.status == "requires_payment_method" and error is not None:
        asks = _note(error, "code") == "authentication_required"
        return IntentStatus.NEEDS_ACTION if asks else IntentStatus.DECLINED
    return INTENTS.get(found.status, IntentStatus.PROCESSING)


def _refund(found: "stripe.Refund") -> Refund:
    return Refund(
        ref=found.id,
        refund=_note(found.metadata, REFUND),
        intent=_ref(found.payment_intent) or "",
        cents=found.amount,
        status=REFUNDS.get(found.status or "", RefundStatus.PROCESSING),
    )


def _movement(found: "stripe.BalanceTransaction", payout: str | None) -> Movement:
    kind, source = MOVEMENTS.get(found.reporting_category, MovementKind.OTHER), found.source
    about = _ref(source) or found.id
    if kind is MovementKind.CHARGE and isinstance(source, stripe.Charge):
        about = _ref(source.payment_intent) or about
    return Movement(
        ref=found.id,
        kind=kind,
        about=about,
        cents=found.amount,
        fee_cents=found.fee,
        net_cents=found.net,
        at_s=found.created,
        payout=payout,
    )


def _note(notes: "stripe.StripeObject | None", name: str) -> str:
    """Return a text within an object of no fixed shape, such as metadata; empty for none."""
    value = notes[name] if notes is not None and name in notes else ""
    return value if isinstance(value, str) else ""


def _ref(value: "str | stripe.StripeObject | None") -> str | None:
    """Return the id of what may be shown whole."""
    if value is None or isinstance(value, str):
        return value
    return _note(value, "id") or None


@contextmanager
def _asking() -> Iterator[None]:
    """Let no error of the library through."""
    try:
        yield
    except stripe.InvalidRequestError as refused:
        if refused.code == "resource_missing":
            raise Missing from None
        raise PaymentsDown from None
    except (stripe.StripeError, AttributeError):  # the latter: an answer lacks a field
        raise PaymentsDown from None


def stripe_payments(
    api_key: str, api_base: str = "", carrier: Carrier | None = None
) -> StripePayments:
    """Return the port. `api_base` and `carrier` lead to the double, over HTTP or in this process.

    Raises:
        Misconfigured: the extra is not installed.
    """
    if stripe is None:
        raise Misconfigured("payments by Stripe need the extra: install troth[stripe]")
    stripe.enable_telemetry = False  # it would tell the company our operating system and timings
    client = stripe.StripeClient(
        api_key,
        base_addresses={"api": api_base} if api_base else {},
        max_network_retries=0 if carrier else _RETRIES,
        http_client=_carried(carrier) if carrier else stripe.RequestsClient(_TIMEOUT_SECONDS),
    )
    return StripePayments(client)


def _carried(carrier: Carrier) -> "stripe.HTTPClient":
    """Return the library's way out over a carrier of ours."""

    class Carried(stripe.HTTPClient):
        name = "carried"

        @override
        def request(
            self,
            method: str,
            url: str,
            headers: Mapping[str, str] | None,
            post_data: object = None,
            *,
            _usage: list[str] | None = None,
        ) -> tuple[str, int, Mapping[str, str]]:
            try:
                return carrier(method, url, headers or {}, str(post_data or ""))
            except ConnectionError:
                raise stripe.APIConnectionError("no answer") from None  # type: ignore[no-untyped-call]

    return Carried()
