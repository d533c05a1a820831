"""Corrections that a provider's bill asks for: proposed, looked at by a person, then posted.

Nothing adjusts itself. What is accepted must still be what was proposed; each correction is a new
entry that names the first. A provider's cost goes up or down, a customer's charge only down.
"""

from collections.abc import Sequence
from typing import Final

import msgspec

from troth.control import accounts, audit
from troth.control.billing import reopen_closing
from troth.control.reports.exports import Told, first_of_month
from troth.control.reports.overcharges import Scope, Share, shares
from troth.control.reports.reconcile import Ours, State, Whose, counted, reconcile
from troth.kernel import ids
from troth.kernel.errors import InvalidValue
from troth.ledger import books
from troth.ledger.books import Credit, Kind, Transfer
from troth.store.transaction import Transaction

_LONGEST_MONTH: Final = 31
_KEEP: Final = """
INSERT INTO correction (entry, what, provider, upstream, day, model, org, lot, amount, at)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"""
_LISTED: Final = """
SELECT entry, what, provider, upstream, day, model, org, amount, at FROM correction
ORDER BY at DESC, entry LIMIT ?"""


class Overcharge(msgspec.Struct, frozen=True):
    """What an organization was charged too much for requests that were estimated too high."""

    organization: str
    requests: int
    credit_nusd: int


class Correction(msgspec.Struct, frozen=True):
    """What one line of a bill asks for: `cost_nusd` more, or below zero less, for the operator."""

    day: int
    model: str
    ours_nusd: int
    theirs_nusd: int
    cost_nusd: int
    overcharges: tuple[Overcharge, ...] = ()


class Proposal(msgspec.Struct, frozen=True):
    """All that a bill asks for; `waiting` lines are of days that are not closed yet."""

    provider: str
    is_monthly: bool
    waiting: int
    rows: tuple[Correction, ...]


class Accepted(msgspec.Struct, frozen=True):
    """What was posted: entries, what the operator's cost rose by, what organizations got back."""

    entries: int
    cost_nusd: int
    credited_nusd: int


class Listed(msgspec.Struct, frozen=True):
    """A correction that was posted. `amount_nusd` is more cost, or credit for an organization."""

    entry: str
    what: str
    provider: str
    upstream: str
    day: int
    model: str
    organization: str
    amount_nusd: int
    at_ms: int


def propose(tx: Transaction, whose: Whose, told: Sequence[Told], now_ms: int) -> Proposal:
    """Return what the lines of an export ask for that do not agree with what was counted."""
    opened = _open_day(tx)
    rows, waiting = [], 0
    for line in reconcile(tx, whose, told).lines:
        if line.state is State.AGREES:
            continue
        if _last_day(line.day, is_monthly=whose.is_monthly) >= opened:
            waiting += 1
            continue
        wanted = (line.day, line.model, line.difference_nusd)
        overcharges = _overcharges(_shares(tx, whose, wanted, now_ms))
        rows.append(
            Correction(
                line.day,
                line.model,
                line.ours_nusd,
                line.theirs_nusd,
                line.difference_nusd,
                overcharges,
            )
        )
    return Proposal(whose.provider, whose.is_monthly, waiting, tuple(rows))


def accept(tx: Transaction, actor: audit.Actor, proposal: Proposal, desk: int) -> Accepted:
    """Post a proposal, all of its rows or none; who is struck out of a row gets no credit.

    Raises:
        InvalidValue: a row is not what would be proposed now.
    """
    whose = Whose(proposal.provider, {}, is_monthly=proposal.is_monthly)
    done = Accepted(0, 0, 0)
    for place, row in enumerate(proposal.rows):
        last = _last_day(row.day, is_monthly=proposal.is_monthly)
        if last >= _open_day(tx):
            raise InvalidValue(f"rows[{place}].day", "wait until this day is closed")
        ours = counted(tx, whose, row.day, last).get((row.day, row.model), Ours())
        is_same = (ours.cost, row.theirs_nusd - ours.cost) == (row.ours_nusd, row.cost_nusd)
        if not is_same or not row.cost_nusd:
            reason = "the books say otherwise now: compare the bill again"
            raise InvalidValue(f"rows[{place}].ours_nusd", reason)
        found = _shares(tx, whose, (row.day, row.model, row.cost_nusd), actor.at_ms)
        offered = set(_overcharges(found))
        if not offered.issuperset(row.overcharges):
            raise InvalidValue(f"rows[{place}].overcharges", "this is not what they would get now")
        _post_cost(tx, actor, (proposal, row), desk)
        wanted = {each.organization for each in row.overcharges}
        kept = [each for each in found if ids.text("org", each.org) in wanted]
        entries = _credit(tx, actor, (proposal, row), kept, desk=desk)
        done = Accepted(
            done.entries + 1 + entries,
            done.cost_nusd + row.cost_nusd,
            done.credited_nusd + sum(each.amount for each in kept),
        )
    return done


def listed(tx: Transaction, limit: int) -> list[Listed]:
    """Return the newest corrections."""
    rows = tx.rows(_LISTED, (limit,), tuple[bytes, str, str, str, int, str, bytes | None, int, int])
    return [
        Listed(row[0].hex(), *row[1:6], ids.text("org", row[6]) if row[6] else "", *row[7:])
        for row in rows
    ]


def _open_day(tx: Transaction) -> int:
    return tx.number("SELECT day FROM open_day WHERE id = 1")


def _last_day(day: int, *, is_monthly: bool) -> int:
    return first_of_month(day + _LONGEST_MONTH) - 1 if is_monthly else day


def _shares(tx: Transaction, whose: Whose, row: tuple[int, str, int], now_ms: int) -> list[Share]:
    day, model, difference = row
    last = _last_day(day, is_monthly=whose.is_monthly)
    return shares(tx, Scope(whose.provider, model, day, last), -difference, now_ms)


def _overcharges(found: Sequence[Share]) -> tuple[Overcharge, ...]:
    amounts: dict[bytes, int] = {}
    requests: dict[bytes, set[bytes]] = {}
    for each in found:
        amounts[each.org] = amounts.get(each.org, 0) + each.amount
        requests.setdefault(each.org, set()).add(each.request)
    return tuple(
        Overcharge(ids.text("org", org), len(requests[org]), amounts[org])
        for org in sorted(amounts)
    )


def _source(tx: Transaction, name: str) -> tuple[str, str]:
    """Return provider and upstream of a name; the upstream is empty for all of a provider's."""
    known = "SELECT provider FROM rollup_supply WHERE {} = ? LIMIT 1"
    if tx.row(known.format("provider"), (name,)) is None:
        found = tx.row(known.format("upstream"), (name,), tuple[str])
        if found:
            return found[0], name
    return name, ""


def _key(tx: Transaction, what: str, proposal: Proposal, row: Correction) -> str:
    """Return what names a correction of a line: how many came before it."""
    before = tx.number(
        "SELECT count(*) FROM correction WHERE what = 'cost' AND day = ? AND model = ?"
        " AND (provider = ? OR upstream = ?)",
        (row.day, row.model, proposal.provider, proposal.provider),
    )
    return f"{what} {proposal.provider} {row.day} {row.model} {before}"


def _post_cost(
    tx: Transaction, actor: audit.Actor, wish: tuple[Proposal, Correction], desk: int
) -> None:
    proposal, row = wish
    provider, upstream = _source(tx, proposal.provider)
    last = _last_day(row.day, is_monthly=proposal.is_monthly)
    first = tx.row(
        "SELECT entry FROM provider_day WHERE provider = ? AND day BETWEEN ? AND ?"
        " ORDER BY day LIMIT 1",
        (provider, row.day, last),
        tuple[bytes],
    )
    kind = Kind.COST if row.cost_nusd > 0 else Kind.COST_LESS
    key = _key(tx, "correction", proposal, row)
    corrects = first[0] if first else None
    moved = Transfer(kind, key, abs(row.cost_nusd), provider, corrects)
    books.transfer(tx, [moved], desk, actor.at_ms)
    entry = books.movement_id(kind, key)
    about = (provider, upstream, row.day, row.model)
    tx.execute(_KEEP, (entry, "cost", *about, None, None, row.cost_nusd, actor.at_ms))
    action = audit.Action.CORRECTION_ACCEPT
    audit.append(tx, actor, action, provider, other=entry.hex(), amount_nusd=row.cost_nusd)


def _credit(
    tx: Transaction,
    actor: audit.Actor,
    wish: tuple[Proposal, Correction],
    found: Sequence[Share],
    *,
    desk: int,
) -> int:
    """Give credit back, one lot for each lot that had paid; return the entries."""
    proposal, row = wish
    key = _key(tx, "overcharge", proposal, row)
    about = (*_source(tx, proposal.provider), row.day, row.model)
    groups: dict[tuple[bytes, bytes], list[Share]] = {}
    for each in found:
        groups.setdefault((each.org, each.lot or b""), []).append(each)
    for (org, lot), parts in sorted(groups.items(), key=lambda each: each[0]):
        amount, like = sum(each.amount for each in parts), parts[0]
        owner = accounts.find(tx, ids.text("org", org))
        wanted = Credit(
            key=f"{key} {owner.ref} {lot.hex()}",
            org=org,
            kind=like.kind,
            amount=amount,
            expires_at=like.ends_at_ms or None,
            is_overcharge=True,
        )
        books.credit(tx, wanted, desk, actor.at_ms)
        entry = wanted.lot
        tx.execute(_KEEP, (entry, "charge", *about, org, like.lot, amount, actor.at_ms))
        tx.insert(
            "INSERT INTO correction_part (request, correction, amount) VALUES (?, ?, ?)",
            [(each.request, entry, each.amount) for each in parts],
        )
        action = audit.Action.CORRECTION_ACCEPT
        audit.append(tx, actor, action, owner.ref, other=entry.hex(), amount_nusd=amount)
        reopen_closing(tx, org)
    return len(groups)
