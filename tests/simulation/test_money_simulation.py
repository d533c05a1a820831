"""Seeds of the money simulation; a failing seed replays exactly."""

from pathlib import Path

import pytest

from tests.simulation.money_simulation import Simulation
from troth.store import engine


@pytest.mark.parametrize("seed", range(12))
def test_the_books_agree_with_what_was_settled_whatever_happens(seed: int, tmp_path: Path) -> None:
    store = engine.open(f"sqlite:///{tmp_path}/books.db")
    simulation = Simulation(store, tmp_path, seed)
    simulation.run(1_500)
    for line in simulation.lines:
        line.process.journal.close()
    store.close()
