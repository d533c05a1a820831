"""CPU time and memory of processes, from the kernel's own books.

`/proc/<pid>/task/<tid>/schedstat` counts nanoseconds on a core per thread, user and kernel. A
figure of this bench is the difference over a run of the whole process tree, divided by completed
units; it survives a noisy machine, where requests per second do not.
"""

import contextlib
from collections.abc import Collection, Iterable
from pathlib import Path

import msgspec

from bench.harness.processes import GATEWAY_CORE, tree

PAGE_KIB = 1024


class Usage(msgspec.Struct, frozen=True):
    """What a process tree used: nanoseconds of CPU, by process, and of the core by all."""

    by_pid: dict[int, int]
    core_busy_ns: int
    core_total_ns: int


class Memory(msgspec.Struct, frozen=True):
    """Resident memory in MB: the largest process that serves requests, and the tree's.

    In the tree's, shared pages count once.
    """

    largest_mb: float = 0.0
    tree_mb: float = 0.0


def cpu_ns(pid: int) -> int:
    """Return nanoseconds that the living threads of a process have had a core."""
    total = 0
    with contextlib.suppress(OSError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            with contextlib.suppress(OSError):
                total += int((task / "schedstat").read_text().split()[0])
    return total


def core_times(core: int) -> tuple[int, int]:
    """Return busy and total nanoseconds of a core since boot, by all processes; stolen is busy."""
    for line in Path("/proc/stat").read_text().splitlines():
        if line.startswith(f"cpu{core} "):
            ticks = [int(field) for field in line.split()[1:9]]
            idle = ticks[3] + ticks[4]
            return (sum(ticks) - idle) * 10_000_000, sum(ticks) * 10_000_000
    return 0, 0


def usage(root: int) -> Usage:
    """Return what a process tree has used until now."""
    busy, total = core_times(GATEWAY_CORE)
    return Usage({pid: cpu_ns(pid) for pid in tree(root)}, busy, total)


def spent_ns(before: Usage, after: Usage, pids: Iterable[int] | None = None) -> int:
    """Return the CPU between two readings, of some processes or of all."""
    chosen = after.by_pid.keys() if pids is None else set(pids) & after.by_pid.keys()
    return sum(after.by_pid[pid] - before.by_pid.get(pid, 0) for pid in chosen)


def others_share(before: Usage, after: Usage, own_ns: int) -> float:
    """Return which share of the gateway's core others had meanwhile; the clock tick is 10 ms."""
    total = after.core_total_ns - before.core_total_ns
    busy = after.core_busy_ns - before.core_busy_ns
    return max(0.0, busy - own_ns) / total if total else 0.0


def memory(root: int, serving: Collection[int]) -> Memory:
    """Return the resident memory of a process tree, of which some processes serve requests."""
    largest = tree_kib = 0
    for pid in tree(root):
        with contextlib.suppress(OSError):
            fields = _kib(Path(f"/proc/{pid}/smaps_rollup"))
            if pid in serving:
                largest = max(largest, fields.get("Rss", 0))
            tree_kib += fields.get("Pss", 0)
    return Memory(largest / PAGE_KIB, tree_kib / PAGE_KIB)


def _kib(path: Path) -> dict[str, int]:
    rows = (line.split() for line in path.read_text().splitlines() if line.endswith("kB"))
    return {row[0].rstrip(":"): int(row[1]) for row in rows}
