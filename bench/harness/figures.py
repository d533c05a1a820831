"""The figures of a run: of several measurements of one case the lowest counts."""

from collections.abc import Mapping

import msgspec

from bench.harness.campaign import Trial


class Figures(msgspec.Struct, frozen=True):
    """One system in one case. CPU in microseconds a unit, `spread` of its runs as a share."""

    runs: int
    cpu_us: float | None
    gateway_cpu_us: float | None
    spread: float
    requests_a_second: float
    p50_us: float
    p99_us: float
    added_p50_ms: float
    added_p99_ms: float
    delivered_share: float
    failed: int
    memory_mb: float
    tree_mb: float
    core_share: float
    others_share: float
    connections: int
    is_behind: bool


Trials = Mapping[str, Trial]


def figures(trials: Trials, system: str, case: str) -> Figures | None:
    """Return the figures of a system in a case, or None where there are none."""
    if system not in trials:
        return None
    runs = [found for found in trials[system].measurements if found.case == case]
    if not runs:
        return None
    least = min(runs, key=lambda found: found.cpu_us or 0.0)
    costs = [found.cpu_us for found in runs if found.cpu_us]
    loads = [found.load for found in runs]
    return Figures(
        runs=len(runs),
        cpu_us=least.cpu_us,
        gateway_cpu_us=least.gateway_cpu_us,
        spread=max(costs) / min(costs) - 1 if costs else 0.0,
        requests_a_second=max(load.requests_a_second for load in loads),
        p50_us=min(load.latency.p50_us for load in loads),
        p99_us=min(load.latency.p99_us for load in loads),
        added_p50_ms=min(load.added.p50_us for load in loads) / 1e3,
        added_p99_ms=min(load.added.p99_us for load in loads) / 1e3,
        delivered_share=min(
            load.events_delivered / load.events_expected if load.events_expected else 1.0
            for load in loads
        ),
        failed=sum(load.failed for load in loads),
        memory_mb=max(found.memory.largest_mb for found in runs),
        tree_mb=max(found.memory.tree_mb for found in runs),
        core_share=least.core_share,
        others_share=least.others_share,
        connections=least.connections,
        is_behind=all(found.is_behind for found in runs),
    )


def path_cost(trials: Trials, system: str, case: str) -> float | None:
    """Return the CPU a unit of the processes that serve requests, in microseconds.

    Of a system that tells no process of its own apart that is its whole tree.
    """
    found = figures(trials, system, case)
    if found is None or found.gateway_cpu_us is None:
        return cost(trials, system, case)
    return found.gateway_cpu_us


def cost(trials: Trials, system: str, case: str) -> float | None:
    """Return the CPU a unit of a whole process tree, in microseconds."""
    found = figures(trials, system, case)
    return found.cpu_us if found is not None and found.cpu_us else None


def start_seconds(trials: Trials, system: str) -> float | None:
    """Return the shortest time from start to ready."""
    if system not in trials or not trials[system].start_seconds:
        return None
    return min(trials[system].start_seconds)
