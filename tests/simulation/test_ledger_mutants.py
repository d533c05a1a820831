"""The ledger's tests reach every branch of it, and notice small faults planted in it."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from tests.simulation.ledger_mutants import LEDGER, ROOT, Outcome, mutants

TESTS = ("tests/unit/ledger", "tests/integration/ledger")
SLOW = ("test_killed_processes.py", "test_killed_database.py", "test_simulation_on_both.py")
SAMPLE, SEED = 6, 4
LONG_SAMPLE = 200
PERCENT = 90


class Totals(msgspec.Struct):
    """What coverage sums up."""

    missing_lines: int
    missing_branches: int
    num_branches: int


class Region(msgspec.Struct):
    """What coverage misses in one file."""

    missing_lines: list[int]
    missing_branches: list[tuple[int, int]]


class Measured(msgspec.Struct):
    """What coverage wrote."""

    files: dict[str, Region]
    totals: Totals


@pytest.fixture(scope="session")
def covered(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Run the ledger's quick tests on SQLite, and note which test reaches which line."""
    folder = tmp_path_factory.mktemp("coverage")
    settings, result = folder / "settings", folder / "result.json"
    settings.write_text(
        f"[run]\nbranch = true\nsource = {LEDGER}\ndynamic_context = test_function\n"
        f"data_file = {folder / 'found'}\n"
    )
    ignored = [f"--ignore={TESTS[1]}/{name}" for name in SLOW]
    quiet = ["-q", "-p", "no:cacheprovider", "-k", "not postgresql"]
    run = ["run", f"--rcfile={settings}", "-m", "pytest", *quiet, *ignored, *TESTS]
    report = ["json", f"--rcfile={settings}", "--show-contexts", "-q", "-o", str(result)]
    for command in (run, report):
        done = subprocess.run(
            [sys.executable, "-m", "coverage", *command], cwd=ROOT, check=False, capture_output=True
        )
        assert done.returncode == 0, done.stdout.decode()
    return result


def planted(covered: Path, count: int) -> Outcome:
    """Plant faults; return who was noticed."""
    command = ["-m", "tests.simulation.ledger_mutants", str(covered), str(count), str(SEED)]
    done = subprocess.run(
        [sys.executable, *command], cwd=ROOT, check=False, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return msgspec.json.decode(done.stdout, type=Outcome)


def test_every_branch_of_the_ledger_is_reached(covered: Path) -> None:
    found = msgspec.json.decode(covered.read_bytes(), type=Measured)
    missed = {
        path: (each.missing_lines, each.missing_branches)
        for path, each in found.files.items()
        if each.missing_lines or each.missing_branches
    }
    assert missed == {}
    assert found.totals.num_branches > 300


def test_faults_of_a_sample_are_noticed(covered: Path) -> None:
    found = planted(covered, SAMPLE)
    assert found.planted == SAMPLE
    assert len(found.survivors) <= SAMPLE // 2, found.survivors


@pytest.mark.prove
def test_nine_of_ten_faults_are_noticed(covered: Path, figures: Callable[[str], None]) -> None:
    found = planted(covered, LONG_SAMPLE)
    figures(
        f"{found.noticed} of {found.planted} faults are noticed, of {found.known:,} that can be"
        f" planted; the tests of {len(found.endless)} never ended"
    )
    for words in found.endless:
        figures(f"  never ended: {words}")
    for words in found.survivors:
        figures(f"  not noticed: {words}")
    assert 100 * found.noticed >= PERCENT * found.planted, found.survivors


def test_faults_of_all_kinds_are_planted() -> None:
    every = [each for file in sorted((ROOT / LEDGER).rglob("*.py")) for each in mutants(file)]
    assert len(every) > 800
    assert len({each.file for each in every}) > 18
    kinds = {each.change.split(" ")[0] for each in every}
    assert {"Lt", "Add", "return", "and", "min", "0", "without", "False"} <= kinds
    assert any("in SQL" in each.change for each in every)
