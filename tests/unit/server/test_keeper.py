"""Answers that wait for the disk wait together, never block the loop, and are not told a lie."""

import asyncio
from collections.abc import Iterator
from errno import EIO
from pathlib import Path
from threading import Event

import pytest
from typing_extensions import override

from tests.builders.lent_wallet import PURSE, Place, turn
from troth.kernel.mapped_file import Disk
from troth.kernel.stream_errors import NotKept
from troth.server import keeper as keepers
from troth.server.keeper import Keeper, PromptKeeper, begun, kept_by

pytestmark = pytest.mark.anyio


class SlowDisk(Disk):
    """Writes only when it is let, or not at all; counts."""

    def __init__(self) -> None:
        self.may_write = Event()
        self.may_write.set()
        self.began = Event()
        self.is_broken = False
        self.count = 0

    @override
    def sync(self, fd: int) -> None:
        self.began.set()
        self.may_write.wait(10)
        if self.is_broken:
            raise OSError(EIO, "broken")
        self.count += 1
        super().sync(fd)


class Strict:
    """A wallet with its keeper, and answers that wait."""

    def __init__(self, folder: Path) -> None:
        self.disk = SlowDisk()
        self.place = Place(folder, disk=self.disk)
        found = begun(self.place.journal, self.place.purses, is_strict=True)
        assert isinstance(found, PromptKeeper)
        self.keeper = found

    async def lend(self) -> None:
        waiting = self.place.admit(1, 10)
        await turn()
        self.place.lend(10**6)
        await waiting
        self.place.settle(1, 0)

    def answer(self, number: int) -> asyncio.Task[None]:
        """Settle a request, and wait with its end."""
        assert self.place.purses.admit(bytes([number]) * 16, (PURSE,), 10, 10, enough=10) == 10
        self.place.settle(number, 3)
        return asyncio.get_running_loop().create_task(self._wait())

    async def _wait(self) -> None:
        await self.keeper.kept()


@pytest.fixture
def strict(anyio_backend: str) -> Iterator[type[Strict]]:
    assert anyio_backend == "asyncio"
    made: list[Strict] = []

    class Made(Strict):
        def __init__(self, folder: Path) -> None:
            super().__init__(folder)
            made.append(self)

    yield Made
    for each in made:
        each.disk.may_write.set()
        each.keeper.stop()
        each.place.journal.close()


async def test_an_end_waits_for_its_write_and_the_loop_goes_on(
    strict: type[Strict], tmp_path: Path
) -> None:
    here = strict(tmp_path)
    await here.lend()
    here.disk.may_write.clear()
    ends = [here.answer(number) for number in range(2, 60)]
    await turn()
    assert not any(end.done() for end in ends)
    before = here.disk.count
    here.disk.may_write.set()
    async with asyncio.timeout(10):
        await asyncio.gather(*ends)
    assert here.disk.count - before < 10, "many answers share a write"
    async with asyncio.timeout(10):
        await here.keeper.kept()  # nothing is new: nothing is waited for


async def test_what_settles_during_a_write_waits_for_the_next(
    strict: type[Strict], tmp_path: Path
) -> None:
    here = strict(tmp_path)
    await here.lend()
    here.disk.may_write.clear()
    first = here.answer(2)
    await turn()
    here.keeper.reached(2)  # the first alone
    await turn()
    assert first.done()
    second = here.answer(3)
    await turn()
    assert not second.done()
    here.disk.may_write.set()
    async with asyncio.timeout(10):
        await second


async def test_a_failed_disk_keeps_nothing_but_the_books_may(
    strict: type[Strict], tmp_path: Path
) -> None:
    here = strict(tmp_path)
    await here.lend()
    here.disk.is_broken = True
    end = here.answer(2)
    await asyncio.sleep(0.05)
    assert not end.done()
    assert here.place.purses.is_over, "the process is to be replaced"
    here.place.purses.acknowledged(2)
    async with asyncio.timeout(10):
        await end


async def test_who_waits_in_vain_is_told(
    strict: type[Strict], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keepers, "PATIENCE_SECONDS", 0.05)
    here = strict(tmp_path)
    await here.lend()
    here.disk.is_broken = True
    ends = [here.answer(2), here.answer(3)]
    async with asyncio.timeout(10):
        told = await asyncio.gather(*ends, return_exceptions=True)
    assert [type(each) for each in told] == [NotKept, NotKept]


async def test_without_it_nothing_waits(tmp_path: Path) -> None:
    place = Place(tmp_path)
    keeper = begun(place.journal, place.purses, is_strict=False)
    assert isinstance(keeper, Keeper)
    assert kept_by(keeper) is None
    assert kept_by(None) is None
    keeper.stop()
    place.journal.close()
