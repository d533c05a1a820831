"""The whole proof: every batch hashed again, every book replayed from nothing.

Reads each row once, in one state of the database. A changed byte anywhere is answered with the
batch it lies in. Charges come as the bytes that were hashed: the sums are of those bytes too.
"""

import struct
from collections import defaultdict
from collections.abc import Sequence
from hashlib import sha256
from itertools import groupby
from operator import itemgetter
from typing import Final, cast

import msgspec

from troth.kernel.hash_tree import EMPTY_ROOT
from troth.ledger.books import chain, days, invariants
from troth.ledger.books.chain import Batch, LotRow
from troth.ledger.books.entry import WALLET, is_formed
from troth.ledger.shard.records import PURSE_BYTES
from troth.store.transaction import PLACE_MAX, Packed, Transaction

_OF_CHARGES: Final = Packed(
    "charge",
    ("desk", "batch"),
    ("n", "dr", "cr", "lot", "amount", "count", "day"),
    chain.CHARGE.format,
)
_MOVE: Final = struct.Struct(">4x80sq8xq")
"""Of a packed charge: debit, credit and lot as one, the amount, the day."""
_DEBIT, _CREDIT, _LOT = slice(32), slice(32, 64), slice(64, 80)
_ODD: Final = """(n NOT BETWEEN 0 AND ? OR length(lot) <> 16 OR substr(cr, length(cr)) = ?
OR CASE substr(dr, 1, 1) WHEN ? THEN length(dr) <> 17 ELSE substr(dr, length(dr)) = ? END)"""
"""What is not hashed as it stands: no such place, an id cut short or filled up with zero bytes."""
_OF_ODD: Final = (PLACE_MAX, b"\0", WALLET, b"\0")
_BATCH: Final = "I10 batch {}/{} does not follow the one before"
_STRAY: Final = "I10 rows of batch {}/{} are in no place of the chain"
_ENTRIES: Final = "I10 entries of batch {}/{} were changed"


class Report(msgspec.Struct):
    """What was read, and what is wrong; nothing wrong, nothing listed."""

    batches: int = 0
    charges: int = 0
    entries: int = 0
    problems: list[str] = []


class _Sums:
    """What the rows say each book and lot must hold."""

    def __init__(self) -> None:
        self.books: defaultdict[bytes, int] = defaultdict(int)
        self.open: defaultdict[bytes, int] = defaultdict(int)
        """What open days charged, by debit, credit and lot."""
        self.closed: defaultdict[bytes, int] = defaultdict(int)
        self.sealed: set[int] = set()
        self.has_gone = False
        """Whether charges have left with their day, so that lots cannot be recounted."""


def verify(tx: Transaction) -> Report:
    """Check everything; a report with problems means that money work must stop."""
    report = Report()
    sums = _Sums()
    _closes(tx, report, sums)
    _batches(tx, report, sums)
    _entries(tx, report, sums)
    _heads(tx, report)
    _books(tx, report, sums)
    _lots(tx, report, sums)
    report.problems += invariants.everywhere(tx)
    return report


def _batches(tx: Transaction, report: Report, sums: _Sums) -> None:
    before: dict[int, tuple[int, bytes]] = {}
    has_begun = False
    for head, rows in tx.packed(
        "SELECT desk, n AS batch, prev_hash, charges_root, receipts_root, entries_root, count, day,"
        " at, hash FROM batch",
        _OF_CHARGES,
        tuple[int, int, bytes, bytes, bytes, bytes, int, int, int, bytes],
    ):
        batch, stored = Batch(*head[:9]), head[9]
        n, prev_hash = before.get(batch.desk, (0, chain.GENESIS))
        said = (batch.n, batch.prev_hash, batch.hash, *map(len, head[3:6]))
        if said != (n + 1, prev_hash, stored, 32, 32, 32):
            report.problems.append(_BATCH.format(batch.desk, batch.n))
        before[batch.desk] = (batch.n, stored)
        report.batches += 1
        has_begun = bool(rows) or (has_begun and n > 0)
        if has_begun or batch.charges_root == EMPTY_ROOT or batch.day not in sums.sealed:
            _charges(batch, rows, report, sums)
        else:  # class usage: the oldest go first, and the closes of their days stand for them
            sums.has_gone = True
    rows_and_odd = f"SELECT count(*) + count(CASE WHEN {_ODD} THEN 1 END) FROM charge"  # noqa: S608
    if report.charges != tx.number(rows_and_odd, _OF_ODD):
        strays = tx.rows(
            f"SELECT DISTINCT desk, batch FROM charge WHERE {_ODD} OR NOT EXISTS"  # noqa: S608
            " (SELECT 1 FROM batch WHERE batch.desk = charge.desk AND batch.n = charge.batch)",
            _OF_ODD,
            tuple[int, int],
        )
        report.problems += [_STRAY.format(*place) for place in strays]


def _charges(batch: Batch, rows: bytes, report: Report, sums: _Sums) -> None:
    if sha256(rows).digest() != batch.charges_root:
        report.problems.append(f"I10 charges of batch {batch.desk}/{batch.n} were changed")
    report.charges += len(rows) // chain.CHARGE.size
    last, moved = None, sums.open
    for parties, amount, day in _MOVE.iter_unpack(rows):
        if day != last:
            last, moved = day, sums.closed if day in sums.sealed else sums.open
        moved[parties] += amount


def _entries(tx: Transaction, report: Report, sums: _Sums) -> None:
    found = tx.stream(
        "SELECT entry.desk, entry.batch, entries_root, entry.id, entry.kind, dr, cr, amount, lot,"
        " corrects, entry.day, entry.at, lot.book, lot.kind, granted, expires_at, created_at"
        " FROM entry LEFT JOIN lot ON lot.id = entry.id"
        " LEFT JOIN batch ON batch.desk = entry.desk AND batch.n = entry.batch"
        " ORDER BY entry.desk, entry.batch",
        (),
        tuple[
            int, int, bytes | None, bytes, str, bytes, bytes, int, bytes | None, bytes | None, int,
            int, bytes | None, str | None, int | None, int | None, int | None,
        ],
    )  # fmt: skip
    for (desk, n, root), group in groupby(found, itemgetter(0, 1, 2)):
        rows = list(group)
        report.entries += len(rows)
        opened = [cast("LotRow", (row[3], *row[12:])) for row in rows if row[12] is not None]
        if root is None:
            report.problems.append(_STRAY.format(desk, n))
        elif chain.entries_root([row[3:12] for row in rows], opened) != root or any(
            _is_odd(row[4], (row[3], *row[8:10]), (*row[5:7], row[12] or row[5])) for row in rows
        ):
            report.problems.append(_ENTRIES.format(desk, n))
        for _, _, _, _, _, dr, cr, amount, _, _, day, *_ in rows:
            if day not in sums.sealed:
                sums.books[dr] -= amount
                sums.books[cr] += amount
    gone = tx.rows(
        "SELECT desk, n FROM batch WHERE entries_root <> ? AND NOT EXISTS"
        " (SELECT 1 FROM entry WHERE entry.desk = batch.desk AND entry.batch = batch.n)",
        (EMPTY_ROOT,),
        tuple[int, int],
    )
    report.problems += [_ENTRIES.format(*place) for place in gone]


def _is_odd(kind: str, ids: Sequence[bytes | None], books: Sequence[bytes]) -> bool:
    """Tell whether any of an entry's names is not hashed as it stands."""
    return (
        "\0" in kind
        or any(each is not None and len(each) != 16 for each in ids)  # noqa: PLR2004 - as in SQL
        or any(
            len(each) != PURSE_BYTES if each[:1] == WALLET else each[-1:] == b"\0" for each in books
        )
    )


def _closes(tx: Transaction, report: Report, sums: _Sums) -> None:
    """Start from the last closed day; each day's close must follow the one before."""
    rows = tx.stream(
        "SELECT day, book, opening, paid_in, charged, paid_out, closing, hash FROM day_close"
        " ORDER BY day, book",
        (),
        tuple[int, bytes, int, int, int, int, int, bytes],
    )
    hashes: dict[bytes, bytes] = {}
    for day, book, *figures, stored in rows:
        opening, _, _, _, closing = figures
        hashes[book] = days.seal(hashes.get(book, chain.GENESIS), day, book, figures)
        if (opening, stored) != (sums.books[book], hashes[book]):
            report.problems.append(f"I9 the close of day {day} was changed")
        sums.books[book] = closing  # of what else it is made, the schema and the hash hold
        sums.sealed.add(day)


def _heads(tx: Transaction, report: Report) -> None:
    wrong = tx.rows(
        "SELECT desk FROM chain WHERE NOT EXISTS (SELECT 1 FROM batch"
        " WHERE batch.desk = chain.desk AND batch.n = chain.n AND batch.hash = chain.hash)"
        " OR EXISTS (SELECT 1 FROM batch WHERE batch.desk = chain.desk AND batch.n > chain.n)",
        (),
        tuple[int],
    )
    report.problems += [f"I10 the chain of desk {desk} has another end" for (desk,) in wrong]


def _books(tx: Transaction, report: Report, sums: _Sums) -> None:
    rows = tx.rows("SELECT id, kind, floor0, posted FROM book", (), tuple[bytes, str, int, int])
    stored = {book: posted for book, _, _, posted in rows}
    known = {book.ljust(_CREDIT.start, b"\0"): book for book in stored}
    for parties, amount in sums.open.items():
        for side, sign in ((parties[_DEBIT], -1), (parties[_CREDIT], 1)):
            sums.books[known.get(side, side.rstrip(b"\0"))] += sign * amount
    report.problems += [
        f"I2 book {name(book)} is not of its kind"
        for book, kind, floor0, _ in rows
        if not is_formed(book, kind, floor0)
    ]
    for book in sorted(stored.keys() | sums.books.keys()):
        if stored.get(book, 0) != sums.books[book]:
            report.problems.append(f"I9 book {name(book)} is not what its rows say")
    if sum(stored.values()) != 0:
        report.problems.append("I1 the books do not sum to zero")


def _lots(tx: Transaction, report: Report, sums: _Sums) -> None:
    """What was drawn from a lot is what is spent of it, unless charges are gone with their day."""
    drawn: defaultdict[bytes, int] = defaultdict(int)
    for parties, amount in (*sums.open.items(), *sums.closed.items()):
        drawn[parties[_LOT]] += amount
    for lot, spent in tx.stream("SELECT id, spent FROM lot", (), tuple[bytes, int]):
        if drawn[lot] > spent or (drawn[lot] < spent and not sums.has_gone):
            report.problems.append(f"I8 lot {lot.hex()} is not what was drawn from it")


def name(book: bytes) -> str:
    """Return a book's id as people read it."""
    if book[:1] == b"=":
        return book[1:].decode(errors="backslashreplace")
    return book[:1].decode(errors="backslashreplace") + " " + book[1:].hex()
