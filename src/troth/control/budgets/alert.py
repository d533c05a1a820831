"""An alert: what somebody is told, once. References, numbers and times; no name, no sentence."""

import msgspec

from troth.kernel.fields import Code


class AlertKind(Code):
    """What there is to tell."""

    BUDGET = "budget"
    """So many percent of a budget are used."""
    BUDGET_STOP = "budget_stop"
    """A hard budget has refused a request for the first time in its period."""
    LOW_BALANCE = "low_balance"
    """Credit lasts a few days only."""
    CREDIT_ENDS = "credit_ends"
    """Credit that nobody uses ends on a day."""
    CARD_CONFIRM = "card_confirm"
    """The bank wants the card's owner to confirm an automatic top-up."""
    AUTOMATIC_OFF = "automatic_off"
    """Automatic top-up was switched off."""
    CLOSING = "closing"
    """The account will be closed."""
    CLOSED = "closed"
    """The account is closed, and what was owed is paid back or waits to be paid."""


class News(msgspec.Struct, frozen=True):
    """What there is to tell; the same kind, subject, period, time and level is told once.

    A budget that got another limit is told of again.

    `level` is percent of a limit, or the days before that were asked to be told. `used` is what a
    budget has used, what is left in a wallet, what ends of it, what was not charged or was paid
    back; `limit` is a budget's, or what of a closed account is still owed.
    """

    kind: AlertKind
    org: str
    subject: str
    period: str
    since: int
    level: int
    used: int
    limit: int
    days: int


class Alert(msgspec.Struct, frozen=True):
    """News that were raised, and whether they were mailed. Money in nano-USD, unix milliseconds.

    `since_ms` is when a period began, when credit last came, or when something ends or ended.
    `sent_at_ms` is 0 until it was mailed, `next_at_ms` is 0 when it will not be tried again.
    """

    id: str
    kind: AlertKind
    organization: str
    subject: str
    period: str
    since_ms: int
    level: int
    used_nusd: int
    limit_nusd: int
    days: int
    created_at_ms: int
    sent_at_ms: int
    tries: int
    next_at_ms: int
