"""The rules of the books, as queries that must find nothing."""

from typing import Final

from troth.kernel.errors import invariant
from troth.store.transaction import Column, Transaction

_PURSES: Final = """
SELECT 'I8 a wallet is not the rest of its lots' FROM {books} kind = 'wallet' AND posted <> (
  SELECT coalesce(sum(granted - spent - returned), 0) FROM lot
  WHERE lot.book = book.id AND is_open = 1)
UNION SELECT 'I11 held of a wallet is not what is lent' FROM {books} held <> (
  SELECT coalesce(sum(granted - settled), 0) FROM lease WHERE lease.purse = book.id)
UNION SELECT 'I11 held of a budget is not what is lent' FROM {budgets} held <> (
  SELECT coalesce(sum(granted - settled), 0) FROM lease
  WHERE lease.purse = budget.purse AND lease.starts_at = budget.starts_at)"""
_TOUCHED: Final = "WITH touched AS (SELECT column1 AS purse FROM {rows} AS d)" + _PURSES.format(  # noqa: S608 - of constants
    books="touched CROSS JOIN book WHERE book.id = touched.purse AND",
    budgets="touched CROSS JOIN budget WHERE budget.purse = touched.purse AND",
)
_LOT: Final = """
SELECT 'I7 a lot is not what came into it and went' FROM lot LEFT JOIN entry ON entry.lot = lot.id
{of} GROUP BY lot.id HAVING max(lot.granted - lot.returned) <> coalesce(sum(
  CASE lot.book WHEN entry.cr THEN entry.amount WHEN entry.dr THEN -entry.amount END), 0)"""
_MOVED: Final = _LOT.format(of="WHERE lot.id = ?")
_EVERYWHERE: Final = f"""{_PURSES.format(books="book WHERE", budgets="budget WHERE")}
UNION {_LOT.format(of="")}
UNION SELECT 'I2 a wallet is below zero' FROM book WHERE floor0 = 1 AND posted - held < 0
UNION SELECT 'I3 a lease is overdrawn' FROM lease WHERE settled < 0 OR settled > granted
UNION SELECT 'I8 a lot is overdrawn' FROM lot
  WHERE spent < 0 OR returned < 0 OR spent > granted - returned
UNION SELECT 'I11 a closed seat has a lease' FROM lease JOIN seat ON seat.id = lease.seat
  WHERE closed_at IS NOT NULL"""  # noqa: S608 - of constants


def touched(tx: Transaction, purses: list[bytes]) -> None:
    """Check what a transaction moved; the schema has checked the signs already.

    Raises:
        InvariantBroken: I8 or I11 does not hold; the transaction must be rolled back.
    """
    wrong = tx.bulk_rows(_TOUCHED, (Column.BLOB,), [(purse,) for purse in purses], tuple[str])
    for (rule,) in wrong:
        invariant(holds=False, rule=rule)


def moved(tx: Transaction, lot: bytes) -> None:
    """Check a lot that a movement touched: its entries say what came and what went.

    Raises:
        InvariantBroken: I7 does not hold; the transaction must be rolled back.
    """
    wrong = tx.row(_MOVED, (lot,), tuple[str])
    invariant(wrong is None, "I7 credits less what was taken is left to be spent")


def everywhere(tx: Transaction) -> list[str]:
    """Return the rules that do not hold somewhere in the books."""
    return sorted(rule for (rule,) in tx.rows(_EVERYWHERE, (), tuple[str]))
