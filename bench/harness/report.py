"""Write a run down: a JSON file with everything, and the page of the documentation."""

from collections.abc import Sequence

import msgspec

from bench.harness import tables
from bench.harness.campaign import Trial
from bench.harness.gates import Judged
from bench.harness.machine import Conditions
from bench.harness.places import PAGE, RESULTS


class Result(msgspec.Struct, frozen=True):
    """Everything that a run found."""

    conditions: Conditions
    trials: dict[str, Trial]
    gates: Sequence[Judged]


CAVEATS = """\
- Compare only within one run: the same minute, the same machine, the same mock upstream. The lowest
  of several runs counts, each system started anew for each; `spread` is highest over lowest.
- CPU a unit is what the kernel accounts to the whole process tree, user and kernel, divided by
  completed requests, or by the timed events that arrived (a stream has four more: role, finish
  reason, usage, end; they and the request itself are in the figure).
- The gateway's process has core 0. Load generator, mock upstream and, with Troth, desk and
  supervisor share core 1. Direct: both programs on core 1, nothing on core 0.
- The mock's timers fire once a millisecond, as in most event loops. Upstreams that send at more
  scattered moments cost every proxy more wake-ups: about a fifth more an event for nginx.
- Ratios to other gateways are orders of magnitude, not a ranking: they do other work too, and run
  here without their databases. nginx does no gateway work at all.
- `*`: it fell behind; the streams took over 15 % longer than the upstream's pace. Such a system is
  not asked for more streams.
- On a virtual machine the neighbors are felt: requests a second and p99 are shown, never judged.
- A gateway needs two descriptors for each open stream; where the limit is lower than 10,000 streams
  need, as many are opened as fit, and the table says how many.
"""


def write(result: Result) -> None:
    """Write both files."""
    RESULTS.mkdir(parents=True, exist_ok=True)
    encoded = msgspec.json.format(msgspec.json.encode(result), indent=1)
    (RESULTS / "latest.json").write_bytes(encoded + b"\n")
    PAGE.write_text(page(result))


def read() -> Result:
    """Return the last run that was written down."""
    return msgspec.json.decode((RESULTS / "latest.json").read_bytes(), type=Result)


def terminal(result: Result) -> str:
    """Return what is printed at the end of a run."""
    return "\n\n".join(table.text() for table in _all(result))


def page(result: Result) -> str:
    """Return the documentation page."""
    parts = ["# Performance", _opening(result), "## Gates", tables.gates(result.gates).markdown()]
    for table in _all(result)[1:]:
        parts += [f"## {table.title}", table.markdown()]
    parts += ["## Conditions", _conditions(result), "## How to read this", CAVEATS]
    return "\n\n".join(part.strip() for part in parts) + "\n"


def _all(result: Result) -> list[tables.Table]:
    trials = result.trials
    found = [
        tables.gates(result.gates),
        tables.costs(trials, "request"),
        tables.costs(trials, "event"),
        tables.shares(trials),
        tables.requests(trials),
        tables.streams(trials),
        tables.memory(trials),
    ]
    return [table for table in found if len(table.rows) > 1]


def _opening(result: Result) -> str:
    return (
        "Written by `make bench`; nothing here is by hand. One gateway process on one core, mock "
        "upstream and load on the other, requests and answers of about 1 kB.\n"
        f"Run of {result.conditions.date}, commit {result.conditions.commit}."
    )


def _conditions(result: Result) -> str:
    found = result.conditions
    kind = "a virtual machine" if found.is_virtual else "a machine"
    packages = ", ".join(f"{name} {version}" for name, version in found.packages.items())
    programs = {
        "compiled": f"compiled from `bench/` by {found.toolchain}",
        "python": "in Python on uvloop, for want of a Go toolchain: **slower than a good gateway**",
    }
    machine = (
        f"{kind.capitalize()} with {found.cores} cores, {found.processor}, {found.memory_gib} GiB; "
        f"Linux {found.kernel}, {found.libc}; {found.open_files:,} open files at most; load "
        f"average before the run {found.load_average}."
    )
    lines = [
        machine,
        f"CPython {found.python}, {packages}.",
        f"Load generator and mock upstream {programs[found.programs]}.",
        f"{found.rounds} rounds; slow starters fewer (column `runs`).",
    ]
    for trial in result.trials.values():
        facts = trial.facts
        fault = f" **{trial.fault}**" if trial.fault else ""
        lines.append(f"{facts.name} {facts.version}: {facts.note or 'as installed'}.{fault}")
    return "\n".join(f"- {line}" for line in lines)
