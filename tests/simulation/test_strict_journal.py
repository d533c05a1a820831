"""A power cut at any moment takes no charge of an answer whose end was sent, where that is asked.

The same stories are played without waiting for the disk: then some charges are gone.
"""

import random as randomness  # noqa: TID251 - seeded below
from pathlib import Path

import pytest
from typing_extensions import override

from tests.builders.lent_wallet import PURSE, Place, turn
from tests.simulation.fragile_disk import FragileDisk
from troth.kernel.disk_errors import NoSpace
from troth.ledger.shard import recover
from troth.ledger.shard.records import settlement
from troth.server.keeper import PromptKeeper
from troth.wire import Errand

pytestmark = pytest.mark.anyio

SEEDS = 200
STEPS = 60
SEGMENT_BYTES = 8_192


def _nothing() -> None:
    """Do nothing meanwhile."""


class BusyDisk(FragileDisk):
    """A disk that takes its time: meanwhile, requests end."""

    def __init__(self) -> None:
        super().__init__()
        self.meanwhile = _nothing

    @override
    def sync(self, fd: int) -> None:
        self.meanwhile()
        super().sync(fd)
        self.meanwhile()


class Story:
    """Requests end, the journal is written now and then, and the power is cut."""

    def __init__(self, folder: Path, seed: int, *, is_strict: bool) -> None:
        self.random = randomness.Random(seed)  # noqa: S311
        self.disk = BusyDisk()
        self.place = Place(folder, segment_bytes=SEGMENT_BYTES, disk=self.disk)
        self.keeper = PromptKeeper(self.place.journal, self.place.purses)
        self.is_strict = is_strict
        self.folder = folder
        self.ended: set[bytes] = set()
        """Whose answers' ends were sent."""
        self.settled = 0
        self.told = 0
        """How many have settled, and go on to their end."""

    async def begin(self) -> None:
        """Have the wallet lent."""
        waiting = self.place.admit(1, 10)
        await turn()
        self.place.lend(10**9)
        await waiting
        self.place.settle(1, 0)

    def end_one(self) -> None:
        """Settle a request, and send its answer's end when that may be."""
        self.settled += 1
        name = self.settled.to_bytes(16, "big")
        try:
            self.place.purses.admit(name, (PURSE,), 10, 10, enough=10)
        except NoSpace:
            return
        record = b"r" * self.random.randrange(300)
        self.place.purses.settle(name, self.random.randrange(10), record, overrun=0)
        self.told += 1
        Errand(self._answer(name)).go()

    async def _answer(self, name: bytes) -> None:
        if self.is_strict:
            await self.keeper.kept()
        self.ended.add(name)

    def _some(self) -> None:
        if self.random.random() < 0.4:
            self.end_one()

    async def run(self) -> None:
        """Play, and stop at some moment."""
        await self.begin()
        self.disk.meanwhile = self._some
        for _ in range(self.random.randrange(1, STEPS)):
            step = self.random.random()
            if step < 0.4:
                self.end_one()
            elif step < 0.6:
                self.keeper.turn()
            else:
                await turn()
        await turn()
        self.disk.meanwhile = _nothing

    def lost(self) -> int:
        """Cut the power; return how many answers have ended whose charge is gone."""
        self.place.journal.close()
        for path in sorted(self.folder.glob("*.journal")):
            self.disk.cut(path, self.random)
        found = {
            settlement(body).reservation
            for old in recover(self.folder, bytes(16), 0).seats
            for body in old.settlements
        }
        return len(self.ended - found)


async def losses(folder: Path, *, is_strict: bool) -> tuple[int, int, int]:
    """Play all stories; return how many answers ended, how many still waited, how many are lost."""
    ended = waited = lost = 0
    for seed in range(SEEDS):
        inner = folder / f"{is_strict}-{seed}"
        inner.mkdir()
        story = Story(inner, seed, is_strict=is_strict)
        await story.run()
        ended += len(story.ended)
        waited += story.told - len(story.ended)
        lost += story.lost()
    return ended, waited, lost


async def test_strict_loses_nothing_that_was_told(tmp_path: Path) -> None:
    ended, waited, lost = await losses(tmp_path, is_strict=True)
    assert lost == 0
    assert ended > 2_000
    assert waited > 200, "the power was cut while answers waited"


async def test_without_it_a_power_cut_takes_what_was_just_told(tmp_path: Path) -> None:
    ended, _, lost = await losses(tmp_path, is_strict=False)
    assert ended > 2_000
    assert lost > 200


async def test_a_keeper_that_believes_what_came_meanwhile_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def believing(keeper: PromptKeeper) -> None:
        keeper._journal.keep()
        keeper.reached(keeper._mark)

    monkeypatch.setattr(PromptKeeper, "turn", believing)
    _, _, lost = await losses(tmp_path, is_strict=True)
    assert lost > 0
