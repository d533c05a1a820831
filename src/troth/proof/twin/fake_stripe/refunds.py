"""Refunds: within what is left of a charge, at once, after a while, or failed in the end."""

from troth.proof.twin.fake_stripe import balance
from troth.proof.twin.fake_stripe.disputes import TAKES_MONEY
from troth.proof.twin.fake_stripe.params import Params
from troth.proof.twin.fake_stripe.records import Charge, Refund
from troth.proof.twin.fake_stripe.refusals import invalid, no_such
from troth.proof.twin.fake_stripe.world import World


def make_refund(world: World, params: Params) -> Refund:
    """Send money back."""
    charge = _charge_of(world, params)
    left = charge.cents - charge.refunded_cents
    cents = params.whole("amount", left)
    reason = params.one_of("reason", "duplicate", "fraudulent", "requested_by_customer")
    notes = params.notes()
    params.end()
    _check(world, charge, cents)
    refund = Refund(
        id=world.new_id("re"),
        created=world.now_s,
        charge=charge.id,
        intent=charge.intent,
        cents=cents,
        currency=charge.currency,
        status="succeeded",
        reason=reason,
        notes=notes,
    )
    charge.refunded_cents += cents
    refund.movement = balance.move(world, ("refund", "refund"), refund.id, -cents).id
    world.refunds[refund.id] = refund
    _plan(world, charge, refund)
    world.tell("refund.created", refund)
    world.tell("charge.refunded", charge)
    return refund


def _charge_of(world: World, params: Params) -> Charge:
    ref, intent = params.text("charge"), params.text("payment_intent")
    if not ref and not intent:
        message = "One of the following params should be provided: payment_intent or charge."
        raise invalid(message, "", "parameter_missing")
    if intent:
        if intent not in world.intents:
            raise no_such("payment_intent", intent, "payment_intent")
        ref = world.intents[intent].charge
    charge = world.charges.get(ref)
    if charge is None or charge.failure is not None:
        raise invalid("This payment does not have a successful charge to refund.")
    return charge


def _check(world: World, charge: Charge, cents: int) -> None:
    left = charge.cents - charge.refunded_cents
    dispute = world.disputes.get(charge.dispute)
    if dispute is not None and dispute.status in TAKES_MONEY:
        raise invalid("The charge has been charged back.", "", "charge_disputed")
    if not left:
        message = f"Charge {charge.id} has already been refunded."
        raise invalid(message, "", "charge_already_refunded")
    if cents < 1:
        raise invalid("Invalid positive integer", "amount", "parameter_invalid_integer")
    if cents > left:
        message = f"Refund amount ({cents}) is greater than unrefunded amount on charge ({left})"
        raise invalid(message, "amount")


def _plan(world: World, charge: Charge, refund: Refund) -> None:
    """See how the refund goes on: by its card, by the share that the terms ask for."""
    card, terms = world.cards[charge.card], world.terms
    draw = world.draw.part(refund.id)
    is_failing = card.kind.refund == "fails" or card.is_closed
    if is_failing or draw.happens(terms.failed_refunds_permille):
        reason = "lost_or_stolen_card" if card.is_closed else "expired_or_canceled_card"
        world.later(terms.refund_after_s, lambda: fail(world, refund, reason))
    if card.kind.refund == "slow" or draw.happens(terms.slow_refunds_permille):
        refund.status = "pending"
        world.later(terms.refund_after_s, lambda: _succeed(world, refund))


def _succeed(world: World, refund: Refund) -> None:
    if refund.status == "pending":
        refund.status = "succeeded"
        world.tell("refund.updated", refund)


def fail(world: World, refund: Refund, reason: str) -> None:
    """Let a refund come back, even one that had succeeded."""
    if refund.status in {"failed", "canceled"}:
        return
    refund.status = "failed"
    refund.failure_reason = reason
    kind = ("refund_failure", "refund_failure")
    refund.failure_movement = balance.move(world, kind, refund.id, refund.cents).id
    world.charges[refund.charge].refunded_cents -= refund.cents
    world.tell("refund.updated", refund)
    world.tell("refund.failed", refund)
