"""Every interleaving of a small world, shortest first: breadth-first over all its states."""

from collections.abc import Sequence
from itertools import pairwise

import msgspec

from tests.simulation.lease_rules import BELOW_ZERO, broken
from tests.simulation.lease_state import State, World, beginning
from tests.simulation.lease_world import Step, steps


class Found(msgspec.Struct, frozen=True):
    """What a search saw. `is_whole`: there was nothing more to see.

    All states up to `depth` steps from the beginning were seen; `broken` names the rule
    that did not hold, and `trace` is one of the shortest ways there.
    """

    states: int
    depth: int
    is_whole: bool
    broken: str = ""
    trace: tuple[str, ...] = ()


def explore(world: World, limit: int) -> Found:
    """Follow every step from every state, until there are `limit` states or no more."""
    start = beginning(world)
    moves = [step.move for step in steps(world)]
    before: dict[State, State] = {start: start}
    frontier = [start]
    depth = 0
    while frontier:
        fresh: list[State] = []
        for state in frontier:
            if len(before) >= limit:
                return Found(len(before), depth, is_whole=False)
            for move in moves:
                try:
                    after = move(state)
                except ValueError:
                    return _ended(world, before, depth + 1, (state, BELOW_ZERO))
                if after is None or after in before:
                    continue
                before[after] = state
                wrong = broken(world, after)
                if wrong:
                    return _ended(world, before, depth + 1, (after, wrong))
                fresh.append(after)
        frontier = fresh
        depth += 1
    return Found(len(before), depth, is_whole=True)


def _ended(world: World, before: dict[State, State], depth: int, end: tuple[State, str]) -> Found:
    last, wrong = end
    path = [last]
    while before[path[-1]] != path[-1]:
        path.append(before[path[-1]])
    path.reverse()
    known = steps(world)
    trace = tuple(_name(known, here, there) for here, there in pairwise(path))
    return Found(len(before), depth, is_whole=False, broken=wrong, trace=trace)


def _name(known: Sequence[Step], here: State, there: State) -> str:
    return next(str(step) for step in known if step.move(here) == there)
