"""Our books beside the company's, and what waits for a person."""

from troth.control import billing, deeds
from troth.control.audit import Actor
from troth.control.billing import Item, ItemKind, Paid, Reconciled
from troth.control.deeds import NEVER, Once
from troth.kernel.errors import InvalidValue
from troth.server.office import Office
from troth.server.payments.incoming import ROUND, cashier_of, paid_of

_SKEW_S = 60
_QUEUE = "queue"


def reconcile(office: Office) -> Reconciled:
    """Read the company's books as far as they go, and compare.

    Raises:
        PaymentsOff, PaymentsDown: nothing was compared.
    """
    cashier, now_ms = cashier_of(office), office.clock.now_ms()
    with office.store.read() as tx:
        since_s = billing.since_s(tx)
    lines = cashier.company.movements(since_s, now_ms // 1_000 + _SKEW_S)
    payouts = cashier.company.payouts(since_s)
    for first in range(0, len(lines), ROUND):
        with office.store.write() as tx:
            billing.keep_lines(tx, cashier.till, lines[first : first + ROUND])
    with office.store.write() as tx:
        billing.keep_payouts(tx, payouts)
        place = billing.match_lines(tx, cashier.till, now_ms)
    while place is not None:
        with office.store.write() as tx:
            place = billing.match_lines(tx, cashier.till, now_ms, after=place)
    with office.store.read() as tx:
        return billing.reconciled(tx)


def resolve(office: Office, actor: Actor, ref: str, once: Once = NEVER) -> Item:
    """See to an item and take it off the list.

    A payment whose amount differed is credited as it was paid, unless all of it was given back at
    the company; a refund to be paid by hand is noted as paid; of anything else a person says that
    it is in order.

    Raises:
        PaymentsOff, PaymentsDown, Missing, InvalidValue, KeyReused: it is as it was.
    """
    cashier = cashier_of(office)
    with office.store.read() as tx:
        if deeds.known(tx, office.sealer, once, _QUEUE) is not None:
            return billing.find_item(tx, ref, is_open=False)
        item = billing.find_item(tx, ref)
    paid = paid_of(office, item.subject) if item.kind == ItemKind.AMOUNT_MISMATCH else None
    with office.store.write() as tx:
        if deeds.claim(tx, office.sealer, once, _QUEUE, now_ms=actor.at_ms) is not None:
            return billing.find_item(tx, ref, is_open=False)
        if paid is not None and paid.refunded_cents == paid.cents:
            billing.drop_review(tx, paid.topup)
        elif paid is not None:
            _accept(office, paid)
            billing.apply_payment(tx, cashier.till, paid, actor.at_ms, is_accepted=True)
        if item.kind == ItemKind.REFUND_BY_HAND:
            billing.paid_by_hand(tx, cashier.till, actor, item.subject)
        billing.resolve_item(tx, actor, item)
    return item


def _accept(office: Office, paid: Paid) -> None:
    if paid.currency != cashier_of(office).till.terms.currency:
        raise InvalidValue("item", "it was paid in another currency: pay it back at the company")
    if paid.refunded_cents:
        raise InvalidValue("item", "a part was paid back at the company: pay back the rest there")


def remind(office: Office) -> list[Item]:
    """Return what has waited for a person long since it was last spoken of."""
    with office.store.write() as tx:
        return billing.remind(tx, office.clock.now_ms())
