"""How long documents stay: until their years are over, and as long as a legal hold stands.

The database refuses to delete earlier, whoever asks.
"""

from typing import Final

import msgspec

from troth.control import accounts, audit
from troth.kernel import ids
from troth.kernel.errors import InvalidValue, Missing
from troth.store.transaction import Transaction

REFERENCE_MAX: Final = 64
_ALL: Final = "all"


class LegalHold(msgspec.Struct, frozen=True):
    """A legal hold; `organization` is empty where it stands for all of them."""

    id: str
    organization: str
    reference: str
    placed_at_ms: int
    lifted_at_ms: int


def place(
    tx: Transaction,
    actor: audit.Actor,
    raw: bytes,
    owner: accounts.Organization | None,
    *,
    reference: str,
) -> LegalHold:
    """Keep all documents of an organization, or all there are, until this is lifted.

    `reference` names the case in few signs, such as its file number.

    Raises:
        InvalidValue: the reference is empty, too long or cannot be printed.
    """
    trimmed = reference.strip()
    if not trimmed or len(trimmed) > REFERENCE_MAX or not trimmed.isprintable():
        reason = f"give 1 to {REFERENCE_MAX} printable characters"
        raise InvalidValue("reference", reason)
    tx.execute(
        "INSERT INTO legal_hold (id, org, reference, placed_at) VALUES (?, ?, ?, ?)",
        (raw, owner.raw if owner else None, trimmed, actor.at_ms),
    )
    ref = owner.ref if owner else _ALL
    audit.append(tx, actor, audit.Action.LEGAL_HOLD_PLACE, ref, other=raw.hex())
    return LegalHold(raw.hex(), owner.ref if owner else "", trimmed, actor.at_ms, 0)


def lift(tx: Transaction, actor: audit.Actor, reference: str) -> None:
    """End a legal hold.

    Raises:
        Missing: there is none that stands.
    """
    try:
        raw = bytes.fromhex(reference)
    except ValueError:
        raise Missing("legal hold") from None
    if not tx.execute(
        "UPDATE legal_hold SET lifted_at = ? WHERE id = ? AND lifted_at IS NULL",
        (actor.at_ms, raw),
    ):
        raise Missing("legal hold")
    audit.append(tx, actor, audit.Action.LEGAL_HOLD_LIFT, raw.hex())


def legal_holds(tx: Transaction) -> list[LegalHold]:
    """Return all legal holds, those that were lifted too, the newest first."""
    rows = tx.rows(
        "SELECT id, org, reference, placed_at, coalesce(lifted_at, 0) FROM legal_hold"
        " ORDER BY placed_at DESC, id DESC",
        (),
        tuple[bytes, bytes | None, str, int, int],
    )
    return [
        LegalHold(raw.hex(), ids.text("org", org) if org else "", reference, placed, lifted)
        for raw, org, reference, placed, lifted in rows
    ]


def sweep(tx: Transaction) -> int:
    """Delete the documents whose years are over and that no legal hold keeps; return how many."""
    return tx.execute(
        "DELETE FROM document WHERE keep_until < (SELECT day FROM open_day WHERE id = 1)"
        " AND NOT EXISTS (SELECT 1 FROM legal_hold WHERE lifted_at IS NULL"
        " AND (legal_hold.org IS NULL OR legal_hold.org = document.org))"
    )
