"""Records as Stripe shows them: one function a kind of object, every required field there."""

from functools import singledispatch
from typing import Final

from troth.proof.twin.fake_stripe.records import (
    Card,
    Charge,
    Dispute,
    Event,
    Intent,
    Movement,
    Notes,
    Payer,
    Payout,
    Record,
    Refund,
    Session,
)
from troth.proof.twin.fake_stripe.refusals import Decline
from troth.proof.twin.values import Fields, Json

API_VERSION: Final = "2026-10-28.endive"
_EXPIRES_YEAR: Final = 2034
_EXPIRES_MONTH: Final = 12


@singledispatch
def shown(record: Record) -> Fields:
    """Return an object as the API answers it."""
    raise TypeError(record)


def shown_event(event: Event) -> Fields:
    """Return an event; its object stands in it as bytes of JSON, put in by who encodes it."""
    request: Fields = {"id": event.request or None, "idempotency_key": event.key or None}
    return {
        "id": event.id,
        "object": "event",
        "api_version": API_VERSION,
        "created": event.created,
        "livemode": False,
        "pending_webhooks": 1,
        "request": request,
        "type": event.kind,
    }


def _notes(notes: Notes) -> Json:
    return dict(notes)


def _billing(email: str = "", name: str = "") -> Json:
    return {
        "address": None,
        "email": email or None,
        "name": name or None,
        "phone": None,
        "tax_id": None,
    }


@shown.register
def _payer(payer: Payer) -> Fields:
    return {
        "id": payer.id,
        "object": "customer",
        "address": None,
        "balance": 0,
        "created": payer.created,
        "currency": None,
        "default_source": None,
        "delinquent": False,
        "description": payer.description or None,
        "email": payer.email or None,
        "livemode": False,
        "metadata": _notes(payer.notes),
        "name": payer.name or None,
        "phone": None,
        "shipping": None,
        "tax_exempt": "none",
    }


@shown.register
def _card(card: Card) -> Fields:
    return {
        "id": card.id,
        "object": "payment_method",
        "billing_details": _billing(),
        "card": {
            "brand": card.kind.brand,
            "country": "US",
            "exp_month": _EXPIRES_MONTH,
            "exp_year": _EXPIRES_YEAR,
            "funding": "credit",
            "last4": card.kind.last4,
        },
        "created": card.created,
        "customer": card.payer or None,
        "livemode": False,
        "metadata": {},
        "type": "card",
    }


def _failure(decline: Decline | None) -> Json:
    if decline is None:
        return None
    told: Fields = {"type": "card_error", "code": decline.code, "message": decline.message}
    if decline.decline_code:
        told["decline_code"] = decline.decline_code
    return told


@shown.register
def _intent(found: Intent) -> Fields:
    waits = found.status == "requires_action"
    is_paid = found.status == "succeeded"
    action: Json = {"type": "use_stripe_sdk", "use_stripe_sdk": {}} if waits else None
    return {
        "id": found.id,
        "object": "payment_intent",
        "amount": found.cents,
        "amount_capturable": 0,
        "amount_received": found.cents if is_paid else 0,
        "canceled_at": found.canceled_at or None,
        "cancellation_reason": None,
        "capture_method": "automatic_async",
        "client_secret": f"{found.id}_secret_of_the_double",
        "confirmation_method": "automatic",
        "created": found.created,
        "currency": found.currency,
        "customer": found.payer or None,
        "description": found.description or None,
        "last_payment_error": _failure(found.failure),
        "latest_charge": found.charge or None,
        "livemode": False,
        "metadata": _notes(found.notes),
        "next_action": action,
        "payment_method": found.card or None,
        "payment_method_types": ["card"],
        "processing": None,
        "receipt_email": None,
        "setup_future_usage": "off_session" if found.saves_card else None,
        "status": found.status,
    }


@shown.register
def _charge(charge: Charge) -> Fields:
    is_paid = charge.failure is None
    return {
        "id": charge.id,
        "object": "charge",
        "amount": charge.cents,
        "amount_captured": charge.cents if is_paid else 0,
        "amount_refunded": charge.refunded_cents,
        "balance_transaction": charge.movement or None,
        "billing_details": _billing(),
        "captured": is_paid,
        "created": charge.created,
        "currency": charge.currency,
        "customer": charge.payer or None,
        "disputed": bool(charge.dispute),
        "failure_code": None if charge.failure is None else charge.failure.code,
        "failure_message": None if charge.failure is None else charge.failure.message,
        "livemode": False,
        "metadata": _notes(charge.notes),
        "paid": is_paid,
        "payment_intent": charge.intent,
        "payment_method": charge.card,
        "receipt_url": None,
        "refunded": charge.refunded_cents == charge.cents,
        "status": "succeeded" if is_paid else "failed",
    }


@shown.register
def _session(session: Session) -> Fields:
    tax: Fields = {"enabled": session.has_tax, "liability": None, "provider": None}
    tax["status"] = "complete" if session.has_tax else None
    totals: Json = {"amount_discount": 0, "amount_shipping": 0, "amount_tax": session.tax_cents}
    return {
        "id": session.id,
        "object": "checkout.session",
        "amount_subtotal": session.net_cents,
        "amount_total": session.cents,
        "automatic_tax": tax,
        "cancel_url": session.cancel_url or None,
        "client_reference_id": session.reference or None,
        "created": session.created,
        "currency": session.currency,
        "custom_fields": [],
        "custom_text": {
            "after_submit": None,
            "shipping_address": None,
            "submit": None,
            "terms_of_service_acceptance": None,
        },
        "customer": session.payer or None,
        "customer_creation": "always" if session.makes_payer else "if_required",
        "customer_email": session.email or None,
        "expires_at": session.expires_at,
        "livemode": False,
        "metadata": _notes(session.notes),
        "mode": "payment",
        "payment_intent": session.intent or None,
        "payment_method_types": ["card"],
        "payment_status": "paid" if session.is_paid else "unpaid",
        "shipping_options": [],
        "status": session.status,
        "success_url": session.success_url,
        "total_details": totals,
        "ui_mode": "hosted_page",
        "url": session.url if session.status == "open" else None,
    }


@shown.register
def _refund(refund: Refund) -> Fields:
    told: Fields = {
        "id": refund.id,
        "object": "refund",
        "amount": refund.cents,
        "balance_transaction": refund.movement or None,
        "charge": refund.charge,
        "created": refund.created,
        "currency": refund.currency,
        "metadata": _notes(refund.notes),
        "payment_intent": refund.intent,
        "reason": refund.reason or None,
        "receipt_number": None,
        "status": refund.status,
    }
    if refund.failure_movement:
        told["failure_balance_transaction"] = refund.failure_movement
        told["failure_reason"] = refund.failure_reason
    return told


@shown.register
def _dispute(dispute: Dispute) -> Fields:
    return {
        "id": dispute.id,
        "object": "dispute",
        "amount": dispute.cents,
        "balance_transactions": [_movement(each) for each in dispute.movements],
        "charge": dispute.charge,
        "created": dispute.created,
        "currency": dispute.currency,
        "enhanced_eligibility_types": [],
        "evidence": {
            "enhanced_evidence": {},
            "uncategorized_text": dispute.evidence or None,
        },
        "evidence_details": {
            "due_by": dispute.due_by,
            "enhanced_eligibility": {},
            "has_evidence": bool(dispute.evidence),
            "past_due": False,
            "submission_count": dispute.submissions,
        },
        "is_charge_refundable": dispute.status.startswith("warning"),
        "livemode": False,
        "metadata": _notes(dispute.notes),
        "payment_intent": dispute.intent,
        "reason": dispute.reason,
        "status": dispute.status,
    }


@shown.register
def _movement(movement: Movement) -> Fields:
    details: list[Json] = []
    if movement.fee_cents:
        kind = "Stripe processing fees"
        fee: Fields = {
            "amount": movement.fee_cents,
            "application": None,
            "currency": movement.currency,
            "description": kind,
            "type": "stripe_fee",
        }
        details.append(fee)
    return {
        "id": movement.id,
        "object": "balance_transaction",
        "amount": movement.cents,
        "available_on": movement.available_on,
        "balance_type": "payments",
        "created": movement.created,
        "currency": movement.currency,
        "description": None,
        "exchange_rate": None,
        "fee": movement.fee_cents,
        "fee_details": details,
        "net": movement.cents - movement.fee_cents,
        "reporting_category": movement.category,
        "source": movement.source or None,
        "status": "available" if movement.payout else "pending",
        "type": movement.kind,
    }


@shown.register
def _payout(payout: Payout) -> Fields:
    return {
        "id": payout.id,
        "object": "payout",
        "amount": payout.cents,
        "arrival_date": payout.arrives,
        "automatic": True,
        "balance_transaction": payout.movement,
        "created": payout.created,
        "currency": payout.currency,
        "description": "STRIPE PAYOUT",
        "destination": "ba_of_the_double",
        "failure_balance_transaction": payout.failure_movement or None,
        "failure_code": "account_closed" if payout.failure_movement else None,
        "failure_message": "The bank account is closed." if payout.failure_movement else None,
        "livemode": False,
        "metadata": {},
        "method": "standard",
        "reconciliation_status": "completed",
        "source_type": "card",
        "statement_descriptor": None,
        "status": payout.status,
        "type": "bank_account",
    }
