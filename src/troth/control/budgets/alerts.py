"""Alerts: raised once for each part of a budget's period and each low balance, then mailed.

They are a table first. A mail is made from its row, sent outside of every transaction and noted
afterwards: a process that dies in between sends it again, under the same id.
"""

import re
from collections.abc import Sequence
from typing import Final

import msgspec

from troth.control.accounts import Organization
from troth.control.audit import Action, Actor, append
from troth.control.budgets.mails import Language, Mail, Told, mail
from troth.control.budgets.rules import owner_of
from troth.control.usage import paces
from troth.kernel import ids
from troth.kernel.errors import InvalidValue
from troth.kernel.ids import IdMaker
from troth.ledger import books
from troth.store.transaction import Transaction

TRIES_MAX: Final = 10
MS_OF_DAY: Final = 86_400_000
FRESH_MS: Final = 3 * MS_OF_DAY
"""An alert older than this is news no more: it is listed and not mailed."""
_BACK_OFF_MS: Final = 60_000
_BATCH: Final = 50
_ADDRESS: Final = re.compile(r"[^@\s<>,;:\"()\[\]\\]{1,64}@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*")
_ADDRESS_LENGTH_MAX: Final = 254


class Alert(msgspec.Struct, frozen=True):
    """What somebody is told. `level` is percent of a limit, or the days that were asked to be told.

    `used_nusd` is what a budget has used, or what is left in a wallet. `sent_at_ms` is 0 until it
    was mailed, `next_at_ms` is 0 when it will not be tried again.
    """

    id: str
    kind: str
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


class Contact(msgspec.Struct, frozen=True):
    """Where an organization's alerts go; an empty address for nowhere."""

    organization: str
    address: str
    language: Language


class News(msgspec.Struct, frozen=True):
    """What there is to tell; the same kind, subject, period, time and level is told once."""

    kind: str
    org: str
    subject: str
    period: str
    since: int
    level: int
    used: int
    limit: int
    days: int


def raise_budgets(transaction: Transaction, maker: IdMaker, now_ms: int) -> int:
    """Raise an alert for each part of a budget that was passed; return how many."""
    raised = 0
    for each in books.crossings(transaction, now_ms - MS_OF_DAY):
        owner = owner_of(transaction, each.purse)
        if owner is None or each.limit_nusd == 0:
            continue  # dropped since, or a budget of nothing, which nobody passes
        org, subject, period = owner
        new = News(
            "budget", org, subject, period, each.starts_at, each.percent, each.spent,
            each.limit_nusd, 0,
        )  # fmt: skip
        raised += _raise(transaction, new, maker.raw(), now_ms)
    return raised


def low_balances(transaction: Transaction, now_ms: int, days_min: int) -> list[News]:
    """Return the wallets that last less than `days_min` days at their present pace."""
    found = []
    for pace in paces(transaction, now_ms):
        wallet = books.wallet(transaction, pace.org)
        if wallet is None:
            continue
        first, last = _credits(transaction, pace.org)
        days = pace.days_of(wallet.posted, first, now_ms)
        if days < days_min:
            org = ids.text("org", pace.org)
            found.append(News("low_balance", org, org, "", last, days_min, wallet.posted, 0, days))
    return found


def raise_each(transaction: Transaction, maker: IdMaker, now_ms: int, news: Sequence[News]) -> int:
    """Raise an alert for what was not told before: of a wallet once until its next credit."""
    return sum(_raise(transaction, each, maker.raw(), now_ms) for each in news)


def _credits(transaction: Transaction, org: bytes) -> tuple[int, int]:
    """Return when a wallet had its first and its last credit."""
    row = transaction.row(
        "SELECT coalesce(min(created_at), 0), coalesce(max(created_at), 0) FROM lot WHERE book = ?",
        (books.wallet_purse(org),),
        tuple[int, int],
    )
    return row or (0, 0)


def _raise(transaction: Transaction, new: News, raw: bytes, now_ms: int) -> int:
    return transaction.execute(
        "INSERT INTO alert (id, kind, org, subject, period, since, level, used_nusd, limit_nusd,"
        " days, created_at, next_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
        " ON CONFLICT DO NOTHING",
        (
            raw,
            new.kind,
            ids.raw_of("org", new.org),
            *msgspec.structs.astuple(new)[2:],
            now_ms,
            now_ms,
        ),
    )


_COLUMNS: Final = """
SELECT id, kind, alert.org, subject, period, since, level, used_nusd, limit_nusd, days, created_at,
  coalesce(sent_at, 0), tries, coalesce(next_at, 0)"""
_LISTED: Final = f"{_COLUMNS} FROM alert"
_DUE: Final = f"""
{_COLUMNS}, address, language FROM alert JOIN alert_contact ON alert_contact.org = alert.org
WHERE next_at <= ? AND created_at > ? ORDER BY id LIMIT ?"""
_Row = tuple[bytes, str, bytes, str, str, int, int, int, int, int, int, int, int, int]


def _alert(row: _Row) -> Alert:
    return Alert(ids.text("alert", row[0]), row[1], ids.text("org", row[2]), *row[3:])


def on_list(transaction: Transaction, limit: int, org_raw: bytes | None = None) -> list[Alert]:
    """Return the newest alerts, of one organization or of all."""
    where = "" if org_raw is None else "WHERE org = ?"
    params = (limit,) if org_raw is None else (org_raw, limit)
    statement = f"{_LISTED} {where} ORDER BY id DESC LIMIT ?"
    rows = msgspec.convert(transaction.rows(statement, params), list[_Row])
    return [_alert(row) for row in rows]


def due(transaction: Transaction, now_ms: int) -> list[Mail]:
    """Return the mails to send now, the oldest first, a few at a time."""
    rows = transaction.rows(_DUE, (now_ms, now_ms - FRESH_MS, _BATCH))
    alerts = msgspec.convert([row[:-2] for row in rows], list[_Row])
    places = msgspec.convert([row[-2:] for row in rows], list[tuple[str, Language]])
    return [_mail(_alert(alert), *place) for alert, place in zip(alerts, places, strict=True)]


def _mail(alert: Alert, address: str, language: Language) -> Mail:
    told = Told(
        organization=alert.organization,
        subject=alert.subject,
        period=alert.period,
        since_ms=alert.since_ms,
        level=alert.level,
        used_nusd=alert.used_nusd,
        limit_nusd=alert.limit_nusd,
        days=alert.days,
        at_ms=alert.created_at_ms,
    )
    return mail(told, alert.id, address, language)


def sent(transaction: Transaction, alert_id: str, now_ms: int) -> None:
    """Note that a mail was taken by the mail server."""
    transaction.execute(
        "UPDATE alert SET sent_at = ?, next_at = NULL, tries = tries + 1 WHERE id = ?",
        (now_ms, ids.raw_of("alert", alert_id)),
    )


def unsent(transaction: Transaction, alert_id: str, now_ms: int) -> None:
    """Note that a mail was not taken, and when to try again, if ever."""
    raw = ids.raw_of("alert", alert_id)
    row = transaction.row(
        "UPDATE alert SET tries = tries + 1 WHERE id = ? RETURNING tries", (raw,), tuple[int]
    )
    tries = row[0] if row else TRIES_MAX
    next_at = now_ms + (_BACK_OFF_MS << (tries - 1)) if tries < TRIES_MAX else None
    transaction.execute("UPDATE alert SET next_at = ? WHERE id = ?", (next_at, raw))


def set_contact(
    transaction: Transaction, actor: Actor, owner: Organization, given: tuple[str, Language]
) -> Contact:
    """Say where an organization's alerts go, in which language; an empty address ends it.

    Raises:
        InvalidValue: this is no address.
    """
    address, language = given
    if address and (
        len(address) > _ADDRESS_LENGTH_MAX
        or not address.isascii()
        or not address.isprintable()
        or not _ADDRESS.fullmatch(address)
    ):
        raise InvalidValue("address", "give one mail address, such as billing@example.org")
    transaction.execute("DELETE FROM alert_contact WHERE org = ?", (owner.raw,))
    if address:
        transaction.execute(
            "INSERT INTO alert_contact (org, address, language) VALUES (?, ?, ?)",
            (owner.raw, address, language),
        )
    append(transaction, actor, Action.ALERT_CONTACT, owner.ref)
    return Contact(owner.ref, address, language)


def contact(transaction: Transaction, owner: Organization) -> Contact:
    """Return where an organization's alerts go."""
    row = transaction.row(
        "SELECT address, language FROM alert_contact WHERE org = ?",
        (owner.raw,),
        tuple[str, Language],
    )
    return Contact(owner.ref, *(row or ("", "en")))
