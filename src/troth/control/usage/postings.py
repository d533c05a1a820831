"""Where a receipt's charge stands in the books, and the proof that it stands there.

A batch names the root of a hash tree over its receipts. A leaf is SHA-256 of a zero byte, the
request's sixteen bytes and the charge (eight bytes, big endian); a node is SHA-256 of a one byte
and its two children. Whoever keeps a receipt and the batch's header can check the charge alone.
"""

from itertools import groupby
from typing import Literal

import msgspec

from troth.kernel import hash_tree
from troth.ledger import books
from troth.store.transaction import Transaction

_Row = tuple[int, int, int, bytes, int, bytes | None, int | None, int | None]


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
    closed = transaction.row("SELECT coalesce(max(day), -1) FROM day_close", (), tuple[int])
    rows = transaction.stream(
        "SELECT usage.desk, usage.batch, place, request, charged, receipts_root, batch.count, day"
        " FROM usage LEFT JOIN batch ON batch.desk = usage.desk AND batch.n = usage.batch"
        " ORDER BY usage.desk, usage.batch, place",
        (),
        tuple[int, int, int, bytes, int, bytes | None, int | None, int | None],
    )
    last_closed = closed[0] if closed else -1
    return [
        batch
        for batch, group in groupby(rows, lambda row: (row[0], row[1]))
        if not _are_posted(list(group), last_closed)
    ]


def _are_posted(rows: list[_Row], last_closed: int) -> bool:
    _, _, _, _, _, root, count, day = rows[0]
    places = [row[2] for row in rows]
    if count is None or day is None or len(rows) > count:
        return False
    if len(rows) < count:
        return day <= last_closed and len(set(places)) == len(places) and places[-1] < count
    leaves = [books.receipt_leaf(row[3], row[4]) for row in rows]
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
