"""Keys as they are stored: everything but the key itself."""

from collections.abc import Sequence
from typing import Final

import bcrypt
import msgspec

from troth.control.keys.terms import Terms
from troth.kernel import ids
from troth.kernel.errors import Missing
from troth.kernel.secret import Secret
from troth.store.transaction import Transaction, Value


class Key(msgspec.Struct, frozen=True):
    """An issued key. Times in unix milliseconds, 0 for never.

    `rate_slot` is its row in the table of rates, -1 once it is revoked.
    """

    ref: str
    public_id: str
    org: str
    terms: Terms
    created_at_ms: int
    revoked_at_ms: int
    replaced_by: str
    rate_slot: int

    @property
    def raw(self) -> bytes:
        """The reference's sixteen bytes."""
        return bytes.fromhex(self.ref.partition("_")[2])


_SELECT: Final = """
SELECT ref, public_id, org, name, models, networks, expires_at, requests_per_minute,
  tokens_per_minute, concurrency, may_read_wallet, created_at, coalesce(revoked_at, 0),
  replaced_by, coalesce(rate_slot, -1), project
FROM api_key"""
_NAMES: Final = msgspec.json.Decoder(tuple[str, ...])


class _Stored(msgspec.Struct, frozen=True, array_like=True):
    ref: bytes
    public_id: str
    org: bytes
    name: str
    models: str
    networks: str
    expires_at: int
    requests_per_minute: int
    tokens_per_minute: int
    concurrency: int
    may_read_wallet: int
    created_at: int
    revoked_at: int
    replaced_by: bytes | None
    rate_slot: int
    project: bytes | None


def _key(row: _Stored) -> Key:
    terms = Terms(
        name=row.name,
        models=_NAMES.decode(row.models),
        networks=_NAMES.decode(row.networks),
        expires_at_ms=row.expires_at,
        requests_per_minute=row.requests_per_minute,
        tokens_per_minute=row.tokens_per_minute,
        concurrency=row.concurrency,
        may_read_wallet=bool(row.may_read_wallet),
        project=ids.text("prj", row.project) if row.project else "",
    )
    return Key(
        ref=ids.text("key", row.ref),
        public_id=row.public_id,
        org=ids.text("org", row.org),
        terms=terms,
        created_at_ms=row.created_at,
        revoked_at_ms=row.revoked_at,
        replaced_by=ids.text("key", row.replaced_by) if row.replaced_by else "",
        rate_slot=row.rate_slot,
    )


def _rows(transaction: Transaction, rest: str, params: Sequence[Value]) -> list[Key]:
    rows = transaction.rows(f"{_SELECT} {rest}", params)
    return [_key(row) for row in msgspec.convert(rows, list[_Stored])]


def find(transaction: Transaction, ref_or_public_id: str) -> Key:
    """Return the key of a reference or a public id.

    Raises:
        Missing: there is none.
    """
    raw = ids.raw_of("key", ref_or_public_id)
    rows = _rows(transaction, "WHERE ref = ? OR public_id = ?", (raw, ref_or_public_id))
    if not rows:
        raise Missing("key")
    return rows[0]


def of_organization(transaction: Transaction, org_raw: bytes) -> list[Key]:
    """Return an organization's keys, the oldest first, revoked ones included."""
    return _rows(transaction, "WHERE org = ? ORDER BY ref", (org_raw,))


def of_project(transaction: Transaction, project_raw: bytes) -> list[Key]:
    """Return a project's keys, the oldest first, revoked ones included."""
    return _rows(transaction, "WHERE project = ? ORDER BY ref", (project_raw,))


def live(transaction: Transaction, now_ms: int) -> list[Key]:
    """Return all keys that are neither revoked nor expired: what gateways are told of."""
    rest = "WHERE revoked_at IS NULL AND (expires_at = 0 OR expires_at > ?) ORDER BY ref"
    return _rows(transaction, rest, (now_ms,))


def live_count(transaction: Transaction, now_ms: int) -> int:
    """Return how many keys are neither revoked nor expired."""
    found = transaction.row(
        "SELECT count(*) FROM api_key WHERE revoked_at IS NULL"
        " AND (expires_at = 0 OR expires_at > ?)",
        (now_ms,),
        tuple[int],
    )
    return found[0] if found else 0


def are_more_than(transaction: Transaction, count: int) -> bool:
    """Tell whether there are more keys than that, revoked ones included."""
    found = transaction.row(
        "SELECT count(*) FROM (SELECT 1 FROM api_key LIMIT ?) AS found", (count + 1,), tuple[int]
    )
    return found is not None and found[0] > count


def hash_of(transaction: Transaction, public_id: str, now_ms: int) -> bytes | None:
    """Return a live key's bcrypt hash, or None: revoked, expired and unknown are the same."""
    row = transaction.row(
        "SELECT hash FROM api_key WHERE public_id = ? AND revoked_at IS NULL"
        " AND (expires_at = 0 OR expires_at > ?)",
        (public_id, now_ms),
        tuple[str],
    )
    return row[0].encode() if row else None


def is_match(hash_kept: bytes, text: Secret) -> bool:
    """Tell whether the whole key is the one that was hashed; takes about 15 ms of one core."""
    return bcrypt.checkpw(text.reveal().encode(), hash_kept)
