"""Errands: coroutines driven within the calls that end their waits."""

import asyncio

import pytest

from troth.wire import Errand, Moment

pytestmark = pytest.mark.anyio


async def test_an_errand_runs_at_once_and_goes_on_within_the_call_that_ends_its_wait() -> None:
    moment = Moment()
    seen: list[str] = []

    async def run() -> None:
        seen.append("started")
        await moment
        seen.append("went on")

    Errand(run()).go()
    assert seen == ["started"]
    moment.happen()
    assert seen == ["started", "went on"]
    moment.happen()
    assert seen == ["started", "went on"]


async def test_what_has_happened_is_not_waited_for() -> None:
    moment = Moment()
    moment.happen()
    seen: list[bool] = []

    async def run() -> None:
        await moment
        seen.append(moment.is_over)

    Errand(run()).go()
    assert seen == [True]


async def test_an_errand_waits_for_futures_and_for_the_loops_next_turn() -> None:
    future: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    done = asyncio.Event()
    seen: list[int] = []

    async def run() -> None:
        seen.append(await future)
        await asyncio.sleep(0)
        done.set()

    Errand(run()).go()
    future.set_result(7)
    await done.wait()
    assert seen == [7]


async def test_a_task_may_wait_for_a_moment() -> None:
    moment = Moment()
    waiting = asyncio.get_running_loop().create_task(_wait(moment))
    await asyncio.sleep(0)
    asyncio.get_running_loop().call_soon(moment.happen)
    assert await waiting
    late: list[Moment] = []
    moment.add_done_callback(late.append)
    await asyncio.sleep(0)
    assert late == [moment]


async def test_a_task_that_is_cancelled_hears_of_it_when_the_moment_is_there() -> None:
    moment = Moment()
    waiting = asyncio.get_running_loop().create_task(_wait(moment))
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.sleep(0)
    assert not waiting.done()
    moment.happen()
    with pytest.raises(asyncio.CancelledError):
        await waiting


async def test_what_an_errand_raises_goes_to_whoever_ended_its_wait() -> None:
    async def run() -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        Errand(run()).go()


async def _wait(moment: Moment) -> bool:
    await moment
    return moment.is_over
