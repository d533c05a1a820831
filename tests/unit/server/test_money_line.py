"""Requests that wait for money which running requests have set aside."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.builders.lent_wallet import Place, turn
from troth.kernel.errors import CreditsExhausted
from troth.ledger.shard.messages import LeaseReturn, Recall
from troth.server.handover import WaitTerms

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    one = Place(tmp_path, WaitTerms(wait_ms=60_000, for_one=4, in_all=6))
    yield one
    one.journal.close()


@pytest.fixture
def hasty(tmp_path: Path) -> Iterator[Place]:
    one = Place(tmp_path, WaitTerms(wait_ms=1))
    yield one
    one.journal.close()


async def spent(place: Place, amount: int = 10) -> None:
    """Let request 1 set aside all that the wallet has, so that the desk has no more."""
    first = place.admit(1, amount)
    await turn()
    place.lend(amount, is_short=True)
    assert await first == amount


async def looked(place: Place) -> None:
    """Let the line look at the desk once more, the desk's last word being old."""
    place.clock.advance(200)
    place.desk.was_asked.clear()
    await place.desk.was_asked.wait()


async def test_what_a_settlement_frees_goes_to_those_who_wait_in_order(place: Place) -> None:
    await spent(place)
    waiting = [place.admit(number, 4) for number in (2, 3, 4)]
    await turn()
    assert [one.done() for one in waiting] == [False] * 3
    place.settle(1, 1)
    await turn()
    assert [one.done() for one in waiting] == [True, True, False]
    place.settle(2, 1)
    place.settle(3, 1)
    assert await waiting[2] == 4
    assert place.purses.open_count == 1


async def test_a_newcomer_does_not_pass_those_who_wait(place: Place) -> None:
    await spent(place)
    second = place.admit(2, 8)
    await turn()
    place.clock.advance(200)  # the desk's word is old: a newcomer would ask it
    third = place.admit(3, 8)
    await turn()
    place.settle(1, 0)
    await turn()
    assert (second.done(), third.done()) == (True, False)
    place.abort(2)
    assert await third == 8


async def test_who_can_never_be_paid_does_not_wait(place: Place) -> None:
    await spent(place)
    with pytest.raises(CreditsExhausted) as refused:
        await place.admit(2, 11)
    assert refused.value.source == "wallet"
    waiting = place.admit(3, 10)
    await turn()
    place.settle(1, 1)
    with pytest.raises(CreditsExhausted) as refused:
        await waiting
    assert refused.value.source == "wallet"
    assert refused.value.available_nusd == 9


async def test_a_line_has_an_end(place: Place) -> None:
    await spent(place)
    waiting = [place.admit(number, 5) for number in range(2, 6)]
    await turn()
    with pytest.raises(CreditsExhausted) as refused:
        await place.admit(9, 5)
    assert refused.value.source == "in_flight"
    waiting[0].cancel()
    await turn()
    place.settle(1, 0)
    await turn()
    assert [one.done() for one in waiting] == [True, True, True, False]
    assert waiting[0].cancelled()
    place.abort(3)
    assert await waiting[3] == 5


async def test_nobody_waits_longer_than_the_terms_say(hasty: Place) -> None:
    await spent(hasty)
    waiting = [hasty.admit(number, 5) for number in (2, 3)]
    for one in waiting:
        with pytest.raises(CreditsExhausted) as refused:
            await one
        assert refused.value.source == "in_flight"
        assert refused.value.in_flight_nusd == 10
    hasty.settle(1, 0)
    assert hasty.purses.open_count == 0


async def test_nobody_is_dismissed_while_the_desk_is_replaced(hasty: Place) -> None:
    await spent(hasty)
    waiting = hasty.admit(2, 5)
    await turn()
    hasty.leave(seconds=60)
    await asyncio.sleep(0.15)  # the line was looked at: its time was over
    assert not waiting.done()
    hasty.desk.is_up = True
    hasty.purses.welcomed()
    hasty.settle(1, 0)
    assert await waiting == 5


async def test_no_wait_at_all_is_a_setting(tmp_path: Path) -> None:
    place = Place(tmp_path, WaitTerms(wait_ms=0))
    await spent(place)
    with pytest.raises(CreditsExhausted) as refused:
        await place.admit(2, 5)
    assert refused.value.source == "in_flight"
    place.journal.close()


async def test_one_who_leaves_gives_back_what_he_was_just_given(place: Place) -> None:
    await spent(place)
    second, third = place.admit(2, 8), place.admit(3, 8)
    await turn()
    place.settle(1, 0)
    second.cancel()
    assert await third == 8
    with pytest.raises(asyncio.CancelledError):
        await second
    assert place.purses.open_count == 1


async def test_the_desk_is_asked_again_for_what_others_freed(place: Place) -> None:
    await spent(place)
    waiting = place.admit(2, 8)
    await turn()
    await looked(place)
    assert place.desk.asks[-1].need == 8
    place.lend(0, is_short=True)
    await turn()
    assert not waiting.done()
    await looked(place)
    place.lend(8)
    assert await waiting == 8


async def test_a_lost_desk_is_asked_anew(place: Place) -> None:
    await spent(place)
    waiting = place.admit(2, 8)
    await turn()
    await looked(place)
    place.purses.lost()
    await looked(place)
    assert place.desk.asks[-1].need == 0  # where does the lease stand?
    place.lend(0)
    place.purses.flush()
    place.lend(8)
    assert await waiting == 8


async def test_what_another_process_waits_for_goes_to_the_desk_first(place: Place) -> None:
    await spent(place)
    waiting = place.admit(2, 8)
    await turn()
    place.purses.apply(Recall(place.purse, 1))
    place.settle(1, 1)
    await turn()
    assert not waiting.done()
    place.returned()
    place.purses.apply(Recall(place.purse, 1))
    place.purses.flush()
    given = place.desk.returns[-1]
    assert isinstance(given, LeaseReturn)
    assert given.amount == 9
    place.returned()
    await looked(place)
    place.lend(8)
    assert await waiting == 8
