"""Opens a database and brings its schema up to date. Only the edge imports this."""

from contextlib import AbstractContextManager
from importlib import import_module
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Final, Literal, Protocol

from troth.kernel.errors import Misconfigured
from troth.store import data_map
from troth.store.sqlite import SqliteStore
from troth.store.transaction import Locked, Transaction

_POSTGRES: Final = "troth.store.postgres"
"""Loaded where it is used: its driver, which an extra brings, takes as long as all else here."""
_SQLITE: Final = "sqlite:///"
POSTGRES: Final = ("postgresql://", "postgres://")


class Store(Protocol):
    """An open database. `write` and `read` are units of work; one at a time writes."""

    @property
    def dialect(self) -> Literal["sqlite", "postgresql"]:
        """Return which database it is."""
        ...

    def write(self) -> AbstractContextManager[Transaction]:
        """Return a transaction that commits at its end or rolls back.

        Raises:
            Locked: the database was busy for a second.
        """
        ...

    def read(self) -> AbstractContextManager[Transaction]:
        """Return a transaction that sees one state and cannot write."""
        ...

    def script(self, text: str, number: int = 0) -> None:
        """Run a migration's statements in one transaction and note its number."""
        ...

    def close(self) -> None:
        """Close all connections."""
        ...


class Connect(Protocol):
    """What connects to a database."""

    def __call__(self, url: str, *, is_alone: bool) -> Store:
        """Return it, open.

        Raises:
            Misconfigured: it cannot be reached.
        """
        ...


def open(url: str, *, is_alone: bool = False) -> Store:  # noqa: A001
    """Open the database of `url`, migrate it, and check that each column has a data class.

    `sqlite:///relative/or//absolute/path` or `postgresql://...`. `is_alone` keeps other processes
    from a PostgreSQL database; a file's folder is locked by whoever serves out of it.

    Raises:
        Misconfigured: no such kind of database, one that cannot be reached or used, or a schema
            newer than this build.
    """
    store = connect(url, is_alone=is_alone)
    try:
        migrate(store)
        with store.read() as transaction:
            data_map.check(transaction, store.dialect)
    except Locked:
        store.close()
        raise Misconfigured("the database is busy or away: try again when it answers") from None
    except BaseException:
        store.close()
        raise
    return store


def connect(url: str, *, is_alone: bool = False) -> Store:
    """Connect to the database of `url`, whatever its schema is.

    Raises:
        Misconfigured: no such kind of database, or one that cannot be reached.
    """
    if url.startswith(_SQLITE):
        return SqliteStore(Path(url.removeprefix(_SQLITE)))
    if not url.startswith(POSTGRES):
        raise Misconfigured("the database url must start with sqlite:/// or postgresql://")
    try:
        postgres: Connect = import_module(_POSTGRES).PostgresStore
    except ImportError:
        raise Misconfigured("PostgreSQL needs the extra: install troth[postgres]") from None
    return postgres(url, is_alone=is_alone)


def migrations(dialect: str) -> list[tuple[int, Traversable]]:
    """Return the numbered files of a dialect, in order."""
    folder = files("troth.store") / "migrations" / dialect
    found = [file for file in folder.iterdir() if file.name.endswith(".sql")]
    return sorted((int(file.name.partition("_")[0]), file) for file in found)


def migrate(store: Store) -> int:
    """Run what has not run yet, forward only; return the schema's number.

    Raises:
        Misconfigured: the database was made by a newer build.
    """
    done = _done(store)
    known = migrations(store.dialect)
    if done - {number for number, _ in known}:
        raise Misconfigured("the database was written by a newer version; install that version")
    for number, file in known:
        if number not in done:
            store.script(file.read_text(encoding="utf-8"), number)
    return known[-1][0]


def _done(store: Store) -> set[int]:
    store.script("CREATE TABLE IF NOT EXISTS migration (number INTEGER NOT NULL PRIMARY KEY);\n")
    with store.read() as transaction:
        return {
            number for (number,) in transaction.rows("SELECT number FROM migration", (), tuple[int])
        }
