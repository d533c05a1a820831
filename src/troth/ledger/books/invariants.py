"""The rules of the books, as queries that must find nothing."""

from troth.kernel.errors import invariant
from troth.store.transaction import Column, Transaction


def touched(tx: Transaction, purses: list[bytes]) -> None:
    """Check what a transaction moved; the schema has checked the signs already.

    Raises:
        InvariantBroken: I8 or I11 does not hold; the transaction must be rolled back.
    """
    rows = [(purse,) for purse in purses]
    wrong = tx.bulk_rows(
        "SELECT book.id FROM {rows} AS d JOIN book ON book.id = d.column1"
        " WHERE held <> (SELECT coalesce(sum(granted - settled), 0) FROM lease"
        " WHERE lease.purse = book.id)",
        (Column.BLOB,),
        rows,
        tuple[bytes],
    )
    invariant(not wrong, "I11 held is what is lent")
    wrong = tx.bulk_rows(
        "SELECT book.id FROM {rows} AS d JOIN book ON book.id = d.column1"
        " WHERE posted <> (SELECT coalesce(sum(granted - spent - returned), 0) FROM lot"
        " WHERE lot.book = book.id AND granted > spent + returned)",
        (Column.BLOB,),
        rows,
        tuple[bytes],
    )
    invariant(not wrong, "I8 a wallet is the rest of its lots")
    wrong = tx.bulk_rows(
        "SELECT budget.purse FROM {rows} AS d JOIN budget ON budget.purse = d.column1"
        " WHERE held <> (SELECT coalesce(sum(granted - settled), 0) FROM lease"
        " WHERE lease.purse = budget.purse AND lease.starts_at = budget.starts_at)",
        (Column.BLOB,),
        rows,
        tuple[bytes],
    )
    invariant(not wrong, "I11 held of a budget is what is lent")
