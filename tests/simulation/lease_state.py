"""The lease protocol in a small world: its state, one byte a figure.

The world is a desk with one wallet and one budget of two periods, two seats, a few requests, and a
payment company. A state is `bytes`, so it is compared, kept and hashed as fast as Python can; a
step works on a `bytearray` and cannot write a figure below zero: that alone is a violation.

Every name here is an offset. `lease(seat, purse)` is where a seat's part of a purse begins; an
offset of the second group below is added to it, one of the third group to `request(number)`.
"""

from typing import Final

import msgspec

State = bytes

# A purse in the books: what is owned (of a budget: not spent), what of it is lent, its last epoch.
REST, HELD, EPOCHS = range(3)
ROW: Final = 3
WALLET, BUDGET = range(2)
"""Purses. The second period of the budget is a row of its own; its epochs go on."""

# The rest of the desk, after three rows.
(
    PERIOD, FIRST,  # which period runs, and the first epoch of the second one
    GIFT, BOUGHT, ENDED,  # the rest of two lots, and whether the gift's time is over
    PAYMENTS, CREDITED,  # what the payment company took, and what of it was credited
    CHARGED, OPERATOR, EXPIRED, REFUNDING, REFUNDED, RESERVE, DISPUTE,  # where money went
    RECLAIMED, FAULT,  # whether a seat was ever taken for dead; a step's own complaint
) = range(3 * ROW, 3 * ROW + 16)  # fmt: skip
DESK: Final = 3 * ROW + 16

# A seat.
RUNS, OPEN, OPS, SEEN, LIVES = range(5)
"""The process runs; the desk counts it as open; operations sent; the last one seen; its life."""
# A seat's part of a purse, from the seat's beginning.
(
    LENT, GRANTED, SETTLED, LAST, RECALLED, WAITS,  # at the desk: epoch 0 is no lease
    EPOCH, GOT, SPENT, FREE, OP, UNSURE,  # in the process: operation 0 is none outstanding
    UP, UP_OP, UP_EPOCH, UP_GIVEN, UP_NEED,  # on the way to the desk
    DOWN, DOWN_EPOCH, DOWN_GRANTED,  # on the way back
    OLD, OLD_OP, OLD_EPOCH, OLD_GIVEN, OLD_NEED,  # brought by a link that broke
) = range(25)  # fmt: skip
LEASE: Final = 25
SEAT: Final = 5 + 2 * LEASE
SEATS: Final = (DESK, DESK + SEAT)
LEASES: Final = tuple(seat + 5 + purse * LEASE for seat in SEATS for purse in (WALLET, BUDGET))
SEAT_OF: Final = {at: SEATS[number // 2] for number, at in enumerate(LEASES)}
PURSE_OF: Final = {at: number % 2 for number, at in enumerate(LEASES)}
OTHER_OF: Final = {at: LEASES[(number + 2) % 4] for number, at in enumerate(LEASES)}

# A request, from its beginning: how far it is, where, how much, and the epochs of its purses.
STAGE, WHERE, AMOUNT, CHARGE, IN_WALLET, IN_BUDGET, POSTED = range(7)
REQUEST: Final = 7
FIRST_REQUEST: Final = DESK + 2 * SEAT
NONE, RESERVED, OWED, GONE = range(4)
"""Stages of a request: not begun, open, settled into the journal, nothing owed."""

ASK, RETURN = 1, 2
"""Kinds of a message to the desk."""


class World(msgspec.Struct, frozen=True):
    """How small: amounts in units, and how often each thing may happen."""

    name: str
    gift: int = 0
    bought: int = 4
    limit: int = 0
    """Of the budget in each period; 0 for no budget."""
    seats: int = 2
    requests: int = 1
    wants: tuple[int, ...] = (2,)
    amount_max: int = 3
    ops: int = 4
    lives: int = 1
    payments: int = 0
    has_ends: bool = False
    """Gifts end, refunds and disputes happen."""
    has_periods: bool = False
    has_breaks: bool = True
    has_deaths: bool = True
    has_reclaims: bool = True
    is_ahead: bool = False
    """The desk may lend more than was asked for, and seats ask before they must."""

    @property
    def places(self) -> tuple[int, ...]:
        """Return where the seats begin in which something happens."""
        return SEATS[: self.seats]

    @property
    def purses(self) -> tuple[int, ...]:
        """Return which purses a request is paid from."""
        return (WALLET, BUDGET) if self.limit else (WALLET,)


def lease(seat: int, purse: int) -> int:
    """Return where a seat's part of a purse begins."""
    return seat + 5 + purse * LEASE


def sibling(at: int) -> int:
    """Return where the same seat's part of the other purse begins."""
    return at + LEASE if PURSE_OF[at] == WALLET else at - LEASE


def request(number: int) -> int:
    """Return where a request begins."""
    return FIRST_REQUEST + number * REQUEST


def row(state: bytes | bytearray, purse: int, epoch: int) -> int:
    """Return where the purse's row begins that a lease of this epoch is lent from."""
    if purse == WALLET:
        return 0
    return 2 * ROW if state[PERIOD] and epoch >= state[FIRST] else ROW


def running(state: bytes | bytearray, purse: int) -> int:
    """Return where the purse's row of now begins."""
    return purse * ROW + (ROW if purse and state[PERIOD] else 0)


def beginning(world: World) -> State:
    """Return the state before anything has happened: two open seats that hold nothing."""
    state = bytearray(FIRST_REQUEST + world.requests * REQUEST)
    state[REST] = world.gift + world.bought
    state[GIFT], state[BOUGHT] = world.gift, world.bought
    state[ROW + REST] = world.limit
    for seat in SEATS:
        state[seat + RUNS] = state[seat + OPEN] = 1
    return bytes(state)
