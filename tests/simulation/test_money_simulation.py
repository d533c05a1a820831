"""Seeds of the money simulation; a failing seed replays exactly."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from shutil import copyfile, rmtree
from time import process_time

import pytest

from tests.simulation.money_simulation import Simulation
from troth.store import engine

STEPS = 1_500
MANY_SEEDS = 2_000
PARTS = 10
STEPS_OF_MANY = 500
DAYS_OF_YEAR = 365
SEEN = ("settled", "killed", "powerless", "torn", "lost", "late", "turned", "full")


def simulate(folder: Path, seed: int, steps: int, *, has_years: bool = False) -> Counter[str]:
    """Run a seed; return what it came across."""
    folder.mkdir(exist_ok=True)
    store = engine.open(f"sqlite:///{folder}/books.db")
    simulation = Simulation(store, folder, seed, has_years=has_years)
    simulation.run(steps)
    for line in simulation.lines:
        line.process.journal.close()
    store.close()
    return simulation.seen


def told(seen: Counter[str]) -> str:
    return ", ".join(f"{seen[name]:,} {name}" for name in SEEN)


@pytest.mark.parametrize("seed", range(12))
def test_the_books_agree_with_what_was_settled_whatever_happens(
    seed: int, quick_path: Path
) -> None:
    simulate(quick_path / "world", seed, STEPS)


def test_a_few_seeds_come_across_everything(quick_path: Path) -> None:
    seen: Counter[str] = Counter()
    for seed in range(20, 32):
        seen += simulate(quick_path / str(seed), seed, STEPS)
    assert {name for name in SEEN if not seen[name]} == set()


@pytest.mark.prove
@pytest.mark.parametrize("part", range(PARTS))
def test_two_thousand_seeds_agree_with_the_oracle(
    part: int, quick_path: Path, figures: Callable[[str], None]
) -> None:
    engine.open(f"sqlite:///{quick_path}/empty.db").close()
    count = MANY_SEEDS // PARTS
    begun = process_time()
    seen: Counter[str] = Counter()
    for seed in range(1_000_000 + part * count, 1_000_000 + (part + 1) * count):
        folder = quick_path / str(seed)
        folder.mkdir()
        copyfile(quick_path / "empty.db", folder / "books.db")
        seen += simulate(folder, seed, STEPS_OF_MANY)
        rmtree(folder)
    figures(f"{count} seeds in {process_time() - begun:.1f} s: {told(seen)}")


@pytest.mark.prove
@pytest.mark.parametrize("seed", range(2_000_000, 2_000_020))
def test_long_lives_agree_with_the_oracle(
    seed: int, quick_path: Path, figures: Callable[[str], None]
) -> None:
    figures(f"a life of {20 * STEPS:,} steps: {told(simulate(quick_path, seed, 20 * STEPS))}")


@pytest.mark.parametrize("seed", range(40, 43))
def test_a_year_of_calendars_and_clocks_that_are_set_agrees_with_the_oracle(
    seed: int, quick_path: Path
) -> None:
    seen = simulate(quick_path / "world", seed, 2 * STEPS, has_years=True)
    assert seen["days"] > DAYS_OF_YEAR / 2
    assert seen["settled"] > 50


@pytest.mark.prove
@pytest.mark.parametrize("seed", range(3_000_000, 3_000_003))
def test_ten_years_agree_with_the_oracle(
    seed: int, quick_path: Path, figures: Callable[[str], None]
) -> None:
    seen = simulate(quick_path, seed, 36 * STEPS, has_years=True)
    assert seen["days"] > 10 * DAYS_OF_YEAR
    figures(f"{seen['days'] / DAYS_OF_YEAR:.0f} years: {told(seen)}")
