"""One unit of work: hand-written SQL with `?` placeholders, the same text for both databases.

Three marks are filled in by the dialect: `{rows}` stands for a table of the given rows with columns
`column1`, `column2`, ..., `{lock}` for what locks the rows a SELECT found, `{share}` for what keeps
them as they are.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from enum import Enum
from typing import Protocol, TypeVar, cast, overload

Value = int | str | bytes | None
"""What a column holds. Money, times and counts are integers; nothing is a float."""
Row = tuple[Value, ...]
Shape = TypeVar("Shape")


class Column(Enum):
    """The type of a column of `{rows}`."""

    INT = "bigint"
    TEXT = "text"
    BLOB = "bytea"


class Conflict(Exception):
    """A constraint of the schema refused the statement: the transaction must be rolled back."""


class Locked(Exception):
    """The database was busy for longer than a caller should wait; nothing was changed."""


class Transaction(Protocol):
    """What a function below the edge may do with the database. It never commits."""

    def execute(self, sql: str, params: Sequence[Value] = ()) -> int:
        """Run one statement; return how many rows it touched.

        Raises:
            Conflict: a constraint does not hold.
        """
        ...

    @overload
    def rows(self, sql: str, params: Sequence[Value] = ()) -> list[Row]: ...
    @overload
    def rows(self, sql: str, params: Sequence[Value], shape: type[Shape]) -> list[Shape]: ...

    @overload
    def row(self, sql: str, params: Sequence[Value] = ()) -> Row | None: ...
    @overload
    def row(self, sql: str, params: Sequence[Value], shape: type[Shape]) -> Shape | None: ...

    def stream(self, sql: str, params: Sequence[Value], shape: type[Shape]) -> Iterator[Shape]:
        """Return the rows of a large result, a few thousand at a time."""
        ...

    def bulk(self, sql: str, types: Sequence[Column], table: Sequence[Row]) -> int:
        """Run a statement over `{rows}`; return how many rows it touched in all."""
        ...

    def bulk_rows(
        self, sql: str, types: Sequence[Column], table: Sequence[Row], shape: type[Shape]
    ) -> list[Shape]:
        """Run a statement over `{rows}` and return what it returns."""
        ...

    def insert(self, sql: str, table: Sequence[Row]) -> None:
        """Run an INSERT with one `?` a column for each row: the fastest way for wide rows."""
        ...


class Found(Protocol):
    """What both drivers' cursors answer."""

    @property
    def rowcount(self) -> int:
        """Return how many rows were touched."""
        ...

    def fetchall(self) -> list[Row]:
        """Return all rows."""
        ...

    def fetchone(self) -> Row | None:
        """Return the next row."""
        ...


class Statements(ABC):
    """The plain statements of a transaction; a dialect runs them and adds those over `{rows}`."""

    __slots__ = ()

    @abstractmethod
    def _run(self, sql: str, params: Sequence[Value]) -> Found:
        """Run one statement."""

    def execute(self, sql: str, params: Sequence[Value] = ()) -> int:
        """Run one statement; return how many rows it touched."""
        return self._run(sql, params).rowcount

    @overload
    def rows(self, sql: str, params: Sequence[Value] = ()) -> list[Row]: ...
    @overload
    def rows(self, sql: str, params: Sequence[Value], shape: type[Shape]) -> list[Shape]: ...
    def rows(
        self, sql: str, params: Sequence[Value] = (), shape: type[Shape] | None = None
    ) -> list[Row] | list[Shape]:
        """Return all rows of a query; `shape` says what the columns are."""
        del shape
        return cast("list[Row] | list[Shape]", self._run(sql, params).fetchall())

    @overload
    def row(self, sql: str, params: Sequence[Value] = ()) -> Row | None: ...
    @overload
    def row(self, sql: str, params: Sequence[Value], shape: type[Shape]) -> Shape | None: ...
    def row(
        self, sql: str, params: Sequence[Value] = (), shape: type[Shape] | None = None
    ) -> Row | Shape | None:
        """Return the first row of a query or None."""
        del shape
        return cast("Row | Shape | None", self._run(sql, params).fetchone())
