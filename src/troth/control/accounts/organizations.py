"""Organizations: create, list, freeze and thaw."""

from collections.abc import Sequence
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec

from troth.control.audit import Action, Actor, append
from troth.kernel import ids
from troth.kernel.errors import InvalidValue, Missing
from troth.ledger.books import open_wallet
from troth.store.transaction import Conflict, Transaction, Value

NAME_LENGTH_MAX: Final = 100


class Organization(msgspec.Struct, frozen=True):
    """An organization; `frozen_at_ms` is 0 while it may make requests.

    `zone` is the time zone in which the periods of its budgets begin and end, `closed_at_ms` when
    its account began to be closed, 0 for one that is not.
    """

    ref: str
    name: str
    created_at_ms: int
    frozen_at_ms: int
    zone: str = "UTC"
    closed_at_ms: int = 0

    @property
    def raw(self) -> bytes:
        """The reference's sixteen bytes."""
        return bytes.fromhex(self.ref.partition("_")[2])


_COLUMNS: Final = (
    "SELECT ref, name, created_at, coalesce(frozen_at, 0), zone, coalesce((SELECT began_at"
    " FROM closing WHERE closing.org = organization.ref), 0) FROM organization"
)


def _rows(transaction: Transaction, rest: str, params: Sequence[Value] = ()) -> list[Organization]:
    rows = transaction.rows(f"{_COLUMNS} {rest}", params, tuple[bytes, str, int, int, str, int])
    return [Organization(ids.text("org", row[0]), *row[1:]) for row in rows]


def create(transaction: Transaction, actor: Actor, raw: bytes, name: str) -> Organization:
    """Create an organization, with an empty wallet, under a new reference of 16 bytes.

    Raises:
        InvalidValue: the name is empty, too long, not printable or taken.
    """
    name = checked_name(name)
    try:
        transaction.execute(
            "INSERT INTO organization (ref, name, created_at) VALUES (?, ?, ?)",
            (raw, name, actor.at_ms),
        )
    except Conflict:
        raise InvalidValue("name", "there is an organization of this name already") from None
    open_wallet(transaction, raw, ids.text("org", raw))
    append(transaction, actor, Action.ORGANIZATION_CREATE, ids.text("org", raw))
    return Organization(ids.text("org", raw), name, actor.at_ms, 0)


def checked_name(name: str, param: str = "name") -> str:
    """Return a name without the space around it.

    Raises:
        InvalidValue: it is empty, too long or holds signs that cannot be printed.
    """
    trimmed = name.strip()
    if not trimmed or len(trimmed) > NAME_LENGTH_MAX or not trimmed.isprintable():
        reason = f"give 1 to {NAME_LENGTH_MAX} printable characters"
        raise InvalidValue(param, reason)
    return trimmed


def on_list(transaction: Transaction) -> list[Organization]:
    """Return all organizations by name."""
    return _rows(transaction, "ORDER BY name")


def find(transaction: Transaction, ref: str) -> Organization:
    """Return the organization of a reference.

    Raises:
        Missing: there is none.
    """
    raw = ids.raw_of("org", ref)
    rows = _rows(transaction, "WHERE ref = ?", (raw,)) if raw else []
    if not rows:
        raise Missing("organization")
    return rows[0]


def named(transaction: Transaction, name_or_ref: str) -> Organization:
    """Return the organization of a reference or, failing that, of a name.

    Raises:
        Missing: there is none.
    """
    rows = _rows(transaction, "WHERE name = ?", (name_or_ref,))
    return rows[0] if rows else find(transaction, name_or_ref)


def narrowed(transaction: Transaction, name: str) -> bytes | None:
    """Return the sixteen bytes of the one that a list is asked of, None where it is of all.

    Raises:
        Missing: one was named that is not there.
    """
    return named(transaction, name).raw if name else None


def is_closed(transaction: Transaction, raw: bytes) -> bool:
    """Tell whether an account is closed, or being closed."""
    return transaction.row("SELECT 1 FROM closing WHERE org = ?", (raw,)) is not None


def refuse_closed(transaction: Transaction, owner: Organization) -> None:
    """Refuse what an account that is closed, or being closed, may not have any more.

    Raises:
        InvalidValue: it is.
    """
    if is_closed(transaction, owner.raw):
        raise InvalidValue("organization", "this account is closed, or being closed")


def freeze(transaction: Transaction, actor: Actor, ref: str) -> Organization:
    """Stop an organization's requests; its keys and credit stay.

    Raises:
        Missing: there is none.
    """
    return _set_frozen(transaction, actor, ref, actor.at_ms)


def thaw(transaction: Transaction, actor: Actor, ref: str) -> Organization:
    """Let an organization make requests again.

    Raises:
        Missing: there is none.
        InvalidValue: its account is closed.
    """
    refuse_closed(transaction, find(transaction, ref))
    return _set_frozen(transaction, actor, ref, None)


def set_zone(transaction: Transaction, actor: Actor, ref: str, zone: str) -> Organization:
    """Set the time zone of an organization, by its name in the tz database.

    Raises:
        InvalidValue: there is no such time zone.
        Missing: there is no such organization.
    """
    raw = find(transaction, ref).raw
    try:
        ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        reason = "give a time zone by its name, such as UTC or Europe/Zurich"
        raise InvalidValue("zone", reason) from None
    transaction.execute("UPDATE organization SET zone = ? WHERE ref = ?", (zone, raw))
    append(transaction, actor, Action.ORGANIZATION_ZONE, ref)
    return find(transaction, ref)


def forget_name(transaction: Transaction, owner: Organization) -> bool:
    """Call an organization by its reference from now on; False where it is called so already.

    Its keys are called by their public ids, its projects by their references.
    """
    statement = "UPDATE organization SET name = ? WHERE ref = ? AND name <> ?"
    if not transaction.execute(statement, (owner.ref, owner.raw, owner.ref)):
        return False
    transaction.execute("UPDATE api_key SET name = public_id WHERE org = ?", (owner.raw,))
    projects = "SELECT ref FROM project WHERE org = ?"
    for (raw,) in transaction.rows(projects, (owner.raw,), tuple[bytes]):
        name = ids.text("prj", raw)
        transaction.execute("UPDATE project SET name = ? WHERE ref = ?", (name, raw))
    return True


def _set_frozen(
    transaction: Transaction, actor: Actor, ref: str, frozen_at_ms: int | None
) -> Organization:
    raw = find(transaction, ref).raw
    transaction.execute("UPDATE organization SET frozen_at = ? WHERE ref = ?", (frozen_at_ms, raw))
    action = Action.ORGANIZATION_FREEZE if frozen_at_ms else Action.ORGANIZATION_THAW
    append(transaction, actor, action, ref)
    return find(transaction, ref)
