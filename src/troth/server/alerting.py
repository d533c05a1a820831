"""What the desk does by itself about alerts and gifts: raise them, mail them, let them end."""

from troth.control import budgets
from troth.ledger import books
from troth.server.mail import hand_over
from troth.server.office import DESK, Office


def raise_alerts(office: Office) -> None:
    """Raise an alert for each part of a budget that was passed."""
    with office.store.write() as tx:
        budgets.raise_budgets(tx, office.maker, office.clock.now_ms())


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


def send_mails(office: Office) -> None:
    """Hand over the mails that are due, each outside of a transaction and noted afterwards."""
    server = office.alerts.mail
    if server is None:
        return
    with office.store.read() as tx:
        mails = budgets.due(tx, office.clock.now_ms())
    for mail in mails:
        now_ms = office.clock.now_ms()
        is_taken = hand_over(mail, server, now_ms)
        with office.store.write() as tx:
            note = budgets.sent if is_taken else budgets.unsent
            note(tx, mail.id, now_ms)


def expire_credit(office: Office) -> None:
    """Let credit end whose time is over; what a request holds of it ends after the request."""
    with office.store.write() as tx:
        books.expire(tx, DESK, office.clock.now_ms())
