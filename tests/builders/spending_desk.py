"""The desk of real processes that spend: what they told, what was posted."""

import select
import socket
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import msgspec

from tests.builders.spending_child import DEPLOYMENT, Channel, Ready, Told
from troth.kernel.clock import SystemClock
from troth.kernel.ids import IdMaker
from troth.ledger import books
from troth.ledger.books import Credit, LotKind, Posted, Teller, TellerTerms, wallet_purse
from troth.ledger.shard import recover
from troth.ledger.shard.messages import CloseSeat, OpenSeat, Posting, Up
from troth.store.engine import Store
from troth.store.transaction import Transaction

_DECODER = msgspec.msgpack.Decoder(Up | Told | Ready)


class Line:
    """One real process: its socket, its seat once it has one, whether it has ended."""

    def __init__(self, folder: Path, seed: int, purses: tuple[bytes, ...]) -> None:
        self.end, theirs = socket.socketpair()
        with theirs:
            self.child = subprocess.Popen(
                [
                    sys.executable, "-m", "tests.builders.spending_child", str(folder),
                    str(theirs.fileno()), str(seed), *(purse.hex() for purse in purses),
                ],
                pass_fds=[theirs.fileno()],
                cwd=Path(__file__).parents[2],
            )  # fmt: skip
        self.channel = Channel(self.end)
        self.seat = b""
        self.told = 0
        self.is_gone = False

    def frames(self) -> list[bytes]:
        """Return what it has said, waiting a millisecond; note that it has gone."""
        if self.is_gone or not select.select([self.end], [], [], 0.001)[0]:
            return []
        try:
            found = self.channel.frames()
        except ConnectionResetError:
            found = None
        self.is_gone = found is None
        return found or []

    def close(self) -> None:
        """Forget it."""
        self.child.kill()
        self.child.wait()
        self.end.close()


class SpendingDesk:
    """Told answers, posted settlements, and the desk between them."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.clock = SystemClock()
        self.ahead_ms = 0
        self.ids = IdMaker(self.clock)
        self.teller = Teller(TellerTerms(), self.ids.raw, self.write)
        self.told: dict[bytes, int] = {}
        self.posted: Counter[bytes] = Counter()
        self.charged: dict[bytes, int] = {}
        self.late: dict[bytes, int] = {}
        self.recovered_us: list[int] = []

    def now_ms(self) -> int:
        """Return the desk's time, which a test may set ahead."""
        return self.clock.now_ms() + self.ahead_ms

    def organization(self, amount: int) -> bytes:
        """Return a new organization with a wallet."""
        org = self.ids.raw()
        with self.store.write() as tx:
            books.open_wallet(tx, org, "org")
            wanted = Credit(org.hex(), org, LotKind.PAID, amount)
            books.credit(tx, wanted, 0, self.now_ms())
        return org

    def write(self, tx: Transaction, posted: Sequence[Posted]) -> None:
        """Note what was posted."""
        del tx
        for each in posted:
            self.posted[each.reservation] += 1
            self.charged[each.reservation] = each.charged
            if each.late:
                self.late[each.reservation] = each.late

    def listen(self, line: Line) -> None:
        """Hear what a process has said, and answer."""
        for frame in line.frames():
            self.hear(line, frame)

    def hear(self, line: Line, frame: bytes) -> None:
        """Take one message of a process."""
        message = _DECODER.decode(frame)
        if isinstance(message, Told):
            assert message.reservation not in self.told
            self.told[message.reservation] = message.charge
            line.told += 1
            return
        if isinstance(message, Ready):
            self.recovered_us.append(message.microseconds)
            return
        seat = message.seat if isinstance(message, Posting | CloseSeat) else line.seat
        with self.store.write() as tx:
            sent = self.teller.receive(tx, seat, message, self.now_ms())
        if isinstance(message, OpenSeat):
            line.seat = sent[0][0]
        for owner, answer in sent:
            if owner in (line.seat, seat):
                try:
                    line.channel.send(answer)
                except (BrokenPipeError, ConnectionResetError):
                    return  # it was killed meanwhile

    def run(self, folder: Path, seed: int, org: bytes, *, alive_us: int) -> None:
        """Let a process live for a while after its first answer, then kill it."""
        line = Line(folder, seed, (wallet_purse(org),))
        until = None
        while until is None or self.clock.monotonic_ns() < until:
            self.listen(line)
            if until is None and (alive_us == 0 or line.told):
                until = self.clock.monotonic_ns() + alive_us * 1_000
        line.child.kill()
        while not line.is_gone:
            self.listen(line)
        line.close()
        self.teller.left(line.seat)

    def recover(self, folder: Path) -> None:
        """Post what the last process left."""
        for old in recover(folder, DEPLOYMENT, self.clock.now_ms()).seats:
            messages: list[Up] = [*old.postings(200), old.close()]
            for message in messages:
                with self.store.write() as tx:
                    self.teller.receive(tx, old.seat, message, self.now_ms())
