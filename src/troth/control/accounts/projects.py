"""Projects: parts of an organization that keys belong to and budgets are set for."""

from collections.abc import Sequence
from typing import Final

import msgspec

from troth.control.accounts.organizations import Organization, checked_name
from troth.control.audit import Action, Actor, append
from troth.kernel import ids
from troth.kernel.errors import InvalidValue, Missing
from troth.store.transaction import Conflict, Transaction, Value

_COLUMNS: Final = "SELECT ref, org, name, created_at FROM project"


class Project(msgspec.Struct, frozen=True):
    """A project of an organization."""

    ref: str
    organization: str
    name: str
    created_at_ms: int

    @property
    def raw(self) -> bytes:
        """The reference's sixteen bytes."""
        return bytes.fromhex(self.ref.partition("_")[2])


def create_project(
    transaction: Transaction, actor: Actor, raw: bytes, owner: tuple[Organization, str]
) -> Project:
    """Create a project of an organization, under a new reference of 16 bytes and a name.

    Raises:
        InvalidValue: the name cannot be one, or the organization has a project of this name.
    """
    organization, name = owner[0], checked_name(owner[1])
    try:
        transaction.execute(
            "INSERT INTO project (ref, org, name, created_at) VALUES (?, ?, ?, ?)",
            (raw, organization.raw, name, actor.at_ms),
        )
    except Conflict:
        raise InvalidValue("name", "this organization has a project of this name") from None
    made = Project(ids.text("prj", raw), organization.ref, name, actor.at_ms)
    append(transaction, actor, Action.PROJECT_CREATE, made.ref, other=organization.ref)
    return made


def projects_of(transaction: Transaction, org_raw: bytes) -> list[Project]:
    """Return an organization's projects by name."""
    return _rows(transaction, "WHERE org = ? ORDER BY name", (org_raw,))


def project_named(transaction: Transaction, org_raw: bytes, name_or_ref: str) -> Project:
    """Return an organization's project of a reference or, failing that, of a name.

    Raises:
        Missing: it has none.
    """
    raw = ids.raw_of("prj", name_or_ref) or b""
    rows = _rows(
        transaction, "WHERE org = ? AND (ref = ? OR name = ?)", (org_raw, raw, name_or_ref)
    )
    if not rows:
        raise Missing("project")
    return rows[0]


def _rows(transaction: Transaction, rest: str, params: Sequence[Value]) -> list[Project]:
    rows = transaction.rows(f"{_COLUMNS} {rest}", params, tuple[bytes, bytes, str, int])
    return [
        Project(ids.text("prj", ref), ids.text("org", org), name, created_at_ms)
        for ref, org, name, created_at_ms in rows
    ]
