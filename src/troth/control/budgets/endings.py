"""Notices before something ends: thirty, seven and one days before credit does, or an account.

Credit is told of by the day (UTC) on which it ends, all of an organization's together; a lot that
never lasted longer than a notice is ahead is not told of by that notice.
"""

from collections.abc import Sequence
from typing import Final

import msgspec

from troth.control.budgets.alert import AlertKind, News
from troth.kernel import ids
from troth.kernel.money import NANO
from troth.ledger import books
from troth.store.transaction import Transaction

NOTICE_DAYS: Final = (30, 7, 1)
_MS_OF_DAY: Final = 86_400_000
_CENT: Final = NANO // 100
_BOOK_LETTERS: Final = 1

_ENDING: Final = """
SELECT book, granted - spent - returned, expires_at, created_at FROM lot
WHERE expires_at IS NOT NULL AND expires_at > ? AND expires_at <= ? AND granted > spent + returned
ORDER BY book, expires_at"""


class _Ending(msgspec.Struct, frozen=True, array_like=True, gc=False):
    book: bytes
    rest: int
    expires_at: int
    created_at: int


def notice(ends_at_ms: int, now_ms: int, known_since_ms: int | None = None) -> int:
    """Return the notice that is due, in days ahead; 0 for none.

    What was not known of before a notice's time is told by the nearest one; with `known_since_ms`
    only notices count for which it had come before their time.
    """
    due = [
        days
        for days in NOTICE_DAYS
        if now_ms >= ends_at_ms - days * _MS_OF_DAY
        and (known_since_ms is None or known_since_ms < ends_at_ms - days * _MS_OF_DAY)
    ]
    return min(due, default=0)


def ending_credit(transaction: Transaction, now_ms: int) -> list[News]:
    """Return the credit of which notice is due: less than a cent on a day is not worth a mail."""
    until_ms = now_ms + NOTICE_DAYS[0] * _MS_OF_DAY
    rows = transaction.rows(_ENDING, (now_ms, until_ms))
    days: dict[tuple[bytes, int], list[tuple[int, int]]] = {}
    for lot in msgspec.convert(rows, list[_Ending]):
        level = notice(lot.expires_at, now_ms, lot.created_at)
        if level:
            place = (lot.book[_BOOK_LETTERS:], lot.expires_at // _MS_OF_DAY)
            days.setdefault(place, []).append((level, lot.rest))
    return [
        News(
            AlertKind.CREDIT_ENDS, org, org, "", day * _MS_OF_DAY, min(each)[0], rest, 0,
            max(0, day - now_ms // _MS_OF_DAY),
        )
        for (raw, day), each in days.items()
        if (rest := sum(part for _, part in each)) >= _CENT
        for org in (ids.text("org", raw),)
    ]  # fmt: skip


def closing_accounts(
    transaction: Transaction, planned: Sequence[tuple[bytes, int]], now_ms: int
) -> list[News]:
    """Return the accounts, of those planned to be closed at a time, of which notice is due."""
    found = []
    for raw, closes_at_ms in planned:
        level = notice(closes_at_ms, now_ms)
        wallet = books.wallet(transaction, raw)
        if level and closes_at_ms > now_ms:
            org, left = ids.text("org", raw), wallet.posted if wallet else 0
            days = (closes_at_ms - now_ms) // _MS_OF_DAY
            found.append(News(AlertKind.CLOSING, org, org, "", closes_at_ms, level, left, 0, days))
    return found


def closed_account(org: str, ended_at_ms: int, paid_back_nusd: int, owed_nusd: int) -> News:
    """Return the last news of an account."""
    return News(AlertKind.CLOSED, org, org, "", ended_at_ms, 0, paid_back_nusd, owed_nusd, 0)
