"""Payments: top-ups, refunds, automatic top-up, closing, the queue, the comparison of books."""

from typing import Annotated, Final

from fastapi import APIRouter, Query, Response

from troth.control import accounts, audit, billing
from troth.control.billing import Asked, Rule, Wanted, checked_cents
from troth.server import shown_payments as shown
from troth.server.management.forms import LIST_MAX, Body, By, Here, Key, answer, dollars, once
from troth.server.payments import balance, incoming, outgoing

ROUTER: Final = APIRouter()


class NewTopup(Body):
    """US dollars in a string, in whole cents; `saves_card` lets later top-ups be automatic."""

    amount_usd: str
    saves_card: bool = False


class NewRefund(Body):
    """US dollars in a string, all that can be given back if empty; `by_hand` asks no company."""

    amount_usd: str = ""
    by_hand: bool = False


class AutomaticRule(Body):
    """Below which balance to charge the saved card, how much, at most how much in a month."""

    below_usd: str
    amount_usd: str
    month_cap_usd: str


class ClosingPlan(Body):
    """When to close an account (unix milliseconds), 0 for not at all."""

    closes_at_ms: int


@ROUTER.post("/organizations/{name:path}/topups")
def start_topup(name: str, body: NewTopup, office: Here, by: By, *, key: Key) -> Response:
    """Make a page on which a top-up can be paid; the same key, the same page."""
    cents = checked_cents("amount_usd", dollars("amount_usd", body.amount_usd))
    wanted, named = Wanted(cents, body.saves_card), once(key, "topups", body)
    return answer(incoming.start_topup(office, by, name, wanted, once=named), 201)


@ROUTER.post("/topups/{ref}/check")
def check_topup(ref: str, office: Here) -> Response:
    """Ask the company how a top-up stands, and credit it if it is paid."""
    return answer(shown.shown_topup(incoming.look_after(office, ref)))


@ROUTER.get("/organizations/{name:path}/payments")
def list_payments(
    name: str, office: Here, limit: Annotated[int, Query(ge=1, le=LIST_MAX)] = 50
) -> Response:
    """List an organization's newest top-ups, refunds and disputes."""
    with office.store.read() as tx:
        raw = accounts.named(tx, name).raw
        found = [shown.shown_topup(each) for each in billing.topups_of(tx, raw, limit)]
        found += [shown.shown_refund(each) for each in billing.refunds_of(tx, raw, limit)]
        found += [shown.shown_dispute(each) for each in billing.disputes_of(tx, raw, limit)]
    newest = sorted(found, key=lambda each: (each.at_ms, each.ref), reverse=True)
    return answer([*newest[:limit]])


@ROUTER.post("/organizations/{name:path}/refunds")
def start_refund(name: str, body: NewRefund, office: Here, by: By, *, key: Key) -> Response:
    """Give bought credit back to where it was paid from; the same key, the same refunds."""
    cents = None
    if body.amount_usd:
        cents = checked_cents("amount_usd", dollars("amount_usd", body.amount_usd))
    asked, named = Asked(cents, body.by_hand), once(key, "refunds", body)
    begun = outgoing.start_refund(office, by, name, asked, once=named)
    return answer([shown.shown_refund(each) for each in begun], 201)


@ROUTER.get("/organizations/{name:path}/automatic-topup")
def show_automatic_topup(name: str, office: Here) -> Response:
    """Show how automatic top-up stands."""
    till = incoming.cashier_of(office).till
    with office.store.read() as tx:
        owner = accounts.named(tx, name)
        found = billing.standing(tx, till, owner, office.clock.now_ms())
    return answer(shown.shown_standing(found))


@ROUTER.post("/organizations/{name:path}/automatic-topup")
def set_automatic_topup(name: str, body: AutomaticRule, office: Here, by: By) -> Response:
    """Switch automatic top-up on, or change it."""
    till = incoming.cashier_of(office).till
    rule = Rule(
        dollars("below_usd", body.below_usd),
        checked_cents("amount_usd", dollars("amount_usd", body.amount_usd)),
        checked_cents("month_cap_usd", dollars("month_cap_usd", body.month_cap_usd)),
    )
    with office.store.write() as tx:
        billing.set_rule(tx, till, by, accounts.named(tx, name), rule=rule)
    return show_automatic_topup(name, office)


@ROUTER.post("/organizations/{name:path}/automatic-topup/off")
def end_automatic_topup(name: str, office: Here, by: By) -> Response:
    """Switch automatic top-up off."""
    incoming.cashier_of(office)
    with office.store.write() as tx:
        billing.switch_off(tx, by, accounts.named(tx, name))
    return show_automatic_topup(name, office)


@ROUTER.post("/organizations/{name:path}/card/drop")
def drop_card(name: str, office: Here, by: By) -> Response:
    """Forget the saved card, and switch automatic top-up off."""
    incoming.cashier_of(office)
    with office.store.write() as tx:
        owner = accounts.named(tx, name)
        if billing.drop_card(tx, owner.raw):
            audit.append(tx, by, audit.Action.CARD_DROP, owner.ref)
    return show_automatic_topup(name, office)


@ROUTER.post("/organizations/{name:path}/close")
def close_organization(name: str, office: Here, by: By) -> Response:
    """Close an account: keys off, unused bought credit back; again to see how far it is."""
    return answer(shown.shown_statement(outgoing.start_closing(office, by, name)))


@ROUTER.post("/organizations/{name:path}/close/plan")
def plan_closing(name: str, body: ClosingPlan, office: Here, by: By) -> Response:
    """Let an account be closed at a time to come; its contact hears of it 30, 7 and 1 days before.

    0 lets it go on.
    """
    incoming.cashier_of(office)
    with office.store.write() as tx:
        owner = accounts.named(tx, name)
        if body.closes_at_ms:
            billing.plan_closing(tx, by, owner, body.closes_at_ms)
        else:
            billing.drop_closing_plan(tx, by, owner)
        return answer(shown.shown_statement(billing.statement(tx, owner)))


@ROUTER.get("/payments/queue")
def show_queue(office: Here) -> Response:
    """List what waits for a person."""
    with office.store.read() as tx:
        return answer([shown.shown_item(each) for each in billing.open_items(tx)])


@ROUTER.post("/payments/queue/{ref}/resolve")
def resolve_item(ref: str, office: Here, by: By, key: Key) -> Response:
    """See to an item and take it off the list; the same key, the same item."""
    return answer(shown.shown_item(balance.resolve(office, by, ref, once(key, f"resolve {ref}"))))


@ROUTER.post("/payments/reconcile")
def reconcile(office: Here) -> Response:
    """Compare our books with the company's, to the cent."""
    return answer(shown.shown_comparison(balance.reconcile(office)))
