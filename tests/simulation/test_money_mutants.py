"""The simulation is worth something only if it notices what would cost somebody money."""

from pathlib import Path

import pytest

from tests.simulation.money_mutants import MUTANTS, Mutant
from tests.simulation.money_simulation import Simulation
from troth.kernel.errors import InvariantBroken
from troth.store import engine
from troth.store.transaction import Conflict

NOTICED = (AssertionError, InvariantBroken, Conflict)
SEEDS = 300
STEPS = 1_200


def is_noticed(folder: Path, seed: int) -> bool:
    folder.mkdir()
    store = engine.open(f"sqlite:///{folder}/books.db")
    simulation = Simulation(store, folder, seed)
    try:
        simulation.run(STEPS)
    except NOTICED:
        return True
    finally:
        for line in simulation.lines:
            line.process.journal.close()
        store.close()
    return False


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.__name__)
def test_a_harmful_change_is_noticed(
    mutant: Mutant, quick_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mutant(monkeypatch)
    assert any(is_noticed(quick_path / str(seed), seed) for seed in range(SEEDS))
