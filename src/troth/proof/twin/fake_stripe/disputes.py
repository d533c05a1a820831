"""Disputes: the bank takes the money, evidence is sent, the bank decides."""

from typing import Final

from troth.proof.twin.fake_stripe import balance
from troth.proof.twin.fake_stripe.params import Params
from troth.proof.twin.fake_stripe.records import Charge, Dispute
from troth.proof.twin.fake_stripe.refusals import invalid
from troth.proof.twin.fake_stripe.world import World

WINNING: Final = "winning_evidence"
TAKES_MONEY: Final = frozenset({"needs_response", "under_review", "lost"})
"""While a dispute stands so, the money is with the bank."""
_ENDED: Final = frozenset({"won", "lost", "warning_closed"})
_DECIDED_AFTER_S: Final = 3_600


def open_later(world: World, charge: Charge, reason: str, *, is_inquiry: bool) -> None:
    """Let the bank ask for the money after a while."""
    wait_s = world.terms.dispute_after_s
    world.later(wait_s, lambda: _open_if_due(world, charge, reason, is_inquiry=is_inquiry))


def open_now(world: World, charge: Charge, reason: str, *, is_inquiry: bool) -> Dispute:
    """Let the bank ask now: what is not refunded yet, or all where all is."""
    dispute = Dispute(
        id=world.new_id("dp"),
        created=world.now_s,
        charge=charge.id,
        intent=charge.intent,
        cents=charge.cents - charge.refunded_cents or charge.cents,
        currency=charge.currency,
        reason=reason,
        status="warning_needs_response" if is_inquiry else "needs_response",
        due_by=world.now_s + world.terms.dispute_lasts_s,
    )
    world.disputes[dispute.id] = dispute
    charge.dispute = dispute.id
    world.tell("charge.dispute.created", dispute)
    if not is_inquiry:
        _withdraw(world, dispute)
    world.later(world.terms.dispute_lasts_s, lambda: _run_out(world, dispute))
    return dispute


def answer(world: World, dispute: Dispute, params: Params) -> Dispute:
    """Take evidence; `winning_evidence` wins, everything else loses."""
    evidence = params.table("evidence").text("uncategorized_text")
    notes = params.notes()
    is_sent = params.text("submit", "true") == "true"
    params.end()
    if dispute.status in _ENDED:
        raise invalid("This dispute is already closed.")
    dispute.evidence = evidence or dispute.evidence
    dispute.notes = dispute.notes | notes
    if is_sent and evidence:
        dispute.submissions += 1
        is_inquiry = dispute.status.startswith("warning")
        dispute.status = "warning_under_review" if is_inquiry else "under_review"
        world.later(_DECIDED_AFTER_S, lambda: decide(world, dispute, is_won=evidence == WINNING))
    world.tell("charge.dispute.updated", dispute)
    return dispute


def close(world: World, dispute: Dispute) -> Dispute:
    """Give in."""
    if dispute.status in _ENDED:
        raise invalid("This dispute is already closed.")
    decide(world, dispute, is_won=False)
    return dispute


def decide(world: World, dispute: Dispute, *, is_won: bool) -> None:
    """Let the bank decide; a won one brings the money back, an inquiry just ends."""
    if dispute.status in _ENDED:
        return
    if dispute.status.startswith("warning"):
        dispute.status = "warning_closed"
    elif is_won:
        dispute.status = "won"
        kind = ("adjustment", "dispute_reversal")
        movement = balance.move(world, kind, dispute.id, dispute.cents)
        dispute.movements = (*dispute.movements, movement)
        world.tell("charge.dispute.funds_reinstated", dispute)
    else:
        dispute.status = "lost"
    world.tell("charge.dispute.closed", dispute)


def _open_if_due(world: World, charge: Charge, reason: str, *, is_inquiry: bool) -> None:
    if not charge.dispute and charge.refunded_cents < charge.cents:
        open_now(world, charge, reason, is_inquiry=is_inquiry)


def _withdraw(world: World, dispute: Dispute) -> None:
    fee_cents = world.terms.dispute_fee_cents
    kind = ("adjustment", "dispute")
    movement = balance.move(world, kind, dispute.id, -dispute.cents, fee_cents=fee_cents)
    dispute.movements = (movement,)
    world.tell("charge.dispute.funds_withdrawn", dispute)


def _run_out(world: World, dispute: Dispute) -> None:
    """Without evidence in time the bank keeps the money; an inquiry ends by itself."""
    if not dispute.submissions:
        decide(world, dispute, is_won=False)
