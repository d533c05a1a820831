"""Keys come and go: issue, rotate, revoke. A key's text exists once, in the answer to its maker."""

from typing import Final

import bcrypt
import msgspec

from troth.control.accounts import Organization, refuse_closed
from troth.control.audit import Action, Actor, append
from troth.control.keys.rows import Key, find
from troth.control.keys.terms import Terms, checked
from troth.kernel import api_keys, ids
from troth.kernel.errors import InvalidValue
from troth.kernel.ids import Entropy
from troth.kernel.secret import Secret
from troth.store.transaction import Transaction

BCRYPT_COST: Final = 8
LIVE_KEYS_MAX: Final = 65_536
"""As many as the table of rates has rows, which all gateways of a machine share."""
OVERLAP_MS_MAX: Final = 90 * 86_400_000


class Minted(msgspec.Struct, frozen=True):
    """A new key that nobody has yet."""

    raw: bytes
    text: Secret
    public_id: str
    hash: str


class Issued(msgspec.Struct, frozen=True):
    """A key with its text, which is shown once and kept nowhere."""

    text: Secret
    key: Key


def mint(maker: ids.IdMaker, entropy: Entropy) -> Minted:
    """Make a key and hash it. Takes about 15 ms: call it before the transaction."""
    minted = api_keys.mint(entropy)
    salt = bcrypt.gensalt(BCRYPT_COST)
    hashed = bcrypt.hashpw(minted.text.reveal().encode(), salt).decode()
    return Minted(maker.raw(), minted.text, minted.public_id, hashed)


def issue(
    transaction: Transaction, actor: Actor, minted: Minted, owner: tuple[Organization, Terms]
) -> Issued:
    """Write a minted key with its owner's terms.

    Raises:
        InvalidValue: a term that cannot be kept, or the account is closed.
    """
    refuse_closed(transaction, owner[0])
    organization, terms = owner[0], checked(owner[1], actor.at_ms)
    _insert(transaction, actor, minted, (organization.raw, terms))
    append(transaction, actor, Action.KEY_CREATE, ids.text("key", minted.raw))
    return Issued(minted.text, find(transaction, minted.public_id))


def _insert(
    transaction: Transaction, actor: Actor, minted: Minted, owned: tuple[bytes, Terms]
) -> None:
    org, terms = owned
    transaction.execute(
        "INSERT INTO api_key (ref, public_id, org, name, hash, models, networks, created_at,"
        " expires_at, requests_per_minute, tokens_per_minute, concurrency,"
        " may_read_wallet, rate_slot, project)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            minted.raw,
            minted.public_id,
            org,
            terms.name,
            minted.hash,
            msgspec.json.encode(terms.models).decode(),
            msgspec.json.encode(terms.networks).decode(),
            actor.at_ms,
            terms.expires_at_ms,
            terms.requests_per_minute,
            terms.tokens_per_minute,
            terms.concurrency,
            int(terms.may_read_wallet),
            _slot(transaction, actor.at_ms),
            ids.raw_of("prj", terms.project),
        ),
    )


def _slot(transaction: Transaction, now_ms: int) -> int:
    """Return a row of the table of rates for a new key.

    Raises:
        InvalidValue: all are taken by live keys.
    """
    slot = _free_slot(transaction)
    if slot >= LIVE_KEYS_MAX:
        transaction.execute(
            "UPDATE api_key SET rate_slot = NULL WHERE expires_at > 0 AND expires_at <= ?",
            (now_ms,),
        )
        slot = _free_slot(transaction)
    if slot >= LIVE_KEYS_MAX:
        raise InvalidValue("key", f"there are {LIVE_KEYS_MAX} live keys; revoke some first")
    return slot


def _free_slot(transaction: Transaction) -> int:
    """Return the lowest row of the table of rates that no key has."""
    row = transaction.row(
        "SELECT min(taken.slot + 1)"
        " FROM (SELECT -1 AS slot UNION ALL SELECT rate_slot FROM api_key"
        "       WHERE rate_slot IS NOT NULL) AS taken"
        " WHERE NOT EXISTS (SELECT 1 FROM api_key WHERE rate_slot = taken.slot + 1)",
        (),
        tuple[int],
    )
    assert row is not None
    return row[0]


def rotate(transaction: Transaction, actor: Actor, minted: Minted, old: tuple[str, int]) -> Issued:
    """Issue a key with the terms of an old one, which ends after an overlap.

    `old` is its reference or public id, and the overlap in milliseconds.

    Raises:
        Missing: there is no such key.
        InvalidValue: it is revoked, or the overlap is out of range.
    """
    reference, overlap_ms = old
    if not 0 <= overlap_ms <= OVERLAP_MS_MAX:
        raise InvalidValue("overlap_ms", "give 0 to 90 days")
    key = find(transaction, reference)
    if key.revoked_at_ms or 0 < key.terms.expires_at_ms <= actor.at_ms:
        raise InvalidValue("key", "this key has ended; create a new one")
    org = bytes.fromhex(key.org.partition("_")[2])
    _insert(transaction, actor, minted, (org, key.terms))
    ends_at_ms = actor.at_ms + overlap_ms
    if key.terms.expires_at_ms:
        ends_at_ms = min(ends_at_ms, key.terms.expires_at_ms)
    transaction.execute(
        "UPDATE api_key SET expires_at = ?, replaced_by = ? WHERE ref = ?",
        (ends_at_ms, minted.raw, key.raw),
    )
    issued = Issued(minted.text, find(transaction, minted.public_id))
    append(transaction, actor, Action.KEY_ROTATE, key.ref, other=issued.key.ref)
    return issued


def revoke(transaction: Transaction, actor: Actor, reference: str) -> Key:
    """End a key at once; ending it twice changes nothing.

    Raises:
        Missing: there is no such key.
    """
    key = find(transaction, reference)
    if key.revoked_at_ms:
        return key
    transaction.execute(
        "UPDATE api_key SET revoked_at = ?, rate_slot = NULL WHERE ref = ?", (actor.at_ms, key.raw)
    )
    append(transaction, actor, Action.KEY_REVOKE, key.ref)
    return find(transaction, key.ref)
