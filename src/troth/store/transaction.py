"""One unit of work: hand-written SQL with `?` placeholders, the same text for both databases.

Three marks are filled in by the dialect: `{rows}` stands for a table of the given rows with columns
`column1`, `column2`, ..., `{lock}` for what locks the rows a SELECT found, `{share}` for what keeps
them as they are.

A row is a tuple, or, where the `shape` asked for is an array-like struct, that struct: its fields
are then compared with what the columns hold.
"""

import re
import struct
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from enum import Enum
from typing import Final, Protocol, TypeVar, cast, overload

import msgspec

Value = int | str | bytes | None
"""What a column holds. Money, times and counts are integers; nothing is a float."""
Row = tuple[Value, ...]
Shape = TypeVar("Shape")
PLACE_MAX: Final = 2**32 - 1


class Column(Enum):
    """The type of a column of `{rows}`."""

    INT = "bigint"
    TEXT = "text"
    BLOB = "bytea"


class Packed(msgspec.Struct, frozen=True):
    """Rows of a table as bytes, those that belong together in one piece.

    `form` is a struct's: `>`, then `I`, `q` or a number with `s` for each column. NULL is no
    bytes, and what is shorter than its field is filled with zero bytes. `of` names the columns
    that rows share which belong together, and `columns` begins with what they are ordered by: a
    place from zero. A row whose place is no unsigned number of four bytes is left out.
    """

    table: str
    of: tuple[str, str]
    columns: tuple[str, ...]
    form: str

    def fields(self) -> list[tuple[str, str, int]]:
        """Return each column with the letter of its field and the field's bytes."""
        found = re.findall(r"(\d*)([Iqs])", self.form)
        return [
            (column, letter, int(count or struct.calcsize(f">{letter}")))
            for column, (count, letter) in zip(self.columns, found, strict=True)
        ]

    def rest(self) -> str:
        """Return where rows come from and which are left out."""
        return f"FROM {self.table} WHERE {self.columns[0]} BETWEEN 0 AND {PLACE_MAX}"


class Conflict(Exception):
    """A constraint of the schema refused the statement: the transaction must be rolled back."""


class Locked(Exception):
    """The database was busy for longer than a caller should wait; nothing was changed."""


class Unwritable(Locked):
    """The database has no space to write, or its disk failed; nothing was changed."""


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

    def number(self, sql: str, params: Sequence[Value] = ()) -> int:
        """Return the one integer of a query, 0 where it finds no row or NULL."""
        ...

    def stream(self, sql: str, params: Sequence[Value], shape: type[Shape]) -> Iterator[Shape]:
        """Return the rows of a large result, a few thousand at a time."""
        ...

    def packed(self, sql: str, packed: Packed, shape: type[Shape]) -> Iterator[tuple[Shape, bytes]]:
        """Return each row of a query with the packed rows that belong to it, in order.

        The query's first columns are named as `packed.of`, by which it is ordered; `shape` is a
        plain tuple of integers and bytes. Read all of it before anything else is asked.
        """
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


def shaped(found: list[Row], shape: type[Shape] | None) -> list[Shape]:
    """Return rows in the shape that was asked for."""
    if isinstance(shape, type) and issubclass(shape, msgspec.Struct):
        return [msgspec.convert(row, shape) for row in found]
    return cast("list[Shape]", found)


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
        return shaped(self._run(sql, params).fetchall(), shape)

    @overload
    def row(self, sql: str, params: Sequence[Value] = ()) -> Row | None: ...
    @overload
    def row(self, sql: str, params: Sequence[Value], shape: type[Shape]) -> Shape | None: ...
    def row(
        self, sql: str, params: Sequence[Value] = (), shape: type[Shape] | None = None
    ) -> Row | Shape | None:
        """Return the first row of a query or None."""
        found = self._run(sql, params).fetchone()
        return shaped([found], shape)[0] if found else None

    def number(self, sql: str, params: Sequence[Value] = ()) -> int:
        """Return the one integer of a query, 0 where it finds no row or NULL."""
        found = self.row(sql, params, tuple[int | None])
        return int(found[0] or 0) if found else 0
