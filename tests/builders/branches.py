"""Which branches of src/troth the tests take, in all processes: `make coverage`.

Gateways, control and commands are processes with an environment of their own. While this runs, a
file among the installed packages lets each process that starts measure itself; what is killed with
SIGKILL tells nothing. The floors are what was reached: a plane that falls below its floor has an
error path without a test.
"""

import subprocess
import sys
import sysconfig
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from shutil import rmtree
from typing import Final

import msgspec

ROOT: Final = Path(__file__).parents[2]
FOLDER: Final = ROOT / "build" / "branches"
SOURCE: Final = ROOT / "src" / "troth"
HOOK: Final = "troth_branches.pth"
LEFT_OUT: Final = (
    "tests/structure",  # looks at what is loaded, which measuring changes
    "tests/docs",
    "tests/simulation/test_ledger_mutants.py",  # measures by itself
)
FLOORS: Final[Mapping[str, float]] = {
    "catalog": 99,
    "cli": 91,
    "control": 98.5,
    "gateway": 99,
    "kernel": 99.5,
    "ledger": 100,
    "policy": 100,
    "proof": 92,
    "providers": 99.5,
    "routing": 98,
    "server": 97,
    "store": 97.5,
    "troth": 100,
    "wire": 99,
}
"""Percent of lines and branches together, by plane."""
NO_FLOOR: Final = 101.0


class Summary(msgspec.Struct):
    """What coverage sums up of one file."""

    covered_lines: int
    num_statements: int
    covered_branches: int
    num_branches: int


class File(msgspec.Struct):
    """One file."""

    summary: Summary


class Measured(msgspec.Struct):
    """What coverage wrote."""

    files: dict[str, File]


def settings() -> str:
    """Return coverage's settings for all processes."""
    report = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["coverage"][
        "report"
    ]
    excluded = "".join(f"\n    {pattern}" for pattern in report["exclude_also"])
    return (
        f"[run]\nbranch = true\nsource = {SOURCE}\nparallel = true\nsigterm = true\n"
        f"data_file = {FOLDER / 'found'}\n"
        f"[report]\nskip_covered = true\nshow_missing = true\nexclude_also ={excluded}\n"
    )


def run(arguments: Iterable[str]) -> int:
    """Run the tests with every process measured; return how pytest ended."""
    rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir(parents=True)
    (FOLDER / "settings").write_text(settings())
    hook = Path(sysconfig.get_path("purelib")) / HOOK
    hook.write_text(
        f"import os; os.environ.setdefault('COVERAGE_PROCESS_START', {str(FOLDER / 'settings')!r});"
        " import coverage; coverage.process_startup()\n"
    )
    ignored = [f"--ignore={path}" for path in LEFT_OUT]
    try:
        return subprocess.run(
            [sys.executable, "-m", "pytest", *ignored, *arguments], cwd=ROOT, check=False
        ).returncode
    finally:
        hook.unlink()


def measured() -> Measured:
    """Sum up what all processes told, print what was missed, and return it."""
    result = FOLDER / "result.json"
    rules = f"--rcfile={FOLDER / 'settings'}"
    for command in (["combine", "-q"], ["report"], ["json", "-q", "-o", str(result)]):
        called = [sys.executable, "-m", "coverage", command[0], rules, *command[1:]]
        subprocess.run(called, cwd=ROOT, check=True)
    return msgspec.json.decode(result.read_bytes(), type=Measured)


def reached(found: Measured) -> dict[str, float]:
    """Return by plane how much of its lines and branches was taken, in percent."""
    taken: dict[str, list[int]] = {}
    for path, file in found.files.items():
        parts = Path(path).resolve().relative_to(SOURCE).parts
        of = taken.setdefault(parts[0] if len(parts) > 1 else "troth", [0, 0])
        each = file.summary
        of[0] += each.covered_lines + each.covered_branches
        of[1] += each.num_statements + each.num_branches
    return {plane: 100 * some / (whole or 1) for plane, (some, whole) in sorted(taken.items())}


def below(percents: Mapping[str, float]) -> list[str]:
    """Return the planes that are below their floors; one without a floor is below it."""
    return [plane for plane, percent in percents.items() if percent < FLOORS.get(plane, NO_FLOOR)]


def main(arguments: list[str]) -> int:
    """Measure; fail where a test failed, or a plane of a whole run is below its floor."""
    status = run(arguments)
    percents = reached(measured())
    for plane, percent in percents.items():
        print(f"{plane:<12} {percent:6.2f} %   floor {FLOORS.get(plane, NO_FLOOR)} %")  # noqa: T201
    if arguments:
        return status  # a part of the tests reaches a part of the branches
    return status or len(below(percents))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
