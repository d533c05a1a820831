"""One measurement: a case driven through a started gateway, with CPU and memory beside."""

import threading
from collections.abc import Collection

import msgspec

from bench.harness import accounting
from bench.harness.accounting import Memory
from bench.harness.cases import Case
from bench.harness.programs import LoadReport, Rig, Route, load, possible
from bench.systems.system import Running

SAMPLE_SECONDS = 0.4
BEHIND_FACTOR = 1.15
WARM = 0.5


class Measurement(msgspec.Struct, frozen=True):
    """What one run of one case gave. CPU in microseconds a unit (request or event)."""

    system: str
    case: str
    unit: str
    units: int
    cpu_us: float | None
    gateway_cpu_us: float | None
    memory: Memory
    load: LoadReport
    connections: int
    others_share: float
    core_share: float
    is_behind: bool

    @property
    def is_complete(self) -> bool:
        """Whether nothing failed and every event arrived."""
        report = self.load
        return report.failed == 0 and report.events_delivered == report.events_expected


class _MemoryWatch:
    """Samples the tree's memory while a case runs, and keeps the largest."""

    def __init__(self, root: int, serving: Collection[int]) -> None:
        self._root = root
        self._serving = serving
        self._end = threading.Event()
        self._most = Memory()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def _watch(self) -> None:
        while not self._end.wait(SAMPLE_SECONDS):
            now = accounting.memory(self._root, self._serving)
            self._most = Memory(
                max(self._most.largest_mb, now.largest_mb), max(self._most.tree_mb, now.tree_mb)
            )

    def most(self) -> Memory:
        """Stop and return the largest sample."""
        self._end.set()
        self._thread.join()
        return self._most


def drive(rig: Rig, case: Case, route: Route) -> LoadReport:
    """Run the load alone and return its report."""
    started = load(rig, case, route)
    return msgspec.json.decode(started.rest(case.deadline + 15), type=LoadReport)


def warm(rig: Rig, case: Case, running: Running, seconds: float = WARM) -> None:
    """Ask for a moment and throw the result away: pools fill, a JIT finds its paths."""
    route = running.route(case)
    if route is not None:
        prompt = msgspec.structs.replace(case.prompt, every_ms=min(case.prompt.every_ms, 5))
        few = msgspec.structs.replace(
            case,
            prompt=prompt,
            connections=min(case.connections, case.warm_connections),
            seconds=seconds,
            rounds=0,
            ramp=0,
        )
        drive(rig, few, route)


def measure(rig: Rig, case: Case, name: str, running: Running) -> Measurement | None:
    """Measure one case; None where the gateway has no way in for it."""
    route = running.route(case)
    if route is None:
        return None
    running.pin()
    gateway = running.gateway_pids()
    watch = _MemoryWatch(running.root, gateway) if running.root else None
    before = accounting.usage(running.root) if running.root else None
    report = drive(rig, case, route)
    after = accounting.usage(running.root) if running.root else None
    memory = watch.most() if watch else Memory()
    whole = path = 0
    others = 0.0
    if before is not None and after is not None:
        whole = accounting.spent_ns(before, after)
        path = accounting.spent_ns(before, after, gateway)
        others = accounting.others_share(before, after, path)
    units = report.events_delivered if case.unit == "event" else report.completed
    is_counted = bool(running.root and units)
    seconds = max(report.seconds, 1e-9)
    return Measurement(
        system=name,
        case=case.name,
        unit=case.unit,
        units=units,
        cpu_us=whole / units / 1e3 if is_counted else None,
        gateway_cpu_us=path / units / 1e3 if is_counted else None,
        memory=memory,
        load=report,
        connections=possible(case.connections),
        others_share=others,
        core_share=path / 1e9 / seconds,
        is_behind=_is_behind(case, report),
    )


def _is_behind(case: Case, report: LoadReport) -> bool:
    nominal = case.nominal_seconds
    return bool(nominal) and report.seconds > nominal * BEHIND_FACTOR + 0.5
