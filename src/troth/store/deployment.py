"""What tells these books from all others: sixteen bytes, made once, kept in the database."""

from typing import Final

from troth.store.transaction import Transaction

ID_BYTES: Final = 16


def find(transaction: Transaction) -> bytes | None:
    """Return the bytes, None in a database that has none yet."""
    found = transaction.row("SELECT id FROM deployment", (), tuple[bytes])
    return bytes(found[0]) if found else None


def note(transaction: Transaction, deployment: bytes) -> None:
    """Write the bytes of a new database."""
    transaction.execute("INSERT INTO deployment (n, id) VALUES (1, ?)", (deployment,))


def rewrite(transaction: Transaction) -> None:
    """Write the bytes once more as they are: the least that shows whether writing is possible."""
    transaction.execute("UPDATE deployment SET id = id WHERE n = 1")
