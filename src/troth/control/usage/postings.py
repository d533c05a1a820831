"""Where a receipt's charge stands in the books, and the proof that it stands there.

A batch names the root of a hash tree over its receipts. A leaf is SHA-256 of a zero byte, the
request's sixteen bytes and the charge (eight bytes, big endian); a node is SHA-256 of a one byte
and its two children. Whoever keeps a receipt and the batch's header can check the charge alone.
"""

import struct
from hashlib import sha256
from typing import Final, Literal

import msgspec

from troth.kernel import hash_tree
from troth.kernel.ids import RAW_BYTES
from troth.ledger import books
from troth.store.transaction import PLACE_MAX, Packed, Transaction

_OF_USAGE: Final = Packed("usage", ("desk", "batch"), ("place", "request", "charged"), ">I16sq")
_ROW: Final = struct.Struct(">I24s")
"""Of a packed row: its place, and what its leaf is the hash of after a zero byte."""
_LEAF: Final = b"\0"


class Step(msgspec.Struct, frozen=True):
    """One step towards the root: the hash beside, and on which side it stands."""

    side: Literal["left", "right"]
    hash: str


class Proof(msgspec.Struct, frozen=True):
    """The way from a receipt to the root of its batch; hashes in hexadecimal digits."""

    leaf: str
    path: tuple[Step, ...]
    root: str


class Posting(msgspec.Struct, frozen=True):
    """A charge's batch and its place in it; `day` counts from 1970-01-01 (UTC).

    `batch_hash` is the header's, which the next batch names. `proof` is None when receipts of the
    same batch have expired.
    """

    desk: int
    batch: int
    place: int
    day: int
    batch_hash: str
    proof: Proof | None


class Drawn(msgspec.Struct, frozen=True):
    """What one credit of the wallet paid of a charge; `kind` says how it came there."""

    lot: str
    kind: str
    amount_nusd: int


def drawn(
    transaction: Transaction, org: bytes, posting: Posting, charged: int
) -> tuple[Drawn, ...]:
    """Return the credits that paid a charge: those of its batch, drawn in the order of its places.

    Empty where the books hold the sums of its day alone, or nothing was charged.
    """
    batch = (posting.desk, posting.batch)
    lots = transaction.rows(
        "SELECT lot, kind, amount FROM charge JOIN lot ON lot.id = charge.lot"
        " WHERE desk = ? AND batch = ? AND dr = ? ORDER BY n",
        (*batch, books.wallet_purse(org)),
        tuple[bytes, str, int],
    )
    if len(lots) > 1 and posting.proof is None:
        return ()  # who came before in the batch is not known any more
    start = transaction.number(
        "SELECT CAST(coalesce(sum(charged), 0) AS bigint) FROM usage"
        " WHERE desk = ? AND batch = ? AND place < ? AND org = ?",
        (*batch, posting.place, org),
    )
    found, end = [], start + charged
    for lot, kind, amount in lots:
        part = min(end, amount) - max(start, 0)
        if part > 0:
            found.append(Drawn(lot.hex(), kind, part))
        start, end = start - amount, end - amount
    return tuple(found)


def proved(transaction: Transaction, batch: tuple[int, int], place: int) -> Posting | None:
    """Return the posting at a place of a batch (desk and number), None when there is none."""
    head = transaction.row(
        "SELECT day, hash, receipts_root, count FROM batch WHERE desk = ? AND n = ?",
        batch,
        tuple[int, bytes, bytes, int],
    )
    if head is None:
        return None
    day, batch_hash, root, count = head
    rows = transaction.rows(
        "SELECT request, charged FROM usage WHERE desk = ? AND batch = ? ORDER BY place",
        batch,
        tuple[bytes, int],
    )
    proof = _proof(rows, place, root) if len(rows) == count else None
    return Posting(*batch, place, day, batch_hash.hex(), proof)


def unproved(transaction: Transaction) -> list[tuple[int, int]]:
    """Return the batches (desk and number) whose usage rows are not those that were posted.

    Rows leave when their period is over, a closed day at a time: of a closed day some may be gone.
    Of a row this proves request, charge and place; the rest of it explains the charge.
    """
    last_closed = transaction.number("SELECT coalesce(max(day), -1) FROM day_close")
    wrong, seen = [], 0
    for (desk, n, root, count, day), rows in transaction.packed(
        "SELECT desk, n AS batch, receipts_root, count, day FROM batch",
        _OF_USAGE,
        tuple[int, int, bytes, int, int],
    ):
        seen += len(rows) // _ROW.size
        if rows and not _are_posted(rows, root, count, is_closed=day <= last_closed):
            wrong.append((desk, n))
    rows_and_odd = "SELECT count(*) + count(CASE WHEN length(request) <> ? THEN 1 END) FROM usage"
    if seen != transaction.number(rows_and_odd, (RAW_BYTES,)):
        wrong += transaction.rows(
            "SELECT DISTINCT desk, batch FROM usage WHERE place NOT BETWEEN 0 AND ?"
            " OR length(request) <> ? OR NOT EXISTS"
            " (SELECT 1 FROM batch WHERE batch.desk = usage.desk AND batch.n = usage.batch)",
            (PLACE_MAX, RAW_BYTES),
            tuple[int, int],
        )
    return wrong


def _are_posted(rows: bytes, root: bytes, count: int, *, is_closed: bool) -> bool:
    places = [place for place, _ in _ROW.iter_unpack(rows)]
    if len(places) < count:
        return is_closed and len(set(places)) == len(places) and places[-1] < count
    leaves = [sha256(_LEAF + leaf).digest() for _, leaf in _ROW.iter_unpack(rows)]
    return places == list(range(count)) and hash_tree.root(leaves) == root


def _proof(rows: list[tuple[bytes, int]], place: int, root: bytes) -> Proof:
    leaves = [books.receipt_leaf(*row) for row in rows]
    path = tuple(
        Step("left" if is_left else "right", other.hex())
        for is_left, other in hash_tree.path(leaves, place)
    )
    return Proof(leaves[place].hex(), path, root.hex())


def holds(request: bytes, charged_nusd: int, proof: Proof) -> bool:
    """Tell whether a proof leads from a request's charge to its root."""
    path = [(step.side == "left", bytes.fromhex(step.hash)) for step in proof.path]
    leaf = books.receipt_leaf(request, charged_nusd)
    return hash_tree.leads(leaf, path, bytes.fromhex(proof.root))
