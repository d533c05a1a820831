"""SQLite: one writer behind a lock, readers that cannot write, everything synchronous."""

import sqlite3
import struct
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import starmap
from pathlib import Path
from threading import Lock
from typing import Final, Literal, TypeVar, cast

from typing_extensions import override

from troth.kernel.errors import Misconfigured
from troth.store.transaction import (
    Column,
    Conflict,
    Locked,
    Packed,
    Row,
    Statements,
    Unwritable,
    Value,
    shaped,
)

Shape = TypeVar("Shape")

_BUSY_MS: Final = 1_000
_STATEMENTS: Final = 1_024
_CHUNK: Final = 64
"""Rows of one statement: few enough shapes for the statement cache, 1 to 64."""
_FETCH: Final = 4_096
_WRITER: Final = (
    "PRAGMA journal_mode = WAL",
    "PRAGMA synchronous = FULL",
    "PRAGMA foreign_keys = ON",
    "PRAGMA trusted_schema = OFF",
    "PRAGMA temp_store = MEMORY",
    "PRAGMA cache_size = -65536",
)
_DAMAGED: Final = frozenset({"SQLITE_NOTADB", "SQLITE_CORRUPT"})
_READER: Final = (
    "PRAGMA query_only = ON",
    "PRAGMA trusted_schema = OFF",
    "PRAGMA temp_store = MEMORY",
)


class SqliteTransaction(Statements):
    """The statements of one transaction on one connection."""

    __slots__ = ("_connection",)

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    @override
    def _run(self, sql: str, params: Sequence[Value]) -> sqlite3.Cursor:
        try:
            return self._connection.execute(
                sql.replace("{lock}", "").replace("{share}", ""), params
            )
        except sqlite3.IntegrityError as error:
            raise Conflict(error.sqlite_errorname) from None
        except sqlite3.OperationalError as error:
            raise _told(error) from None

    def stream(self, sql: str, params: Sequence[Value], shape: type[Shape]) -> Iterator[Shape]:
        """Return the rows of a large result, a few thousand at a time."""
        del shape
        cursor = self._run(sql, params)
        while block := cursor.fetchmany(_FETCH):
            yield from block

    def packed(self, sql: str, packed: Packed, shape: type[Shape]) -> Iterator[tuple[Shape, bytes]]:
        """Return each row of a query with the packed rows that belong to it, in order."""
        columns = ", ".join(
            f"coalesce({column}, x'')" if letter == "s" else column
            for column, letter, _ in packed.fields()
        )
        one, other = packed.of
        body = (
            f"SELECT {columns} {packed.rest()} AND {one} = ? AND {other} = ?"
            f" ORDER BY {packed.columns[0]}"
        )
        pack = struct.Struct(packed.form).pack
        for head in self.stream(f"{sql} ORDER BY {one}, {other}", (), shape):
            of = cast("Row", head)[:2]
            yield head, b"".join(starmap(pack, self._connection.execute(body, of)))

    def bulk(self, sql: str, types: Sequence[Column], table: Sequence[Row]) -> int:
        """Run a statement over `{rows}`; return how many rows it touched in all."""
        return sum(
            self._run(text, params).rowcount for text, params in _chunks(sql, len(types), table)
        )

    def bulk_rows(
        self, sql: str, types: Sequence[Column], table: Sequence[Row], shape: type[Shape]
    ) -> list[Shape]:
        """Run a statement over `{rows}` and return what it returns."""
        found: list[Row] = []
        for text, params in _chunks(sql, len(types), table):
            found += self._run(text, params).fetchall()
        return shaped(found, shape)

    def insert(self, sql: str, table: Sequence[Row]) -> None:
        """Run an INSERT with one `?` a column for each row."""
        try:
            self._connection.executemany(sql, table)
        except sqlite3.IntegrityError as error:
            raise Conflict(error.sqlite_errorname) from None
        except sqlite3.OperationalError as error:
            raise _told(error) from None


def _told(error: sqlite3.OperationalError) -> Exception:
    """Return what a caller can act on; a fault of ours stays what it is."""
    match error.sqlite_errorcode & 0xFF:
        case sqlite3.SQLITE_BUSY:
            return Locked()
        case sqlite3.SQLITE_FULL | sqlite3.SQLITE_IOERR:
            return Unwritable()
        case _:
            return error


def _chunks(sql: str, width: int, table: Sequence[Row]) -> Iterator[tuple[str, list[Value]]]:
    one = "(" + ",".join("?" * width) + ")"
    for start in range(0, len(table), _CHUNK):
        part = table[start : start + _CHUNK]
        values = "(VALUES " + ",".join([one] * len(part)) + ")"
        yield sql.replace("{rows}", values), [value for row in part for value in row]


class SqliteStore:
    """A database file: its writer, and readers that come and go."""

    dialect: Literal["sqlite"] = "sqlite"

    def __init__(self, path: Path) -> None:
        self._path = path
        self._writing = Lock()
        self._writer = self._connect(_WRITER)
        self._idle: list[sqlite3.Connection] = []

    def _connect(self, pragmas: tuple[str, ...]) -> sqlite3.Connection:
        try:
            connection = sqlite3.connect(
                self._path,
                timeout=_BUSY_MS / 1_000,
                isolation_level=None,
                check_same_thread=False,
                cached_statements=_STATEMENTS,
            )
        except sqlite3.OperationalError:
            raise Misconfigured(f"{self._path} cannot be opened: check who owns it") from None
        try:
            for pragma in pragmas:
                connection.execute(pragma)
        except sqlite3.DatabaseError as error:
            connection.close()
            if error.sqlite_errorname in _DAMAGED:
                raise Misconfigured(
                    f"{self._path} is damaged: nothing was changed; restore it from a backup"
                ) from None
            raise
        return connection

    @contextmanager
    def write(self) -> Iterator[SqliteTransaction]:
        """Begin at once, commit at the end, roll back if anything was raised.

        Raises:
            Locked: another process writes, or this one did, for more than a second.
        """
        if not self._writing.acquire(timeout=_BUSY_MS / 1_000):
            raise Locked
        try:
            with _transaction(self._writer, "BEGIN IMMEDIATE") as transaction:
                yield transaction
        finally:
            self._writing.release()

    @contextmanager
    def read(self) -> Iterator[SqliteTransaction]:
        """Look at one unchanging state; writing is refused by the database."""
        try:
            connection = self._idle.pop()
        except IndexError:
            connection = self._connect(_READER)
        try:
            with _transaction(connection, "BEGIN") as transaction:
                yield transaction
        finally:
            self._idle.append(connection)

    def script(self, text: str, number: int = 0) -> None:
        """Run the statements of a migration in one transaction and note its number."""
        with self.write() as transaction:
            for statement in _statements(text):
                self._writer.execute(statement)
            if number:
                transaction.execute("INSERT INTO migration (number) VALUES (?)", (number,))

    def close(self) -> None:
        """Close all connections."""
        while self._idle:
            self._idle.pop().close()
        self._writer.close()


@contextmanager
def _transaction(connection: sqlite3.Connection, begin: str) -> Iterator[SqliteTransaction]:
    transaction = SqliteTransaction(connection)
    transaction.execute(begin)
    try:
        yield transaction
        transaction.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def _statements(text: str) -> Iterator[str]:
    """Cut a script at its statements' ends; a trigger's body holds semicolons of its own."""
    statement = ""
    for line in text.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""
