"""Compares what a provider says it served with what was posted as its cost, by model and day.

Nothing is posted here; `corrections` proposes what may be. A difference above the tolerance is told
with what may explain it: costs that were estimated, requests whose gateway was lost, models that
one side does not know.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from enum import Enum
from typing import Final

import msgspec

from troth.control.reports.exports import Told, first_of_month
from troth.store.transaction import Transaction

TOLERANCE_BP: Final = 50
_WHOLE: Final = 10_000
_MS_OF_DAY: Final = 86_400_000
_LONGEST_MONTH: Final = 31
_DATE: Final = re.compile(r"-(?:\d{8}|\d{4}-\d\d-\d\d)$", re.ASCII)


_COUNTED: Final = """
SELECT day, model, CAST(sum(cost) AS bigint),
  CAST(sum(CASE WHEN usage_source = 'reported' THEN 0 ELSE cost END) AS bigint),
  CAST(sum(count) AS bigint), 0
FROM rollup_supply WHERE (provider = ? OR upstream = ?) AND day BETWEEN ? AND ?
GROUP BY day, model"""
_COUNTED_OF: Final = tuple[int, str, int, int, int, int]
_CORRECTED: Final = """
SELECT day, model, amount FROM correction
WHERE what = 'cost' AND (provider = ? OR upstream = ?) AND day BETWEEN ? AND ?"""


class State(Enum):
    """How a line stands."""

    AGREES = "agrees"
    DIFFERS = "differs"
    ONLY_OURS = "only_ours"
    ONLY_THEIRS = "only_theirs"


class Line(msgspec.Struct, frozen=True):
    """One model on one day. `difference_nusd` is theirs less ours.

    Of ours `estimated_nusd` is what no provider's count stands behind, `corrected_nusd` what was
    corrected before.
    """

    day: int
    model: str
    state: State
    ours_nusd: int
    theirs_nusd: int
    difference_nusd: int
    estimated_nusd: int
    our_requests: int
    their_requests: int
    corrected_nusd: int = 0


class Day(msgspec.Struct, frozen=True):
    """A day's orphans: the bounds of requests whose gateway was lost, of all providers."""

    day: int
    orphans: int
    orphans_nusd: int


class Reconciled(msgspec.Struct, frozen=True):
    """All lines, those to look at first; and what else may explain them."""

    provider: str
    first_day: int
    last_day: int
    tolerance_bp: int
    ours_nusd: int
    theirs_nusd: int
    findings: int
    lines: list[Line]
    orphans: list[Day]


class Ours(msgspec.Struct, frozen=True):
    """What was counted of a model: its cost with corrections, what of it is an estimate."""

    cost: int = 0
    estimated: int = 0
    count: int = 0
    corrected: int = 0


class Whose(msgspec.Struct, frozen=True):
    """Whose export it is: the provider, or one upstream of it.

    `names` leads from its name of a model to ours; what it does not know keeps its name, without
    the date at its end where that helps. A difference is told above `tolerance_bp`, in hundredths
    of a percent. Where it tells of whole months, ours are summed to them too, on their first days.
    """

    provider: str
    names: Mapping[str, str]
    tolerance_bp: int = TOLERANCE_BP
    is_monthly: bool = False


def span_of(told: Sequence[Told], *, is_monthly: bool) -> tuple[int, int]:
    """Return the first and the last day that an export is about, of whole months where it is."""
    first, last = min(each.day for each in told), max(each.day for each in told)
    if is_monthly:
        first, last = first_of_month(first), first_of_month(last + _LONGEST_MONTH) - 1
    return first, last


def reconcile(tx: Transaction, whose: Whose, told: Sequence[Told]) -> Reconciled:
    """Compare an export with the roll-ups of its days, or of its months."""
    first, last = span_of(told, is_monthly=whose.is_monthly)
    ours = counted(tx, whose, first, last)
    theirs = _theirs(told, whose.names, {model for _, model in ours})
    lines = [
        _line(at, ours.get(at), theirs.get(at), whose.tolerance_bp)
        for at in sorted(ours.keys() | theirs.keys())
    ]
    lines.sort(key=lambda each: (each.state is State.AGREES, -abs(each.difference_nusd)))
    return Reconciled(
        provider=whose.provider,
        first_day=first,
        last_day=last,
        tolerance_bp=whose.tolerance_bp,
        ours_nusd=sum(each.ours_nusd for each in lines),
        theirs_nusd=sum(each.theirs_nusd for each in lines),
        findings=sum(each.state is not State.AGREES for each in lines),
        lines=lines,
        orphans=_orphans(tx, first, last),
    )


def was_asked(tx: Transaction, provider: str) -> bool:
    """Tell whether any request went to a provider, or an upstream, of this name."""
    whose = "SELECT 1 FROM rollup_supply WHERE provider = ? OR upstream = ? LIMIT 1"
    return tx.row(whose, (provider, provider)) is not None


def counted(tx: Transaction, whose: Whose, first: int, last: int) -> dict[tuple[int, str], Ours]:
    """Return what was counted here by day, or first day of a month, and model."""
    rows = tx.rows(_COUNTED, (whose.provider, whose.provider, first, last), _COUNTED_OF)
    rows += [
        (day, model, amount, 0, 0, amount)
        for day, model, amount in tx.rows(
            _CORRECTED, (whose.provider, whose.provider, first, last), tuple[int, str, int]
        )
    ]
    sums: dict[tuple[int, str], Ours] = {}
    for day, model, cost, estimated, count, corrected in rows:
        if not cost:
            continue
        at = (first_of_month(day) if whose.is_monthly else day, model)
        former = sums.get(at, Ours())
        sums[at] = Ours(
            former.cost + cost,
            former.estimated + estimated,
            former.count + count,
            former.corrected + corrected,
        )
    return sums


def _theirs(
    told: Iterable[Told], names: Mapping[str, str], known: set[str]
) -> dict[tuple[int, str], tuple[int, int]]:
    sums: defaultdict[tuple[int, str], tuple[int, int]] = defaultdict(lambda: (0, 0))
    for each in told:
        at = (each.day, _our_name(each.model, names, known))
        cost, requests = sums[at]
        sums[at] = (cost + each.cost_nusd, requests + each.requests)
    return {at: sums[at] for at in sums if sums[at][0]}


def _our_name(model: str, names: Mapping[str, str], known: set[str]) -> str:
    """Return our name of a model; a date at its end is left out where only that is known."""
    for name in (model, undated(model)):
        if name in names:
            return names[name]
        if name in known:
            return name
    return model


def undated(model: str) -> str:
    """Return a model's name without `-20240718` or `-2024-07-18` at its end."""
    return _DATE.sub("", model)


def _line(
    at: tuple[int, str], ours: Ours | None, theirs: tuple[int, int] | None, tolerance_bp: int
) -> Line:
    here, there = ours or Ours(), theirs or (0, 0)
    difference = there[0] - here.cost
    larger = max(abs(here.cost), abs(there[0]))  # a provider may give back more than it asked for
    is_within = abs(difference) * _WHOLE <= tolerance_bp * larger
    if is_within:
        state = State.AGREES
    elif theirs is None:
        state = State.ONLY_OURS
    else:
        state = State.ONLY_THEIRS if ours is None else State.DIFFERS
    return Line(
        *at, state, here.cost, there[0], difference, here.estimated, here.count, there[1],
        here.corrected,
    )  # fmt: skip


def _orphans(tx: Transaction, first: int, last: int) -> list[Day]:
    rows = tx.rows(
        "SELECT at, amount FROM orphan WHERE at >= ? AND at < ?",
        (first * _MS_OF_DAY, (last + 1) * _MS_OF_DAY),
        tuple[int, int],
    )
    sums: dict[int, tuple[int, int]] = {}
    for at, amount in rows:
        count, whole = sums.get(at // _MS_OF_DAY, (0, 0))
        sums[at // _MS_OF_DAY] = (count + 1, whole + amount)
    return [Day(day, *sums[day]) for day in sorted(sums)]
