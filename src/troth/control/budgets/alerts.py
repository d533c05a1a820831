"""Alerts: raised once for each part of a budget's period and each low balance, then mailed.

They are a table first. A mail is made from its row, sent outside of every transaction and noted
afterwards: a process that dies in between sends it again, under the same id.
"""

from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from troth.control.budgets.alert import Alert, AlertKind, News
from troth.control.budgets.contacts import Language, opened
from troth.control.budgets.mails import Mail, mail
from troth.control.budgets.periods import Mode, crossings, rule_of, running
from troth.control.budgets.rules import owner_of
from troth.control.usage import paces
from troth.kernel import ids
from troth.kernel.ids import IdMaker
from troth.kernel.sealer import Sealer
from troth.ledger import books
from troth.store.transaction import Transaction

TRIES_MAX: Final = 10
MS_OF_DAY: Final = 86_400_000
FRESH_MS: Final = 3 * MS_OF_DAY
"""An alert older than this is news no more: it is listed and not mailed."""
_BACK_OFF_MS: Final = 60_000
_BATCH: Final = 50
_WHOLE: Final = 100


def raise_budgets(transaction: Transaction, maker: IdMaker, now_ms: int) -> int:
    """Raise an alert for each part of a budget that was passed; return how many."""
    raised = 0
    for each in crossings(transaction, now_ms - MS_OF_DAY):
        owner = owner_of(transaction, each.purse)
        if owner is None or each.limit_nusd == 0:
            continue  # dropped since, or a budget of nothing, which nobody passes
        org, subject, period = owner
        new = News(
            AlertKind.BUDGET, org, subject, period, each.starts_at, each.percent, each.spent,
            each.limit_nusd, 0,
        )  # fmt: skip
        raised += _raise(transaction, new, maker.raw(), now_ms)
    return raised


def raise_stops(
    transaction: Transaction, maker: IdMaker, now_ms: int, stopped: Mapping[bytes, int]
) -> int:
    """Raise an alert for each hard budget that has refused a request, once a period and limit.

    `stopped` says when each purse refused last (unix milliseconds). Who was told that the whole of
    a budget is used knows that it refuses.
    """
    raised = 0
    for purse, at_ms in stopped.items():
        owner, rule = owner_of(transaction, purse), rule_of(transaction, purse)
        now = running(transaction, purse, at_ms)
        if owner is None or rule is None or now is None or rule.mode is not Mode.HARD:
            continue  # dropped or changed since
        org, subject, period = owner
        stop = News(
            AlertKind.BUDGET_STOP, org, subject, period, now.starts_at, _WHOLE, now.spent,
            rule.limit_nusd, 0,
        )  # fmt: skip
        if rule.limit_nusd and not _is_told_whole(transaction, stop):
            raised += _raise(transaction, stop, maker.raw(), now_ms)
    return raised


def _is_told_whole(transaction: Transaction, stop: News) -> bool:
    row = transaction.row(
        "SELECT 1 FROM alert WHERE kind = ? AND subject = ? AND period = ? AND since = ?"
        " AND level = ? AND limit_nusd = ?",
        (AlertKind.BUDGET.value, stop.subject, stop.period, stop.since, _WHOLE, stop.limit),
    )
    return row is not None


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
            low = AlertKind.LOW_BALANCE
            found.append(News(low, org, org, "", last, days_min, wallet.posted, 0, days))
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
            new.kind.value,
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
{_COLUMNS}, address_sealed, is_sealed, language
FROM alert JOIN alert_contact ON alert_contact.org = alert.org
WHERE next_at <= ? AND created_at > ? ORDER BY id LIMIT ?"""
_Row = tuple[bytes, AlertKind, bytes, str, str, int, int, int, int, int, int, int, int, int]


def _alert(row: _Row) -> Alert:
    return Alert(ids.text("alert", row[0]), row[1], ids.text("org", row[2]), *row[3:])


def on_list(transaction: Transaction, limit: int, org_raw: bytes | None = None) -> list[Alert]:
    """Return the newest alerts, of one organization or of all."""
    where = "" if org_raw is None else "WHERE org = ?"
    params = (limit,) if org_raw is None else (org_raw, limit)
    statement = f"{_LISTED} {where} ORDER BY id DESC LIMIT ?"
    rows = msgspec.convert(transaction.rows(statement, params), list[_Row])
    return [_alert(row) for row in rows]


def due(transaction: Transaction, sealer: Sealer, now_ms: int) -> list[Mail]:
    """Return the mails to send now, the oldest first, a few at a time."""
    rows = transaction.rows(_DUE, (now_ms, now_ms - FRESH_MS, _BATCH))
    alerts = msgspec.convert([row[:-3] for row in rows], list[_Row])
    places = msgspec.convert([row[-3:] for row in rows], list[tuple[bytes, int, Language]])
    return [
        mail(_alert(alert), address, language)
        for alert, (kept, is_sealed, language) in zip(alerts, places, strict=True)
        if (address := opened(sealer, kept, is_sealed))
    ]


def is_waiting(transaction: Transaction, now_ms: int, org_raw: bytes) -> bool:
    """Tell whether a mail to an organization is still to be sent."""
    row = transaction.row(
        "SELECT 1 FROM alert WHERE org = ? AND next_at IS NOT NULL AND created_at > ?",
        (org_raw, now_ms - FRESH_MS),
    )
    return row is not None


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
