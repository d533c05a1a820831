"""A few seeds of the money simulation over each database."""

from pathlib import Path

import pytest

from tests.simulation.money_simulation import Simulation
from troth.store.engine import Store


@pytest.mark.parametrize("seed", range(500, 503))
def test_both_databases_agree_with_the_oracle(seed: int, store: Store, tmp_path: Path) -> None:
    simulation = Simulation(store, tmp_path, seed)
    simulation.run(800)
    for line in simulation.lines:
        line.process.journal.close()
