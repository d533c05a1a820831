"""The rules of the books, as queries that must find nothing."""

from typing import Final

from troth.kernel.errors import invariant
from troth.store.transaction import Column, Transaction


def touched(tx: Transaction, purses: list[bytes]) -> None:
    """Check what a transaction moved; the schema has checked the signs already.

    Raises:
        InvariantBroken: I8 or I11 does not hold; the transaction must be rolled back.
    """
    wrong = tx.bulk_rows(_TOUCHED, (Column.BLOB,), [(purse,) for purse in purses], tuple[str])
    for (rule,) in wrong:
        invariant(holds=False, rule=rule)


_TOUCHED: Final = """
WITH touched AS (SELECT column1 AS purse FROM {rows} AS d)
SELECT 'I11 held is what is lent' FROM touched CROSS JOIN book
WHERE book.id = touched.purse AND held <> (
  SELECT coalesce(sum(granted - settled), 0) FROM lease WHERE lease.purse = book.id)
UNION ALL SELECT 'I8 a wallet is the rest of its lots' FROM touched CROSS JOIN book
WHERE book.id = touched.purse AND posted <> (
  SELECT coalesce(sum(granted - spent - returned), 0) FROM lot
  WHERE lot.book = book.id AND granted > spent + returned)
UNION ALL SELECT 'I11 held of a budget is what is lent' FROM touched CROSS JOIN budget
WHERE budget.purse = touched.purse AND held <> (
  SELECT coalesce(sum(granted - settled), 0) FROM lease
  WHERE lease.purse = budget.purse AND lease.starts_at = budget.starts_at)"""


def moved(tx: Transaction, lot: bytes) -> None:
    """Check a lot that a movement touched: its entries say what came and what went.

    Raises:
        InvariantBroken: I7 does not hold; the transaction must be rolled back.
    """
    wrong = tx.row(_MOVED + " WHERE lot.id = ? GROUP BY lot.id" + _MOVED_WRONG, (lot,))
    invariant(wrong is None, "I7 credits less what was taken is left to be spent")


_MOVED: Final = "SELECT lot.id FROM lot LEFT JOIN entry ON entry.lot = lot.id"
_MOVED_WRONG: Final = (
    " HAVING max(lot.granted - lot.returned) <> coalesce(sum(CASE lot.book"
    " WHEN entry.cr THEN entry.amount WHEN entry.dr THEN -entry.amount END), 0)"
)
_RULES: Final = {
    "I2 a wallet is below zero": "SELECT 1 FROM book WHERE floor0 = 1 AND posted - held < 0",
    "I3 a lease is overdrawn": "SELECT 1 FROM lease WHERE settled < 0 OR settled > granted",
    "I7 a lot is not what came into it and went": _MOVED + " GROUP BY lot.id" + _MOVED_WRONG,
    "I8 a lot is overdrawn": (
        "SELECT 1 FROM lot WHERE spent < 0 OR returned < 0 OR spent > granted - returned"
    ),
    "I8 a wallet is not the rest of its lots": (
        "SELECT 1 FROM book WHERE kind = 'wallet' AND posted <> (SELECT"
        " coalesce(sum(granted - spent - returned), 0) FROM lot"
        " WHERE lot.book = book.id AND granted > spent + returned)"
    ),
    "I11 held of a wallet is not what is lent": (
        "SELECT 1 FROM book WHERE held <> (SELECT coalesce(sum(granted - settled), 0)"
        " FROM lease WHERE lease.purse = book.id)"
    ),
    "I11 held of a budget is not what is lent": (
        "SELECT 1 FROM budget WHERE held <> (SELECT coalesce(sum(granted - settled), 0)"
        " FROM lease WHERE lease.purse = budget.purse AND lease.starts_at = budget.starts_at)"
    ),
    "I11 a closed seat has a lease": (
        "SELECT 1 FROM lease JOIN seat ON seat.id = lease.seat WHERE closed_at IS NOT NULL"
    ),
}


def everywhere(tx: Transaction) -> list[str]:
    """Return the rules that do not hold somewhere in the books."""
    return [rule for rule, wrong in _RULES.items() if tx.row(wrong) is not None]
