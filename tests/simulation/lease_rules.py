"""The invariants of money, asked in every state of the small world."""

from typing import Final

from tests.simulation import lease_state as f
from tests.simulation.lease_desk import DEAREST_FIRST, SHORT_TOO_EARLY
from tests.simulation.lease_payments import PAYMENT
from tests.simulation.lease_state import State, World

_FAULTS: Final = {
    SHORT_TOO_EARLY: "M26 nobody is told that a purse is short before what is idle was recalled",
    DEAREST_FIRST: "M58 a gift is spent before what was bought",
}
BELOW_ZERO: Final = "I2 a figure is below zero"


def broken(world: World, state: State) -> str:
    """Return the invariant that a state breaks, or an empty string."""
    return (
        _wallet(world, state)
        or _leases(world, state)
        or _requests(world, state)
        or _FAULTS.get(state[f.FAULT], "")
    )


def _wallet(world: World, state: State) -> str:
    rest = state[f.REST]
    if state[f.HELD] > rest:
        return "I2 a wallet has lent more than it owns"
    if state[f.GIFT] + state[f.BOUGHT] != rest:
        return "I8 a wallet is not the rest of its lots"
    gone = state[f.CHARGED] + sum(state[f.EXPIRED : f.RESERVE + 1])
    given = world.gift + world.bought + PAYMENT * state[f.PAYMENTS]
    on_its_way = PAYMENT * (state[f.PAYMENTS] - state[f.CREDITED])
    if rest + gone + on_its_way != given or on_its_way < 0:
        return "I1, I7 the books do not sum to zero"
    return ""


def _leases(world: World, state: State) -> str:
    sums = [0] * 3
    for purse in world.purses:
        for seat in f.SEATS:
            at = f.lease(seat, purse)
            epoch, granted, settled = state[at : at + 3]
            if settled > granted or (epoch and not state[seat + f.OPEN]):
                return "I3 a lease is overdrawn, or outlives its seat"
            sums[f.row(state, purse, epoch) // f.ROW] += granted - settled
    for number, lent in enumerate(sums):
        rest, held, _ = state[number * f.ROW : (number + 1) * f.ROW]
        if held != lent:
            return "I11 held is not what is lent"
        if held > rest:
            return "I2 a budget has lent more than its limit"
    return ""


def _requests(world: World, state: State) -> str:
    charged = 0
    mine = dict.fromkeys(f.LEASES, 0)
    owed = dict.fromkeys(f.LEASES, 0)
    for r in map(f.request, range(world.requests)):
        stage, where, amount, charge, *epochs, posted = state[r : r + f.REQUEST]
        if posted > 1:
            return "I4 a reservation is charged twice"
        if charge > amount:
            return "I5 a charge is above its reservation"
        charged += charge * posted
        if stage == f.RESERVED:
            _add(mine, state, (where, amount, f.EPOCH), epochs[: len(world.purses)])
        elif stage == f.OWED and not posted:
            _add(owed, state, (where, charge, f.LENT), epochs[: len(world.purses)])
    if charged != state[f.CHARGED] + state[f.OPERATOR]:
        return "I6 what was posted is not what wallet and operator paid"
    if state[f.OPERATOR] and not state[f.RECLAIMED]:
        return "I6 the operator pays though no seat was lost"
    return _processes(world, state, mine, owed)


def _add(sums: dict[int, int], state: State, what: tuple[int, int, int], epochs: list[int]) -> None:
    """Add an amount to the leases whose epoch, in the process or at the desk, is its own."""
    seat, amount, known = what
    for purse, epoch in enumerate(epochs):
        at = f.lease(seat, purse)
        if state[at + known] == epoch:
            sums[at] += amount


def _processes(world: World, state: State, mine: dict[int, int], owed: dict[int, int]) -> str:
    for seat in world.places:
        for at in (f.lease(seat, purse) for purse in world.purses):
            lent, granted, settled = state[at : at + 3]
            epoch, got, spent, free, op, is_unsure = state[at + f.EPOCH : at + f.UNSURE + 1]
            if state[seat + f.RUNS] and got != spent + free + mine[at]:
                return "I3 free is not granted less spent less reserved"
            may_spend = free + mine[at] if epoch == lent else 0
            if lent and granted - settled < may_spend + owed[at]:
                return "I3 a process may spend more than is set aside for it"
            is_calm = state[seat + f.RUNS] and state[seat + f.OPEN] and not (op or is_unsure)
            if is_calm and (epoch, got) != (lent, granted):
                return "I11 something is lent that its process does not know of"
    return ""
