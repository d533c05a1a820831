"""Seeds of the money simulation; a failing seed replays exactly."""

from pathlib import Path
from shutil import copyfile, rmtree

import pytest

from tests.simulation.money_simulation import Simulation
from troth.store import engine

STEPS = 1_500
MANY_SEEDS = 2_000
STEPS_OF_MANY = 250


def simulate(folder: Path, seed: int, steps: int) -> None:
    folder.mkdir(exist_ok=True)
    store = engine.open(f"sqlite:///{folder}/books.db")
    simulation = Simulation(store, folder, seed)
    simulation.run(steps)
    for line in simulation.lines:
        line.process.journal.close()
    store.close()


@pytest.mark.parametrize("seed", range(12))
def test_the_books_agree_with_what_was_settled_whatever_happens(seed: int, tmp_path: Path) -> None:
    simulate(tmp_path / "world", seed, STEPS)


@pytest.mark.prove
@pytest.mark.parametrize("part", range(10))
def test_two_thousand_seeds_agree_with_the_oracle(part: int, tmp_path: Path) -> None:
    engine.open(f"sqlite:///{tmp_path}/empty.db").close()
    count = MANY_SEEDS // 10
    for seed in range(1_000_000 + part * count, 1_000_000 + (part + 1) * count):
        folder = tmp_path / str(seed)
        folder.mkdir()
        copyfile(tmp_path / "empty.db", folder / "books.db")
        simulate(folder, seed, STEPS_OF_MANY)
        rmtree(folder)


@pytest.mark.prove
@pytest.mark.parametrize("seed", range(2_000_000, 2_000_020))
def test_long_lives_agree_with_the_oracle(seed: int, tmp_path: Path) -> None:
    simulate(tmp_path / "world", seed, 20 * STEPS)
