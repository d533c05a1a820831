"""The whole proof: every batch hashed again, every book replayed from nothing.

Reads each row once. A changed byte anywhere is answered with the batch it lies in.
"""

import struct
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import groupby
from operator import itemgetter
from typing import Generic, TypeVar, cast

import msgspec

from troth.kernel.hash_tree import EMPTY_ROOT
from troth.ledger.books import chain, days, invariants
from troth.ledger.books.chain import Batch, ChargeRow, EntryRow, LotRow
from troth.ledger.books.entry import is_formed
from troth.store.transaction import Transaction

_Place = tuple[int, int]
_ChargeOf = tuple[int, int, int, bytes, bytes, bytes | None, int, int, int]
_EntryOf = tuple[
    int, int, bytes, str, bytes, bytes, int, bytes | None, bytes | None, int, int,
    bytes | None, str | None, int | None, int | None, int | None,
]  # fmt: skip
Of = TypeVar("Of", _ChargeOf, _EntryOf)
Plain = TypeVar("Plain", ChargeRow, EntryRow)


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
        self.drawn: defaultdict[bytes, int] = defaultdict(int)
        self.sealed: set[int] = set()
        self.has_gone = False
        """Whether charges have left with their day, so that lots cannot be recounted."""


def verify(tx: Transaction) -> Report:
    """Check everything; a report with problems means that money work must stop."""
    report = Report()
    sums = _Sums()
    _closes(tx, report, sums)
    _replay(tx, report, sums)
    _heads(tx, report)
    _books(tx, report, sums)
    _lots(tx, report, sums)
    report.problems += invariants.everywhere(tx)
    return report


def _replay(tx: Transaction, report: Report, sums: _Sums) -> None:
    charges = _Groups(_charges(tx))
    entries = _Groups(_entries(tx))
    before: dict[int, tuple[int, bytes]] = {}
    for batch, stored in _batches(tx):
        place = (batch.desk, batch.n)
        n, prev_hash = before.get(batch.desk, (0, chain.GENESIS))
        if (batch.n, batch.prev_hash) != (n + 1, prev_hash) or batch.hash != stored:
            report.problems.append(
                f"I10 batch {batch.desk}/{batch.n} does not follow the one before"
            )
        before[batch.desk] = (batch.n, stored)
        report.batches += 1
        report.charges += _check_charges(batch, charges.at(place), report, sums)
        report.entries += _check_entries(batch, entries.at(place), report, sums)
    left = [*charges.left(), *entries.left()]
    report.problems += [f"I10 rows of batch {desk}/{n}, which is not there" for desk, n in left]


def _batches(tx: Transaction) -> Iterator[tuple[Batch, bytes]]:
    rows = tx.stream(
        "SELECT desk, n, prev_hash, charges_root, receipts_root, entries_root, count, day, at, hash"
        " FROM batch ORDER BY desk, n",
        (),
        tuple[int, int, bytes, bytes, bytes, bytes, int, int, int, bytes],
    )
    return ((Batch(*row[:9]), row[9]) for row in rows)


def _charges(tx: Transaction) -> Iterator[_ChargeOf]:
    return tx.stream(
        "SELECT desk, batch, n, dr, cr, lot, amount, count, day FROM charge"
        " ORDER BY desk, batch, n",
        (),
        tuple[int, int, int, bytes, bytes, bytes | None, int, int, int],
    )


def _entries(tx: Transaction) -> Iterator[_EntryOf]:
    return tx.stream(
        "SELECT desk, batch, entry.id, entry.kind, dr, cr, amount, lot, corrects, day, at,"
        " lot.book, lot.kind, granted, expires_at, created_at FROM entry"
        " LEFT JOIN lot ON lot.id = entry.id ORDER BY desk, batch, entry.id",
        (),
        tuple[
            int, int, bytes, str, bytes, bytes, int, bytes | None, bytes | None, int, int,
            bytes | None, str | None, int | None, int | None, int | None,
        ],
    )  # fmt: skip


class _Groups(Generic[Of]):
    """Rows in the order of their batches, handed out batch by batch."""

    def __init__(self, rows: Iterable[Of]) -> None:
        self._groups: Iterator[tuple[_Place, Iterator[Of]]] = groupby(rows, itemgetter(0, 1))
        self._next: tuple[_Place, Iterator[Of]] | None = next(self._groups, None)

    def at(self, place: _Place) -> list[Of]:
        """Return the rows of a batch; places are asked for in order."""
        if self._next is None or self._next[0] != place:
            return []
        rows = list(self._next[1])
        self._next = next(self._groups, None)
        return rows

    def left(self) -> list[_Place]:
        """Return the places nobody asked for."""
        places = [] if self._next is None else [self._next[0]]
        return places + [place for place, _ in self._groups]


def _check_charges(batch: Batch, rows: list[_ChargeOf], report: Report, sums: _Sums) -> int:
    if not rows and batch.charges_root != EMPTY_ROOT and batch.day in sums.sealed:
        sums.has_gone = True
        return 0  # class usage: gone with its day; the day's close stands for it
    plain: list[ChargeRow] = [row[2:] for row in rows]
    if _root(chain.charges_root, plain) != batch.charges_root:
        report.problems.append(f"I10 charges of batch {batch.desk}/{batch.n} were changed")
    books, drawn = sums.books, sums.drawn
    for _, dr, cr, lot, amount, _, day in plain:
        if day not in sums.sealed:
            books[dr] -= amount
            books[cr] += amount
        if lot is not None:
            drawn[lot] += amount
    return len(rows)


def _root(of: Callable[[list[Plain]], bytes], rows: list[Plain]) -> bytes | None:
    """Return a root; rows with figures that no honest row has lead to none."""
    try:
        return of(rows)
    except struct.error:
        return None


def _check_entries(batch: Batch, rows: list[_EntryOf], report: Report, sums: _Sums) -> int:
    plain: list[EntryRow] = [row[2:11] for row in rows]
    opened = [cast("LotRow", (row[2], *row[11:])) for row in rows if row[11] is not None]
    if _root(partial(chain.entries_root, lots=opened), plain) != batch.entries_root:
        report.problems.append(f"I10 entries of batch {batch.desk}/{batch.n} were changed")
    for _, _, dr, cr, amount, _, _, day, _ in plain:
        if day not in sums.sealed:
            sums.books[dr] -= amount
            sums.books[cr] += amount
    return len(rows)


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
    for lot, spent in tx.stream("SELECT id, spent FROM lot", (), tuple[bytes, int]):
        drawn = sums.drawn[lot]
        if drawn > spent or (drawn < spent and not sums.has_gone):
            report.problems.append(f"I8 lot {lot.hex()} is not what was drawn from it")


def name(book: bytes) -> str:
    """Return a book's id as people read it."""
    if book[:1] == b"=":
        return book[1:].decode(errors="backslashreplace")
    return book[:1].decode(errors="backslashreplace") + " " + book[1:].hex()
