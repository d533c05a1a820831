"""The load generator and the mock upstream: build them, start them, read what they say.

They are compiled when a Go toolchain is there, else written in Python on uvloop (`fallback/`); the
report names which, for the second is slower than a good gateway.
"""

import resource
import shutil
import sys
from pathlib import Path
from typing import Literal

import msgspec

from bench.harness.cases import IDLE_STREAMS, Case
from bench.harness.places import BENCH, BUILD, ROOT
from bench.harness.processes import BENCH_CORE, NotReady, Started, run

RESERVED_FILES = 2_000
"""Left to a gateway's idle connections from the cases before, beside two for each open stream."""

Kind = Literal["compiled", "python"]


class Spread(msgspec.Struct, frozen=True):
    """A distribution in microseconds."""

    count: int = 0
    p50_us: float = 0.0
    p90_us: float = 0.0
    p99_us: float = 0.0
    max_us: float = 0.0


class LoadReport(msgspec.Struct, frozen=True):
    """What the load generator prints: `Report` of load/run.go."""

    program: str
    seconds: float
    completed: int
    failed: int
    errors: dict[str, int]
    requests_a_second: float
    latency: Spread
    events_expected: int
    events_delivered: int
    added: Spread


class Listening(msgspec.Struct, frozen=True):
    """What the mock upstream prints when it listens."""

    port: int


class Programs(msgspec.Struct, frozen=True):
    """How to start the two programs."""

    kind: Kind
    load: tuple[str, ...]
    upstream: tuple[str, ...]


class Route(msgspec.Struct, frozen=True):
    """Where a gateway takes a case's requests: port, path, model name and headers."""

    port: int
    path: str
    model: str = "bench-model"
    headers: tuple[str, ...] = ()


def build() -> Programs:
    """Compile the programs; fall back to Python where there is no toolchain."""
    go = shutil.which("go")
    if go is None:
        python = (sys.executable, "-m")
        return Programs(
            "python", (*python, "bench.fallback.load"), (*python, "bench.fallback.upstream")
        )
    BUILD.mkdir(parents=True, exist_ok=True)
    for name in ("load", "upstream"):
        run([go, "build", "-o", BUILD / name, f"./{name}"], BENCH)
    return Programs("compiled", (str(BUILD / "load"),), (str(BUILD / "upstream"),))


class Rig(msgspec.Struct, frozen=True):
    """What every measurement of a run shares: the programs, and a folder for their files."""

    programs: Programs
    folder: Path


class MockUpstream:
    """The mock provider on the bench's core: a plain port, and one over TLS with an own CA."""

    def __init__(self, programs: Programs, folder: Path) -> None:
        self._started: list[Started] = []
        self.port = self._start(programs, folder / "plain")
        self.authority: Path | None = None
        self.tls_port = 0
        if programs.kind == "compiled":
            secure = folder / "secure"
            self.tls_port = self._start(programs, secure, "-tls", str(secure))
            self.authority = secure / "ca.pem"

    def _start(self, programs: Programs, folder: Path, *more: str) -> int:
        argv = [*programs.upstream, "-listen", "127.0.0.1:0", *more]
        started = Started(
            argv, folder, variables={"PYTHONPATH": str(ROOT)}, core=BENCH_CORE, is_read=True
        )
        self._started.append(started)
        line = started.line()
        if not line:
            raise NotReady(f"the mock upstream did not start; see {started.log}")
        return msgspec.json.decode(line, type=Listening).port

    def stop(self) -> None:
        """End both."""
        for started in self._started:
            started.stop()


def load(rig: Rig, case: Case, route: Route) -> Started:
    """Start the load of a case; `Started.rest` gives its report."""
    prompt = case.prompt
    argv = [*rig.programs.load, "-address", f"127.0.0.1:{route.port}", "-path", route.path]
    argv += ["-body", str(prompt.write(rig.folder, route.model)), "-events", str(prompt.events)]
    connections = possible(case.connections)
    argv += ["-connections", str(connections), "-rounds", str(case.rounds)]
    argv += ["-seconds", str(case.seconds), "-ramp", str(case.ramp)]
    argv += ["-deadline", str(case.deadline)]
    if prompt.dialect == "embeddings":
        argv += ["-expect", "embedding"]
    for header in route.headers:
        argv += ["-header", header]
    variables = {"PYTHONPATH": str(ROOT)}
    return Started(argv, rig.folder, variables=variables, core=BENCH_CORE, is_read=True)


def possible(connections: int) -> int:
    """Return how many connections the limit of open files allows: a gateway needs two each."""
    if connections < IDLE_STREAMS:
        return connections
    return min(connections, (open_files() - RESERVED_FILES) // 2)


def open_files() -> int:
    """Return this process's limit of open files, raised as far as it may be."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    return most
