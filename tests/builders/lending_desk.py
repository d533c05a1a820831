"""Wallet ports over a real teller and store, in one loop: what is sent arrives a turn later."""

import asyncio
from dataclasses import dataclass, field

from tests.builders.money_world import MoneyWorld
from troth.ledger.shard.messages import LeaseAsk, LeaseReturn, Posting
from troth.server.messages import BudgetRefused
from troth.server.purses import Purses


@dataclass
class Way:
    """Carries messages to the desk and its answers back, a turn of the loop later."""

    desk: "Desk"
    seat: bytes
    is_up: bool = True

    def send(self, message: LeaseAsk | LeaseReturn | Posting | BudgetRefused) -> None:
        """Send a message up; that a budget refused is only told."""
        if not isinstance(message, BudgetRefused):
            self.desk.coming += 1
            asyncio.get_running_loop().call_soon(self.desk.take, self.seat, message)


@dataclass
class Desk:
    """The teller over a real store, and the purses of all gateways."""

    world: MoneyWorld
    purses: dict[bytes, Purses] = field(default_factory=dict)
    ways: list[Way] = field(default_factory=list)
    coming: int = 0
    """How many messages are on their way."""

    def take(self, seat: bytes, message: LeaseAsk | LeaseReturn | Posting) -> None:
        """Do what one process asks, and tell whom it concerns."""
        self.coming -= 1
        with self.world.store.write() as tx:
            now_ms = self.world.clock.now_ms()
            sent = self.world.teller.receive(tx, seat, message, now_ms)
        for owner, answer in sent:
            self.purses[owner].apply(answer)

    async def close(self) -> None:
        """Wait until all is posted and nothing comes any more; then nobody sends anything."""
        while any(purses.unposted_count for purses in self.purses.values()) or self.coming:
            for purses in self.purses.values():
                purses.flush()
            await asyncio.sleep(0)
        for way in self.ways:
            way.is_up = False

    async def run(self) -> None:
        """Let time pass: ten milliseconds every few turns."""
        while True:
            for _ in range(5):
                await asyncio.sleep(0)
            self.world.clock.advance(10)
            with self.world.store.write() as tx:
                sent = self.world.teller.tick(tx, self.world.clock.now_ms())
            for owner, answer in sent:
                self.purses[owner].apply(answer)
            for purses in self.purses.values():
                purses.beat(self.world.clock.monotonic_ns())
