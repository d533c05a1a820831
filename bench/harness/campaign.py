"""A whole run: systems in turn, round after round, each round anew; the lowest of a figure counts.

Systems alternate so that a slow minute of the machine hits all of them. A system that falls behind
200 streams is not asked for 2,000.
"""

import sys
from collections.abc import Sequence

import msgspec

from bench.harness.cases import BY_NAME, Case
from bench.harness.measure import Measurement, measure, warm
from bench.harness.processes import NotReady
from bench.harness.programs import MockUpstream, Rig
from bench.systems.system import Facts, System


class Trial(msgspec.Struct):
    """One system of a run: what it is, and every measurement of it."""

    facts: Facts
    start_seconds: list[float] = msgspec.field(default_factory=list)
    measurements: list[Measurement] = msgspec.field(default_factory=list)
    fault: str = ""


class Plan(msgspec.Struct, frozen=True):
    """Which systems and cases, and how often."""

    systems: Sequence[System]
    cases: Sequence[Case]
    rounds: int


def say(text: str) -> None:
    """Tell how far the run is."""
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


def conduct(plan: Plan, rig: Rig) -> dict[str, Trial]:
    """Run the plan; the trials by the system's name, in the plan's order."""
    trials: dict[str, Trial] = {}
    upstream = MockUpstream(rig.programs, rig.folder / "upstream")
    try:
        for number in range(plan.rounds):
            for system in plan.systems:
                facts = system.facts()
                if facts is None:
                    if number == 0:
                        say(f"{system.name}: not installed")
                elif number < system.rounds_most:
                    say(f"round {number + 1}/{plan.rounds}: {system.name}")
                    trial = trials.setdefault(system.name, Trial(facts))
                    _round(plan.cases, rig, upstream, (system, trial))
    finally:
        upstream.stop()
    return trials


def _round(
    cases: Sequence[Case], rig: Rig, upstream: MockUpstream, subject: tuple[System, Trial]
) -> None:
    system, trial = subject
    folder = rig.folder / system.name.replace(" ", "-").replace(",", "")
    try:
        running = system.start(upstream, folder)
    except NotReady as fault:
        trial.fault = str(fault)
        say(f"  {fault}")
        return
    try:
        trial.start_seconds.append(running.seconds_to_ready)
        running.pin()
        behind = False
        warm(rig, BY_NAME["many"], running, system.warm_seconds)
        for case in cases:
            if case.needs == "pace" and behind:
                continue
            warm(rig, case, running)
            found = measure(rig, case, system.name, running)
            if found is not None:
                behind = behind or found.is_behind
                trial.measurements.append(found)
                say(f"  {_line(found)}")
    except NotReady as fault:
        trial.fault = str(fault)
        say(f"  {fault}")
    finally:
        running.stop()


def _line(found: Measurement) -> str:
    cpu = "-" if found.cpu_us is None else f"{found.cpu_us:.1f} us/{found.unit}"
    path = "" if found.gateway_cpu_us == found.cpu_us else f" (path {found.gateway_cpu_us:.1f})"
    load = found.load
    added = f" added p99 {load.added.p99_us / 1e3:.1f} ms" if load.added.count else ""
    events = f" events {load.events_delivered}/{load.events_expected}" if load.added.count else ""
    return (
        f"{found.case:20s} {cpu}{path}  {load.requests_a_second:,.0f}/s"
        f" p50 {load.latency.p50_us:,.0f} p99 {load.latency.p99_us:,.0f} us{added}{events}"
        f" {found.memory.largest_mb:.0f} MB others {found.others_share:.0%}"
        f"{' BEHIND' if found.is_behind else ''} {load.errors or ''}"
    )
