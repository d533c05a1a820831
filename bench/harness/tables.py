"""The tables of a run, as rows of text; the same for the terminal and for the page."""

from collections.abc import Iterable, Sequence

import msgspec

from bench.harness.cases import CASES, Case
from bench.harness.figures import Figures, Trials, figures, start_seconds
from bench.harness.gates import Judged

SEVERAL = 100
FEW = 10


class Table(msgspec.Struct, frozen=True):
    """A title and rows of cells; the first row is the head."""

    title: str
    rows: Sequence[Sequence[str]]

    def markdown(self) -> str:
        """Return the table as Markdown."""
        head, *rest = self.rows
        rule = ["---"] + ["---:"] * (len(head) - 1)
        lines = ["| " + " | ".join(row) + " |" for row in (head, rule, *rest)]
        return "\n".join(lines)

    def text(self) -> str:
        """Return the table with aligned columns."""
        widths = [max(len(row[at]) for row in self.rows) for at in range(len(self.rows[0]))]
        lines = []
        for row in self.rows:
            first = row[0].ljust(widths[0])
            rest = [cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)]
            lines.append("  ".join([first, *rest]).rstrip())
        return "\n".join([self.title, *lines])


def number(value: float | None) -> str:
    """Return a figure with about three digits."""
    if value is None:
        return "-"
    if value >= SEVERAL:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= FEW else f"{value:.2f}"


def costs(trials: Trials, unit: str) -> Table:
    """CPU a unit, of each system in each case, with the ratio to nginx."""
    cases = [case for case in CASES if case.unit == unit and case.name != "idle"]
    names = list(trials)
    rows = [["", *(_title(trials, name) for name in names)]]
    for case in cases:
        row = [_cost_cell(trials, name, case) for name in names]
        if any(cell != "-" for cell in row):
            rows.append([case.title, *row])
    return Table(f"CPU of the whole process tree, microseconds a {unit} (x nginx)", rows)


def _cost_cell(trials: Trials, name: str, case: Case) -> str:
    found = figures(trials, name, case.name)
    if found is None or not found.cpu_us:
        return "-"
    plain = figures(trials, "nginx", case.name)
    cell = number(found.cpu_us)
    if plain is not None and plain.cpu_us:
        cell += f" ({number(found.cpu_us / plain.cpu_us)})"
    return cell + (" *" if found.is_behind else "")


def _title(trials: Trials, name: str) -> str:
    facts = trials[name].facts
    return f"{facts.name} {facts.version}".strip()


def requests(trials: Trials) -> Table:
    """Throughput and latency where answers are not streamed."""
    rows = [["", "case", "requests/s", "p50 us", "p99 us", "core", "failed", "runs", "spread"]]
    for name in trials:
        for case, found in _found(trials, name, "request"):
            rate = [number(found.requests_a_second), number(found.p50_us), number(found.p99_us)]
            rows.append([_title(trials, name), case.title, *rate, *_tail(found)])
    return Table("Requests, answers not streamed (core: share of the gateway's core)", rows)


def streams(trials: Trials) -> Table:
    """Delivery and delay where answers are streamed."""
    rows = [["", "case", "delivered", "added p50 ms", "p99 ms", "core", "failed", "runs", "spread"]]
    for name in trials:
        for case, found in _found(trials, name, "event"):
            delay = [number(found.added_p50_ms), number(found.added_p99_ms)]
            share = f"{found.delivered_share:.2%}" + (" *" if found.is_behind else "")
            title = case.title.replace("10,000", f"{found.connections:,}")
            rows.append([_title(trials, name), title, share, *delay, *_tail(found)])
    return Table("Streams (delay: from the upstream's write to the client's read)", rows)


def _tail(found: Figures) -> list[str]:
    return [f"{found.core_share:.0%}", str(found.failed), str(found.runs), f"{found.spread:.0%}"]


def _found(trials: Trials, name: str, unit: str) -> Iterable[tuple[Case, Figures]]:
    for case in CASES:
        found = figures(trials, name, case.name)
        if found is not None and case.unit == unit:
            yield case, found


def memory(trials: Trials) -> Table:
    """Resident memory and the time to ready."""
    cases = ("many", "streams-2000", "idle")
    rows = [["", "64 connections", "2,000 streams", "10,000 streams", "tree, most", "ready after"]]
    for name in trials:
        found = [figures(trials, name, case) for case in cases]
        if not any(one and one.memory_mb for one in found):
            continue
        most = max(one.tree_mb for one in found if one)
        ready = start_seconds(trials, name)
        largest = [f"{one.memory_mb:.0f} MB" if one else "-" for one in found]
        rows.append([_title(trials, name), *largest, f"{most:.0f} MB", f"{number(ready)} s"])
    return Table("Memory of the largest process that serves; of the tree, shared pages once", rows)


def shares(trials: Trials) -> Table:
    """How much of Troth's cost is on the request's path, and how much is the desk's."""
    rows = [["", "whole tree", "gateway process", "desk and supervisor"]]
    for name, trial in trials.items():
        if not trial.facts.name.startswith("Troth"):
            continue
        for case in CASES:
            found = figures(trials, name, case.name)
            if found is None or not found.cpu_us or found.gateway_cpu_us is None:
                continue
            rest = found.cpu_us - found.gateway_cpu_us
            values = (found.cpu_us, found.gateway_cpu_us, rest)
            rows.append([f"{_title(trials, name)}, {case.title}", *(number(v) for v in values)])
    return Table("Where Troth's CPU goes, microseconds a unit", rows)


def gates(judged: Sequence[Judged]) -> Table:
    """What must hold and what was found."""
    rows = [["gate", "bound", "goal", "found", "verdict"]]
    for one in judged:
        sign = ">=" if one.is_floor else "<="
        goal = "-" if one.goal is None else f"{sign} {one.goal:g}"
        found = "-" if one.found is None else number(one.found)
        shown = " (shown only)" if one.is_shown else ""
        bound = f"{sign} {one.bound:g} {one.unit}"
        rows.append([one.what, bound, goal, found, f"{one.verdict}{shown}"])
    return Table("Gates", rows)
