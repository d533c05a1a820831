"""`python -m bench`: measure, judge, write down. `--help` tells the rest.

Beside it: `python -m bench.stages`, `python -m bench.profile [CASE]`.

Exits with 1 when a gate is missed by more than a quarter.
"""

import argparse
import sys

from bench import peers
from bench.harness import report
from bench.harness.campaign import Plan, conduct
from bench.harness.cases import BY_NAME, CASES
from bench.harness.gates import judge
from bench.harness.machine import conditions
from bench.harness.places import RUNS
from bench.harness.programs import Rig, build, open_files
from bench.systems import SYSTEMS

QUICK_SHARE = 0.4


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument(
        "action",
        nargs="?",
        default="run",
        choices=("run", "peers", "page"),
        help="run: measure; peers: install what is measured beside; page: write the page again "
        "from the last run",
    )
    parser.add_argument("--systems", default=",".join(SYSTEMS), help="names, with commas")
    parser.add_argument("--cases", default=",".join(BY_NAME), help="names, with commas")
    parser.add_argument("--rounds", type=int, default=3, help="runs of each case; lowest counts")
    parser.add_argument("--quick", action="store_true", help="one short round, nothing is written")
    return parser.parse_args()


def measure(arguments: argparse.Namespace) -> int:
    """Run the plan and return the exit code."""
    open_files()
    names = set(arguments.cases.split(","))
    cases = [case for case in CASES if case.name in names]
    rounds = 1 if arguments.quick else arguments.rounds
    if arguments.quick:
        cases = [case.shortened(QUICK_SHARE) for case in cases]
    systems = [SYSTEMS[name]() for name in arguments.systems.split(",")]
    programs = build()
    before = conditions(programs.kind, rounds)
    trials = conduct(Plan(systems, cases, rounds), Rig(programs, RUNS))
    result = report.Result(before, trials, judge(trials))
    sys.stdout.write(report.terminal(result) + "\n")
    if not arguments.quick:
        report.write(result)
    return 1 if any(gate.fails for gate in result.gates) else 0


def main() -> int:
    """Do what was asked."""
    arguments = _arguments()
    match arguments.action:
        case "peers":
            return peers.install()
        case "page":
            report.write(report.read())
            return 0
        case _:
            return measure(arguments)


if __name__ == "__main__":
    sys.exit(main())
