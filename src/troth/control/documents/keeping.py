"""How long documents stay: until their years are over, and as long as a legal hold stands.

The database refuses to delete earlier, whoever asks. With the last one goes the key that they were
sealed with.
"""

from typing import Final

import msgspec

from troth.control import accounts, audit
from troth.control.documents.months import due
from troth.control.documents.parties import erase
from troth.control.documents.sealing import destroy_keys, seal
from troth.control.documents.terms import first_of_month
from troth.kernel import ids
from troth.kernel.errors import InvalidValue, Missing
from troth.kernel.sealer import Sealer
from troth.store.transaction import Transaction

REFERENCE_MAX: Final = 64
_ALL: Final = "all"
_MS_OF_DAY: Final = 86_400_000


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
    gone = tx.execute(
        "DELETE FROM document WHERE keep_until < (SELECT day FROM open_day WHERE id = 1)"
        " AND NOT EXISTS (SELECT 1 FROM legal_hold WHERE lifted_at IS NULL"
        " AND (legal_hold.org IS NULL OR legal_hold.org = document.org))"
    )
    if gone:
        destroy_keys(tx)
    return gone


def unwritten_since(tx: Transaction) -> int:
    """Return the first day, since 1970, of the first month that has no documents yet."""
    opened = tx.number("SELECT day FROM open_day WHERE id = 1")
    waiting = due(tx)
    return waiting.first if waiting else first_of_month(opened)


def erase_of_closed(tx: Transaction, actor: audit.Actor, days: int) -> int:
    """Forget who was behind accounts that have been closed for so many days; return how many.

    A month that is not invoiced yet still needs to know: it stays until that is.
    """
    rows = tx.rows(
        "SELECT organization.ref, organization.name, ended_at, party.org FROM closing"
        " JOIN organization ON organization.ref = closing.org"
        " LEFT JOIN party ON party.org = closing.org"
        " WHERE state = 'closed' AND ended_at <= ? ORDER BY organization.ref",
        (actor.at_ms - days * _MS_OF_DAY,),
        tuple[bytes, str, int, bytes | None],
    )
    first = unwritten_since(tx)
    gone = [
        ids.text("org", org)
        for org, name, ended_at_ms, party in rows
        if ended_at_ms // _MS_OF_DAY < first and (party or name != ids.text("org", org))
    ]
    for ref in gone:
        erase(tx, actor, accounts.find(tx, ref))
    return len(gone)


def seal_open(tx: Transaction, sealer: Sealer, limit: int) -> int:
    """Seal what a build before this one kept open, so many at most; return how many."""
    parties = tx.rows(
        "SELECT org, details_sealed FROM party WHERE is_sealed = 0 LIMIT ?",
        (limit,),
        tuple[bytes, bytes],
    )
    for org, details in parties:
        tx.execute(
            "UPDATE party SET details_sealed = ?, is_sealed = 1 WHERE org = ?",
            (seal(tx, sealer, (org, "party"), details), org),
        )
    papers = tx.rows(
        "SELECT number, org, body FROM document WHERE is_sealed = 0 LIMIT ?",
        (limit,),
        tuple[str, bytes, bytes],
    )
    for number, org, body in papers:
        tx.execute(
            "UPDATE document SET body = ?, is_sealed = 1 WHERE number = ?",
            (seal(tx, sealer, (org, "papers"), body), number),
        )
    return len(parties) + len(papers)
