"""Real processes, really killed: what a client was told is charged once, and nothing else is."""

import random as randomness  # noqa: TID251 - seeded: when to kill
import select
import socket
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import msgspec
import pytest

from tests.builders.spending_child import AT_ONCE, DEPLOYMENT, Channel, Ready, Told
from troth.kernel.clock import SystemClock
from troth.kernel.ids import IdMaker
from troth.ledger import books
from troth.ledger.books import Credit, LotKind, Posted, Teller, TellerTerms, verify, wallet_purse
from troth.ledger.shard import recover
from troth.ledger.shard.messages import CloseSeat, OpenSeat, Posting, Up
from troth.store.engine import Store
from troth.store.transaction import Transaction

CREDIT = 10**12
_DECODER = msgspec.msgpack.Decoder(Up | Told | Ready)


class Desk:
    """The desk and what it heard: told answers, posted settlements."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.clock = SystemClock()
        self.ids = IdMaker(self.clock)
        self.teller = Teller(TellerTerms(), self.ids.raw, self.write)
        self.told: dict[bytes, int] = {}
        self.posted: Counter[bytes] = Counter()
        self.charged: dict[bytes, int] = {}
        self.recovered_us: list[int] = []
        self.seat = b""

    def write(self, tx: Transaction, posted: Sequence[Posted]) -> None:
        del tx
        for each in posted:
            self.posted[each.reservation] += 1
            self.charged[each.reservation] = each.charged
            assert each.late == 0

    def hear(self, channel: Channel, frame: bytes) -> None:
        message = _DECODER.decode(frame)
        if isinstance(message, Told):
            assert message.reservation not in self.told
            self.told[message.reservation] = message.charge
            return
        if isinstance(message, Ready):
            self.recovered_us.append(message.microseconds)
            return
        seat = message.seat if isinstance(message, Posting | CloseSeat) else self.seat
        with self.store.write() as tx:
            sent = self.teller.receive(tx, seat, message, self.clock.now_ms())
        if isinstance(message, OpenSeat):
            self.seat = sent[0][0]
        for _, answer in sent:
            try:
                channel.send(answer)
            except (BrokenPipeError, ConnectionResetError):
                return  # it was killed meanwhile

    def run(self, folder: Path, seed: int, purses: tuple[bytes, ...], *, alive_us: int) -> None:
        """Let a process live for a while after its first answer, then kill it."""
        ours, theirs = socket.socketpair()
        with ours, theirs:
            child = subprocess.Popen(
                [
                    sys.executable, "-m", "tests.builders.spending_child", str(folder),
                    str(theirs.fileno()), str(seed), *(purse.hex() for purse in purses),
                ],
                pass_fds=[theirs.fileno()],
                cwd=Path(__file__).parents[3],
            )  # fmt: skip
            theirs.close()
            channel = Channel(ours)
            before = len(self.told)
            until = None
            while until is None or self.clock.monotonic_ns() < until:
                if select.select([ours], [], [], 0.001)[0]:
                    for frame in channel.frames() or ():
                        self.hear(channel, frame)
                if until is None and (alive_us == 0 or len(self.told) > before):
                    until = self.clock.monotonic_ns() + alive_us * 1_000
            child.kill()
            while frames := self.rest_of(channel):
                for frame in frames:
                    self.hear(channel, frame)
            child.wait()
        self.teller.left(self.seat)

    def recover(self, folder: Path) -> None:
        """Post what the last process left."""
        for old in recover(folder, DEPLOYMENT, self.clock.now_ms()).seats:
            messages: list[Up] = [*old.postings(200), old.close()]
            for message in messages:
                with self.store.write() as tx:
                    self.teller.receive(tx, old.seat, message, self.clock.now_ms())

    def rest_of(self, channel: Channel) -> list[bytes] | None:
        """Return what the dead process had still sent."""
        try:
            return channel.frames()
        except ConnectionResetError:
            return None


@pytest.mark.parametrize("kills", [12, pytest.param(1_000, marks=pytest.mark.prove)])
def test_a_killed_process_loses_and_doubles_nothing(
    store: Store, tmp_path: Path, kills: int
) -> None:
    desk = Desk(store)
    random = randomness.Random(7)  # noqa: S311
    folder = tmp_path / "slot"
    folder.mkdir()
    org = desk.ids.raw()
    with store.write() as tx:
        books.open_wallet(tx, org, "org")
        wanted = Credit("form", org, LotKind.PAID, CREDIT)
        books.credit(tx, wanted, 0, desk.clock.now_ms())
    for seed in range(kills):
        desk.run(folder, seed, (wallet_purse(org),), alive_us=random.randrange(1, 40_000))
    desk.recover(folder)
    assert desk.told.keys() <= desk.posted.keys()
    assert set(desk.posted.values()) == {1}
    assert all(desk.charged[reservation] == charge for reservation, charge in desk.told.items())
    assert len(desk.posted) - len(desk.told) <= kills * AT_ONCE
    with store.read() as tx:
        found = books.wallet(tx, org)
        assert verify(tx).problems == []
    assert found == books.Wallet(CREDIT - sum(desk.charged.values()), 0)
    assert max(desk.recovered_us) < 2_000_000
