"""The desk's side of the lease protocol: each step is one transaction.

A step takes a state and answers with the next one, or with None where it cannot happen. `at` is a
seat's part of a purse, `seat` a seat, `r` a request. The small functions are the clauses of the
protocol; each mutant forgets one.
"""

from tests.simulation import lease_state as f
from tests.simulation.lease_state import State, World

Message = bytearray
"""Kind, operation, epoch, what is given back, what is needed."""

SHORT_TOO_EARLY = 1
DEAREST_FIRST = 2


# --- messages


def take(at: int, extra: int, state: State) -> State | None:
    """The desk takes what is on the way; with `extra` it lends all that is left."""
    other = f.sibling(at)  # a link keeps the order of what it brings
    if not state[at + f.UP] or 0 < state[other + f.UP_OP] < state[at + f.UP_OP]:
        return None
    if extra and not state[at + f.UP_NEED]:
        return None
    s = bytearray(state)
    message = s[at + f.UP : at + f.UP_NEED + 1]
    s[at + f.UP : at + f.UP_NEED + 1] = bytes(5)
    receive(s, at, message, extra)
    return bytes(s)


def take_old(at: int, state: State) -> State | None:
    """The desk does what a broken link had still brought; nobody hears the answer."""
    if not state[at + f.OLD]:
        return None
    s = bytearray(state)
    message = s[at + f.OLD : at + f.OLD_NEED + 1]
    s[at + f.OLD : at + f.OLD_NEED + 1] = bytes(5)
    down = s[at + f.DOWN : at + f.DOWN_GRANTED + 1]
    receive(s, at, message, 0)
    if s[at + f.WAITS]:
        grant(s, at, (message[2], 0), is_last=True)
    s[at + f.DOWN : at + f.DOWN_GRANTED + 1] = down
    return bytes(s)


def receive(s: bytearray, at: int, message: Message, extra: int) -> None:
    """Do what a message of an open seat asks, unless its operation was passed."""
    seat = f.SEAT_OF[at]
    kind, op, epoch, given, need = message
    if not is_open(s, seat) or is_behind(s, seat, at, op):
        return
    s[seat + f.SEEN] = op
    if s[at + f.LENT]:
        s[at + f.LAST] = op
        if is_of_lease(s, at, epoch):
            lower(s, at, given)
    s[at + f.WAITS] = 0
    if kind == f.ASK and need == 0:
        answer(s, at)  # only where it stands
        return
    s[at + f.RECALLED] = 0
    if kind == f.RETURN:
        answer(s, at)
        serve(s, f.OTHER_OF[at])
        return
    s[at + f.WAITS] = need
    serve(s, f.OTHER_OF[at])
    grant(s, at, (epoch, extra), is_new=True)


def is_open(s: bytearray, seat: int) -> bool:
    """A seat that was closed is told so, and gets nothing."""
    return s[seat + f.OPEN] == 1


def is_behind(s: bytearray, seat: int, at: int, op: int) -> bool:
    """The teller remembers the seat's last operation, the lease its own."""
    return op <= s[seat + f.SEEN] or bool(s[at + f.LENT] and op <= s[at + f.LAST])


def is_of_lease(s: bytearray, at: int, epoch: int) -> bool:
    """Whoever speaks of another epoch speaks of a lease that is gone."""
    return s[at + f.LENT] == epoch


def answer(s: bytearray, at: int) -> None:
    """Say where the lease stands, in absolute figures."""
    s[at + f.DOWN] = 1
    s[at + f.DOWN_EPOCH], s[at + f.DOWN_GRANTED] = s[at + f.LENT], s[at + f.GRANTED]


# --- lending


def serve(s: bytearray, at: int) -> None:
    """Answer who waits for this purse, if it is his turn."""
    if s[at + f.WAITS]:
        grant(s, at, (s[at + f.EPOCH], 0))


def time_out(at: int, state: State) -> State | None:
    """Who waits has waited long enough."""
    if not state[at + f.WAITS]:
        return None
    s = bytearray(state)
    grant(s, at, (s[at + f.EPOCH], 0), is_last=True)
    return bytes(s)


def grant(
    s: bytearray,
    at: int,
    asked: tuple[int, int],
    *,
    is_last: bool = False,
    is_new: bool = False,
) -> None:
    """Lend what is needed, or, once nothing can be recalled, what there is."""
    epoch, extra = asked
    purse, other = f.PURSE_OF[at], f.OTHER_OF[at]
    base = f.running(s, purse)
    if s[at + f.LENT] and not may_add(s, at, epoch, base):
        drop(s, at)
    need, left = s[at + f.WAITS], lendable(s, base)
    if left < need and not is_last:
        if is_new and recall(s, other):
            return
        if s[other + f.RECALLED] and not is_new:
            return
        if is_new and is_idle(s, other):
            s[f.FAULT] = SHORT_TOO_EARLY
    amount = left if extra else min(need, left)
    s[at + f.WAITS] = 0
    if amount:
        set_aside(s, base, amount)
        if not s[at + f.LENT]:
            s[at + f.LENT] = next_epoch(s, purse)
            s[at + f.LAST] = s[f.SEAT_OF[at] + f.SEEN]
        s[at + f.GRANTED] += amount
    answer(s, at)


def may_add(s: bytearray, at: int, epoch: int, base: int) -> bool:
    """A lease grows only in its own epoch and in the period that runs."""
    return s[at + f.LENT] == epoch and f.row(s, f.PURSE_OF[at], epoch) == base


def lendable(s: bytearray, base: int) -> int:
    """What is owned and not lent."""
    return s[base + f.REST] - s[base + f.HELD]


def set_aside(s: bytearray, base: int, amount: int) -> None:
    """Note that it is lent."""
    s[base + f.HELD] += amount


def next_epoch(s: bytearray, purse: int) -> int:
    """Begin an epoch that this purse never had."""
    s[purse * f.ROW + f.EPOCHS] += 1
    return s[purse * f.ROW + f.EPOCHS]


def recall(s: bytearray, other: int) -> bool:
    """Ask the other seat for what is idle there, unless it is gone or waits itself."""
    seat = f.SEAT_OF[other]
    is_present = s[seat + f.OPEN] and s[seat + f.RUNS] and not s[other + f.WAITS]
    if is_present and s[other + f.GRANTED] > s[other + f.SETTLED]:
        s[other + f.RECALLED] = 1
    return bool(s[other + f.RECALLED])


def is_idle(s: bytearray, other: int) -> bool:
    """Whether the other seat has something to give that nobody asked it for."""
    seat = f.SEAT_OF[other]
    return bool(
        s[seat + f.OPEN]
        and s[seat + f.RUNS]
        and s[other + f.FREE]
        and s[other + f.EPOCH] == s[other + f.LENT]
        and not s[other + f.OP]
    )


def lower(s: bytearray, at: int, amount: int) -> None:
    """Take back a part of a lease."""
    s[at + f.GRANTED] -= amount
    base = f.row(s, f.PURSE_OF[at], s[at + f.LENT])
    s[base + f.HELD] -= amount


def drop(s: bytearray, at: int) -> None:
    """End a lease: what was not settled is free again."""
    base = f.row(s, f.PURSE_OF[at], s[at + f.LENT])
    s[base + f.HELD] -= not_settled(s, at)
    s[at + f.LENT : at + f.RECALLED + 1] = bytes(5)


def not_settled(s: bytearray, at: int) -> int:
    """What of the purse's held is this lease's."""
    return s[at + f.GRANTED] - s[at + f.SETTLED]


# --- posting


def post(world: World, r: int, state: State) -> State | None:
    """Post a journaled settlement, from its process, its successor, or once more."""
    if state[r + f.STAGE] != f.OWED or is_seen(state, r):
        return None
    s = bytearray(state)
    s[r + f.POSTED] += 1
    charge = s[r + f.CHARGE]
    gone = [purse for purse in world.purses if not stands(s, r, purse)]
    bases = [f.row(s, purse, s[r + f.IN_WALLET + purse]) for purse in world.purses]
    paid = payable(s, charge, [bases[purse] for purse in gone]) if gone else charge
    for purse in world.purses:
        s[bases[purse] + f.REST] -= paid
        if purse not in gone:
            s[bases[purse] + f.HELD] -= charge
            s[f.lease(s[r + f.WHERE], purse) + f.SETTLED] += charge
    s[f.CHARGED] += paid
    bear(s, charge - paid)
    draw(s, paid)
    return bytes(s)


def is_seen(state: State, r: int) -> bool:
    """The books remember what they have posted."""
    return state[r + f.POSTED] > 0


def stands(s: bytearray, r: int, purse: int) -> bool:
    """Whether the lease that a settlement was reserved in is still there."""
    return s[f.lease(s[r + f.WHERE], purse) + f.LENT] == s[r + f.IN_WALLET + purse]


def payable(s: bytearray, charge: int, bases: list[int]) -> int:
    """A late settlement is paid from what is left of the purses whose leases are gone."""
    return min([charge, *(lendable(s, base) for base in bases)])


def bear(s: bytearray, amount: int) -> None:
    """What the customer's purses do not pay is the operator's."""
    s[f.OPERATOR] += amount


def draw(s: bytearray, amount: int) -> None:
    """Take from the lots: the gift first."""
    gift = from_gift(s, amount)
    s[f.GIFT] -= gift
    s[f.BOUGHT] -= amount - gift
    if amount > gift and s[f.GIFT]:
        s[f.FAULT] = DEAREST_FIRST


def from_gift(s: bytearray, amount: int) -> int:
    """What of an amount the gift pays."""
    return min(s[f.GIFT], amount)


# --- the ends of seats


def reclaim(seat: int, state: State) -> State | None:
    """The desk takes a seat for dead, whatever it is; what it settles from now on is late."""
    if not state[seat + f.OPEN]:
        return None
    s = bytearray(state)
    s[f.RECLAIMED] = 1
    end_seat(s, seat)
    return bytes(s)


def close(world: World, seat: int, state: State) -> State | None:
    """A dead process's journal is posted: its seat ends; promises that nobody kept are void."""
    if state[seat + f.RUNS] or not is_replayed(world, seat, state):
        return None
    s = bytearray(state)
    if s[seat + f.OPEN]:
        end_seat(s, seat)
    for number in range(world.requests):
        r = f.request(number)
        if s[r + f.WHERE] == seat and s[r + f.STAGE] == f.RESERVED:
            s[r + f.STAGE] = f.GONE
    after = bytes(s)
    return after if after != state else None


def is_replayed(world: World, seat: int, state: State) -> bool:
    """Whether the books have all that the journal of a seat holds."""
    return all(
        state[r + f.POSTED] or state[r + f.STAGE] != f.OWED or state[r + f.WHERE] != seat
        for r in map(f.request, range(world.requests))
    )


def end_seat(s: bytearray, seat: int) -> None:
    """Take back all its leases."""
    for purse in (f.WALLET, f.BUDGET):
        at = f.lease(seat, purse)
        s[at + f.WAITS] = 0
        if s[at + f.LENT]:
            drop(s, at)
            serve(s, f.OTHER_OF[at])
    s[seat + f.OPEN] = 0


def restart(world: World, state: State) -> State | None:
    """The desk dies and comes back: it forgets who waits and what it saw; its links are gone."""
    s = bytearray(state)
    for seat in f.SEATS:
        s[seat + f.SEEN] = 0
        for purse in world.purses:
            at = f.lease(seat, purse)
            s[at + f.WAITS] = s[at + f.RECALLED] = 0
            s[at + f.OLD : at + f.OLD_NEED + 1] = bytes(5)
    after = bytes(s)
    return after if after != state else None
