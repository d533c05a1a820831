"""Names on paper, sealed under keys of their subjects: who an organization is, and its documents.

A subject's keys are random and lie in the database, themselves sealed with the data folder's key.
To erase is to destroy a key: what was sealed with it cannot be read in any copy that comes without
that key. Numbers, hashes and sums are not sealed, so that books and series verify as before.
"""

from typing import Final, Literal

from troth.kernel.errors import InvariantBroken
from troth.kernel.sealer import Sealer
from troth.store.transaction import Transaction

What = Literal["party", "papers"]
_SEALED: Final = 1


def seal(tx: Transaction, sealer: Sealer, subject: tuple[bytes, What], text: bytes) -> bytes:
    """Seal a text under a subject's key, which is made where there is none.

    A subject is an organization's sixteen bytes, and what of it.
    """
    own = _own(tx, sealer, subject)
    if own is None:
        tx.execute(
            "INSERT INTO subject_key (org, what, key_sealed) VALUES (?, ?, ?)"
            " ON CONFLICT DO NOTHING",
            (*subject, sealer.seal(sealer.new_key().hex())),
        )
        own = _own(tx, sealer, subject)
    assert own is not None
    return own.seal(text.decode())


def unseal(
    tx: Transaction, sealer: Sealer, subject: tuple[bytes, What], kept: tuple[bytes, int]
) -> bytes:
    """Return a text as it was before it was sealed; `kept` is it, and whether it is sealed.

    Raises:
        InvariantBroken: it was changed, or its key is gone.
    """
    if kept[1] != _SEALED:
        return kept[0]
    own = _own(tx, sealer, subject)
    if own is None:
        raise InvariantBroken("what was sealed has its key")
    return own.unseal(kept[0]).encode()


def _own(tx: Transaction, sealer: Sealer, subject: tuple[bytes, What]) -> Sealer | None:
    found = tx.row(
        "SELECT key_sealed FROM subject_key WHERE org = ? AND what = ?", subject, tuple[bytes]
    )
    return sealer.own(bytes.fromhex(sealer.unseal(found[0]))) if found else None


def destroy_keys(tx: Transaction) -> int:
    """Destroy the keys that nothing is sealed with any more; return how many."""
    return tx.execute(
        "DELETE FROM subject_key WHERE"
        " (what = 'party' AND NOT EXISTS (SELECT 1 FROM party WHERE party.org = subject_key.org))"
        " OR (what = 'papers'"
        " AND NOT EXISTS (SELECT 1 FROM document WHERE document.org = subject_key.org))"
    )
