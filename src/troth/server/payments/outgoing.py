"""Money goes: refunds to where it came from, and accounts that close."""

from contextlib import suppress
from threading import Event
from typing import Final

from troth.control import accounts, billing, deeds
from troth.control.audit import Actor
from troth.control.billing import (
    Asked,
    ClosingState,
    Refund,
    RefundState,
    Statement,
    Topup,
    TopupState,
)
from troth.control.billing.ports import Refund as Told
from troth.control.billing.ports import RefundAsk, RefundStatus
from troth.control.deeds import NEVER, Once
from troth.kernel.errors import Missing
from troth.kernel.payment_errors import PaymentsDown
from troth.ledger import books
from troth.server.cashier import Cashier
from troth.server.office import Office
from troth.server.payments.incoming import ROUND, cashier_of
from troth.store.transaction import Locked

_RECALL_TURNS: Final = 50
_RECALL_TURN_SECONDS: Final = 0.02


def start_refund(
    office: Office, actor: Actor, name: str, asked: Asked, *, once: Once = NEVER
) -> list[Refund]:
    """Give bought credit back; what the company does not answer now is driven by the duty.

    Asked again, it returns the refunds of the first time as they stand now.

    Raises:
        PaymentsOff, PaymentsDown, Missing, InvalidValue, KeyReused: nothing left the wallet.
    """
    cashier = cashier_of(office)
    with office.store.read() as tx:
        owner = accounts.named(tx, name)
    _learn_fees(office, cashier, owner.raw)
    _recall(office, owner.raw)
    with office.store.write() as tx:
        begun = deeds.claim(tx, office.sealer, once, owner.ref, now_ms=actor.at_ms)
        if begun is None:
            made = billing.begin_refund(tx, cashier.till, actor, owner, asked=asked)
            begun = [each.ref for each in made]
            deeds.note(tx, office.sealer, once, owner.ref, made=begun)
    with suppress(Locked):  # it has begun: a duty goes on
        drive_refunds(office)
    with office.store.read() as tx:
        return [billing.find_refund(tx, ref) for ref in begun]


def _learn_fees(office: Office, cashier: Cashier, org: bytes) -> None:
    """Ask what the company kept of payments, where whoever gets them back bears it.

    Raises:
        PaymentsDown: it is not known.
    """
    if cashier.till.terms.refund_fee == "operator":
        return
    with office.store.read() as tx:
        unknown = billing.without_fee(tx, org)
    for topup in unknown:
        ref, intent = cashier.till.opened(topup.intent_sealed), None
        with suppress(Missing):
            company = cashier.company
            intent = company.intent(ref) if ref else company.intent_of(topup.ref)
        if intent is not None and intent.fee_cents is not None:
            with office.store.write() as tx:
                billing.keep_fee(tx, topup, intent.fee_cents)


def _recall(office: Office, org: bytes) -> None:
    """Ask gateways for what they hold idle of a wallet, and wait a moment until it is back."""
    purse, pause = books.wallet_purse(org), Event()
    office.gateways.call_back(purse)
    for _ in range(_RECALL_TURNS):
        with office.store.read() as tx:
            if not books.is_recalled(tx, purse):
                return
        pause.wait(_RECALL_TURN_SECONDS)


def drive_refunds(office: Office) -> None:
    """Ask for refunds that have left a wallet, and ask about those that are on their way."""
    cashier, now_ms = cashier_of(office), office.clock.now_ms()
    with office.store.write() as tx:
        due = billing.due_refunds(tx, now_ms, ROUND)
    for refund, topup in due:
        try:
            told = _told(cashier, refund, topup)
        except (PaymentsDown, Missing):
            continue
        if told is not None:
            with office.store.write() as tx:
                billing.apply_refund(tx, cashier.till, told, office.clock.now_ms())


def _told(cashier: Cashier, refund: Refund, topup: Topup) -> Told | None:
    """Ask for a refund, or how it stands; None where its reference was not kept."""
    company = cashier.company
    if refund.state is not RefundState.UNDERWAY:
        ref = cashier.till.opened(refund.ref_sealed)
        return company.refund_state(ref) if ref else None
    intent = cashier.till.opened(topup.intent_sealed)
    if intent is None:
        payment = company.intent_of(topup.ref)
        intent = payment.ref if payment else None
    if intent is None:
        return Told("", refund.ref, "", refund.sent_cents, RefundStatus.FAILED)
    try:
        return company.refund(RefundAsk(refund.ref, refund.ref, intent, refund.sent_cents))
    except Missing:
        return Told("", refund.ref, intent, refund.sent_cents, RefundStatus.FAILED)


def reserve_disputed(office: Office) -> None:
    """Set aside for disputes what was on loan when they were heard of, and has come back."""
    cashier, now_ms = cashier_of(office), office.clock.now_ms()
    with office.store.read() as tx:
        orgs = billing.short_disputes(tx, now_ms)
    for org in orgs:
        with office.store.write() as tx:
            billing.reserve_more(tx, cashier.till, org, now_ms)


def start_closing(office: Office, actor: Actor, name: str) -> Statement:
    """Begin to close an account, and go as far as it goes now.

    Raises:
        PaymentsOff, Missing: nothing changed.
    """
    cashier = cashier_of(office)
    owner = _begin_closing(office, actor, name)
    with suppress(Locked):
        _close(office, cashier, owner.raw)
    with office.store.read() as tx:
        return billing.statement(tx, accounts.find(tx, owner.ref))


def _begin_closing(office: Office, actor: Actor, name: str) -> accounts.Organization:
    with office.store.write() as tx:
        owner = accounts.named(tx, name)
        ended = billing.begin_closing(tx, actor, owner)
    office.gateways.refresh(ended, (owner.ref,))
    return owner


def close_accounts(office: Office) -> None:
    """Begin with each account whose time has come, and go on with those that are being closed."""
    cashier, now_ms = cashier_of(office), office.clock.now_ms()
    with office.store.read() as tx:
        due = billing.due_closings(tx, now_ms)
    for ref in due:
        _begin_closing(office, Actor(billing.NOBODY, now_ms), ref)
    with office.store.read() as tx:
        orgs = billing.closings(tx)
    for org in orgs:
        _close(office, cashier, org)


def _close(office: Office, cashier: Cashier, org: bytes) -> None:
    """Go on as far as it goes; while the company does not answer, nothing is given back."""
    _recall(office, org)
    try:
        _end_pages(office, cashier, org)
        _learn_fees(office, cashier, org)
    except PaymentsDown:
        return
    _go_on(office, cashier, org)
    drive_refunds(office)
    _go_on(office, cashier, org)


def _end_pages(office: Office, cashier: Cashier, org: bytes) -> None:
    """Let nothing more be paid into an account that closes.

    Raises:
        PaymentsDown: a page may still be open.
    """
    with office.store.read() as tx:
        pages = billing.open_pages(tx, org)
    for topup in pages:
        session = cashier.till.opened(topup.session_sealed)
        if session:
            cashier.company.end_page(session)
        with office.store.write() as tx:
            billing.end_topup(tx, topup.ref, TopupState.EXPIRED)


def _go_on(office: Office, cashier: Cashier, org: bytes) -> ClosingState:
    with office.store.write() as tx:
        return billing.go_on_closing(tx, cashier.till, org, office.clock.now_ms())
