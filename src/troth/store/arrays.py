"""Columns of many rows as PostgreSQL's binary arrays, written in one piece.

The driver would look at each value again to find out what it is; here the column's type is known.
"""

import struct
from collections.abc import Sequence
from typing import Final

from psycopg.adapt import AdaptersMap, Dumper
from psycopg.pq import Format
from typing_extensions import override

from troth.store.transaction import Column, Value

_HEAD: Final = struct.Struct(">iiIii")
_LENGTH: Final = struct.Struct(">i")
_NUMBER: Final = struct.Struct(">q")
_NULL: Final = _LENGTH.pack(-1)
_OIDS: Final = {Column.INT: (20, 1016), Column.TEXT: (25, 1009), Column.BLOB: (17, 1001)}
"""Of a value, and of an array of them."""


class Array(bytes):
    """An array as the server reads it."""


class _Ints(Array):
    pass


class _Texts(Array):
    pass


class _Blobs(Array):
    pass


_KINDS: Final[dict[Column, type[Array]]] = {
    Column.INT: _Ints,
    Column.TEXT: _Texts,
    Column.BLOB: _Blobs,
}


class _Whole(Dumper):
    """Sends an array as it is."""

    format = Format.BINARY

    @override
    def dump(self, obj: bytes) -> bytes:
        return obj


class _IntsDumper(_Whole):
    oid = _OIDS[Column.INT][1]


class _TextsDumper(_Whole):
    oid = _OIDS[Column.TEXT][1]


class _BlobsDumper(_Whole):
    oid = _OIDS[Column.BLOB][1]


def register(adapters: AdaptersMap) -> None:
    """Let a connection send arrays."""
    adapters.register_dumper(_Ints, _IntsDumper)
    adapters.register_dumper(_Texts, _TextsDumper)
    adapters.register_dumper(_Blobs, _BlobsDumper)


def array(kind: Column, column: Sequence[Value]) -> Array:
    """Return a column of one type, with or without NULLs, as an array."""
    head = _HEAD.pack(1, int(None in column), _OIDS[kind][0], len(column), 1)
    return _KINDS[kind](head + b"".join([_element(value) for value in column]))


def _element(value: Value) -> bytes:
    if isinstance(value, bytes):
        return _LENGTH.pack(len(value)) + value
    if isinstance(value, int):
        return _EIGHT + _NUMBER.pack(value)
    if value is None:
        return _NULL
    text = value.encode()
    return _LENGTH.pack(len(text)) + text


_EIGHT: Final = _LENGTH.pack(_NUMBER.size)
