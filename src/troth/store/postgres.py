"""PostgreSQL through psycopg 3: the same interface, rows as arrays, statements prepared once."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from threading import Lock
from typing import Final, Literal, TypeVar, cast, get_args

import psycopg
from psycopg.types.numeric import Int8BinaryDumper
from typing_extensions import override

from troth.kernel.errors import Misconfigured
from troth.store.arrays import Array, array, register
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
_Connection = psycopg.Connection[Row]

_BUSY_MS: Final = 1_000
_SILENT_MS: Final = 10_000
_CONNECT_SECONDS: Final = 5
_TYPES: Final = {int: Column.INT.value, bytes: Column.BLOB.value}
_FETCH: Final = 4_096
_COPY_ROWS: Final = 64
_OWNER: Final = 0x74726F7468
"""The lock that the one process has which works with the database."""
_SETTINGS: Final = (
    "SET lock_timeout = '1s'",
    "SET idle_in_transaction_session_timeout = '30s'",
    "SET synchronous_commit = on",
    # To compile a statement takes longer than to run one of ours.
    "SET jit = off",
    # A machine that vanished must neither be waited for nor keep its locks.
    "SET tcp_keepalives_idle = 5",
    "SET tcp_keepalives_interval = 2",
    "SET tcp_keepalives_count = 3",
)
_BUSY: Final = (
    psycopg.errors.LockNotAvailable,
    psycopg.errors.DeadlockDetected,
    psycopg.errors.SerializationFailure,
)
_NO_SPACE: Final = (psycopg.errors.DiskFull, psycopg.errors.IoError)
_PROBLEMS: Final = (
    ("password authentication failed", "refuses the user or the password"),
    ("does not exist", "does not know the database or the user"),
    ("resolve", "has a host name that nobody knows"),
    ("read-only", "is a stand-by, which cannot be written"),
    ("SSL", "and this machine do not agree about TLS"),
)
_SILENT: Final = "does not answer"


class Away(Locked):
    """The database cannot be reached; `problem` says why, without the address."""

    def __init__(self, problem: str) -> None:
        super().__init__(problem)
        self.problem = f"the database of 'store.url' {problem}"


class PostgresTransaction(Statements):
    """The statements of one transaction on one connection."""

    __slots__ = ("_connection", "_texts")

    def __init__(self, connection: _Connection, texts: dict[str, str]) -> None:
        self._connection = connection
        self._texts = texts

    @override
    def _run(self, sql: str, params: Sequence[Value | Array]) -> psycopg.Cursor[Row]:
        text = self._texts.get(sql)
        if text is None:
            # Statements are constants of the code; only their marks are filled in here.
            text = sql.replace("?", "%s").replace("{lock}", "FOR UPDATE")
            text = text.replace("{share}", "FOR SHARE")
            self._texts[sql] = text
        try:
            return self._connection.execute(text, params, binary=True)
        except psycopg.IntegrityError as error:
            raise Conflict(error.sqlstate or "") from None

    def stream(self, sql: str, params: Sequence[Value], shape: type[Shape]) -> Iterator[Shape]:
        """Return the rows of a large result, a few thousand at a time."""
        del shape
        text = sql.replace("?", "%s")
        with self._connection.cursor(name=f"stream_{id(sql)}", binary=True) as cursor:
            cursor.execute(text, params)
            while block := cursor.fetchmany(_FETCH):
                yield from cast("list[Shape]", block)

    def packed(self, sql: str, packed: Packed, shape: type[Shape]) -> Iterator[tuple[Shape, bytes]]:
        """Return each row of a query with the packed rows that belong to it, in order.

        The server packs and sends while the caller works on what came before.
        """
        of = ", ".join(packed.of)
        body = f"SELECT {of}, {_packing(packed)} {packed.rest()} GROUP BY {of}"
        whole = f"SELECT * FROM ({sql}) AS head LEFT JOIN ({body}) AS body USING ({of})"  # noqa: S608 - of constants
        text = f"COPY ({whole} ORDER BY {of}) TO STDOUT (FORMAT BINARY)"
        types = [_TYPES[each] for each in get_args(shape)]
        with self._connection.cursor() as cursor, cursor.copy(text) as copy:
            copy.set_types([*types, Column.BLOB.value])
            for row in copy.rows():
                yield cast("Shape", row[:-1]), row[-1] or b""

    def _over(self, sql: str, types: Sequence[Column], table: Sequence[Row]) -> psycopg.Cursor[Row]:
        arrays = ", ".join(f"?::{each.value}[]" for each in types)
        names = ", ".join(f"column{n + 1}" for n in range(len(types)))
        rows = f"(SELECT * FROM unnest({arrays}) AS u ({names}))"  # noqa: S608
        columns = [
            array(each, column)
            for each, column in zip(types, zip(*table, strict=True), strict=True)
        ]
        return self._run(sql.replace("{rows}", rows), columns)

    def bulk(self, sql: str, types: Sequence[Column], table: Sequence[Row]) -> int:
        """Run a statement over `{rows}`; return how many rows it touched in all."""
        return self._over(sql, types, table).rowcount if table else 0

    def bulk_rows(
        self, sql: str, types: Sequence[Column], table: Sequence[Row], shape: type[Shape]
    ) -> list[Shape]:
        """Run a statement over `{rows}` and return what it returns."""
        return shaped(self._over(sql, types, table).fetchall(), shape) if table else []

    def insert(self, sql: str, table: Sequence[Row]) -> None:
        """Run an INSERT with one `?` a column for each row; many plain rows go by COPY."""
        start = sql.upper().index("VALUES")
        tail = sql[sql.index(")", start) + 1 :]
        if len(table) >= _COPY_ROWS and not tail.strip():
            self._copy(sql[:start], table)
        elif table:
            types = [_type_of(column) for column in zip(*table, strict=True)]
            # `true`: else the conflict clause would be read as a join's condition
            text = sql[:start] + "SELECT * FROM {rows} AS d WHERE true" + tail  # noqa: S608
            self._over(text, types, table)

    def _copy(self, into: str, table: Sequence[Row]) -> None:
        target = into.strip().removeprefix("INSERT INTO ")
        types = [_type_of(column).value for column in zip(*table, strict=True)]
        try:
            with (
                self._connection.cursor() as cursor,
                cursor.copy(f"COPY {target} FROM STDIN (FORMAT BINARY)") as copy,
            ):
                copy.set_types(types)
                for row in table:
                    copy.write_row(row)
        except psycopg.IntegrityError as error:
            raise Conflict(error.sqlstate or "") from None


def _packing(packed: Packed) -> str:
    """Return the expression of rows as `Packed` has them."""
    forms = {
        "I": "substr(int8send({0}), 5)",
        "q": "int8send({0})",
        "s": "substr(coalesce({0}, '') || decode('{1}', 'hex'), 1, {2})",
    }
    fields = [
        forms[letter].format(column, "00" * width, width)
        for column, letter, width in packed.fields()
    ]
    return f"string_agg({' || '.join(fields)}, '' ORDER BY {packed.columns[0]})"


def _type_of(column: Sequence[Value]) -> Column:
    """Return what a column of values is."""
    for value in column:
        if isinstance(value, int):
            return Column.INT
        if isinstance(value, str):
            return Column.TEXT
        if value is not None:
            return Column.BLOB
    return Column.BLOB


def _own(connection: _Connection) -> None:
    """Take the lock that only one connection has, for as long as it lives."""
    try:
        connection.execute("SELECT pg_advisory_lock(%s)", (_OWNER,))
    except psycopg.errors.LockNotAvailable:
        connection.close()
        raise Away("belongs to another process of Troth, here or on another machine") from None


class PostgresStore:
    """A database: one connection that writes, others that only read."""

    dialect: Literal["postgresql"] = "postgresql"

    def __init__(self, url: str, *, is_alone: bool = False) -> None:
        """Connect; `is_alone` keeps every other process that asks for it from doing so too.

        Raises:
            Misconfigured: the database cannot be reached, or belongs to another process.
        """
        self._url = url
        self._is_alone = is_alone
        self._writing = Lock()
        self._texts: dict[str, str] = {}
        self._idle: list[_Connection] = []
        try:
            self._writer: _Connection | None = self._connect(read_only=False)
        except Away as away:
            raise Misconfigured(away.problem) from None

    def _connect(self, *, read_only: bool) -> _Connection:
        try:
            connection = psycopg.connect(
                self._url,
                autocommit=True,
                connect_timeout=_CONNECT_SECONDS,
                prepare_threshold=2,
                client_encoding="UTF8",
                application_name="troth",
                target_session_attrs="any" if read_only else "read-write",
                tcp_user_timeout=_SILENT_MS,
                keepalives_idle=5,
                keepalives_interval=2,
                keepalives_count=3,
            )
        except psycopg.OperationalError as error:
            text = str(error)
            problem = next((told for mark, told in _PROBLEMS if mark in text), _SILENT)
            raise Away(problem) from None
        except psycopg.ProgrammingError:
            raise Away("cannot be asked: the address is not well formed") from None
        connection.adapters.register_dumper(int, Int8BinaryDumper)
        register(connection.adapters)
        connection.prepared_max = 1_000
        for setting in _SETTINGS:
            connection.execute(setting)
        if read_only:
            connection.read_only = True
            connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        elif self._is_alone:
            _own(connection)
        return connection

    @contextmanager
    def write(self) -> Iterator[PostgresTransaction]:
        """Begin, commit at the end, roll back if anything was raised.

        Raises:
            Locked: a lock was not to be had within a second, or the database is away.
        """
        if not self._writing.acquire(timeout=_BUSY_MS / 1_000):
            raise Locked
        try:
            if self._writer is None or self._writer.closed:
                self._writer = self._connect(read_only=False)
            with self._transaction(self._writer) as transaction:
                yield transaction
        finally:
            self._writing.release()

    @contextmanager
    def read(self) -> Iterator[PostgresTransaction]:
        """Look at one unchanging state; writing is refused by the database."""
        try:
            connection = self._idle.pop()
        except IndexError:
            connection = self._connect(read_only=True)
        try:
            with self._transaction(connection) as transaction:
                yield transaction
        finally:
            if not connection.closed:
                self._idle.append(connection)

    @contextmanager
    def _transaction(self, connection: _Connection) -> Iterator[PostgresTransaction]:
        try:
            with connection.transaction():
                yield PostgresTransaction(connection, self._texts)
        except _BUSY:
            raise Locked from None
        except _NO_SPACE:
            raise Unwritable from None
        except psycopg.OperationalError:
            connection.close()
            while self._idle:
                self._idle.pop().close()  # the others lost their server too
            raise Locked from None

    def script(self, text: str, number: int = 0) -> None:
        """Run the statements of a migration in one transaction and note its number."""
        with self.write() as transaction:
            assert self._writer is not None
            self._writer.execute(text)
            if number:
                transaction.execute("INSERT INTO migration (number) VALUES (?)", (number,))

    def close(self) -> None:
        """Close all connections."""
        while self._idle:
            self._idle.pop().close()
        if self._writer is not None:
            self._writer.close()
