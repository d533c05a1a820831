"""The ledger as JSON lines: heads, books, lots, day closes, batches with their rows.

The opening is read in one transaction and says how far the rest goes: batches and closes are only
ever added, so pages read later belong to the same state. `troth.proof.auditor` checks such a file.
"""

from typing import Final, TypeVar

import msgspec

from troth.store.transaction import Transaction

FORMAT: Final = 1
_ENCODER: Final = msgspec.json.Encoder()


class Head(msgspec.Struct, frozen=True, tag="head", tag_field="t"):
    """The last batch of a desk's chain; `hash` in hexadecimal digits."""

    desk: int
    n: int
    hash: str


class _Ledger(msgspec.Struct, frozen=True, tag="ledger", tag_field="t"):
    format: int
    at: int
    open_day: int


class _Book(msgspec.Struct, frozen=True, tag="book", tag_field="t"):
    id: str
    kind: str
    org: str | None
    posted: int


class _Lot(msgspec.Struct, frozen=True, tag="lot", tag_field="t"):
    id: str
    book: str
    kind: str
    granted: int
    spent: int
    returned: int
    expires_at: int | None
    created_at: int


class _Batch(msgspec.Struct, frozen=True, tag="batch", tag_field="t"):
    desk: int
    n: int
    prev_hash: str
    hash: str
    charges_root: str
    receipts_root: str
    entries_root: str
    count: int
    day: int
    at: int


class _Charge(msgspec.Struct, frozen=True, tag="charge", tag_field="t"):
    desk: int
    batch: int
    n: int
    dr: str
    cr: str
    lot: str | None
    amount: int
    count: int
    day: int


class _Entry(msgspec.Struct, frozen=True, tag="entry", tag_field="t"):
    desk: int
    batch: int
    id: str
    kind: str
    dr: str
    cr: str
    amount: int
    lot: str | None
    corrects: str | None
    day: int
    at: int


class _Close(msgspec.Struct, frozen=True, tag="close", tag_field="t"):
    day: int
    book: str
    opening: int
    paid_in: int
    charged: int
    paid_out: int
    closing: int
    hash: str


def heads(tx: Transaction) -> list[Head]:
    """Return the last batch of each desk: what to keep elsewhere, to compare a copy with."""
    rows = tx.rows("SELECT desk, n, hash FROM chain ORDER BY desk", (), tuple[int, int, bytes])
    return [Head(desk, n, hash_.hex()) for desk, n, hash_ in rows]


def batch(tx: Transaction, desk: int, n: int) -> list[Head]:
    """Return one batch's number and hash, in a list; an empty one where there is none."""
    rows = tx.rows("SELECT hash FROM batch WHERE desk = ? AND n = ?", (desk, n), tuple[bytes])
    return [Head(desk, n, hash_.hex()) for (hash_,) in rows]


def opening(tx: Transaction, now_ms: int) -> bytes:
    """Return the first lines: what is told, how far it goes, each book and lot as it stands."""
    day = tx.row("SELECT day FROM open_day WHERE id = 1", (), tuple[int])
    lines: list[msgspec.Struct] = [_Ledger(FORMAT, now_ms, day[0] if day else 0), *heads(tx)]
    books = tx.rows(
        "SELECT id, kind, org_ref, posted FROM book ORDER BY id",
        (),
        tuple[bytes, str, str | None, int],
    )
    lines += [_Book(key.hex(), kind, org, posted) for key, kind, org, posted in books]
    lots = tx.rows(
        "SELECT id, book, kind, granted, spent, returned, expires_at, created_at FROM lot"
        " ORDER BY id",
        (),
        tuple[bytes, bytes, str, int, int, int, int | None, int],
    )
    lines += [
        _Lot(key.hex(), book.hex(), kind, granted, spent, returned, ends, created)
        for key, book, kind, granted, spent, returned, ends, created in lots
    ]
    return _ENCODER.encode_lines(lines)


def closes(tx: Transaction, after_day: int, until_day: int, days: int) -> bytes:
    """Return the first `days` closed days above `after_day` and below `until_day`."""
    found = tx.rows(
        "SELECT DISTINCT day FROM day_close WHERE day > ? AND day < ? ORDER BY day LIMIT ?",
        (after_day, until_day, days),
        tuple[int],
    )
    last = found[-1][0] if found else after_day
    rows = tx.rows(
        "SELECT day, book, opening, paid_in, charged, paid_out, closing, hash FROM day_close"
        " WHERE day > ? AND day <= ? ORDER BY day, book",
        (after_day, last),
        tuple[int, bytes, int, int, int, int, int, bytes],
    )
    lines = [
        _Close(day, book.hex(), opening, paid_in, charged, paid_out, closing, hash_.hex())
        for day, book, opening, paid_in, charged, paid_out, closing, hash_ in rows
    ]
    return _ENCODER.encode_lines(lines)


def batches(tx: Transaction, desk: int, above: int, until: int) -> bytes:
    """Return a desk's batches above a number and up to another, each before its rows."""
    span = (desk, above, until)
    charges = _by_batch(_charges(tx, span))
    entries = _by_batch(_entries(tx, span))
    lines: list[msgspec.Struct] = []
    for header in _headers(tx, span):
        lines += [header, *charges.get(header.n, ()), *entries.get(header.n, ())]
    return _ENCODER.encode_lines(lines)


def _headers(tx: Transaction, span: tuple[int, int, int]) -> list[_Batch]:
    rows = tx.rows(
        "SELECT n, prev_hash, hash, charges_root, receipts_root, entries_root, count, day, at"
        " FROM batch WHERE desk = ? AND n > ? AND n <= ? ORDER BY n",
        span,
        tuple[int, bytes, bytes, bytes, bytes, bytes, int, int, int],
    )
    return [
        _Batch(
            span[0],
            n,
            prev.hex(),
            own.hex(),
            charges.hex(),
            receipts.hex(),
            entries.hex(),
            count,
            day,
            at,
        )
        for n, prev, own, charges, receipts, entries, count, day, at in rows
    ]


def _charges(tx: Transaction, span: tuple[int, int, int]) -> list[_Charge]:
    rows = tx.rows(
        "SELECT desk, batch, n, dr, cr, lot, amount, count, day FROM charge"
        " WHERE desk = ? AND batch > ? AND batch <= ? ORDER BY batch, n",
        span,
        tuple[int, int, int, bytes, bytes, bytes | None, int, int, int],
    )
    return [
        _Charge(desk, batch, n, dr.hex(), cr.hex(), _hex(lot), amount, count, day)
        for desk, batch, n, dr, cr, lot, amount, count, day in rows
    ]


def _entries(tx: Transaction, span: tuple[int, int, int]) -> list[_Entry]:
    rows = tx.rows(
        "SELECT desk, batch, id, kind, dr, cr, amount, lot, corrects, day, at FROM entry"
        " WHERE desk = ? AND batch > ? AND batch <= ? ORDER BY batch, id",
        span,
        tuple[int, int, bytes, str, bytes, bytes, int, bytes | None, bytes | None, int, int],
    )
    return [
        _Entry(desk, n, key.hex(), kind, dr.hex(), cr.hex(), amount, _hex(lot), _hex(old), day, at)
        for desk, n, key, kind, dr, cr, amount, lot, old, day, at in rows
    ]


def _hex(raw: bytes | None) -> str | None:
    return None if raw is None else raw.hex()


_Row = TypeVar("_Row", _Charge, _Entry)


def _by_batch(rows: list[_Row]) -> dict[int, list[_Row]]:
    groups: dict[int, list[_Row]] = {}
    for row in rows:
        groups.setdefault(row.batch, []).append(row)
    return groups
