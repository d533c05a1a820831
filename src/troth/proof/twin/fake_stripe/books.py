"""What the double thinks everything came to: the other side of a comparison to the cent."""

from collections.abc import Mapping
from typing import TypeVar

import msgspec

from troth.proof.twin.fake_stripe.disputes import TAKES_MONEY
from troth.proof.twin.fake_stripe.records import Dispute, Intent, Movement, Refund
from troth.proof.twin.fake_stripe.world import World

Back = TypeVar("Back", Refund, Dispute)


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
    refunds, disputes = _by_intent(world.refunds), _by_intent(world.disputes)
    moved: dict[str, list[Movement]] = {}
    for movement in world.movements.values():
        moved.setdefault(movement.source, []).append(movement)
    payments = {
        ref: _payment(world, intent, (refunds.get(ref, []), disputes.get(ref, [])), moved)
        for ref, intent in world.intents.items()
    }
    return Books(
        payments=payments,
        paid_cents=sum(each.paid_cents for each in payments.values()),
        refunded_cents=sum(each.refunded_cents for each in payments.values()),
        disputed_cents=sum(each.disputed_cents for each in payments.values()),
        fee_cents=sum(each.fee_cents for each in world.movements.values()),
        paid_out_cents=sum(each.cents for each in world.payouts.values()),
        balance_cents=sum(each.cents - each.fee_cents for each in world.movements.values()),
    )


def _by_intent(table: Mapping[str, Back]) -> dict[str, list[Back]]:
    found: dict[str, list[Back]] = {}
    for each in table.values():
        found.setdefault(each.intent, []).append(each)
    return found


def _payment(
    world: World,
    intent: Intent,
    back: tuple[list[Refund], list[Dispute]],
    moved: Mapping[str, list[Movement]],
) -> PaymentBook:
    """Return one payment; `back` is what went back of it, `moved` the lines by their source."""
    refunds, disputes = back
    charge = world.charges.get(intent.charge)
    sources = {intent.charge, *(each.id for each in refunds), *(each.id for each in disputes)}
    lines = [line for source in sources for line in moved.get(source, [])]
    is_paid = charge is not None and charge.failure is None
    return PaymentBook(
        intent=intent.id,
        notes=intent.notes,
        status=intent.status,
        paid_cents=intent.cents if is_paid else 0,
        tax_cents=intent.tax_cents if is_paid else 0,
        refunded_cents=sum(each.cents for each in refunds if each.status != "failed"),
        disputed_cents=sum(each.cents for each in disputes if each.status in TAKES_MONEY),
        fee_cents=sum(line.fee_cents for line in lines),
        net_cents=sum(line.cents - line.fee_cents for line in lines),
    )
