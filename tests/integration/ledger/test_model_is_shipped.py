"""The model that the explorer searches is what is shipped: they go every way together."""

import random as randomness  # noqa: TID251 - seeded: which way
from collections import Counter
from pathlib import Path

import pytest
from msgspec import structs

from tests.simulation import lease_state as f
from tests.simulation.lease_desk import lendable
from tests.simulation.lease_shipped import Shipped
from tests.simulation.lease_state import State, World, beginning
from tests.simulation.lease_world import Step, steps
from tests.simulation.model_mutants import return_before_lowering
from troth.ledger.books import verify
from troth.store import engine
from troth.store.engine import Store

LONG_LIVES = World("long lives", bought=6, requests=8, wants=(1, 2), ops=120, lives=9, payments=3)
WAYS = (
    LONG_LIVES,
    structs.replace(LONG_LIVES, name="with a budget", limit=5),
    structs.replace(LONG_LIVES, name="with a gift", gift=2, bought=3),
    structs.replace(LONG_LIVES, name="with a period's end", seats=1, limit=4, has_periods=True),
)
LONG = pytest.mark.prove
RARE = {"kill": 6, "reclaim": 4, "turn": 5, "restart desk": 6, "break link": 15, "close": 40}
USUAL = 100
NOT_SHIPPED = {"cut power"}  # the journal's files are whole here: see the tests of recovery


def is_told_to_wait(step: Step, state: State) -> bool:
    """An old ask that must wait: the model lets it wait for nobody, since nobody hears."""
    at = step.place
    if step.name != "take old" or state[at + f.OLD] != f.ASK:
        return False
    base = f.running(state, f.PURSE_OF[at])
    return state[at + f.OLD_NEED] > lendable(bytearray(state), base)


def walk(world: World, shipped: Shipped, seed: int, count: int) -> Counter[str]:
    random = randomness.Random(seed)  # noqa: S311
    known = [step for step in steps(world) if step.name not in NOT_SHIPPED]
    state = beginning(world)
    assert shipped.differences(state) == []
    taken: Counter[str] = Counter()
    trace: list[str] = []
    for _ in range(count):
        ways = [(step, after) for step in known if (after := step.move(state)) is not None]
        ways = [(step, after) for step, after in ways if not is_told_to_wait(step, state)]
        if not ways:
            break
        step, after = random.choices(ways, [RARE.get(way.name, USUAL) for way, _ in ways])[0]
        trace.append(str(step))
        refused = [each for each in known if is_refusal(each, state)]
        for each in random.sample(refused, min(1, len(refused))):
            assert shipped.is_refused(each.place, *each.how), (trace, str(each))
            taken["refused"] += 1
        shipped.do(step)
        assert shipped.differences(after) == [], trace
        taken[step.name] += 1
        state = after
    return taken


def is_refusal(step: Step, state: State) -> bool:
    """Whether a request could come now, and would be refused."""
    if step.name != "admit" or state[step.place] or step.move(state) is not None:
        return False
    is_next = step.place == f.FIRST_REQUEST or bool(state[step.place - f.REQUEST])
    return is_next and bool(state[f.SEATS[step.how[0]] + f.RUNS])


@pytest.mark.parametrize("world", WAYS, ids=lambda world: world.name)
@pytest.mark.parametrize("seed", [1, *(pytest.param(seed, marks=LONG) for seed in range(2, 20))])
def test_model_and_shipped_code_go_every_way_together(
    world: World, seed: int, store: Store, tmp_path: Path
) -> None:
    shipped = Shipped(world, store, tmp_path)
    taken = walk(world, shipped, seed, 150)
    with store.read() as tx:
        assert verify(tx).problems == []
    for process in shipped.money.gateways.values():
        process.journal.close()
    assert taken.total() > 50, taken


def test_a_model_that_forgets_a_clause_parts_from_the_shipped_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    return_before_lowering(monkeypatch)
    store = engine.open(f"sqlite:///{tmp_path}/books.db")
    shipped = Shipped(LONG_LIVES, store, tmp_path)
    with pytest.raises(AssertionError, match="ask seat"):
        walk(LONG_LIVES, shipped, 1, 300)
    for process in shipped.seats.values():
        process.journal.close()
    store.close()
