"""All steps of a small world, each with its name and its figures filled in."""

from collections.abc import Callable, Iterator
from functools import partial

import msgspec
from typing_extensions import override

from tests.simulation import lease_desk as desk
from tests.simulation import lease_payments as payments
from tests.simulation import lease_process as process
from tests.simulation import lease_state as f
from tests.simulation.lease_state import State, World

Move = Callable[[State], State | None]


class Step(msgspec.Struct, frozen=True):
    """What can happen, to whom or to what, and how it changes a state."""

    name: str
    place: int
    how: tuple[int, ...]
    move: Move

    @override
    def __str__(self) -> str:
        """Return it as a line of a trace."""
        return f"{self.name} {where(self.place)} {' '.join(map(str, self.how))}".strip()


def where(place: int) -> str:
    """Return a place as people read it."""
    if place in f.SEATS:
        return f"seat {f.SEATS.index(place)}"
    if place in f.SEAT_OF:
        purse = "budget" if f.PURSE_OF[place] else "wallet"
        return f"seat {f.SEATS.index(f.SEAT_OF[place])} {purse}"
    if place >= f.FIRST_REQUEST:
        return f"request {(place - f.FIRST_REQUEST) // f.REQUEST}"
    return ""


def steps(world: World) -> list[Step]:
    """Return everything that can happen in a world."""
    return [*_talk(world), *_requests(world), *_lives(world), *_payments(world)]


def _talk(world: World) -> Iterator[Step]:
    for at in (f.lease(seat, purse) for seat in world.places for purse in world.purses):
        for need in (*world.wants, 1) if 1 not in world.wants else world.wants:
            yield Step("ask", at, (need,), partial(process.ask, world, at, need))
        yield Step("give", at, (), partial(process.give, world, at))
        yield Step("take", at, (0,), partial(desk.take, at, 0))
        yield Step("time out", at, (), partial(desk.time_out, at))
        yield Step("hear", at, (), partial(process.hear, at))
        if world.is_ahead:
            yield Step("take", at, (1,), partial(desk.take, at, 1))
            yield Step("ask ahead", at, (), partial(process.ask_ahead, world, at))
        if world.has_breaks:
            yield Step("ask", at, (0,), partial(process.ask, world, at, 0))
        if world.has_breaks or world.has_deaths:
            yield Step("take old", at, (), partial(desk.take_old, at))


def _requests(world: World) -> Iterator[Step]:
    for r in map(f.request, range(world.requests)):
        for seat in world.places:
            for want in world.wants:
                move = partial(process.admit, world, r, (seat, want))
                yield Step("admit", r, (f.SEATS.index(seat), want), move)
        yield Step("extend", r, (), partial(process.extend, world, r))
        for beyond in range(3):
            yield Step("settle", r, (beyond,), partial(process.settle, world, r, beyond))
        yield Step("abort", r, (), partial(process.abort, world, r))
        yield Step("post", r, (), partial(desk.post, world, r))
        if world.has_deaths:
            yield Step("cut power", r, (), partial(process.cut_power, r))


def _lives(world: World) -> Iterator[Step]:
    for seat in world.places:
        if world.has_breaks:
            for is_kept in (0, 1):
                move = partial(process.break_link, world, seat, is_kept)
                yield Step("break link", seat, (is_kept,), move)
        if world.has_deaths:
            yield Step("kill", seat, (), partial(process.kill, world, seat))
            yield Step("close", seat, (), partial(desk.close, world, seat))
            yield Step("start", seat, (), partial(process.start, world, seat))
        if world.has_reclaims:
            yield Step("reclaim", seat, (), partial(desk.reclaim, seat))
    if world.has_breaks:
        yield Step("restart desk", -1, (), partial(desk.restart, world))


def _payments(world: World) -> Iterator[Step]:
    if world.payments:
        yield Step("pay", -1, (), partial(payments.pay, world))
        yield Step("credit", -1, (), payments.credit)
    if world.has_ends:
        yield Step("end gift", -1, (), partial(payments.end_gift, world))
        yield Step("expire", -1, (), payments.expire)
        yield Step("refund", -1, (), payments.refund)
        yield Step("send refund", -1, (), payments.send_refund)
        yield Step("fail refund", -1, (), payments.fail_refund)
        yield Step("dispute", -1, (), payments.dispute)
        for outcome in (payments.LOST, payments.WON):
            yield Step("decide", -1, (outcome,), partial(payments.decide, outcome))
    if world.has_periods:
        yield Step("turn", -1, (), partial(payments.turn, world))
