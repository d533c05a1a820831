"""A desk and gateway processes in one process, over a real database and real journals.

Nothing happens by itself: `pump` carries messages until nobody has anything to say.
"""

from collections.abc import Sequence
from itertools import count
from pathlib import Path

from troth.kernel.clock import ManualClock
from troth.kernel.ids import IdMaker
from troth.kernel.mapped_file import Disk
from troth.ledger import books
from troth.ledger.books import Credit, LotKind, Posted, Teller, TellerTerms
from troth.ledger.shard import Journal, Shard, ShardTerms, Short, recover
from troth.ledger.shard.messages import OpenSeat, SeatClosed, Up
from troth.store.engine import Store
from troth.store.transaction import Transaction

DEPLOYMENT = bytes(range(16))
SEGMENT_BYTES = 256 * 1024
USD = 1_000_000_000


class CountedEntropy:
    """Bytes that differ and repeat from run to run."""

    def __init__(self) -> None:
        self._number = count(1)

    def __call__(self, size: int) -> bytes:
        """Return a new number's bytes, over and over."""
        return b"".join(next(self._number).to_bytes(10, "big") for _ in range(size // 10))


class MoneyWorld:
    """The desk: a store, a teller, and what was posted."""

    def __init__(
        self,
        store: Store,
        folder: Path,
        *,
        segment_bytes: int = SEGMENT_BYTES,
        disk: Disk | None = None,
    ) -> None:
        self.store = store
        self.folder = folder
        self.segment_bytes = segment_bytes
        self.disk = disk or Disk()
        self.clock = ManualClock()
        self.ids = IdMaker(self.clock, CountedEntropy())
        self.posted: list[Posted] = []
        self.teller = self.new_teller()
        self.gateways: dict[bytes, GatewayProcess] = {}

    def new_teller(self) -> Teller:
        """Return a teller as a desk has it that just started."""
        return Teller(TellerTerms(), self.ids.raw, self._write_usage)

    def _write_usage(self, tx: Transaction, posted: Sequence[Posted]) -> None:
        del tx
        self.posted += posted

    def organization(self, amount: int = 0, kind: LotKind = LotKind.PAID) -> bytes:
        """Return a new organization with a wallet that holds `amount`."""
        org = self.ids.raw()
        with self.store.write() as tx:
            books.open_wallet(tx, org, "org_" + org.hex())
        if amount:
            self.credit(org, amount, kind)
        return org

    def credit(self, org: bytes, amount: int, kind: LotKind = LotKind.PAID) -> None:
        """Put credit into a wallet."""
        with self.store.write() as tx:
            wanted = Credit(self.ids.raw().hex(), org, kind, amount)
            books.credit(tx, wanted, 0, self.clock.now_ms())

    def wallet(self, org: bytes) -> books.Wallet:
        """Return what a wallet holds."""
        with self.store.read() as tx:
            found = books.wallet(tx, org)
        assert found is not None
        return found

    def gateway(self, slot: int = 0) -> "GatewayProcess":
        """Start a gateway process in a slot; it recovers what the last one left."""
        return GatewayProcess(self, slot)

    def tell(self, seat: bytes, message: Up) -> None:
        """Give the desk one message and deliver what it answers."""
        with self.store.write() as tx:
            sent = self.teller.receive(tx, seat, message, self.clock.now_ms())
        self.deliver(sent)

    def deliver(self, sent: Sequence[books.Outgoing]) -> None:
        """Hand messages to the processes they are for."""
        for seat, message in sent:
            if seat in self.gateways:
                self.gateways[seat].shard.apply(message)

    def pump(self) -> None:
        """Carry messages until nobody has anything to say."""
        while any(gateway.speak() for gateway in self.gateways.values()):
            pass

    def wait(self, ms: int) -> None:
        """Let time pass, with the desk's beat and timers."""
        self.clock.advance(ms)
        with self.store.write() as tx:
            sent = self.teller.tick(tx, self.clock.now_ms())
            sent += self.teller.renew(tx, self.clock.now_ms())
        self.deliver(sent)
        for gateway in self.gateways.values():
            gateway.shard.beat(self.clock.monotonic_ns())
        self.pump()

    def number(self, sql: str, *params: int | str | bytes) -> int:
        """Return the one number of a query."""
        with self.store.read() as tx:
            found = tx.row(sql, params, tuple[int])
        assert found is not None
        return int(found[0] or 0)


class GatewayProcess:
    """One life of a process in a slot: seat, journal, shard."""

    def __init__(self, world: MoneyWorld, slot: int) -> None:
        self.world = world
        self.slot = slot
        self.folder = folder = world.folder / f"slot-{slot}"
        folder.mkdir(exist_ok=True)
        self.recover(folder)
        with world.store.write() as tx:
            opened = world.teller.open(tx, OpenSeat(slot), world.clock.now_ms())
        self.seat = opened.seat
        self.journal = Journal(folder, DEPLOYMENT, self.seat, world.segment_bytes, disk=world.disk)
        self.journal.keep()
        self.shard = Shard(self.seat, self.journal, world.clock, ShardTerms())
        self.shard.beat(world.clock.monotonic_ns())
        world.gateways[self.seat] = self

    def recover(self, folder: Path) -> None:
        """Post and close what the processes before left in this slot."""
        world = self.world
        for old in recover(folder, DEPLOYMENT, now_ms=0).seats:
            for posting in old.postings(200):
                world.tell(old.seat, posting)
            with world.store.write() as tx:
                answers = world.teller.receive(tx, old.seat, old.close(), world.clock.now_ms())
            assert (old.seat, SeatClosed(old.seat)) in answers
            world.deliver(answers)
            old.discard()

    def speak(self) -> bool:
        """Send everything there is to say; tell whether there was anything."""
        messages: list[Up] = [*self.shard.wanted(), *self.shard.idle()]
        while posting := self.shard.unposted(200):
            messages.append(posting)
        for message in messages:
            self.world.tell(self.seat, message)
        return bool(messages)

    def kill(self) -> None:
        """End as `kill -9` would: only the journal's files stay, and the desk sees the link go."""
        del self.world.gateways[self.seat]
        self.world.teller.left(self.seat)
        if self.journal._next is not None:
            self.journal._next.close()  # the file of the next segment stays
            self.journal._next = None
        self.journal.close()

    def admit(
        self, purses: tuple[bytes, ...], want: int, least: int = 1
    ) -> tuple[bytes, int] | Short:
        """Reserve as the wallet port does: ask while the answer is that the lease is dry."""
        reservation = self.world.ids.raw()
        for _ in range(4):
            found = self.shard.admit(reservation, purses, want, least)
            if isinstance(found, int):
                return reservation, found
            if found.kind is not found.kind.DRY:
                return found
            self.world.pump()
            self.world.wait(50)
        raise AssertionError("the desk answers within a few rounds")

    def spend(self, purses: tuple[bytes, ...], want: int, charge: int) -> bytes:
        """Admit and settle one request; return its reservation."""
        admitted = self.admit(purses, want)
        assert not isinstance(admitted, Short), admitted
        self.shard.settle(admitted[0], charge, b"record")
        return admitted[0]
