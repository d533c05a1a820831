"""A gateway's wallet over a real journal, and a desk that answers when a test says so."""

import asyncio
from pathlib import Path
from typing import Final

from troth.kernel.clock import ManualClock
from troth.kernel.mapped_file import Disk
from troth.ledger.shard import Journal, Shard, ShardTerms
from troth.ledger.shard.messages import Lease, LeaseAsk, LeaseReturn, Posting, Returned
from troth.server.handover import WaitTerms
from troth.server.messages import BudgetRefused
from troth.server.purses import Purses

PURSE: Final = b"w" + bytes(16)
SEAT: Final = bytes(range(16))
NO_WAIT: Final = WaitTerms(wait_ms=0)


class Desk:
    """The way to a desk that does nothing by itself."""

    def __init__(self) -> None:
        self.is_up = True
        self.was_asked = asyncio.Event()
        self.asks: list[LeaseAsk] = []
        self.postings: list[Posting] = []
        self.returns: list[LeaseReturn] = []
        self.refused: list[bytes] = []

    def send(self, message: LeaseAsk | LeaseReturn | Posting | BudgetRefused) -> None:
        """Keep what was sent."""
        match message:
            case LeaseAsk():
                self.asks.append(message)
                self.was_asked.set()
            case Posting():
                self.postings.append(message)
            case LeaseReturn():
                self.returns.append(message)
            case BudgetRefused(purse):
                self.refused.append(purse)


class Place:
    """A wallet over a real journal, and the desk's answers at hand."""

    def __init__(
        self,
        folder: Path,
        terms: WaitTerms = NO_WAIT,
        purse: bytes = PURSE,
        *,
        segment_bytes: int = 256 * 1024,
        disk: Disk | None = None,
    ) -> None:
        self.purse = purse
        self.clock = ManualClock()
        self.desk = Desk()
        self.journal = Journal(folder, bytes(16), SEAT, segment_bytes, disk=disk)
        self.journal.keep()
        shard = Shard(SEAT, self.journal, self.clock, ShardTerms())
        self.purses = Purses(shard, self.journal, self.desk, terms)
        self.purses.beat(self.clock.monotonic_ns())
        self.granted = 0

    def lend(self, amount: int, *, is_short: bool = False, held: int = 0) -> None:
        """Answer the last ask."""
        ask = self.desk.asks[-1]
        self.granted += amount - ask.offer
        self.purses.apply(
            Lease(
                op=ask.op,
                purse=self.purse,
                epoch=1,
                granted=self.granted,
                is_direct=False,
                is_short=is_short,
                available=0,
                held=held,
                ends_at_ms=0,
            )
        )

    def leave(self, seconds: float) -> None:
        """Let the desk say that it leaves, and go."""
        self.purses.awaits(asyncio.get_running_loop().time() + seconds)
        self.desk.is_up = False
        self.purses.lost()

    def returned(self) -> None:
        """Take the last return."""
        given = self.desk.returns[-1]
        self.granted -= given.amount
        self.purses.apply(Returned(given.op, self.purse, 1, self.granted))

    def admit(self, number: int, want: int, least: int = 0) -> asyncio.Task[int]:
        """Begin to reserve."""
        return asyncio.get_running_loop().create_task(self._admitted(number, want, least))

    async def _admitted(self, number: int, want: int, least: int) -> int:
        got = self.purses.admit(bytes([number]) * 16, (self.purse,), want, least or want, enough=0)
        return got if isinstance(got, int) else await got

    def settle(self, number: int, charge: int) -> None:
        """End a request at this charge."""
        self.purses.settle(bytes([number]) * 16, charge, b"record", overrun=0)

    def abort(self, number: int) -> None:
        """End a request that was not forwarded."""
        self.purses.abort(bytes([number]) * 16)


async def turn() -> None:
    """Let all that can run, run."""
    for _ in range(5):
        await asyncio.sleep(0)
