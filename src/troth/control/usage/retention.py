"""How long rows of single requests stay. A request's id begins with its time: nothing else is kept.

When a row has gone, nothing says that it was ever there. An id of a time that is over is answered
alike, whoever asks and whether there was such a request or not.
"""

from typing import Final

from troth.control.usage.months import Month
from troth.control.usage.record import HOURS_OF_DAY, MS_OF_DAY
from troth.kernel.ids import RAW_BYTES, made_at_ms, raw_of
from troth.store.transaction import Transaction

TIME_BYTES: Final = 6
"""Of a request's id, the milliseconds that it begins with."""
_BATCHES_A_STEP: Final = 20
_OLDEST: Final = (
    "SELECT desk, (SELECT min(batch) FROM charge WHERE charge.desk = chain.desk) FROM chain"
)
POSTED_DAYS: Final = 9
"""A row is posted this many days after its request at the latest; its day must be closed."""


def is_over(request: str, days: int, now_ms: int) -> bool:
    """Tell whether a request is so old that its row is kept no more; 0 `days` for never."""
    raw = raw_of("req", request)
    return raw is not None and days > 0 and made_at_ms(raw) < _first_ms(days, now_ms)


def has_ended(wanted: Month, days: int, now_ms: int) -> bool:
    """Tell whether rows of some days may have gone already; 0 `days` for never."""
    return days > 0 and wanted.first * MS_OF_DAY < _first_ms(days, now_ms)


def forget(transaction: Transaction, days: int, now_ms: int, limit: int) -> int:
    """Drop rows whose time is over, `limit` at most; return how many.

    Charges in the books and sums by the hour go with `forget_day`; the sums of days stay.
    """
    opened = transaction.row("SELECT day FROM open_day WHERE id = 1", (), tuple[int])
    if opened is None or days <= 0:
        return 0
    first_ms = min(_first_ms(days, now_ms), (opened[0] - POSTED_DAYS) * MS_OF_DAY)
    if first_ms <= 0:
        return 0
    first = first_ms.to_bytes(TIME_BYTES, "big") + bytes(RAW_BYTES - TIME_BYTES)
    transaction.execute("DELETE FROM correction_part WHERE request < ?", (first,))
    return transaction.execute(
        "DELETE FROM usage WHERE request IN"
        " (SELECT request FROM usage WHERE request < ? ORDER BY request LIMIT ?)",
        (first, limit),
    )


def forget_day(transaction: Transaction, days: int, now_ms: int, before_day: int) -> int:
    """Drop what else is kept of usage whose time is over, the oldest of it; return how much.

    Call it until it returns 0: each step is short, for what is posted waits for it.

    That are charges, which the day's close stands for, sums by the hour, which those of the day
    stand for, and orphans. Days from `before_day` on stay: their month is not written yet.
    """
    opened = transaction.number("SELECT day FROM open_day WHERE id = 1")
    end = min(now_ms // MS_OF_DAY - days, opened, before_day)
    if days <= 0:
        return 0
    charges = sum(
        transaction.execute(
            "DELETE FROM charge WHERE desk = ? AND batch >= ? AND batch < ? AND day < ?",
            (desk, first, first + _BATCHES_A_STEP, end),
        )
        for desk, first in transaction.rows(_OLDEST, (), tuple[int, int | None])
        if first is not None
    )
    hours = transaction.execute(
        "DELETE FROM rollup_hour WHERE hour / 24 = (SELECT min(hour) / 24 FROM rollup_hour)"
        " AND hour < ? AND EXISTS (SELECT 1 FROM rollup_day WHERE day = rollup_hour.hour / 24)",
        (end * HOURS_OF_DAY,),
    )
    orphans = transaction.execute("DELETE FROM orphan WHERE at < ?", (end * MS_OF_DAY,))
    return charges + hours + orphans


def _first_ms(days: int, now_ms: int) -> int:
    """Return the start of the first day (UTC) whose rows are kept."""
    return (now_ms // MS_OF_DAY - days) * MS_OF_DAY
