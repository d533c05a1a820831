"""What waits for a person: each thing once, reminded of until somebody has resolved it."""

from hashlib import sha256
from typing import Final

import msgspec

from troth.control.audit import Action, Actor, append
from troth.control.billing.terms import MS_OF_DAY
from troth.kernel import ids
from troth.kernel.errors import Missing
from troth.kernel.fields import Code
from troth.store.transaction import Transaction, Value

REMINDER_MS: Final = 3 * MS_OF_DAY


class ItemKind(Code):
    """Why a person must look."""

    AMOUNT_MISMATCH = "amount_mismatch"
    """What was paid is not what was asked: nothing was credited."""
    UNKNOWN_PAYMENT = "unknown_payment"
    """Paid with a reference of ours that does not exist."""
    PAID_TWICE = "paid_twice"
    """A second payment for one top-up: it was not credited."""
    CARD_NEEDS_OWNER = "card_needs_owner"
    """The bank wants the card's owner to confirm an automatic top-up."""
    AUTOMATIC_OFF = "automatic_off"
    """Automatic top-up was switched off, after declines or because the terms no longer allow it."""
    REFUND_FAILED = "refund_failed"
    """A refund did not arrive; its credit is back in the wallet."""
    REFUND_NEEDS_OWNER = "refund_needs_owner"
    """The company wants something of the payer before a refund goes on."""
    REFUNDED_ELSEWHERE = "refunded_elsewhere"
    """Given back at the company, not here: the wallet still has its credit."""
    REFUND_BY_HAND = "refund_by_hand"
    """Owed and not payable to its origin: pay it another way."""
    DISPUTE = "dispute"
    """A bank took money back: the organization is frozen."""
    DISPUTE_WARNING = "dispute_warning"
    """A bank asks; no money moved."""
    UNKNOWN_DISPUTE = "unknown_dispute"
    """A bank took back money that was no top-up of ours."""
    GAP = "gap"
    """A line of the company's books that ours do not have."""


class Item(msgspec.Struct, frozen=True):
    """One thing to look at. `org` is empty where none is concerned, `resolved_at_ms` 0 while open.

    `subject` is the reference of a top-up, refund or dispute, or of a line of the company's books;
    where one of them can be concerned several times, a mark follows.
    """

    ref: str
    kind: str
    subject: str
    org: str
    cents: int
    raised_at_ms: int
    reminded_at_ms: int
    resolved_at_ms: int


_SELECT: Final = (
    "SELECT id, kind, subject, org, cents, raised_at, reminded_at, coalesce(resolved_at, 0)"
    " FROM payment_item "
)


def _read(tx: Transaction, rest: str, params: tuple[Value, ...]) -> list[Item]:
    rows = tx.rows(_SELECT + rest, params, tuple[bytes, str, str, bytes | None, int, int, int, int])
    return [
        Item(ids.text("itm", row[0]), row[1], row[2], _org(row[3]), row[4], row[5], row[6], row[7])
        for row in rows
    ]


def _org(raw: bytes | None) -> str:
    return ids.text("org", raw) if raw else ""


def _id(kind: ItemKind, subject: str) -> bytes:
    return sha256(f"{kind.value} {subject}".encode()).digest()[: ids.RAW_BYTES]


def raise_item(
    tx: Transaction, kind: ItemKind, subject: str, *, org: bytes | None, cents: int, now_ms: int
) -> None:
    """Put something before a person; the same thing once."""
    tx.execute(
        "INSERT INTO payment_item (id, kind, subject, org, cents, raised_at, reminded_at)"
        " VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
        (_id(kind, subject), kind.value, subject, org, cents, now_ms, now_ms),
    )


def settle_item(tx: Transaction, kind: ItemKind, subject: str, actor: Actor) -> None:
    """Close what has become true by itself, such as a gap that a later webhook filled."""
    tx.execute(
        "UPDATE payment_item SET resolved_at = ?, resolved_by = ?"
        " WHERE id = ? AND resolved_at IS NULL",
        (actor.at_ms, actor.uid, _id(kind, subject)),
    )


def open_items(tx: Transaction) -> list[Item]:
    """Return what waits, the oldest first."""
    return _read(tx, "WHERE resolved_at IS NULL ORDER BY raised_at, id", ())


def find_item(tx: Transaction, ref: str, *, is_open: bool = True) -> Item:
    """Return an open item; without `is_open` also one that was resolved.

    Raises:
        Missing: there is none, or it was resolved.
    """
    raw = ids.raw_of("itm", ref)
    where = "WHERE id = ? AND resolved_at IS NULL" if is_open else "WHERE id = ?"
    found = _read(tx, where, (raw,)) if raw else []
    if not found:
        raise Missing("item")
    return found[0]


def resolve_item(tx: Transaction, actor: Actor, item: Item) -> None:
    """Note that a person has seen to an item."""
    settle_item(tx, ItemKind(item.kind), item.subject, actor)
    append(tx, actor, Action.PAYMENT_RESOLVE, item.ref, other=item.org)


def remind(tx: Transaction, now_ms: int) -> list[Item]:
    """Return what has waited long since it was last spoken of, and note that it was now."""
    due = _read(
        tx,
        "WHERE resolved_at IS NULL AND reminded_at <= ? ORDER BY raised_at, id",
        (now_ms - REMINDER_MS,),
    )
    tx.execute(
        "UPDATE payment_item SET reminded_at = ? WHERE resolved_at IS NULL AND reminded_at <= ?",
        (now_ms, now_ms - REMINDER_MS),
    )
    return due
