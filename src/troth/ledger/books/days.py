"""The close of a day: each book's sums, frozen and hashed, so that requests' rows may expire.

Postings share the open day with each other and never with its close: what is posted before the
close is in it, what comes later belongs to the next day.
"""

import struct
from collections.abc import Sequence
from hashlib import sha256
from typing import Final

from troth.kernel.errors import invariant
from troth.ledger.books import chain
from troth.store.transaction import Transaction

GUARDED_DAYS: Final = 8
"""How long a reservation is known as posted: a day more than a journal may be old."""
_CLOSE: Final = struct.Struct(">32sq32sqqqqq")

_SUMS: Final = """
SELECT book.id, book.posted, coalesce(moved.paid_in, 0), coalesce(moved.charged, 0),
  coalesce(moved.paid_out, 0), coalesce(before.closing, 0), before.hash
FROM book LEFT JOIN (
  SELECT book, sum(paid_in) AS paid_in, sum(charged) AS charged, sum(paid_out) AS paid_out FROM (
    SELECT cr AS book, amount AS paid_in, 0 AS charged, 0 AS paid_out FROM entry WHERE day = ?
    UNION ALL SELECT dr, 0, 0, amount FROM entry WHERE day = ?
    UNION ALL SELECT dr, 0, amount, 0 FROM charge WHERE day = ?
    UNION ALL SELECT cr, 0, -amount, 0 FROM charge WHERE day = ?
  ) AS parts GROUP BY book
) AS moved ON moved.book = book.id LEFT JOIN day_close AS before
  ON before.book = book.id AND before.day = (SELECT max(day) FROM day_close) ORDER BY book.id"""


def seal(before: bytes, day: int, book: bytes, figures: Sequence[int]) -> bytes:
    """Return the hash of a book's day; `figures` are opening, in, charged, out, closing."""
    return sha256(_CLOSE.pack(before, day, book, *figures)).digest()


def close_day(tx: Transaction, now_ms: int) -> int | None:
    """Close the open day if it is over; return it, None when it still runs.

    Call it until it returns None: it closes one day at a time, and never goes back.
    """
    chain.today(tx, now_ms)
    day = tx.number("SELECT day FROM open_day WHERE id = 1 {lock}")
    if day >= now_ms // chain.MS_OF_DAY:
        return None
    rows = []
    for book, posted, *sums, opening, before in tx.rows(
        _SUMS, (day,) * 4, tuple[bytes, int, int, int, int, int, bytes | None]
    ):
        paid_in, charged, paid_out = map(int, sums)  # PostgreSQL sums to numerics
        figures = (opening, paid_in, charged, paid_out, opening + paid_in - charged - paid_out)
        invariant(figures[-1] == posted, "I9 a day's movements lead to its close")
        rows.append((day, book, *figures, seal(before or chain.GENESIS, day, book, figures)))
    tx.insert(
        "INSERT INTO day_close (day, book, opening, paid_in, charged, paid_out, closing, hash)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        rows,
    )
    tx.execute("UPDATE open_day SET day = ? WHERE id = 1", (day + 1,))
    return day


def forget_guards(tx: Transaction, now_ms: int, most: int) -> int:
    """Remove the oldest replay guards, at most so many; return how many went.

    No journal is replayed that is older than seven days. A reservation begins with its time, so
    that the oldest are found without a look at the others.
    """
    before = (now_ms - GUARDED_DAYS * chain.MS_OF_DAY).to_bytes(6, "big") + bytes(10)
    return tx.execute(
        "DELETE FROM seen WHERE reservation IN"
        " (SELECT reservation FROM seen WHERE reservation < ? LIMIT ?)",
        (before, most),
    )
