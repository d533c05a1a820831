"""Batches: each transaction that moves money adds one, and each names the one before.

What a batch holds is hashed in a fixed form, so that one changed byte anywhere names the batch.
Chains are per desk: no lock is shared by two of them.
"""

import struct
from collections.abc import Iterable
from hashlib import sha256
from typing import Final

import msgspec
from msgspec import structs

from troth.kernel.errors import invariant
from troth.store.transaction import Transaction

MS_OF_DAY: Final = 86_400_000
GENESIS: Final = bytes(32)

CHARGE: Final = struct.Struct(">I32s32s16sqqq")
_ENTRY: Final = struct.Struct(">16s16s32s32sq16s16sqq")
_LOT: Final = struct.Struct(">16s32s8sqqq")
_HEAD: Final = struct.Struct(">32sqq32s32s32sqqq")
_RECEIPT: Final = struct.Struct(">B16sq")

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
        desk, n, prev_hash, *rest = structs.astuple(self)
        return sha256(_HEAD.pack(prev_hash, desk, n, *rest)).digest()


def charges_root(rows: Iterable[ChargeRow]) -> bytes:
    """Return the hash of a batch's charges in their order."""
    pack = CHARGE.pack
    packed = [
        pack(n, dr, cr, lot or b"", amount, count, day)
        for n, dr, cr, lot, amount, count, day in rows
    ]
    return sha256(b"".join(packed)).digest()


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
    """Return the leaf of a receipt in the tree of its batch: see `kernel.hash_tree`."""
    return sha256(_RECEIPT.pack(0, reservation, charged)).digest()


def today(tx: Transaction, now_ms: int) -> int:
    """Return the open day, and keep it open until this transaction ends.

    The first one ever is the day of `now_ms`; only a day's close moves it on.
    """
    found = tx.row("SELECT day FROM open_day WHERE id = 1 {share}", (), tuple[int])
    if found is None:
        tx.execute(
            "INSERT INTO open_day (id, day) VALUES (1, ?) ON CONFLICT DO NOTHING",
            (now_ms // MS_OF_DAY,),
        )
        return today(tx, now_ms)
    return found[0]


def head(tx: Transaction, desk: int) -> tuple[int, bytes]:
    """Lock a desk's chain; return number and hash of its last batch, number 0 before the first."""
    statement = "SELECT n, hash FROM chain WHERE desk = ? {lock}"
    found = tx.row(statement, (desk,), tuple[int, bytes])
    if found is None:
        tx.execute(
            "INSERT INTO chain (desk, n, hash) VALUES (?, 0, ?) ON CONFLICT DO NOTHING",
            (desk, GENESIS),
        )
        return head(tx, desk)
    return found


def append(tx: Transaction, batch: Batch) -> None:
    """Write the header of the batch after a desk's `head`."""
    tx.execute(
        "INSERT INTO batch (desk, n, prev_hash, charges_root, receipts_root, entries_root, count,"
        " day, at, hash) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (*structs.astuple(batch), batch.hash),
    )
    touched = tx.execute(
        "UPDATE chain SET n = ?, hash = ? WHERE desk = ? AND n = ?",
        (batch.n, batch.hash, batch.desk, batch.n - 1),
    )
    invariant(touched == 1, "I10 the chain grows by one")
