"""Batches: each transaction that moves money adds one, and each names the one before.

What a batch holds is hashed in a fixed form, so that one changed byte anywhere names the batch.
Chains are per desk: no lock is shared by two of them.
"""

import struct
from collections.abc import Iterable, Sequence
from hashlib import sha256
from typing import Final

import msgspec

from troth.kernel.errors import invariant
from troth.store.transaction import Transaction

MS_OF_DAY: Final = 86_400_000
GENESIS: Final = bytes(32)
EMPTY_ROOT: Final = sha256(b"").digest()

_CHARGE: Final = struct.Struct(">I32s32s16sqqq")
_ENTRY: Final = struct.Struct(">16s16s32s32sq16s16sqq")
_LOT: Final = struct.Struct(">16s32s8sqqq")
_HEAD: Final = struct.Struct(">32sqq32s32s32sqqq")
_RECEIPT: Final = struct.Struct(">B16sq")
_NODE: Final = b"\x01"

ChargeRow = tuple[int, bytes, bytes, bytes | None, int, int, int]
"""n, dr, cr, lot, amount, count, day: a `charge` without its batch."""
EntryRow = tuple[bytes, str, bytes, bytes, int, bytes | None, bytes | None, int, int]
"""id, kind, dr, cr, amount, lot, corrects, day, at: an `entry` without its batch."""
LotRow = tuple[bytes, bytes, str, int, int | None, int]
"""id, book, kind, granted, expires_at, created_at: what never changes of a lot."""


class Batch(msgspec.Struct, frozen=True, gc=False):
    """The header of a batch: three roots, how many settlements, when."""

    desk: int
    n: int
    prev_hash: bytes
    charges_root: bytes
    receipts_root: bytes
    entries_root: bytes
    count: int
    day: int
    at: int

    @property
    def hash(self) -> bytes:
        """Return what the next batch names."""
        return sha256(
            _HEAD.pack(
                self.prev_hash, self.desk, self.n, self.charges_root, self.receipts_root,
                self.entries_root, self.count, self.day, self.at,
            )
        ).digest()  # fmt: skip


class Roots(msgspec.Struct, frozen=True, gc=False):
    """What a batch is about."""

    charges: bytes = EMPTY_ROOT
    receipts: bytes = EMPTY_ROOT
    entries: bytes = EMPTY_ROOT
    count: int = 0


def charges_root(rows: Iterable[ChargeRow]) -> bytes:
    """Return the hash of a batch's charges in their order."""
    pack = _CHARGE.pack
    return sha256(
        b"".join(
            [
                pack(n, dr, cr, lot or b"", amount, count, day)
                for n, dr, cr, lot, amount, count, day in rows
            ]
        )
    ).digest()


def entries_root(rows: Iterable[EntryRow], lots: Iterable[LotRow] = ()) -> bytes:
    """Return the hash of a batch's entries and of the lots they opened, in the order of their ids.

    A lot has the id of the entry that opened it; one without an end has -1 there.
    """
    entries = [
        _ENTRY.pack(key, kind.encode(), dr, cr, amount, lot or b"", corrects or b"", day, at)
        for key, kind, dr, cr, amount, lot, corrects, day, at in sorted(rows)
    ]
    opened = [
        _LOT.pack(key, book, kind.encode(), granted, -1 if ends is None else ends, created)
        for key, book, kind, granted, ends, created in sorted(lots)
    ]
    return sha256(b"".join(entries + opened)).digest()


def receipt_leaf(reservation: bytes, charged: int) -> bytes:
    """Return the leaf that a receipt proves to be in its batch."""
    return sha256(_RECEIPT.pack(0, reservation, charged)).digest()


def receipts_root(leaves: Sequence[bytes]) -> bytes:
    """Return the root of a binary hash tree; an odd last node moves up as it is."""
    level = list(leaves)
    while len(level) > 1:
        level = _above(level)
    return level[0] if level else EMPTY_ROOT


def _above(level: list[bytes]) -> list[bytes]:
    pairs = zip(level[0::2], level[1::2], strict=False)
    above = [sha256(_NODE + left + right).digest() for left, right in pairs]
    return above + level[-1:] if len(level) % 2 else above


def receipt_proof(leaves: Sequence[bytes], index: int) -> list[tuple[bool, bytes]]:
    """Return the path from a leaf to the root: whether the other stands left, and its hash."""
    path = []
    level = list(leaves)
    while len(level) > 1:
        other = index ^ 1
        if other < len(level):
            path.append((other < index, level[other]))
        level = _above(level)
        index //= 2
    return path


def receipt_holds(leaf: bytes, path: Sequence[tuple[bool, bytes]], root: bytes) -> bool:
    """Tell whether a path leads from a leaf to the root."""
    for is_left, other in path:
        pair = other + leaf if is_left else leaf + other
        leaf = sha256(_NODE + pair).digest()
    return leaf == root


def today(tx: Transaction, now_ms: int) -> int:
    """Return the open day, and keep it open until this transaction ends.

    The first one ever is the day of `now_ms`; only a day's close moves it on.
    """
    statement = "SELECT day FROM open_day WHERE id = 1 {share}"
    found = tx.row(statement, (), tuple[int])
    if found is None:
        tx.execute(
            "INSERT INTO open_day (id, day) VALUES (1, ?) ON CONFLICT DO NOTHING",
            (now_ms // MS_OF_DAY,),
        )
        found = tx.row(statement, (), tuple[int])
    assert found
    return found[0]


class Head(msgspec.Struct, frozen=True, gc=False):
    """The last batch of a desk, locked; number 0 before the first."""

    desk: int
    n: int
    hash: bytes


def head(tx: Transaction, desk: int) -> Head:
    """Return a desk's last batch and lock its chain."""
    return _locked(tx, desk) or _begun(tx, desk)


def _begun(tx: Transaction, desk: int) -> Head:
    tx.execute(
        "INSERT INTO chain (desk, n, hash) VALUES (?, 0, ?) ON CONFLICT DO NOTHING",
        (desk, GENESIS),
    )
    found = _locked(tx, desk)
    assert found
    return found


def _locked(tx: Transaction, desk: int) -> Head | None:
    found = tx.row("SELECT n, hash FROM chain WHERE desk = ? {lock}", (desk,), tuple[int, bytes])
    return Head(desk, *found) if found else None


def append(tx: Transaction, last: Head, roots: Roots, at: tuple[int, int]) -> int:
    """Write the header of the batch after `last`; `at` is day and time. Return its number."""
    batch = Batch(
        desk=last.desk,
        n=last.n + 1,
        prev_hash=last.hash,
        charges_root=roots.charges,
        receipts_root=roots.receipts,
        entries_root=roots.entries,
        count=roots.count,
        day=at[0],
        at=at[1],
    )
    tx.execute(
        "INSERT INTO batch (desk, n, prev_hash, hash, charges_root, receipts_root, entries_root,"
        " count, day, at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            batch.desk, batch.n, batch.prev_hash, batch.hash, roots.charges, roots.receipts,
            roots.entries, roots.count, batch.day, batch.at,
        ),
    )  # fmt: skip
    touched = tx.execute(
        "UPDATE chain SET n = ?, hash = ? WHERE desk = ? AND n = ?",
        (batch.n, batch.hash, batch.desk, last.n),
    )
    invariant(touched == 1, "I10 the chain grows by one")
    return batch.n
