"""The merchant's account at the company: what comes in and goes out, and payouts to the bank."""

from typing import Final

from troth.proof.twin.fake_stripe.records import Movement, Payout
from troth.proof.twin.fake_stripe.world import World

_WHOLE: Final = 10_000


def fee_of(world: World, cents: int) -> int:
    """Return what the company keeps of a payment, half cents up."""
    share = (cents * world.terms.fee_permyriad * 2 + _WHOLE) // (2 * _WHOLE)
    return share + world.terms.fee_cents


def move(
    world: World, kind: tuple[str, str], source: str, cents: int, *, fee_cents: int = 0
) -> Movement:
    """Write one line; `kind` is its type and its reporting category."""
    movement = Movement(
        id=world.new_id("txn"),
        created=world.now_s,
        kind=kind[0],
        category=kind[1],
        source=source,
        cents=cents,
        fee_cents=fee_cents,
        currency="usd",
        available_on=world.now_s + (0 if cents < 0 else world.terms.available_after_s),
    )
    world.movements[movement.id] = movement
    return movement


def begin_payouts(world: World) -> None:
    """Pay out at regular times from now on."""
    world.later(world.terms.payout_every_s, lambda: _pay_out(world))


def _pay_out(world: World) -> None:
    """Send what is available to the bank; what is below zero waits for more."""
    ready = [
        movement
        for movement in world.movements.values()
        if not movement.payout and movement.available_on <= world.now_s
    ]
    cents = sum(movement.cents - movement.fee_cents for movement in ready)
    if cents > 0:
        arrives = world.now_s + world.terms.payout_takes_s
        payout = Payout(world.new_id("po"), world.now_s, cents, "usd", arrives)
        movement = move(world, ("payout", "payout"), payout.id, -cents)
        payout.movement = movement.id
        for each in (*ready, movement):
            each.payout = payout.id
        world.payouts[payout.id] = payout
        world.tell("payout.created", payout)
        world.later(world.terms.payout_takes_s, lambda: _arrive(world, payout))
    begin_payouts(world)


def fail_payout(world: World, payout: Payout) -> None:
    """Let the bank send a payout back: its money is with the company again."""
    payout.status = "failed"
    back = move(world, ("payout_failure", "payout_reversal"), payout.id, payout.cents)
    payout.failure_movement = back.id
    world.tell("payout.failed", payout)


def _arrive(world: World, payout: Payout) -> None:
    if payout.status != "failed":
        payout.status = "paid"
        world.tell("payout.paid", payout)
