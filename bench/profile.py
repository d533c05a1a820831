"""`make bench-profile`: where a gateway process spends its time under load, by line.

Needs py-spy, which `python -m bench peers` installs in an environment of its own.
"""

import sys
from collections import Counter
from pathlib import Path

from bench.harness.cases import BY_NAME
from bench.harness.places import BUILD, PEERS, RUNS
from bench.harness.processes import BENCH_CORE, NotReady, Started
from bench.harness.programs import MockUpstream, Rig, build, load, open_files
from bench.harness.tables import Table
from bench.systems.environments import PythonEnvironment
from bench.systems.troth import TrothPlain

ENVIRONMENT = PythonEnvironment(PEERS / "py-spy", "py-spy", ("py-spy",))
SECONDS = 6
RATE = 400
SHOWN = 40


def main(case: str) -> int:
    """Profile one case; leave folded stacks, print who takes the most."""
    if not ENVIRONMENT.version():
        raise NotReady("py-spy is not installed: python -m bench peers")
    open_files()
    rig = Rig(build(), RUNS)
    upstream = MockUpstream(rig.programs, RUNS / "upstream")
    running = TrothPlain().start(upstream, RUNS / "profiled")
    folded = BUILD / f"profile-{case}.txt"
    try:
        running.pin()
        chosen = BY_NAME[case].shortened((SECONDS + 4) / BY_NAME[case].seconds)
        route = running.route(chosen)
        assert route is not None
        driving = load(rig, chosen, route)
        _record(running.gateway_pids()[0], folded)
        driving.rest(60)
    finally:
        running.stop()
        upstream.stop()
    for table in _tables(folded):
        sys.stdout.write(table.text() + "\n\n")
    return 0


def _record(pid: int, folded: Path) -> None:
    argv: list[str | Path] = [
        ENVIRONMENT.program("py-spy"),
        "record",
        "--pid",
        str(pid),
        "--rate",
        str(RATE),
    ]
    more = ["--duration", str(SECONDS), "--format", "raw", "--output", str(folded)]
    Started([*argv, *more], RUNS, core=BENCH_CORE, is_read=True).rest(SECONDS + 60)


def _tables(folded: Path) -> tuple[Table, Table]:
    own: Counter[str] = Counter()
    whole: Counter[str] = Counter()
    for line in folded.read_text().splitlines():
        stack, _, count = line.rpartition(" ")
        frames = stack.split(";")
        if frames[0].startswith("Thread."):
            continue  # the journal's keeper sleeps most of the time
        own[frames[-1]] += int(count)
        for frame in set(frames):
            whole[frame] += int(count)
    return _table("Itself", own, own.total()), _table("With what it calls", whole, own.total())


def _table(title: str, counts: Counter[str], total: int) -> Table:
    rows = [["", "share"]]
    rows += [[name, f"{count / total:.1%}"] for name, count in counts.most_common(SHOWN)]
    return Table(title, rows)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1] if len(sys.argv) > 1 else "many"))
