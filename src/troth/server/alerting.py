"""What the desk does by itself about alerts and gifts: raise them, mail them, let them end."""

from collections.abc import Mapping
from typing import Final

from troth.control import accounts, billing, budgets, promotions
from troth.control.audit import Actor
from troth.kernel import ids
from troth.server.mail import hand_over
from troth.server.office import DESK, Office
from troth.store.transaction import Transaction

_TOLD: Final[Mapping[str, budgets.AlertKind]] = {
    billing.ItemKind.CARD_NEEDS_OWNER: budgets.AlertKind.CARD_CONFIRM,
    billing.ItemKind.AUTOMATIC_OFF: budgets.AlertKind.AUTOMATIC_OFF,
}
"""What of the queue its organization's contact is told, too."""


def raise_alerts(office: Office) -> None:
    """Raise an alert for each part of a budget that was passed, and for each that refuses."""
    now_ms, refused = office.clock.now_ms(), office.gateways.refused()
    with office.store.write() as tx:
        budgets.raise_budgets(tx, office.maker, now_ms)
        budgets.raise_stops(tx, office.maker, now_ms, refused)


def find_low_balances(office: Office) -> None:
    """Raise an alert for each wallet that will soon be empty."""
    days = office.alerts.low_balance_days
    now_ms = office.clock.now_ms()
    if not days:
        return
    with office.store.read() as tx:
        news = budgets.low_balances(tx, now_ms, days)
    if news:
        with office.store.write() as tx:
            budgets.raise_each(tx, office.maker, now_ms, news)


def tell_endings(office: Office) -> None:
    """Raise notices of credit that will end, of accounts that will be or were closed, of cards."""
    now_ms = office.clock.now_ms()
    with office.store.read() as tx:
        news = budgets.ending_credit(tx, now_ms)
        news += budgets.closing_accounts(tx, billing.planned_closings(tx), now_ms)
        for org, ended_at_ms in billing.closed_since(tx, now_ms - budgets.FRESH_MS):
            owner = accounts.find(tx, ids.text("org", org))
            last = billing.statement(tx, owner)
            paid_back, owed = last.refunded_nusd, last.owed_nusd
            news.append(budgets.closed_account(owner.ref, ended_at_ms, paid_back, owed))
        news += _cards(tx, now_ms)
    if news:
        with office.store.write() as tx:
            budgets.raise_each(tx, office.maker, now_ms, news)


def _cards(tx: Transaction, now_ms: int) -> list[budgets.News]:
    """Return what the owners of saved cards should know."""
    return [
        budgets.News(
            _TOLD[item.kind], item.org, item.org, "", item.raised_at_ms, 0,
            item.cents * billing.NUSD_PER_CENT, 0, 0,
        )
        for item in billing.open_items(tx)
        if item.kind in _TOLD and item.raised_at_ms > now_ms - budgets.FRESH_MS
    ]  # fmt: skip


def forget_contacts(office: Office) -> None:
    """Seal what an earlier build left open, and forget whom closed accounts have told the last."""
    actor = Actor(billing.NOBODY, office.clock.now_ms())
    with office.store.write() as tx:
        budgets.seal_contacts(tx, office.sealer)
        for org in budgets.contacts_of_closed(tx):
            is_mailing = office.alerts.mail is not None
            if not (is_mailing and budgets.is_waiting(tx, actor.at_ms, org)):
                budgets.forget_contact(tx, actor, org)


def send_mails(office: Office) -> None:
    """Hand over the mails that are due, each outside of a transaction and noted afterwards."""
    server = office.alerts.mail
    if server is None:
        return
    with office.store.read() as tx:
        mails = budgets.due(tx, office.sealer, office.clock.now_ms())
    for mail in mails:
        now_ms = office.clock.now_ms()
        is_taken = hand_over(mail, server, now_ms)
        with office.store.write() as tx:
            note = budgets.sent if is_taken else budgets.unsent
            note(tx, mail.id, now_ms)


def expire_credit(office: Office) -> None:
    """Let credit end whose time is over; what a request holds of it ends after the request."""
    with office.store.write() as tx:
        promotions.expire(tx, DESK, office.clock.now_ms())
