"""Money comes: pages, automatic charges, and what the company tells us of them."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import Final

import msgspec

from troth.control import accounts, billing, deeds
from troth.control.audit import Actor
from troth.control.billing import (
    MS_OF_DAY,
    MS_OF_HOUR,
    SWEEP_DAYS,
    Paid,
    Topup,
    TopupKind,
    TopupState,
    Wanted,
)
from troth.control.billing.ports import (
    About,
    CheckoutAsk,
    CheckoutPage,
    Dispute,
    Intent,
    IntentStatus,
    Notice,
    Refund,
    SavedCharge,
)
from troth.control.deeds import NEVER, Once
from troth.kernel.errors import Missing
from troth.kernel.payment_errors import PaymentsDown, PaymentsOff
from troth.server.cashier import Cashier
from troth.server.office import Office
from troth.store.transaction import Transaction

ROUND: Final = 200
"""As much is done in one round of a duty; the rest in the next."""
_RECHARGE_MS: Final = 12 * MS_OF_HOUR
"""The company knows our keys for a day: a charge without an answer is not repeated later."""


class Page(msgspec.Struct, frozen=True):
    """Where to pay for a top-up, and until when (unix milliseconds)."""

    topup: str
    url: str
    expires_at_ms: int


class _Found(msgspec.Struct, frozen=True):
    """What the company says of the object of a notice, all fetched before the transaction.

    `intent` is a payment and `topup` what it is for; a dispute comes with its payment.
    """

    paid: Paid | None = None
    intent: Intent | None = None
    ended: str = ""
    refund: Refund | None = None
    dispute: Dispute | None = None


def cashier_of(office: Office) -> Cashier:
    """Return who takes payments.

    Raises:
        PaymentsOff: nobody does.
    """
    if office.cashier is None:
        raise PaymentsOff
    return office.cashier


def start_topup(
    office: Office, actor: Actor, name: str, wanted: Wanted, *, once: Once = NEVER
) -> Page:
    """Make a page on which an organization's top-up can be paid; asked again, the same page.

    Raises:
        PaymentsOff, PaymentsDown, Missing, InvalidValue, KeyReused: nothing was asked of anybody.
    """
    cashier = cashier_of(office)
    terms = cashier.till.terms
    with office.store.write() as tx:
        owner = accounts.named(tx, name)
        made = deeds.claim(tx, office.sealer, once, owner.ref, now_ms=actor.at_ms)
        if made is None:
            topup = billing.begin_topup(tx, cashier.till, actor, owner, wanted=wanted)
            deeds.note(tx, office.sealer, once, owner.ref, made=[topup.ref])
        else:
            topup = billing.find_topup(tx, *made)
        payer, _ = billing.saved_card(tx, cashier.till, owner.raw)
    asked = CheckoutAsk(
        key=topup.ref,
        topup=topup.ref,
        organization=owner.ref,
        cents=topup.cents,
        currency=topup.currency,
        payer=payer,
        saves_card=topup.saves_card,
        success_url=terms.return_url,
        cancel_url=terms.return_url,
        has_tax=bool(terms.tax_part),
    )
    page = _page(cashier, asked)
    with office.store.write() as tx:
        billing.keep_session(tx, cashier.till, topup, page.session)
    return Page(topup.ref, page.url, page.expires_at_s * 1_000)


def _page(cashier: Cashier, asked: CheckoutAsk) -> CheckoutPage:
    """Ask for a page; a payer whom the company has forgotten is made anew by paying."""
    try:
        return cashier.company.checkout(asked)
    except Missing:
        if asked.payer is None:
            raise
    anew = msgspec.structs.replace(asked, key=f"{asked.key}-anew", payer=None)
    return cashier.company.checkout(anew)


def look_after(office: Office, ref: str) -> Topup:
    """Ask the company how a top-up stands and credit it if it is paid: for who comes back.

    Raises:
        PaymentsOff, PaymentsDown: nothing changed.
        Missing: there is no such top-up.
    """
    cashier = cashier_of(office)
    with office.store.read() as tx:
        topup = billing.find_topup(tx, ref)
    if topup.state is not TopupState.PAID:
        found = _of_topup(cashier, topup)
        with office.store.write() as tx:
            _apply(tx, cashier, found, office.clock.now_ms())
    with office.store.read() as tx:
        return billing.find_topup(tx, ref)


def paid_of(office: Office, ref: str) -> Paid | None:
    """Return what the company says was paid for a top-up, None for nothing.

    Raises:
        PaymentsOff, PaymentsDown, Missing: it is not known.
    """
    cashier = cashier_of(office)
    with office.store.read() as tx:
        topup = billing.find_topup(tx, ref)
    return _of_topup(cashier, topup).paid


# --- what the company tells ------------------------------------------------------------------


def handle(office: Office, notice: Notice) -> bool:
    """Act on a notice; False when it was acted on before. What it names is fetched anew.

    Raises:
        PaymentsOff, PaymentsDown, Locked: nothing changed; let the company send it again.
    """
    cashier = cashier_of(office)
    with office.store.read() as tx:
        if billing.is_done(tx, notice.event):
            return False
    found = _find(office, cashier, notice)
    now_ms = office.clock.now_ms()
    with office.store.write() as tx:
        is_new = billing.note_event(tx, notice.event, now_ms)
        changed = _apply(tx, cashier, found, now_ms) if is_new else ""
    if changed:
        office.gateways.refresh((), (changed,))
    return is_new


def _find(office: Office, cashier: Cashier, notice: Notice) -> _Found:
    """Fetch what a notice is about; nothing for what is none of ours."""
    company = cashier.company
    try:
        match notice.kind:
            case About.SESSION:
                return _of_session(cashier, notice.about)
            case About.INTENT:
                return _of_intent(office, cashier, company.intent(notice.about))
            case About.REFUND:
                return _Found(refund=company.refund_state(notice.about))
            case About.DISPUTE:
                dispute = company.dispute(notice.about)
                payment = _of_intent(office, cashier, company.intent(dispute.intent))
                return msgspec.structs.replace(payment, dispute=dispute)
            case About.OTHER:
                return _Found()
    except Missing:
        return _Found()


def _of_session(cashier: Cashier, ref: str) -> _Found:
    session = cashier.company.session(ref)
    if not session.topup:
        return _Found()
    if not session.is_paid or not session.intent:
        return _Found(ended="" if session.is_open else session.topup)
    intent = cashier.company.intent(session.intent)
    return _Found(
        paid=Paid(
            topup=session.topup,
            intent=session.intent,
            cents=session.cents,
            tax_cents=session.tax_cents,
            currency=session.currency,
            payer=session.payer,
            card=intent.card,
            refunded_cents=intent.refunded_cents,
        )
    )


def _of_intent(office: Office, cashier: Cashier, intent: Intent) -> _Found:
    """Return what a payment means; one made on a page is told by the page, which knows its tax."""
    if not intent.topup:
        return _Found(intent=intent)
    with office.store.read() as tx:
        topup = _known(tx, intent.topup)
    session = cashier.till.opened(topup.session_sealed) if topup else None
    if intent.status is IntentStatus.SUCCEEDED and session:
        return msgspec.structs.replace(_of_session(cashier, session), intent=intent)
    if intent.status is IntentStatus.SUCCEEDED:
        return _Found(paid=_paid(intent), intent=intent)
    return _Found(intent=intent)


def _paid(intent: Intent) -> Paid:
    return Paid(
        topup=intent.topup,
        intent=intent.ref,
        cents=intent.cents,
        tax_cents=intent.tax_cents,
        currency=intent.currency,
        payer=intent.payer,
        card=intent.card,
        refunded_cents=intent.refunded_cents,
    )


def _of_topup(cashier: Cashier, topup: Topup) -> _Found:
    """Ask about a top-up of which we have heard nothing."""
    session = cashier.till.opened(topup.session_sealed)
    if session:
        return _of_session(cashier, session)
    intent = cashier.company.intent_of(topup.ref)
    if intent is None:
        return _Found()
    is_paid = intent.status is IntentStatus.SUCCEEDED
    return _Found(paid=_paid(intent) if is_paid else None, intent=intent)


def _known(tx: Transaction, ref: str) -> Topup | None:
    try:
        return billing.find_topup(tx, ref)
    except Missing:
        return None


def _apply(tx: Transaction, cashier: Cashier, found: _Found, now_ms: int) -> str:
    """Write what was found; return the organization that gateways must be told of."""
    till = cashier.till
    if found.paid is not None:
        topup = billing.apply_payment(tx, till, found.paid, now_ms)
        if topup is not None and topup.saves_card:
            card = (found.paid.payer, found.paid.card)
            billing.save_card(tx, till, topup.org, card, now_ms=now_ms)
    elif found.intent is not None and found.dispute is None:
        _apply_unpaid(tx, found.intent, now_ms)
    if found.ended:
        billing.end_topup(tx, found.ended, TopupState.EXPIRED)
    if found.refund is not None:
        _apply_refund(tx, cashier, found.refund, now_ms)
    if found.dispute is not None and found.intent is not None:
        ref = found.intent.topup
        return billing.apply_dispute(tx, till, found.dispute, ref, now_ms=now_ms)
    return ""


def _apply_refund(tx: Transaction, cashier: Cashier, refund: Refund, now_ms: int) -> None:
    try:
        billing.apply_refund(tx, cashier.till, refund, now_ms)
    except Missing:  # made in the dashboard, or after the copy that these books were restored from
        billing.note_elsewhere(tx, cashier.till, refund, now_ms)


def _apply_unpaid(tx: Transaction, intent: Intent, now_ms: int) -> None:
    """A charge of a saved card that brought nothing; on a page the payer simply tries again."""
    topup = _known(tx, intent.topup)
    if topup is None or topup.kind is TopupKind.PAGE:
        return
    if intent.status is IntentStatus.NEEDS_ACTION:
        billing.needs_owner(tx, topup, now_ms)
    elif intent.status in {IntentStatus.DECLINED, IntentStatus.CANCELED}:
        billing.declined(tx, topup, now_ms)


# --- by itself -------------------------------------------------------------------------------


def sweep(office: Office) -> None:
    """Act on what happened in the last days and was not told, or not heard."""
    cashier, now_ms = cashier_of(office), office.clock.now_ms()
    since_s = (now_ms - SWEEP_DAYS * MS_OF_DAY) // 1_000
    _each([partial(handle, office, notice) for notice in cashier.company.notices(since_s)])
    with office.store.write() as tx:
        billing.forget_events(tx, now_ms)


def check_open(office: Office) -> None:
    """Ask about pages of which nobody told us anything for a while."""
    cashier_of(office)
    with office.store.write() as tx:
        unsure = billing.unsure(tx, office.clock.now_ms(), ROUND)
    _each([partial(look_after, office, topup.ref) for topup in unsure])


def _each(work: Sequence[Callable[[], object]]) -> None:
    """Do all of it, so that one that fails stands in nobody's way; say afterwards that one did.

    Raises:
        PaymentsDown: the company did not answer, or knew nothing of something.
    """
    has_failed = False
    for one in work:
        try:
            one()
        except (PaymentsDown, Missing):
            has_failed = True
    if has_failed:
        raise PaymentsDown


def charge_due(office: Office) -> None:
    """Charge saved cards where credit has fallen below its threshold."""
    cashier, now_ms = cashier_of(office), office.clock.now_ms()
    with office.store.read() as tx:
        orgs = billing.due(tx, now_ms, ROUND)
    begun = [_begin(office, cashier, org) for org in orgs]
    with office.store.write() as tx:
        unanswered = billing.unanswered(tx, now_ms, ROUND)
    _each(
        [partial(_ask_again, office, cashier, topup) for topup in unanswered]
        + [partial(_charge, office, cashier, topup) for topup in begun if topup is not None]
    )


def _begin(office: Office, cashier: Cashier, org: bytes) -> Topup | None:
    with office.store.write() as tx:
        return billing.begin_automatic(tx, cashier.till, org, office.clock.now_ms())


def _charge(office: Office, cashier: Cashier, topup: Topup) -> None:
    with office.store.read() as tx:
        payer, card = billing.saved_card(tx, cashier.till, topup.org)
    intent = Intent("", IntentStatus.CANCELED, topup.cents, topup.currency, topup.ref)
    if payer is not None and card is not None:
        asked = SavedCharge(topup.ref, topup.ref, payer, card, topup.cents, topup.currency)
        with suppress(Missing):  # a card that the company has forgotten is a decline
            intent = cashier.company.charge_saved(asked)
    _write_charge(office, cashier, intent)


def _ask_again(office: Office, cashier: Cashier, topup: Topup) -> None:
    """Look for a charge whose answer was lost, and repeat it while its key is good."""
    intent = cashier.company.intent_of(topup.ref)
    age_ms = office.clock.now_ms() - topup.created_at_ms
    if intent is not None:
        _write_charge(office, cashier, intent)
    elif age_ms < _RECHARGE_MS:
        _charge(office, cashier, topup)
    else:
        with office.store.write() as tx:
            billing.end_topup(tx, topup.ref, TopupState.EXPIRED)


def _write_charge(office: Office, cashier: Cashier, intent: Intent) -> None:
    is_paid = intent.status is IntentStatus.SUCCEEDED
    found = _Found(paid=_paid(intent) if is_paid else None, intent=intent)
    with office.store.write() as tx:
        _apply(tx, cashier, found, office.clock.now_ms())
