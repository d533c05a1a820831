"""The gateway processes' side of the lease protocol, and what happens to them and their links."""

from tests.simulation import lease_state as f
from tests.simulation.lease_state import State, World

# --- what a process says to the desk


def ask(world: World, at: int, need: int, state: State) -> State | None:
    """Ask for what waits and give back what is idle; `need` 0 only asks where the lease stands."""
    seat = f.SEAT_OF[at]
    if not may_speak(state, seat, at) or state[seat + f.OPS] >= world.ops:
        return None
    if bool(state[at + f.UNSURE]) != (need == 0) or (need and state[at + f.FREE] >= need):
        return None
    s = bytearray(state)
    given = offered(s, at) if need else 0
    speak(s, at, (f.ASK, given, need))
    s[at + f.UNSURE] = 0
    return bytes(s)


def ask_ahead(world: World, at: int, state: State) -> State | None:
    """Ask before anybody must wait, and keep what is idle."""
    seat = f.SEAT_OF[at]
    if not may_speak(state, seat, at) or state[seat + f.OPS] >= world.ops or state[at + f.UNSURE]:
        return None
    if not state[at + f.FREE]:
        return None
    s = bytearray(state)
    speak(s, at, (f.ASK, 0, 1))
    return bytes(s)


def give(world: World, at: int, state: State) -> State | None:
    """Return what is idle; a recall is answered even with nothing."""
    seat = f.SEAT_OF[at]
    if not may_speak(state, seat, at) or state[seat + f.OPS] >= world.ops or state[at + f.UNSURE]:
        return None
    if not state[at + f.FREE] and not state[at + f.RECALLED]:
        return None
    s = bytearray(state)
    speak(s, at, (f.RETURN, offered(s, at), 0))
    return bytes(s)


def may_speak(state: State, seat: int, at: int) -> bool:
    """One operation is outstanding a purse."""
    return bool(state[seat + f.RUNS]) and not state[at + f.OP]


def offered(s: bytearray, at: int) -> int:
    """Lower our own figure first, then tell: what is on the way is nobody's here."""
    idle = s[at + f.FREE]
    s[at + f.GOT] -= idle
    s[at + f.FREE] = 0
    return idle


def speak(s: bytearray, at: int, message: tuple[int, int, int]) -> None:
    """Send a message under the next number."""
    seat = f.SEAT_OF[at]
    s[seat + f.OPS] += 1
    s[at + f.OP] = s[at + f.UP_OP] = s[seat + f.OPS]
    s[at + f.UP], s[at + f.UP_GIVEN], s[at + f.UP_NEED] = message
    s[at + f.UP_EPOCH] = s[at + f.EPOCH]


def hear(at: int, state: State) -> State | None:
    """Take the desk's absolute figure; another epoch starts from nothing."""
    if not state[at + f.DOWN]:
        return None
    s = bytearray(state)
    s[at + f.OP] = 0
    become(s, at, s[at + f.DOWN_EPOCH], s[at + f.DOWN_GRANTED])
    s[at + f.DOWN : at + f.DOWN_GRANTED + 1] = bytes(3)
    return bytes(s)


def become(s: bytearray, at: int, epoch: int, granted: int) -> None:
    """Stand where the desk says."""
    if epoch != s[at + f.EPOCH]:
        s[at + f.EPOCH] = epoch
        s[at + f.GOT] = s[at + f.SPENT] = s[at + f.FREE] = 0
    s[at + f.FREE] = s[at + f.FREE] + granted - s[at + f.GOT]
    s[at + f.GOT] = granted


# --- requests


def admit(world: World, r: int, how: tuple[int, int], state: State) -> State | None:
    """Reserve from all purses or from none."""
    seat, want = how
    if state[r + f.STAGE] or not state[seat + f.RUNS]:
        return None
    if r > f.FIRST_REQUEST and not state[r - f.REQUEST + f.STAGE]:
        return None  # requests are alike: the first comes first
    s = bytearray(state)
    if not hold(s, seat, [(purse, want) for purse in taken(world)]):
        return None
    s[r + f.STAGE], s[r + f.WHERE], s[r + f.AMOUNT] = f.RESERVED, seat, want
    stamp(world, s, r)
    return bytes(s)


def taken(world: World) -> tuple[int, ...]:
    """Which purses a reservation takes from."""
    return world.purses


def hold(s: bytearray, seat: int, wants: list[tuple[int, int]]) -> bool:
    """Take each purse's part from what is free, if all have it."""
    if any(s[f.lease(seat, purse) + f.FREE] < want for purse, want in wants):
        return False
    for purse, want in wants:
        s[f.lease(seat, purse) + f.FREE] -= want
    return True


def stamp(world: World, s: bytearray, r: int) -> None:
    """Keep the epochs that a reservation is made in."""
    for purse in world.purses:
        s[r + f.IN_WALLET + purse] = s[f.lease(s[r + f.WHERE], purse) + f.EPOCH]


def is_current(s: bytearray | State, r: int, purse: int) -> bool:
    """Whether a purse is still in the epoch that a request was reserved in."""
    return s[r + f.IN_WALLET + purse] == s[f.lease(s[r + f.WHERE], purse) + f.EPOCH]


def extend(world: World, r: int, state: State) -> State | None:
    """Add one unit; a purse that changed its epoch meanwhile is asked for the whole."""
    if not is_ours(state, r) or state[r + f.AMOUNT] >= world.amount_max:
        return None
    s = bytearray(state)
    wants = [(purse, more(s, r, purse)) for purse in world.purses]
    if not hold(s, s[r + f.WHERE], wants):
        return None
    s[r + f.AMOUNT] += 1
    stamp(world, s, r)
    return bytes(s)


def more(s: bytearray, r: int, purse: int) -> int:
    """What an extension takes from a purse."""
    return 1 if is_current(s, r, purse) else s[r + f.AMOUNT] + 1


def is_ours(state: State, r: int) -> bool:
    """Whether a request is open in a process that runs."""
    return state[r + f.STAGE] == f.RESERVED and bool(state[state[r + f.WHERE] + f.RUNS])


def settle(world: World, r: int, beyond: int, state: State) -> State | None:
    """Journal what is owed: less than was reserved, all of it, or more where that is free."""
    charge = state[r + f.AMOUNT] + beyond - 1
    if not is_ours(state, r) or charge < 1 or charge > covered(world, state, r, charge):
        return None
    s = bytearray(state)
    s[r + f.STAGE], s[r + f.CHARGE] = f.OWED, charge
    free(world, s, r, charge)
    s[r + f.AMOUNT] = max(s[r + f.AMOUNT], charge)
    return bytes(s)


def covered(world: World, state: State, r: int, charge: int) -> int:
    """How much can be charged: the reservation, and the rest if it is free in the same epochs."""
    amount, seat = state[r + f.AMOUNT], state[r + f.WHERE]
    if charge <= amount or not all(is_current(state, r, purse) for purse in world.purses):
        return amount
    return amount + min(state[f.lease(seat, purse) + f.FREE] for purse in world.purses)


def free(world: World, s: bytearray, r: int, charge: int) -> None:
    """Give the rest back to what is free, in the epoch it came from."""
    for purse in world.purses:
        if is_current(s, r, purse):
            at = f.lease(s[r + f.WHERE], purse)
            s[at + f.FREE] = s[at + f.FREE] + s[r + f.AMOUNT] - charge
            s[at + f.SPENT] += charge


def abort(world: World, r: int, state: State) -> State | None:
    """Nothing was forwarded, nothing is owed."""
    if not is_ours(state, r):
        return None
    s = bytearray(state)
    s[r + f.STAGE] = f.GONE
    free(world, s, r, 0)
    return bytes(s)


# --- links and lives


def break_link(world: World, seat: int, is_kept: int, state: State) -> State | None:
    """All that is outstanding is lost; what was on its way up may still arrive."""
    places = [f.lease(seat, purse) for purse in world.purses]
    if not state[seat + f.RUNS] or not any(state[at + f.OP] for at in places):
        return None
    if is_kept and not any(state[at + f.UP] for at in places):
        return None
    s = bytearray(state)
    for at in places:
        lose(s, at, is_kept=is_kept)
    return bytes(s)


def lose(s: bytearray, at: int, *, is_kept: int) -> None:
    """Forget the operation that is outstanding; the desk forgets who waits."""
    if s[at + f.OP]:
        if is_kept and s[at + f.UP]:
            s[at + f.OLD : at + f.OLD_NEED + 1] = s[at + f.UP : at + f.UP_NEED + 1]
        doubt(s, at)
        s[at + f.UP : at + f.DOWN_GRANTED + 1] = bytes(8)
    s[at + f.WAITS] = s[at + f.RECALLED] = 0


def doubt(s: bytearray, at: int) -> None:
    """No answer will come: ask where the lease stands."""
    s[at + f.OP] = 0
    s[at + f.UNSURE] = 1


def kill(world: World, seat: int, state: State) -> State | None:
    """`kill -9`: only the journal stays; what was on its way up may still arrive."""
    if not state[seat + f.RUNS]:
        return None
    s = bytearray(state)
    s[seat + f.RUNS] = 0
    for purse in world.purses:
        at = f.lease(seat, purse)
        lose(s, at, is_kept=1)
        s[at + f.EPOCH : at + f.UNSURE + 1] = bytes(6)
    return bytes(s)


def cut_power(r: int, state: State) -> State | None:
    """The tail of a dead process's journal never reached the disk."""
    if state[r + f.STAGE] != f.OWED or state[r + f.POSTED] or state[state[r + f.WHERE] + f.RUNS]:
        return None
    s = bytearray(state)
    s[r + f.STAGE] = f.GONE
    return bytes(s)


def start(world: World, seat: int, state: State) -> State | None:
    """A new process in the slot, once the old one's journal is posted and its seat ended."""
    if state[seat + f.RUNS] or state[seat + f.OPEN] or state[seat + f.LIVES] + 1 >= world.lives:
        return None
    if any(is_pending(state, r, seat) for r in map(f.request, range(world.requests))):
        return None
    s = bytearray(state)
    lives = s[seat + f.LIVES] + 1
    s[seat : seat + f.SEAT] = bytes(f.SEAT)
    s[seat + f.RUNS] = s[seat + f.OPEN] = 1
    s[seat + f.LIVES] = lives
    return bytes(s)


def is_pending(state: State, r: int, seat: int) -> bool:
    """Whether a seat's journal still says something of a request that the books do not."""
    is_begun = state[r + f.STAGE] in {f.RESERVED, f.OWED} and not state[r + f.POSTED]
    return is_begun and state[r + f.WHERE] == seat
