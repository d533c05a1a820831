"""Checks an exported ledger without Troth: this one file and Python's standard library suffice.

    python auditor.py ledger.jsonl [DESK:NUMBER:HASH ...]

Written from the description in `docs/guides/reports.md`, not from the ledger's code, so that a
fault there is not repeated here. Exit code 1 means that something does not agree; what, is printed.
"""

import hashlib
import json
import struct
import sys
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path

Row = dict[str, str | int | None]
Sums = list[int]

START = bytes(32)
EMPTY = hashlib.sha256(b"").digest()
CHARGE = struct.Struct(">I32s32s16sqqq")
ENTRY = struct.Struct(">16s16s32s32sq16s16sqq")
LOT = struct.Struct(">16s32s8sqqq")
HEAD = struct.Struct(">32sqq32s32s32sqqq")
CLOSE = struct.Struct(">32sq32sqqqqq")
PAID_IN, CHARGED, PAID_OUT = 0, 1, 2


class Audit:
    """What a file says, read line by line; `problems` is empty when all of it agrees."""

    def __init__(self, kept: Sequence[str] = ()) -> None:
        self.problems: list[str] = []
        self.counts: defaultdict[str, int] = defaultdict(int)
        self.heads: dict[int, tuple[int, str]] = {}
        self._kept = [_kept(text) for text in kept]
        self._chains: dict[int, tuple[int, bytes]] = {}
        self._posted: dict[bytes, int] = {}
        self._lots: dict[bytes, tuple[bytes, int, int]] = {}
        self._terms: dict[bytes, bytes] = {}
        self._closed: dict[bytes, tuple[int, bytes]] = {}
        self._closes: dict[tuple[int, bytes], Sums] = {}
        self._days: set[int] = set()
        self._gone: set[int] = set()
        self._begun: set[int] = set()
        self._moved: defaultdict[tuple[int, bytes], Sums] = defaultdict(lambda: [0, 0, 0])
        self._replayed: defaultdict[bytes, int] = defaultdict(int)
        self._drawn: defaultdict[bytes, int] = defaultdict(int)
        self._returned: defaultdict[bytes, int] = defaultdict(int)
        self._batch: Row = {}
        self._charges: list[Row] = []
        self._entries: list[Row] = []

    def read(self, lines: Iterable[bytes]) -> None:
        """Read a whole file."""
        digest = hashlib.sha256()
        count = 0
        end: Row = {}
        for line in lines:
            if end:
                self._say("there are lines after the end")
                break
            row = self._row(line, count + 1)
            if row.get("t") == "end":
                end = row
                continue
            digest.update(line)
            count += 1
            if row:
                self._take(row)
        self._finish_batch()
        if not end:
            self._say("the file has no end: it was cut off")
        elif (end.get("lines"), end.get("sha256")) != (count, digest.hexdigest()):
            self._say("the file's own hash does not fit: it was changed after its export")
        self._finish()

    def _say(self, problem: str) -> None:
        self.problems.append(problem)

    def _row(self, line: bytes, number: int) -> Row:
        try:
            row = json.loads(line)
        except (ValueError, RecursionError):
            row = None
        if not isinstance(row, dict) or not isinstance(row.get("t"), str):
            self._say(f"line {number} is no line of a ledger")
            return {}
        self.counts[row["t"]] += 1
        return row

    def _take(self, row: Row) -> None:
        kind = row.get("t")
        try:
            if kind == "head":
                self.heads[_int(row, "desk")] = (_int(row, "n"), _text(row, "hash"))
            elif kind == "book":
                self._posted[_raw(row, "id")] = _int(row, "posted")
            elif kind == "lot":
                book, figures = _raw(row, "book"), (_int(row, "spent"), _int(row, "returned"))
                self._lots[_raw(row, "id")] = (book, *figures)
                self._terms[_raw(row, "id")] = _lot(row)
            elif kind == "close":
                self._close(row)
            else:
                self._take_of_batch(row)
        except (KeyError, TypeError, ValueError, struct.error):
            self._say(f"a line of kind {kind} lacks a field or has one of another type")

    def _take_of_batch(self, row: Row) -> None:
        kind = row.get("t")
        if kind == "batch":
            self._finish_batch()
            self._batch = row
        elif kind in {"charge", "entry"}:
            if (row["desk"], row["batch"]) != (self._batch.get("desk"), self._batch.get("n")):
                self._say(f"a row of batch {row['desk']}/{row['batch']} stands in another")
            (self._charges if kind == "charge" else self._entries).append(row)
        elif kind != "ledger":
            self._say("there is a line of an unknown kind")

    def _close(self, row: Row) -> None:
        """A day's close follows the last one of its book, and adds up."""
        day, book = _int(row, "day"), _raw(row, "book")
        names = ("opening", "paid_in", "charged", "paid_out", "closing")
        figures = [_int(row, name) for name in names]
        before, sealed = self._closed.get(book, (0, START))
        hash_ = hashlib.sha256(CLOSE.pack(sealed, day, book, *figures)).digest()
        opening, paid_in, charged, paid_out, closing = figures
        if opening != before or hash_ != _raw(row, "hash"):
            self._say(f"the close of day {day} was changed")
        if opening + paid_in - charged - paid_out != closing:
            self._say(f"the close of day {day} does not add up")
        self._closed[book] = (closing, hash_)
        self._closes[day, book] = [paid_in, charged, paid_out]
        self._days.add(day)

    def _finish_batch(self) -> None:
        """A batch is complete: its rows lead to its roots, its hash names the one before."""
        batch, charges, entries = self._batch, self._charges, self._entries
        self._batch, self._charges, self._entries = {}, [], []
        if not batch:
            return
        try:
            self._check(batch, charges, entries)
            for row in charges:
                self._move(row, CHARGED, -1)
            for row in entries:
                self._move(row, PAID_OUT, 1)
        except (KeyError, TypeError, ValueError, struct.error):
            self._say("a batch has a row that lacks a field or has one of another type")

    def _check(self, batch: Row, charges: list[Row], entries: list[Row]) -> None:
        desk, n, day = _int(batch, "desk"), _int(batch, "n"), _int(batch, "day")
        last, hash_ = self._chains.get(desk, (0, START))
        packed = HEAD.pack(
            _raw(batch, "prev_hash"), desk, n, _raw(batch, "charges_root"),
            _raw(batch, "receipts_root"), _raw(batch, "entries_root"),
            _int(batch, "count"), day, _int(batch, "at"),
        )  # fmt: skip
        found = hashlib.sha256(packed).digest()
        follows = (n, _raw(batch, "prev_hash")) == (last + 1, hash_)
        if not follows or found != _raw(batch, "hash"):
            self._say(f"batch {desk}/{n} does not follow the one before")
        self._chains[desk] = (n, found)
        self._compare(desk, n, found)
        root = _raw(batch, "charges_root")
        if charges:
            self._begun.add(desk)
        if desk not in self._begun and root != EMPTY and day in self._days:
            self._gone.add(day)  # the oldest are kept no longer; the day's close stands for them
        elif _root(_charge(row) for row in charges) != root:
            self._say(f"charges of batch {desk}/{n} were changed")
        keys = sorted(_raw(row, "id") for row in entries)
        opened = [self._terms[key] for key in keys if key in self._terms]
        packed_entries = sorted(_entry(row) for row in entries)
        if _root([*packed_entries, *opened]) != _raw(batch, "entries_root"):
            self._say(f"entries of batch {desk}/{n} were changed")

    def _compare(self, desk: int, n: int, hash_: bytes) -> None:
        for kept in self._kept:
            if kept[:2] == (desk, n) and kept[2] != hash_.hex():
                self._say(f"batch {desk}/{n} is not the one that was kept: another history")

    def _move(self, row: Row, column: int, sign: int) -> None:
        """Book a row; charges count against their column, entries from one side to the other."""
        day, amount = _int(row, "day"), _int(row, "amount")
        dr, cr = _raw(row, "dr"), _raw(row, "cr")
        self._moved[day, dr][column] += amount
        self._moved[day, cr][PAID_IN if sign > 0 else column] += sign * amount
        if day not in self._days:
            self._replayed[dr] -= amount
            self._replayed[cr] += amount
        if row["t"] == "entry":
            self._give_back(row, dr, amount)
            return
        if row["lot"] is not None:
            self._drawn[_raw(row, "lot")] += amount

    def _give_back(self, row: Row, dr: bytes, amount: int) -> None:
        """What leaves a wallet is given back of its lot; what comes back later is not any more."""
        lot = _raw(row, "lot")
        if lot in self._lots and lot != _raw(row, "id"):
            self._returned[lot] += amount if dr == self._lots[lot][0] else -amount

    def _finish(self) -> None:
        if self.counts["ledger"] != 1:
            self._say("the line of the ledger is not there once")
        self._finish_days()
        self._finish_books()
        self._finish_heads()

    def _finish_days(self) -> None:
        for (day, book), told in self._closes.items():
            moved = list(self._moved.get((day, book), [0, 0, 0]))
            if day in self._gone:
                moved[CHARGED] = told[CHARGED]
            if moved != told:
                self._say(f"the rows of day {day} do not lead to its close")

    def _finish_books(self) -> None:
        for book in self._posted.keys() | self._replayed.keys() | self._closed.keys():
            replayed = self._closed.get(book, (0, START))[0] + self._replayed[book]
            if self._posted.get(book) != replayed:
                self._say(f"book {_named(book)} is not what its rows say")
        if sum(self._posted.values()):
            self._say("the books do not sum to zero")
        for lot in self._lots.keys() | self._drawn.keys():
            drawn, (_, spent, returned) = self._drawn[lot], self._lots.get(lot, (b"", -1, 0))
            if drawn > spent or (drawn < spent and not self._gone):
                self._say(f"lot {lot.hex()} is not what was drawn from it")
            if returned != self._returned[lot]:
                self._say(f"lot {lot.hex()} is not what was given back of it")

    def _finish_heads(self) -> None:
        for desk in self.heads.keys() | self._chains.keys():
            n, told = self.heads.get(desk, (0, ""))
            reached, hash_ = self._chains.get(desk, (0, START))
            if n != reached or (n and told != hash_.hex()):
                self._say(f"the chain of desk {desk} has another end")
        for desk, n, _ in self._kept:
            reached = self._chains.get(desk, (0, START))[0]
            if reached < n:
                self._say(f"desk {desk} ends with batch {reached}; batch {n} was kept: it is lost")


def _named(book: bytes) -> str:
    """Return a book as a person finds it again: the operator's by name, a wallet's by its hex."""
    return book[1:].decode("ascii", "replace") if book[:1] == b"=" else book.hex()


def _root(packed: Iterable[bytes]) -> bytes:
    return hashlib.sha256(b"".join(packed)).digest()


def _charge(row: Row) -> bytes:
    return CHARGE.pack(
        _int(row, "n"), _raw(row, "dr"), _raw(row, "cr"), _raw(row, "lot"),
        _int(row, "amount"), _int(row, "count"), _int(row, "day"),
    )  # fmt: skip


def _entry(row: Row) -> bytes:
    return ENTRY.pack(
        _raw(row, "id"), _text(row, "kind").encode(), _raw(row, "dr"), _raw(row, "cr"),
        _int(row, "amount"), _raw(row, "lot"), _raw(row, "corrects"),
        _int(row, "day"), _int(row, "at"),
    )  # fmt: skip


def _lot(row: Row) -> bytes:
    ends = -1 if row["expires_at"] is None else _int(row, "expires_at")
    return LOT.pack(
        _raw(row, "id"), _raw(row, "book"), _text(row, "kind").encode(),
        _int(row, "granted"), ends, _int(row, "created_at"),
    )  # fmt: skip


def _int(row: Row, name: str) -> int:
    value = row[name]
    if not isinstance(value, int):
        raise TypeError(name)
    return value


def _text(row: Row, name: str) -> str:
    value = row[name]
    if not isinstance(value, str):
        raise TypeError(name)
    return value


def _raw(row: Row, name: str) -> bytes:
    return b"" if row[name] is None else bytes.fromhex(_text(row, name))


def _kept(text: str) -> tuple[int, int, str]:
    desk, n, hash_ = text.split(":")
    return int(desk), int(n), hash_


def main(arguments: Sequence[str]) -> int:
    """Check a file, print what was found; return 1 for a problem, 2 for what cannot be read."""
    if not arguments or arguments[0].startswith("-"):
        sys.stderr.write("usage: auditor.py LEDGER.jsonl [DESK:NUMBER:HASH ...]\n")
        return 2
    try:
        audit = Audit(arguments[1:])
    except ValueError:
        sys.stderr.write("a head that was kept is DESK:NUMBER:HASH, as 'verify' printed it\n")
        return 2
    try:
        with Path(arguments[0]).open("rb") as file:
            audit.read(file)
    except OSError as fault:
        sys.stderr.write(f"{arguments[0]}: {fault.strerror}\n")
        return 2
    told = {"checked": dict(audit.counts), "heads": audit.heads, "problems": audit.problems}
    sys.stdout.write(json.dumps(told, indent=2) + "\n")
    return 1 if audit.problems else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
