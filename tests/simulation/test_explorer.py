"""No interleaving of the small worlds breaks an invariant, and no forgotten clause goes unseen."""

from collections.abc import Callable
from time import process_time

import pytest

from tests.simulation.explorer import explore
from tests.simulation.lease_state import World
from tests.simulation.model_mutants import MUTANTS, Mutant
from tests.simulation.worlds import EVERYTHING, WORLDS

SOME = 5_000
ALL = 1_000_000
STATES_LEAST = 1_000_000
SECONDS_MOST = 60
MUTANTS_LEAST = 28
STEPS_MOST = 12
LONG = pytest.mark.prove

Note = Callable[[str], None]


@pytest.mark.parametrize("world", [*WORLDS, EVERYTHING], ids=lambda world: world.name)
def test_the_first_states_of_each_world_keep_the_invariants(world: World) -> None:
    found = explore(world, SOME)
    assert found.broken == "", found.trace
    assert found.states >= SOME or found.is_whole


@LONG
def test_every_state_of_every_world_keeps_the_invariants(figures: Note) -> None:
    begun = process_time()
    states = 0
    for world in WORLDS:
        found = explore(world, ALL)
        assert found.broken == "", (world.name, found.trace)
        assert found.is_whole, world.name
        states += found.states
        figures(f"{found.states:>9,} states, {found.depth:>2} steps deep, whole: {world.name}")
    seconds = process_time() - begun
    figures(f"{states:>9,} states of {len(WORLDS)} worlds in {seconds:.0f} s, none breaks a rule")
    assert states >= STATES_LEAST
    assert seconds <= SECONDS_MOST


@LONG
def test_a_million_states_of_everything_at_once_keep_the_invariants(figures: Note) -> None:
    found = explore(EVERYTHING, ALL)
    assert found.broken == "", found.trace
    figures(f"{found.states:>9,} states, all up to {found.depth} steps: {EVERYTHING.name}")


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_a_forgotten_clause_is_noticed(mutant: Mutant, monkeypatch: pytest.MonkeyPatch) -> None:
    mutant.put(monkeypatch)
    found = explore(mutant.world, ALL // 5)
    assert found.broken != "", found.states
    assert found.depth <= STEPS_MOST


@LONG
def test_every_forgotten_clause_is_noticed(figures: Note) -> None:
    for mutant in MUTANTS:
        with pytest.MonkeyPatch.context() as patch:
            mutant.put(patch)
            found = explore(mutant.world, ALL // 5)
        assert found.broken != "", mutant.name
        figures(f"{found.depth:>2} steps, {found.states:>6,} states: {mutant.name}: {found.broken}")


def test_the_list_of_forgotten_clauses_is_long_enough() -> None:
    assert len({mutant.name for mutant in MUTANTS}) == len(MUTANTS) >= MUTANTS_LEAST


def test_nothing_is_noticed_where_nothing_was_forgotten() -> None:
    for world in {mutant.world.name: mutant.world for mutant in MUTANTS}.values():
        found = explore(world, SOME)
        assert found.broken == "", (world.name, found.trace)
