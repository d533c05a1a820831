"""What the double thinks everything came to: the other side of a comparison to the cent."""

import msgspec

from troth.proof.twin.fake_stripe.disputes import TAKES_MONEY
from troth.proof.twin.fake_stripe.world import World


class PaymentBook(msgspec.Struct, frozen=True):
    """One payment: what came, went back, is with a bank, and what the company kept."""

    intent: str
    notes: dict[str, str]
    status: str
    paid_cents: int
    tax_cents: int
    refunded_cents: int
    disputed_cents: int
    fee_cents: int
    net_cents: int


class Books(msgspec.Struct, frozen=True):
    """All payments by id, and the sums. `balance_cents` is what the company owes the merchant."""

    payments: dict[str, PaymentBook]
    paid_cents: int
    refunded_cents: int
    disputed_cents: int
    fee_cents: int
    paid_out_cents: int
    balance_cents: int


def books_of(world: World) -> Books:
    """Return the books as they stand."""
    payments = {ref: _payment(world, ref) for ref in world.intents}
    moved = world.movements.values()
    return Books(
        payments=payments,
        paid_cents=sum(each.paid_cents for each in payments.values()),
        refunded_cents=sum(each.refunded_cents for each in payments.values()),
        disputed_cents=sum(each.disputed_cents for each in payments.values()),
        fee_cents=sum(each.fee_cents for each in moved),
        paid_out_cents=sum(each.cents for each in world.payouts.values()),
        balance_cents=sum(each.cents - each.fee_cents for each in moved),
    )


def _payment(world: World, ref: str) -> PaymentBook:
    intent = world.intents[ref]
    refunds = [each for each in world.refunds.values() if each.intent == ref]
    disputes = [each for each in world.disputes.values() if each.intent == ref]
    charge = world.charges.get(intent.charge)
    sources = {intent.charge, *(each.id for each in refunds), *(each.id for each in disputes)}
    moved = [each for each in world.movements.values() if each.source in sources]
    is_paid = charge is not None and charge.failure is None
    return PaymentBook(
        intent=ref,
        notes=intent.notes,
        status=intent.status,
        paid_cents=intent.cents if is_paid else 0,
        tax_cents=intent.tax_cents if is_paid else 0,
        refunded_cents=sum(each.cents for each in refunds if each.status != "failed"),
        disputed_cents=sum(each.cents for each in disputes if each.status in TAKES_MONEY),
        fee_cents=sum(each.fee_cents for each in moved),
        net_cents=sum(each.cents - each.fee_cents for each in moved),
    )
