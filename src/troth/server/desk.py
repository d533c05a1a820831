"""The sync end of the link: one thread a gateway, one writer, one thread for beats.

What gateways ask about money goes to the teller, several messages in one transaction, and answers
leave once it is committed. When a transaction fails, the link is cut: the gateway asks again.
"""

import socket
from collections.abc import Mapping, Sequence
from contextlib import suppress
from threading import Condition, Event, Lock, Thread
from typing import Final

import msgspec

from troth.catalog.load import Catalog
from troth.kernel.clock import Clock
from troth.kernel.errors import InvariantBroken
from troth.kernel.log import Log
from troth.ledger.books import Outgoing, Teller
from troth.ledger.shard import messages as money
from troth.server import snapshot
from troth.server.desk_link import DeskLink
from troth.server.desk_names import DeskNames
from troth.server.desk_reads import DeskReads
from troth.server.faults import number_of
from troth.server.log_lines import DatabaseBusy, DatabaseUnwritable, LinkRefused, MoneyStopped
from troth.server.messages import (
    BUILD,
    Applied,
    Asked,
    Beat,
    BrokenLink,
    BudgetRefused,
    Counters,
    Hello,
    Leaving,
    Up,
    Welcome,
)
from troth.server.metrics import Metrics
from troth.server.office import Told
from troth.server.shelf import Shelf, Stock
from troth.store import deployment
from troth.store.engine import Store
from troth.store.transaction import Locked, Unwritable

BEAT_MS: Final = 500
_RENEW_MS: Final = 5_000
_APPLY_SECONDS: Final = 2.0
_STOP_SECONDS: Final = 5
_LEAVE_SECONDS: Final = 0.5
_DOOR_SECONDS: Final = 0.1
_MS: Final = 1_000_000


class Terms(msgspec.Struct, frozen=True):
    """Whose journals may be replayed here, how many gateways there are, when they distrust us.

    `usage_days` is how long the rows of single requests are kept, 0 for always.
    `catalog` and `credentials` (by upstream) are what gateways sell and with what they pay.
    """

    deployment: bytes
    slots: int
    stale_seconds: int
    catalog: Catalog
    credentials: Mapping[str, str]
    usage_days: int = 0
    names: DeskNames | None = None


class Desk:
    """Serves gateways until it is stopped. `refresh` is management's word to them."""

    def __init__(
        self,
        store: Store,
        teller: Teller,
        terms: Terms,
        metrics: Metrics,
        *,
        clock: Clock,
        log: Log,
    ) -> None:
        self._store = store
        self._teller = teller
        self._clock = clock
        self._log = log
        self._terms = terms
        self._metrics = metrics
        self._shelf = Shelf(Stock(terms.catalog), terms.credentials)
        self._links: dict[bytes, DeskLink] = {}
        self._refused: dict[bytes, int] = {}
        self._money = Lock()
        self._tables = Lock()
        self._applied = Condition()
        self._wake = Event()
        self._is_stopping = False
        self._threads: list[Thread] = []
        self._door: Thread | None = None
        self._attending: set[DeskLink] = set()
        self._reads = DeskReads(store, clock, self._introduce, terms.usage_days, names=terms.names)
        self._generation = clock.now_ms()
        self._count = 0
        self._answered_ns = 0
        self._is_writable = True
        self.is_broken = False
        """A rule of the books did not hold: no money work until somebody has looked."""

    # --- staying up ----------------------------------------------------------------------------

    @property
    def is_ready(self) -> bool:
        """Whether the database answered lately and can write, and the books agree."""
        silent_ns = self._clock.monotonic_ns() - self._answered_ns
        return self._is_writable and not self.is_broken and silent_ns < 4 * BEAT_MS * _MS

    def serve(self, listener: socket.socket) -> None:
        """Take gateways from the socket and beat, each in threads of their own."""
        self._look()
        listener.settimeout(_DOOR_SECONDS)
        self._door = Thread(target=self._accept, args=(listener,), name="desk-door", daemon=True)
        self._door.start()
        self._start(Thread(target=self._beat, name="desk-beat", daemon=True))

    def _start(self, thread: Thread) -> None:
        """Start a thread that uses the database; `stop` waits for it."""
        self._threads = [each for each in self._threads if each.is_alive()]
        self._threads.append(thread)
        thread.start()

    def stop(self) -> None:
        """Take leave: gateways hang up, or are cut off. Afterwards nobody uses the database."""
        self._is_stopping = True
        self._wake.set()
        if self._door is not None:
            self._door.join(_STOP_SECONDS)
        for link in tuple(self._attending):
            link.send([Leaving()])
        for seconds in (_LEAVE_SECONDS, _STOP_SECONDS):
            for thread in tuple(self._threads):
                thread.join(seconds)
            for link in tuple(self._attending):
                link.cut()
        self._reads.stop()

    def _accept(self, listener: socket.socket) -> None:
        while not self._is_stopping:
            try:
                connection, _ = listener.accept()
            except TimeoutError:
                continue
            except OSError:
                return
            self._count += 1
            link = DeskLink(connection, b"?%d" % self._count)
            self._attending.add(link)
            self._start(Thread(target=self._attend, args=(link,), name="desk-link", daemon=True))

    def _attend(self, link: DeskLink) -> None:
        """Serve one gateway until it hangs up or a transaction fails."""
        try:
            while (messages := link.read()) is not None:
                if not self._take(link, messages):
                    break
        except BrokenLink:
            self._log.write(LinkRefused(max(0, link.slot)))
        except Unwritable:
            self._is_writable = False
            self._log.write(DatabaseUnwritable())
        except Locked:
            self._log.write(DatabaseBusy())
        except InvariantBroken as broken:
            self.is_broken = True
            self._log.write(MoneyStopped(number_of(broken.rule)))
        finally:
            with self._money:
                if self._links.get(link.owner, link) is link:  # else another took its place
                    self._teller.left(link.owner)
                    self._links.pop(link.owner, None)
            self._metrics.left(link.owner)
            self._attending.discard(link)
            link.cut()
            link.close()

    # --- what gateways say ---------------------------------------------------------------------

    def _take(self, link: DeskLink, messages: Sequence[Up]) -> bool:
        """Do what the messages ask; False when the link must end."""
        asked: list[money.Up] = []
        for message in messages:
            match message:
                case Hello():
                    if not self._welcome(link, message):
                        return False
                case Applied(generation):
                    with self._applied:
                        link.applied = generation
                        self._applied.notify_all()
                case Counters():
                    self._metrics.take(link.slot % self._terms.slots, link.owner, message)
                case BudgetRefused(purse):
                    self._refused[purse] = self._clock.now_ms()
                case _ if isinstance(message, Asked):
                    self._reads.ask(link, message)
                case _:
                    asked.append(message)
        return self._take_money(link, asked) if asked else True

    def _welcome(self, link: DeskLink, hello: Hello) -> bool:
        if hello.build != BUILD:
            self._log.write(LinkRefused(hello.slot))
            return False
        link.slot = hello.slot
        sent: list[Outgoing] = []
        if hello.seat:
            with self._money, self._teller.attempt(), self._store.write() as transaction:
                ended = self._teller.resume(transaction, hello.seat, self._clock.now_ms())
            link.owner = hello.seat
            sent = [(hello.seat, ended)] if ended is not None else []
        link.send([Welcome(self._terms.deployment), Beat(self._answered_ns)])
        with self._tables:
            with self._store.read() as transaction:
                keys_parts = snapshot.key_parts(transaction, self._generation, self._clock.now_ms())
            link.send(self._shelf.parts(self._generation))
            link.send(keys_parts)
            link.is_partial = keys_parts[-1].is_partial
            self._links[link.owner] = link
        self._deliver(sent)
        return True

    def _take_money(self, link: DeskLink, asked: Sequence[money.Up]) -> bool:
        if self.is_broken:
            return False
        sent: list[Outgoing] = []
        with self._money:
            with self._teller.attempt(), self._store.write() as transaction:
                for message in asked:
                    now_ms = self._clock.now_ms()
                    sent += self._teller.receive(transaction, link.owner, message, now_ms)
            for _, answer in sent:
                if isinstance(answer, money.SeatOpened):
                    self._links.pop(link.owner, None)
                    link.owner = answer.seat
                    self._links[answer.seat] = link
            self._deliver(sent)
            is_awaited = self._teller.due_ms is not None
        if is_awaited:
            self._wake.set()
        return True

    def _deliver(self, sent: Sequence[Outgoing]) -> None:
        """Send what was committed, each gateway its part in one write."""
        by_owner: dict[bytes, list[money.Down]] = {}
        for owner, message in sent:
            by_owner.setdefault(owner, []).append(message)
        for owner, messages in by_owner.items():
            link = self._links.get(owner)
            if link is not None:
                link.send(messages)

    # --- unasked -------------------------------------------------------------------------------

    def refresh(self, public_ids: Sequence[str], orgs: Sequence[str]) -> Told:
        """Tell all gateways how these keys and organizations stand now; wait for their word."""
        with self._tables:
            self._generation += 1
            generation = self._generation
            with self._store.read() as transaction:
                now_ms = self._clock.now_ms()
                change = snapshot.delta(
                    transaction, public_ids, orgs, generation=generation, now_ms=now_ms
                )
            for link in tuple(self._links.values()):
                link.send([change])
        return self._told(generation)

    def _introduce(self, link: DeskLink, public_id: str) -> None:
        """Tell one gateway of a key, in order with what is told to all."""
        with self._tables, self._store.read() as transaction:
            found = snapshot.introduction(
                transaction, public_id, generation=self._generation, now_ms=self._clock.now_ms()
            )
            link.send([found])

    @property
    def mark(self) -> tuple[int, ...]:
        """The mark of the stock that gateways sell."""
        return self._shelf.mark

    def sell(self, stock: Stock) -> Told:
        """Put prices in force at all gateways that are not yet; wait for their word."""
        told = Told()
        with self._tables:
            moved = self._shelf.moved(stock)
            is_new = self._shelf.put(stock)
            if is_new:
                self._generation += 1
                parts = self._shelf.parts(self._generation)
                for link in tuple(self._links.values()):
                    link.send(parts)
            generation = self._generation
        if is_new:
            told = self._told(generation)
        return self.refresh((), moved) if moved else told

    def _told(self, generation: int) -> Told:
        """Wait until all gateways have a generation in force, but not for long."""
        with self._applied:
            self._applied.wait_for(lambda: not self._behind(generation), _APPLY_SECONDS)
        silent = self._behind(generation)
        until_ms = self._clock.now_ms() + self._terms.stale_seconds * 1_000 if silent else 0
        return Told(self._terms.slots - len(silent), silent, until_ms)

    def call_back(self, purse: bytes) -> None:
        """Ask all gateways for what they have of a purse and do not need now."""
        with suppress(Locked), self._money:
            with self._store.write() as transaction:
                sent = self._teller.call_back(transaction, purse)
            self._deliver(sent)

    def refused(self) -> Mapping[bytes, int]:
        """Return which budgets refused a request since the last call, and when (unix ms)."""
        refused, self._refused = self._refused, {}
        return refused

    def _behind(self, generation: int) -> tuple[int, ...]:
        """Return the places where not everybody has said that a generation is in force.

        Two slots share a place while one gateway takes over from another.
        """
        slots = self._terms.slots
        links = tuple(self._links.values())
        there = {link.slot % slots for link in links}
        late = {link.slot % slots for link in links if link.applied < generation}
        return tuple(slot for slot in range(slots) if slot not in there or slot in late)

    def _beat(self) -> None:
        """Say each half second that we live; answer those who waited for a recall."""
        beaten_ns, renewed_ns = 0, self._clock.monotonic_ns()  # gateways have till then to return
        while not self._is_stopping:
            self._wake.wait(self._pause_seconds())
            self._wake.clear()
            now_ns = self._clock.monotonic_ns()
            if now_ns - beaten_ns >= BEAT_MS * _MS:
                beaten_ns = now_ns
                if self._look():
                    for link in tuple(self._links.values()):
                        link.send([Beat(self._answered_ns)])
            is_due = now_ns - renewed_ns >= _RENEW_MS * _MS or not self._is_writable
            if is_due and self._renew():
                renewed_ns = now_ns
            self._tick()

    def _pause_seconds(self) -> float:
        due_ms = self._due_ms()
        if due_ms is None:
            return BEAT_MS / 4_000
        return min(BEAT_MS, max(1, due_ms - self._clock.now_ms())) / 1_000

    def _due_ms(self) -> int | None:
        with self._money:
            return self._teller.due_ms

    def _look(self) -> bool:
        """Ask the database anything; note when it answered."""
        try:
            with self._store.read() as transaction:
                transaction.row("SELECT 1")
        except Locked:
            return False
        self._answered_ns = self._clock.monotonic_ns()
        return True

    def _renew(self) -> bool:
        """Let linked seats live on, and take back what silent ones held."""
        now_ms = self._clock.now_ms()
        try:
            with self._money, self._teller.attempt(), self._store.write() as transaction:
                if not self._is_writable:
                    deployment.rewrite(transaction)
                sent = self._teller.renew(transaction, now_ms)
                sent += self._teller.reclaim(transaction, now_ms)
        except Locked as error:
            self._is_writable = not isinstance(error, Unwritable)
            return False
        self._is_writable = True
        self._deliver(sent)
        return True

    def _tick(self) -> None:
        due_ms = self._due_ms()
        if due_ms is None or due_ms > self._clock.now_ms():
            return
        with suppress(Locked), self._money:
            with self._teller.attempt(), self._store.write() as transaction:
                sent = self._teller.tick(transaction, self._clock.now_ms())
            self._deliver(sent)
