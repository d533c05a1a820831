import asyncio
from collections.abc import Callable, Iterator
from contextvars import Context
from pathlib import Path
from typing import TypeVarTuple, Unpack

import pytest
from typing_extensions import override

from tests.builders.lent_wallet import Place, turn
from troth.kernel.disk_errors import NoSpace
from troth.kernel.errors import CreditsEnded, CreditsExhausted, Overloaded, UpstreamFailed
from troth.kernel.stream_errors import JournalFull, MoneyUnreached

Ts = TypeVarTuple("Ts")


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    one = Place(tmp_path)
    yield one
    one.journal.close()


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


pytestmark = pytest.mark.anyio


async def test_those_who_wait_reserve_in_the_step_in_which_the_lease_comes(place: Place) -> None:
    first, second, third = place.admit(1, 10), place.admit(2, 20), place.admit(3, 30)
    await turn()
    assert place.desk.asks[0].need == 10
    place.lend(10)
    assert place.desk.asks[-1].need == 50
    assert place.desk.asks[-1].offer == 0
    place.lend(50)
    assert [await first, await second, await third] == [10, 20, 30]
    assert place.purses.open_count == 3


async def test_an_empty_wallet_is_told_as_such(place: Place) -> None:
    waiting = place.admit(1, 10)
    await turn()
    place.lend(0, is_short=True)
    with pytest.raises(CreditsExhausted) as refused:
        await waiting
    assert refused.value.source == "wallet"
    waiting = place.admit(2, 10)
    place.clock.advance(200)
    await turn()
    place.lend(0, is_short=True, held=100)
    with pytest.raises(CreditsExhausted) as refused:
        await waiting
    assert refused.value.source == "in_flight"


async def test_a_desk_that_is_away_is_asked_when_it_is_back(place: Place) -> None:
    place.desk.is_up = False
    waiting = place.admit(1, 10)
    await turn()
    assert place.desk.asks == []
    place.purses.lost()
    place.desk.is_up = True
    place.purses.flush()
    place.lend(10)
    assert await waiting == 10


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A silent desk is given up soon."""
    monkeypatch.setattr("troth.server.purses._PATIENCE_SECONDS", 0.01)


@pytest.mark.usefixtures("impatient")
async def test_nobody_waits_for_a_silent_desk_for_ever(place: Place) -> None:
    with pytest.raises(Overloaded):
        await place.admit(1, 10)
    place.lend(10)
    assert place.purses.open_count == 0


@pytest.mark.usefixtures("impatient")
async def test_a_desk_that_leaves_is_waited_for_longer_than_one_that_is_silent(
    place: Place,
) -> None:
    before = place.admit(1, 10)
    await turn()
    place.leave(seconds=60)
    after = place.admit(2, 20)
    await asyncio.sleep(0.05)  # several times what a silent desk is given
    assert not before.done()
    assert not after.done()
    place.desk.is_up = True
    place.purses.welcomed()
    assert place.desk.asks[-1].need == 0  # where does the lease stand?
    await asyncio.sleep(0.05)  # the successor has much to do at first
    place.lend(0)
    assert place.desk.asks[-1].need == 30
    place.lend(30)
    assert (await before, await after) == (10, 20)


@pytest.mark.usefixtures("impatient")
async def test_a_successor_that_does_not_come_is_not_waited_for_for_ever(place: Place) -> None:
    waiting = place.admit(1, 10)
    await turn()
    place.leave(seconds=0.05)
    with pytest.raises(Overloaded):
        await waiting
    with pytest.raises(Overloaded):
        await place.admit(2, 10)


@pytest.mark.usefixtures("impatient")
async def test_an_extension_waits_for_the_successor(place: Place) -> None:
    waiting = place.admit(1, 10)
    await turn()
    place.lend(10)
    await waiting
    heard: list[UpstreamFailed | None] = []
    place.purses.extend(bytes([1]) * 16, 5, heard.append)
    place.leave(seconds=60)
    await asyncio.sleep(0.05)
    assert heard == []
    place.desk.is_up = True
    place.purses.welcomed()
    place.lend(0)
    place.lend(5)
    assert heard == [None]


async def test_a_caller_who_is_cancelled_keeps_nothing(place: Place) -> None:
    waiting = place.admit(1, 10)
    await turn()
    place.lend(10)
    assert place.purses.open_count == 1
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert place.purses.open_count == 0


async def test_settlements_are_posted_together_and_kept_until_acknowledged(place: Place) -> None:
    waiting = place.admit(1, 10)
    await turn()
    place.lend(100)
    await waiting
    assert await place.admit(2, 10) == 10
    for number in (1, 2):
        assert place.purses.cover(bytes([number]) * 16, 7) == 7
        place.purses.settle(bytes([number]) * 16, 7, b"record", overrun=0)
    assert place.purses.is_unposted(bytes([1]) * 16)
    place.purses.flush()
    assert [(one.first, one.upto) for one in place.desk.postings] == [(1, 2)]
    assert place.purses.unposted_count == 2
    place.purses.lost()
    place.purses.flush()
    assert [(one.first, one.upto) for one in place.desk.postings] == [(1, 2), (1, 2)]
    place.purses.acknowledged(2)
    assert place.purses.unposted_count == 0
    assert place.purses.is_writable


async def test_an_extension_waits_for_the_desk_once(place: Place) -> None:
    waiting = place.admit(1, 10)
    await turn()
    place.lend(10)
    await waiting
    heard: list[UpstreamFailed | None] = []
    place.purses.extend(bytes([1]) * 16, 5, heard.append)
    assert heard == []
    place.lend(0)  # what was asked for before it was needed
    place.lend(5)
    assert heard == [None]
    place.purses.extend(bytes([1]) * 16, 5, heard.append)
    place.lend(0)
    place.lend(0, is_short=True)
    assert [type(each) for each in heard] == [type(None), CreditsEnded]
    place.purses.abort(bytes([1]) * 16)
    assert place.purses.open_count == 0


async def test_an_extension_says_whose_fault_it_is_that_there_is_no_more(place: Place) -> None:
    waiting = place.admit(1, 10)
    await turn()
    place.lend(10)
    await waiting
    heard: list[UpstreamFailed | None] = []
    place.journal.has_failed = True
    place.purses.extend(bytes([1]) * 16, 0, heard.append)
    place.journal.has_failed = False
    place.clock.advance(60_000)
    place.purses.extend(bytes([1]) * 16, 0, heard.append)
    assert [type(each) for each in heard] == [JournalFull, MoneyUnreached]
    place.purses.abort(bytes([1]) * 16)


async def test_a_stale_wallet_serves_nobody(place: Place) -> None:
    place.clock.advance(60_000)
    with pytest.raises(Overloaded):
        await place.admit(1, 10)


async def test_a_journal_without_space_says_why(place: Place) -> None:
    place.journal._aside = place.journal._size
    waiting = place.admit(1, 100)
    await asyncio.sleep(0)
    place.lend(1_000)
    with pytest.raises(NoSpace) as refused:
        await waiting
    assert "no space" in refused.value.message


async def test_a_disk_that_fails_ends_the_process(place: Place) -> None:
    assert (place.purses.is_over, place.purses.is_writable) == (False, True)
    place.journal.has_failed = True
    assert (place.purses.is_over, place.purses.is_writable) == (True, False)
    waiting = place.admit(1, 100)
    await asyncio.sleep(0)
    place.lend(1_000)
    with pytest.raises(Overloaded):
        await waiting


@pytest.mark.parametrize(("letter", "told"), [(b"k", 1), (b"p", 1), (b"o", 1), (b"w", 0)])
async def test_the_desk_hears_once_a_minute_that_a_budget_refuses(
    tmp_path: Path, letter: bytes, told: int
) -> None:
    purse = letter + bytes(16)
    place = Place(tmp_path, purse=purse)
    for number in range(3):
        waiting = place.admit(number, 10)
        await turn()
        place.lend(0, is_short=True)
        with pytest.raises(CreditsExhausted):
            await waiting
    assert place.desk.refused == [purse] * told
    place.journal.close()


async def test_a_budget_that_running_requests_hold_has_not_refused(tmp_path: Path) -> None:
    place = Place(tmp_path, purse=b"k" + bytes(16))
    waiting = place.admit(1, 10)
    await turn()
    place.lend(0, is_short=True, held=20)
    with pytest.raises(CreditsExhausted) as caught:
        await waiting
    assert (caught.value.source, place.desk.refused) == ("in_flight", [])
    place.journal.close()


async def test_an_acknowledgment_posts_nothing_that_may_wait_for_more(place: Place) -> None:
    waiting = place.admit(1, 10)
    await turn()
    place.lend(1_000)
    await waiting
    place.settle(1, 7)
    place.purses.flush()
    for number in (2, 3):
        await place.admit(number, 10)
        place.settle(number, 7)
    place.purses.acknowledged(1)
    assert [(one.first, one.upto) for one in place.desk.postings] == [(1, 1)]
    place.purses.flush()
    assert [(one.first, one.upto) for one in place.desk.postings] == [(1, 1), (2, 3)]


async def test_an_acknowledgment_makes_room_for_what_could_not_be_sent(place: Place) -> None:
    waiting = place.admit(1, 1)
    await turn()
    place.lend(100_000)
    await waiting
    place.settle(1, 1)
    place.purses.flush()
    for number in range(2, 36):
        await place.admit(number, 1)
        place.settle(number, 1)
        place.purses.flush()
    assert len(place.desk.postings) == 32
    place.purses.acknowledged(1)
    assert [(one.first, one.upto) for one in place.desk.postings[32:]] == [(33, 35)]


class TimedLoop(asyncio.SelectorEventLoop):
    """Counts the timers that it is asked for."""

    timed = 0

    @override
    def call_later(
        self,
        delay: float,
        callback: Callable[[Unpack[Ts]], object],
        *args: *Ts,
        context: Context | None = None,
    ) -> asyncio.TimerHandle:
        self.timed += 1
        return super().call_later(delay, callback, *args, context=context)


def test_one_timer_at_a_time_looks_after_what_was_settled(place: Place) -> None:
    async def settled() -> None:
        waiting = place.admit(1, 1)
        await turn()
        place.lend(100_000)
        await waiting
        before = loop.timed
        place.settle(1, 1)
        for number in range(2, 12):
            await place.admit(number, 1)
            place.settle(number, 1)
            place.purses.flush()
        assert loop.timed == before + 1

    loop = TimedLoop()
    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        runner.run(settled())
