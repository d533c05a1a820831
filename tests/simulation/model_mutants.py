"""Harmful changes to the model of the lease protocol, each of which the explorer must notice.

A mutant forgets one clause; the world beside it is the smallest in which that is seen.
"""

from collections.abc import Callable
from typing import Final

import msgspec
import pytest

from tests.simulation import lease_desk as desk
from tests.simulation import lease_payments as payments
from tests.simulation import lease_process as process
from tests.simulation import lease_state as f
from tests.simulation.lease_state import State, World

Patch = pytest.MonkeyPatch

LINKS: Final = World("links", seats=1, ops=4, has_deaths=False, has_reclaims=False)
LIVES: Final = World("lives", lives=2, ops=3, has_breaks=False)
RECALL: Final = World(
    "recall", ops=4, requests=2, has_breaks=False, has_deaths=False, has_reclaims=False
)
AHEAD: Final = msgspec.structs.replace(RECALL, is_ahead=True)
LATE: Final = World("late", bought=2, requests=2, has_breaks=False, has_deaths=False)
BUDGET: Final = World("budget", limit=3, has_breaks=False, has_deaths=False)
PERIODS: Final = World(
    "periods", seats=1, bought=6, limit=3, ops=6, is_ahead=True, has_periods=True,
    has_breaks=False, has_deaths=False, has_reclaims=False,
)  # fmt: skip
ENDS: Final = World(
    "ends", gift=2, bought=2, payments=1, has_ends=True, has_breaks=False, has_deaths=False,
    has_reclaims=False,
)  # fmt: skip


class Mutant(msgspec.Struct, frozen=True):
    """What was forgotten, and where that shows."""

    name: str
    world: World
    put: Callable[[Patch], None]


MUTANTS: list[Mutant] = []


def mutant(world: World) -> Callable[[Callable[[Patch], None]], Callable[[Patch], None]]:
    """Add a function to the list."""

    def add(put: Callable[[Patch], None]) -> Callable[[Patch], None]:
        MUTANTS.append(Mutant(put.__name__, world, put))
        return put

    return add


# --- posting


@mutant(LIVES)
def no_seen_guard(patch: Patch) -> None:
    patch.setattr(desk, "is_seen", lambda _state, _r: False)


@mutant(msgspec.structs.replace(LIVES, lives=3))
def seen_dropped_when_the_seat_ends(patch: Patch) -> None:
    def is_seen(state: State, r: int) -> bool:
        return state[r + f.POSTED] > 0 and bool(state[state[r + f.WHERE] + f.OPEN])

    patch.setattr(desk, "is_seen", is_seen)


@mutant(LIVES)
def no_epoch_fence_in_posting(patch: Patch) -> None:
    patch.setattr(desk, "stands", lambda _s, _r, _purse: True)


@mutant(PERIODS)
def settlement_restamped_with_the_present_epoch(patch: Patch) -> None:
    real = process.settle

    def settle(world: World, r: int, beyond: int, state: State) -> State | None:
        after = real(world, r, beyond, state)
        if after is None:
            return None
        s = bytearray(after)
        process.stamp(world, s, r)
        return bytes(s)

    patch.setattr(process, "settle", settle)


@mutant(LATE)
def unchecked_late_posting(patch: Patch) -> None:
    patch.setattr(desk, "payable", lambda _s, charge, _bases: charge)


@mutant(msgspec.structs.replace(BUDGET, limit=2, amount_max=2, ops=2))
def late_posting_ignores_budgets(patch: Patch) -> None:
    def payable(s: bytearray, charge: int, bases: list[int]) -> int:
        return min([charge, *(desk.lendable(s, base) for base in bases if base == 0)])

    patch.setattr(desk, "payable", payable)


@mutant(LATE)
def late_settlements_forgiven(patch: Patch) -> None:
    patch.setattr(desk, "bear", lambda _s, _amount: None)


@mutant(ENDS)
def bought_credit_spent_before_the_gift(patch: Patch) -> None:
    patch.setattr(desk, "from_gift", lambda s, amount: amount - min(s[f.BOUGHT], amount))


# --- lending


@mutant(RECALL)
def unchecked_ask(patch: Patch) -> None:
    real = desk.grant

    def grant(
        s: bytearray, at: int, asked: tuple[int, int], *, is_last: bool = False,
        is_new: bool = False,
    ) -> None:  # fmt: skip
        patch.setattr(desk, "lendable", lambda _s, _base: 200)
        real(s, at, asked, is_last=is_last, is_new=is_new)
        patch.setattr(desk, "lendable", checked)

    checked = desk.lendable
    patch.setattr(desk, "grant", grant)


@mutant(PERIODS)
def unfenced_ask(patch: Patch) -> None:
    patch.setattr(desk, "may_add", lambda _s, _at, _epoch, _base: True)


@mutant(RECALL)
def lent_and_not_set_aside(patch: Patch) -> None:
    patch.setattr(desk, "set_aside", lambda _s, _base, _amount: None)


@mutant(PERIODS)
def epochs_repeat(patch: Patch) -> None:
    patch.setattr(desk, "next_epoch", lambda _s, _purse: 1)


@mutant(LINKS)
def no_operation_fence(patch: Patch) -> None:
    patch.setattr(desk, "is_behind", lambda _s, _seat, _at, _op: False)


@mutant(LATE)
def closed_seat_still_served(patch: Patch) -> None:
    patch.setattr(desk, "is_open", lambda _s, _seat: True)


@mutant(AHEAD)
def nobody_recalled(patch: Patch) -> None:
    patch.setattr(desk, "recall", lambda _s, _other: False)


# --- processes


@mutant(RECALL)
def unchecked_reservation(patch: Patch) -> None:
    def hold(s: bytearray, seat: int, wants: list[tuple[int, int]]) -> bool:
        for purse, want in wants:
            at = f.lease(seat, purse)
            s[at + f.FREE] = max(0, s[at + f.FREE] - want)
        return True

    patch.setattr(process, "hold", hold)


@mutant(RECALL)
def unchecked_extension(patch: Patch) -> None:
    patch.setattr(process, "more", lambda _s, _r, _purse: 0)


@mutant(PERIODS)
def extension_in_a_new_epoch_takes_the_difference(patch: Patch) -> None:
    patch.setattr(process, "more", lambda _s, _r, _purse: 1)


@mutant(RECALL)
def extension_forgotten_at_settlement(patch: Patch) -> None:
    real = process.free

    def free(world: World, s: bytearray, r: int, charge: int) -> None:
        s[r + f.AMOUNT] += 1
        real(world, s, r, charge)
        s[r + f.AMOUNT] -= 1

    patch.setattr(process, "free", free)


@mutant(RECALL)
def free_without_what_was_spent(patch: Patch) -> None:
    real = process.free
    patch.setattr(process, "free", lambda world, s, r, _charge: real(world, s, r, 0))


@mutant(PERIODS)
def freed_in_another_epoch(patch: Patch) -> None:
    real = process.free

    def free(world: World, s: bytearray, r: int, charge: int) -> None:
        epochs = s[r + f.IN_WALLET : r + f.IN_BUDGET + 1]
        process.stamp(world, s, r)
        real(world, s, r, charge)
        s[r + f.IN_WALLET : r + f.IN_BUDGET + 1] = epochs

    patch.setattr(process, "free", free)


@mutant(RECALL)
def settlement_above_the_bound(patch: Patch) -> None:
    patch.setattr(process, "covered", lambda _world, _state, _r, charge: charge)


@mutant(BUDGET)
def budget_taken_after_the_wallet(patch: Patch) -> None:
    patch.setattr(process, "taken", lambda _world: (f.WALLET,))


@mutant(RECALL)
def return_before_lowering(patch: Patch) -> None:
    patch.setattr(process, "offered", lambda s, at: s[at + f.FREE])


@mutant(LINKS)
def two_operations_at_once(patch: Patch) -> None:
    patch.setattr(process, "may_speak", lambda state, seat, _at: bool(state[seat + f.RUNS]))


@mutant(LINKS)
def lost_answers_not_asked_for(patch: Patch) -> None:
    def doubt(s: bytearray, at: int) -> None:
        s[at + f.OP] = 0

    patch.setattr(process, "doubt", doubt)


@mutant(RECALL)
def an_answer_added_instead_of_believed(patch: Patch) -> None:
    def become(s: bytearray, at: int, epoch: int, granted: int) -> None:
        s[at + f.EPOCH] = epoch
        s[at + f.FREE] += granted
        s[at + f.GOT] += granted

    patch.setattr(process, "become", become)


@mutant(PERIODS)
def another_epoch_keeps_what_was_free(patch: Patch) -> None:
    def become(s: bytearray, at: int, epoch: int, granted: int) -> None:
        s[at + f.FREE] = s[at + f.FREE] + granted
        s[at + f.EPOCH], s[at + f.GOT] = epoch, granted

    patch.setattr(process, "become", become)


# --- the ends of seats


@mutant(LATE)
def reclaim_of_all_that_was_granted(patch: Patch) -> None:
    patch.setattr(desk, "not_settled", lambda s, at: s[at + f.GRANTED])


@mutant(LIVES)
def lent_kept_at_the_end_of_a_seat(patch: Patch) -> None:
    patch.setattr(desk, "not_settled", lambda _s, _at: 0)


@mutant(msgspec.structs.replace(LIVES, has_reclaims=False, bought=2, requests=2))
def close_before_posting(patch: Patch) -> None:
    patch.setattr(desk, "is_replayed", lambda _world, _seat, _state: True)


# --- payments and lots


@mutant(ENDS)
def webhook_without_its_id(patch: Patch) -> None:
    patch.setattr(payments, "is_news", lambda state: state[f.PAYMENTS] > 0)


@mutant(ENDS)
def reserved_lot_expired(patch: Patch) -> None:
    patch.setattr(payments, "takeable", lambda s, lot: s[lot])


@mutant(ENDS)
def refund_sent_before_it_left_the_wallet(patch: Patch) -> None:
    def send(state: State) -> State | None:
        if state[f.REFUNDED] or not state[f.BOUGHT]:
            return None
        s = bytearray(state)
        s[f.REFUNDED] += 1
        return bytes(s)

    patch.setattr(payments, "send_refund", send)


@mutant(ENDS)
def dispute_takes_what_is_lent(patch: Patch) -> None:
    real = payments.dispute

    def dispute(state: State) -> State | None:
        patch.setattr(payments, "takeable", lambda s, lot: s[lot])
        after = real(state)
        patch.setattr(payments, "takeable", checked)
        return after

    checked = payments.takeable
    patch.setattr(payments, "dispute", dispute)


@mutant(ENDS)
def gift_paid_back(patch: Patch) -> None:
    def refund(state: State) -> State | None:
        amount = desk.lendable(bytearray(state), 0)
        if not amount:
            return None
        s = bytearray(state)
        s[f.REST] -= amount
        s[f.BOUGHT] = max(0, s[f.BOUGHT] - amount)
        s[f.REFUNDING] += amount
        return bytes(s)

    patch.setattr(payments, "refund", refund)
