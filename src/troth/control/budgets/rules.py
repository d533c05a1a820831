"""Budgets as their owners set them: each is a purse that a request draws on beside the wallet.

An organization, a project and a key have two budgets each at most, of different periods: a request
draws on all of them in one step, and a settlement has room for so many.
"""

from collections.abc import Iterator, Mapping, Sequence
from enum import Enum
from typing import Final

import msgspec

from troth.control import accounts, keys
from troth.control.accounts import Organization
from troth.control.audit import Action, Actor, append
from troth.control.budgets.periods import Mode, Rule, rule_of, running, set_rule
from troth.kernel import ids
from troth.kernel.errors import InvalidValue, Missing
from troth.kernel.periods import Period
from troth.store.transaction import Transaction

Limit = tuple[str, str]
"""An owner's reference and a period."""
BUDGETS_MAX: Final = 2
LIMIT_MAX_NUSD: Final = 90_000_000 * 1_000_000_000
"""A hundred times as much still fits 64 bits, so that percents need no wider numbers."""


class OwnerKind(Enum):
    """Whose a budget is."""

    ORGANIZATION = "organization"
    PROJECT = "project"
    KEY = "key"


_LETTERS: Final[Mapping[OwnerKind, bytes]] = {
    OwnerKind.ORGANIZATION: b"o",
    OwnerKind.PROJECT: b"p",
    OwnerKind.KEY: b"k",
}


class Owner(msgspec.Struct, frozen=True):
    """Who has a budget: an organization, or a project or key of it, by reference."""

    kind: OwnerKind
    ref: str
    organization: Organization

    @property
    def raw(self) -> bytes:
        """The reference's sixteen bytes."""
        return bytes.fromhex(self.ref.partition("_")[2])


class Wanted(msgspec.Struct, frozen=True):
    """A budget to be set: how much, how often, and whether it stops requests."""

    period: Period
    mode: Mode
    limit_nusd: int


class Budget(msgspec.Struct, frozen=True):
    """A budget and its running period. Money in nano-USD, times in unix milliseconds.

    `reserved_nusd` is what gateways hold for requests that run or may come; `ends_at_ms` is 0 for a
    budget without periods.
    """

    organization: str
    owner_kind: str
    owner: str
    period: str
    mode: str
    zone: str
    limit_nusd: int
    used_nusd: int
    reserved_nusd: int
    remaining_nusd: int
    starts_at_ms: int
    ends_at_ms: int


def owner(
    transaction: Transaction, organization: Organization, project: str = "", key: str = ""
) -> Owner:
    """Return whom a budget is for: the organization, or the one project or key of it that is named.

    Raises:
        InvalidValue: both are named, or the key has ended.
        Missing: the organization has no such project or key.
    """
    if project and key:
        raise InvalidValue("key", "name a project or a key, not both")
    if project:
        found = accounts.project_named(transaction, organization.raw, project)
        return Owner(OwnerKind.PROJECT, found.ref, organization)
    if not key:
        return Owner(OwnerKind.ORGANIZATION, organization.ref, organization)
    named = keys.find(transaction, key)
    if named.org != organization.ref:
        raise Missing("key")
    if named.revoked_at_ms:
        raise InvalidValue("key", "this key was revoked; a budget needs a key that lives")
    return Owner(OwnerKind.KEY, named.ref, organization)


def set_budget(
    transaction: Transaction, actor: Actor, whose: Owner, wanted: Wanted, *, raw: bytes
) -> bytes:
    """Set or change a budget and return its purse; a new one begins with nothing used.

    `raw` are sixteen bytes that a new purse is named by.

    Raises:
        InvalidValue: the limit is out of range, or the owner has two budgets of other periods.
    """
    if not 0 <= wanted.limit_nusd <= LIMIT_MAX_NUSD:
        raise InvalidValue("limit_usd", "give US dollars from 0 to 90000000")
    period = wanted.period.value
    rows = _rows(transaction, "WHERE owner = ?", whose.raw)
    purse = {each.period: each.purse for each in rows}.get(period)
    if purse is None:
        if len(rows) >= BUDGETS_MAX:
            reason = f"there are {BUDGETS_MAX} budgets already, the most there can be; drop one"
            raise InvalidValue("period", reason)
        purse = _LETTERS[whose.kind] + raw
        transaction.execute(
            "INSERT INTO budget_owner (owner, period, purse, kind, org) VALUES (?, ?, ?, ?, ?)",
            (whose.raw, period, purse, whose.kind.value, whose.organization.raw),
        )
    zone = whose.organization.zone
    rule = Rule(purse, wanted.period, zone, wanted.mode, wanted.limit_nusd)
    set_rule(transaction, rule, actor.at_ms)
    append(
        transaction,
        actor,
        Action.BUDGET_SET,
        whose.ref,
        other=period,
        amount_nusd=wanted.limit_nusd,
    )
    return purse


def drop(transaction: Transaction, actor: Actor, whose: Owner, period: Period) -> None:
    """End a budget. A gateway that has not heard of it goes on with one that stops nobody.

    Raises:
        Missing: the owner has no budget of this period.
    """
    rows = _rows(transaction, "WHERE owner = ?", whose.raw)
    purse = {each.period: each.purse for each in rows}.get(period.value)
    if purse is None:
        raise Missing("budget")
    transaction.execute(
        "DELETE FROM budget_owner WHERE owner = ? AND period = ?", (whose.raw, period.value)
    )
    rule = rule_of(transaction, purse)
    is_shared = _rows(transaction, "WHERE o.purse = ?", purse)
    if rule is not None and not is_shared:
        off = msgspec.structs.replace(rule, mode=Mode.ALERT)
        set_rule(transaction, off, actor.at_ms)
    append(transaction, actor, Action.BUDGET_DROP, whose.ref, other=period.value)


def inherit(transaction: Transaction, old_raw: bytes, new_raw: bytes) -> None:
    """Let a key draw on the budgets of the key that it replaces."""
    transaction.execute(
        "INSERT INTO budget_owner (owner, period, purse, kind, org)"
        " SELECT ?, period, purse, kind, org FROM budget_owner WHERE owner = ?",
        (new_raw, old_raw),
    )


def move_zone(transaction: Transaction, organization: Organization, now_ms: int) -> None:
    """Let an organization's budgets follow its time zone: running periods take its beginnings."""
    for purse in {each.purse for each in _rows(transaction, "WHERE org = ?", organization.raw)}:
        rule = rule_of(transaction, purse)
        if rule is not None:
            moved = msgspec.structs.replace(rule, zone=organization.zone)
            set_rule(transaction, moved, now_ms)


def purses(transaction: Transaction, org_raw: bytes | None = None) -> Mapping[bytes, list[bytes]]:
    """Return the purses of owners by their sixteen bytes, of one organization or of all."""
    found: dict[bytes, list[bytes]] = {}
    where = "" if org_raw is None else "WHERE org = ?"
    for each in _rows(transaction, where, *([] if org_raw is None else [org_raw])):
        found.setdefault(each.owner, []).append(each.purse)
    return found


def listed(transaction: Transaction, now_ms: int, org_raw: bytes | None = None) -> list[Budget]:
    """Return budgets with their running periods, of one organization or of all."""
    where = "" if org_raw is None else "WHERE org = ?"
    rows = _rows(transaction, where, *([] if org_raw is None else [org_raw]))
    return list(_shown(transaction, rows, now_ms))


def drawn_on(transaction: Transaction, now_ms: int, owners: Sequence[bytes]) -> list[Budget]:
    """Return the budgets of these owners, by their sixteen bytes, with their running periods."""
    rows = [row for owner in owners for row in _rows(transaction, "WHERE owner = ?", owner)]
    return list(_shown(transaction, rows, now_ms))


def limits(transaction: Transaction, owner_raw: bytes | None = None) -> Mapping[Limit, int]:
    """Return limits by owner's reference and period, of one owner or of all."""
    where = "" if owner_raw is None else "WHERE owner = ?"
    rows = _rows(transaction, where, *([] if owner_raw is None else [owner_raw]))
    return {(row.ref, row.period): row.limit_nusd for row in rows}


class _Row(msgspec.Struct, frozen=True, array_like=True):
    owner: bytes
    period: str
    purse: bytes
    kind: str
    org: bytes
    zone: str
    mode: str
    limit_nusd: int

    @property
    def ref(self) -> str:
        """The owner's reference."""
        match OwnerKind(self.kind):
            case OwnerKind.ORGANIZATION:
                return ids.text("org", self.owner)
            case OwnerKind.PROJECT:
                return ids.text("prj", self.owner)
            case OwnerKind.KEY:
                return ids.text("key", self.owner)


_SELECT: Final = """
SELECT owner, o.period, o.purse, kind, org, zone, mode, limit_nusd
FROM budget_owner AS o JOIN budget_rule AS r ON r.purse = o.purse"""


def _rows(transaction: Transaction, where: str, *params: bytes) -> list[_Row]:
    rows = transaction.rows(f"{_SELECT} {where} ORDER BY owner, o.period", params)
    return msgspec.convert(rows, list[_Row])


def owner_of(transaction: Transaction, purse: bytes) -> tuple[str, str, str] | None:
    """Return organization, owner and period of a purse; of a replaced key its newest."""
    rows = _rows(transaction, "WHERE o.purse = ?", purse)
    return (ids.text("org", rows[-1].org), rows[-1].ref, rows[-1].period) if rows else None


def _shown(transaction: Transaction, rows: list[_Row], now_ms: int) -> Iterator[Budget]:
    for row in rows:
        now = running(transaction, row.purse, now_ms)
        if now is None:
            continue
        yield Budget(
            organization=ids.text("org", row.org),
            owner_kind=row.kind,
            owner=row.ref,
            period=row.period,
            mode=row.mode,
            zone=row.zone,
            limit_nusd=row.limit_nusd,
            used_nusd=now.spent,
            reserved_nusd=now.held,
            remaining_nusd=max(0, row.limit_nusd - now.spent),
            starts_at_ms=now.starts_at,
            ends_at_ms=now.ends_at,
        )
