"""What else moves a wallet while parts of it are lent: payments, gifts, refunds, disputes, time."""

from tests.simulation import lease_state as f
from tests.simulation.lease_desk import lendable
from tests.simulation.lease_state import State, World

PAYMENT = 2
NO_DISPUTE, OPENED, LOST, WON = range(4)


def pay(world: World, state: State) -> State | None:
    """Somebody pays at the payment company; the books do not know yet."""
    if state[f.PAYMENTS] >= world.payments:
        return None
    s = bytearray(state)
    s[f.PAYMENTS] += 1
    return bytes(s)


def credit(state: State) -> State | None:
    """A webhook tells of a payment, for the first time or again."""
    if not is_news(state):
        return None
    s = bytearray(state)
    s[f.CREDITED] += 1
    s[f.REST] += PAYMENT
    s[f.BOUGHT] += PAYMENT
    return bytes(s)


def is_news(state: State) -> bool:
    """A payment is credited once, by its own id."""
    return state[f.CREDITED] < state[f.PAYMENTS]


def takeable(s: bytearray | State, lot: int) -> int:
    """What may leave a wallet: what is left of the lot and not lent."""
    return min(s[lot], lendable(bytearray(s), 0))


def leave(state: State, lot: int, to: int) -> State | None:
    """Move what may leave a lot to another book."""
    amount = takeable(state, lot)
    if not amount:
        return None
    s = bytearray(state)
    s[f.REST] -= amount
    s[lot] -= amount
    s[to] += amount
    return bytes(s)


def end_gift(world: World, state: State) -> State | None:
    """The gift's time is over."""
    if state[f.ENDED] or not world.gift:
        return None
    s = bytearray(state)
    s[f.ENDED] = 1
    return bytes(s)


def expire(state: State) -> State | None:
    """What is left of a gift goes, but what is lent stays until its request ends."""
    return leave(state, f.GIFT, f.EXPIRED) if state[f.ENDED] else None


def refund(state: State) -> State | None:
    """What is paid back leaves the wallet before the payment company is asked."""
    return leave(state, f.BOUGHT, f.REFUNDING)


def send_refund(state: State) -> State | None:
    """The payment company has paid it back."""
    if not state[f.REFUNDING]:
        return None
    s = bytearray(state)
    s[f.REFUNDED] += s[f.REFUNDING]
    s[f.REFUNDING] = 0
    return bytes(s)


def fail_refund(state: State) -> State | None:
    """The payment company could not: it is the wallet's again."""
    if not state[f.REFUNDING]:
        return None
    s = bytearray(state)
    s[f.REST] += s[f.REFUNDING]
    s[f.BOUGHT] += s[f.REFUNDING]
    s[f.REFUNDING] = 0
    return bytes(s)


def dispute(state: State) -> State | None:
    """A payer's bank takes a payment back: what the wallet still has is reserved for it."""
    if state[f.DISPUTE] or not state[f.CREDITED]:
        return None
    s = bytearray(state)
    amount = min(PAYMENT, takeable(s, f.BOUGHT))
    s[f.REST] -= amount
    s[f.BOUGHT] -= amount
    s[f.RESERVE] = amount
    s[f.DISPUTE] = OPENED
    return bytes(s)


def decide(outcome: int, state: State) -> State | None:
    """The dispute is lost: the reserve is gone. Or won: it is the wallet's again."""
    if state[f.DISPUTE] != OPENED:
        return None
    s = bytearray(state)
    s[f.DISPUTE] = outcome
    if outcome == WON:
        s[f.REST] += s[f.RESERVE]
        s[f.BOUGHT] += s[f.RESERVE]
        s[f.RESERVE] = 0
    return bytes(s)


def turn(world: World, state: State) -> State | None:
    """The budget's period ends; the next has a row of its own, and its epochs go on."""
    if state[f.PERIOD]:
        return None
    s = bytearray(state)
    s[f.PERIOD] = 1
    s[f.FIRST] = s[f.ROW + f.EPOCHS] + 1
    s[2 * f.ROW + f.REST] = world.limit
    return bytes(s)
