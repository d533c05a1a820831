"""The real ledger under a seeded scheduler: links break, processes die, sleep and wake, time jumps,
disks fill up, and power cuts take what was not yet kept.

One process, one thread, a virtual clock. Every step is drawn from one seed, so a failure replays.
`Oracle` knows only what was credited and what was settled; it compares the books with that.
"""

import random as randomness  # noqa: TID251 - seeded below; the seed is printed on failure
from collections import Counter, deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from tests.builders.money_world import GatewayProcess, MoneyWorld
from tests.simulation.fragile_disk import FragileDisk
from troth.control.budgets import Mode, Rule, set_rule
from troth.kernel.errors import TrothError
from troth.kernel.periods import Period
from troth.ledger.books import Outgoing, close_day, verify, wallet_purse
from troth.ledger.books.chain import MS_OF_DAY
from troth.ledger.shard import Short, ShortKind
from troth.ledger.shard.messages import Down, Up  # noqa: TC001
from troth.store.engine import Store

_SLOTS = 3
_CALENDARS = (
    (Period.DAY, "Europe/Zurich"),
    (Period.WEEK, "America/New_York"),
    (Period.MONTH, "Australia/Lord_Howe"),
)
_LIMIT = 60_000
_SEGMENT_BYTES = (4_096, 8_192, 32_768)


class StoreFailed(TrothError):
    """The database failed before or after its commit, as the scheduler wished."""


def fail_if(is_due: bool) -> None:  # noqa: FBT001
    """Fail inside a transaction."""
    if is_due:
        raise StoreFailed


class Line:
    """A gateway process with its link: messages on the way, and whether either end sleeps."""

    def __init__(self, process: GatewayProcess) -> None:
        self.process = process
        self.up: deque[Up] = deque()
        self.down: deque[Down] = deque()
        self.is_linked = True
        self.is_asleep = False
        self.is_given_up = False
        """The desk has left it while it slept; it has not noticed yet."""
        self.open: dict[bytes, tuple[bytes, ...]] = {}
        self.waiting: list[tuple[tuple[bytes, ...], int, int]] = []
        self.unkept: set[bytes] = set()
        """What was settled since the journal was last written to disk."""


class Oracle:
    """What must come out: kept apart from the books."""

    def __init__(self) -> None:
        self.credited: Counter[bytes] = Counter()
        self.settled: dict[bytes, tuple[int, tuple[bytes, ...]]] = {}
        self.may_be_lost: set[bytes] = set()
        self.reclaimed = False

    def check(self, world: MoneyWorld) -> None:
        """Compare at rest: everything is posted and every seat closed."""
        posted = {each.reservation: each for each in world.posted}
        assert len(posted) == len(world.posted), "a settlement was posted twice"
        assert posted.keys() <= self.settled.keys(), "something was posted that nobody settled"
        assert self.settled.keys() - posted.keys() <= self.may_be_lost, "a settlement was lost"
        paid: Counter[bytes] = Counter()
        for reservation, each in posted.items():
            charge, purses = self.settled[reservation]
            assert each.charged + each.late == charge
            assert each.late == 0 or self.reclaimed, "the operator pays only for lost seats"
            for purse in purses:
                paid[purse] += each.charged
        for purse, amount in self.credited.items():
            if purse[:1] == b"w":
                found = world.wallet(purse[1:])
                assert (found.posted, found.held) == (amount - paid[purse], 0)
        budgets = "SELECT coalesce(sum(spent), 0) FROM budget WHERE purse = ?"
        for purse in paid:
            if purse[:1] == b"k":
                assert world.number(budgets, purse) == paid[purse]
                assert (
                    world.number("SELECT max(spent) FROM budget WHERE purse = ?", purse) <= _LIMIT
                )
        with world.store.read() as tx:
            assert verify(tx).problems == []


class Simulation:
    """Draws one step after another."""

    def __init__(self, store: Store, folder: Path, seed: int, *, has_years: bool = False) -> None:
        """With `has_years` weeks go by at a time, calendars have zones, and clocks are set."""
        self.disk = FragileDisk()
        self.random = randomness.Random(seed)  # noqa: S311
        segment_bytes = self.random.choice(_SEGMENT_BYTES)
        self.world = MoneyWorld(store, folder, segment_bytes=segment_bytes, disk=self.disk)
        self.oracle = Oracle()
        self.seen: Counter[str] = Counter()
        self.ghosts: list[tuple[bytes, Up]] = []
        before_midnight = MS_OF_DAY - self.world.clock.now_ms() % MS_OF_DAY
        self.world.clock.advance(before_midnight - self.random.randrange(60_000))
        self.purses: list[tuple[bytes, ...]] = []
        for number, amount in enumerate((30_000, 900_000, 80_000_000)):
            org = self.world.organization()
            self.credit(wallet_purse(org), amount)
            key = b"k" + number.to_bytes(16, "big")
            period, zone = Period.DAY if number % 2 else Period.TOTAL, "UTC"
            if has_years:
                period, zone = _CALENDARS[number]
            rule = Rule(key, period, zone, Mode.HARD, _LIMIT)
            with store.write() as tx:
                set_rule(tx, rule, self.world.clock.now_ms())
            self.purses += [(wallet_purse(org),), (wallet_purse(org), key)]
        self.lines = [Line(self.world.gateway(slot)) for slot in range(_SLOTS)]
        self.steps: list[tuple[int, Callable[[], None]]] = [
            (300, self.arrive), (80, self.extend), (300, self.finish), (30, self.abort),
            (300, self.speak), (500, self.serve), (500, self.hear), (10, self.break_link),
            (100, self.mend_link), (3, self.kill), (14, self.fall_asleep), (40, self.wake),
            (100, self.pass_time), (12, self.jump), (8, self.top_up), (2, self.end_day),
            (2, self.restart_desk), (20, self.haunt), (60, self.keep), (2, self.cut_power),
            (3, self.fill_disk), (20, self.free_disk), (10, self.outlive),
        ]  # fmt: skip
        if has_years:
            self.steps += [(10, self.pass_weeks), (20, self.set_clock)]

    def run(self, count: int) -> None:
        """Draw steps, then come to rest and ask the oracle."""
        weights = [weight for weight, _ in self.steps]
        for _, step in self.random.choices(self.steps, weights, k=count):
            step()
        self.rest()
        self.oracle.check(self.world)
        self.seen["settled"] = len(self.oracle.settled)
        self.seen["lost"] = len(self.oracle.settled) - len(self.world.posted)
        self.seen["late"] = sum(each.late > 0 for each in self.world.posted)

    def credit(self, purse: bytes, amount: int) -> None:
        self.world.credit(purse[1:], amount)
        self.oracle.credited[purse] += amount

    def awake(self) -> Line:
        lines = [
            line for line in self.lines if not line.is_asleep and not line.process.shard.is_over
        ]
        lines = lines or self.lines
        return self.random.choice(lines)

    # --- requests

    def arrive(self) -> None:
        line = self.awake()
        purses = self.random.choice(self.purses)
        want = self.random.choice((10, 700, 5_000, 20_000, 60_000))
        self.admit(line, purses, want, max(1, self.random.choice((1, want // 2, want))))

    def admit(self, line: Line, purses: tuple[bytes, ...], want: int, least: int) -> None:
        """Reserve, or wait for the desk as the wallet port does."""
        reservation = self.world.ids.raw()
        found = line.process.shard.admit(reservation, purses, want, least)
        if not isinstance(found, Short):
            line.open[reservation] = purses
        elif found.kind is ShortKind.UNWRITABLE:
            self.seen["full"] += 1
        elif found.kind is ShortKind.DRY and line.is_linked:
            line.waiting.append((purses, want, least))

    def some_open(self) -> tuple[Line, bytes] | None:
        line = self.awake()
        return (line, self.random.choice(list(line.open))) if line.open else None

    def extend(self) -> None:
        if found := self.some_open():
            found[0].process.shard.extend(found[1], self.random.choice((1, 500, 9_000)))

    def finish(self) -> None:
        if found := self.some_open():
            line, reservation = found
            used = self.random.choice((0, 1, 300, 5_000, 70_000))
            charge = line.process.shard.cover(reservation, used)
            line.process.shard.settle(reservation, charge, b"u" * self.random.randrange(300))
            self.oracle.settled[reservation] = charge, line.open.pop(reservation)
            line.unkept.add(reservation)

    def abort(self) -> None:
        if found := self.some_open():
            found[0].process.shard.abort(found[1])
            del found[0].open[found[1]]

    # --- the link

    def speak(self) -> None:
        line = self.awake()
        if not line.is_linked:
            return
        shard = line.process.shard
        line.up.extend(shard.wanted())
        line.up.extend(shard.idle())
        if posting := shard.unposted(self.random.choice((1, 3, 200))):
            line.up.append(posting)

    def serve(self) -> None:
        """The desk takes one message; sometimes its database fails."""
        ready = [line for line in self.lines if line.up]
        if not ready:
            return
        line = self.random.choice(ready)
        message = line.up.popleft()
        fate = self.random.random()
        posted = len(self.world.posted)
        world = self.world
        try:
            with world.teller.attempt(), world.store.write() as tx:
                seat = line.process.seat
                sent = world.teller.receive(tx, seat, message, world.clock.now_ms())
                fail_if(fate < 0.01)
        except StoreFailed:
            del world.posted[posted:]
            self.drop(line)
            if self.random.random() < 0.5:
                self.hear_out()
            return
        if fate < 0.02:
            self.drop(line)
            sent = [each for each in sent if each[0] != line.process.seat]
        self.send(sent)

    def send(self, sent: Sequence[Outgoing]) -> None:
        for seat, message in sent:
            for line in self.lines:
                if line.process.seat == seat and line.is_linked:
                    line.down.append(message)

    def hear(self) -> None:
        line = self.awake()
        if line.down and not line.is_asleep:
            filled = line.process.shard.apply(line.down.popleft())
            waiting, line.waiting = line.waiting, []
            for each in waiting:
                if filled in each[0]:
                    self.admit(line, *each)
                else:
                    line.waiting.append(each)

    def drop(self, line: Line) -> None:
        if self.random.random() < 0.3:
            self.ghosts += [(line.process.seat, message) for message in line.up]
        line.up.clear()
        line.down.clear()
        line.waiting.clear()
        line.is_linked = line.is_given_up = False
        line.process.shard.lost()
        self.world.teller.left(line.process.seat)

    def haunt(self) -> None:
        """The desk does what a broken link had still brought; nobody hears the answer."""
        if not self.ghosts:
            return
        seat, message = self.ghosts.pop(self.random.randrange(len(self.ghosts)))
        world = self.world
        with world.store.write() as tx:
            sent = world.teller.receive(tx, seat, message, world.clock.now_ms())
        self.send([each for each in sent if each[0] != seat])

    def break_link(self) -> None:
        self.drop(self.random.choice(self.lines))

    def mend_link(self) -> None:
        for line in self.lines:
            if line.is_linked or line.is_asleep:
                continue
            with self.world.store.write() as tx:
                seat = line.process.seat
                ended = self.world.teller.resume(tx, seat, self.world.clock.now_ms())
            if ended is not None:
                self.replace(line)
            line.is_linked = True

    # --- the machine

    def kill(self) -> None:
        self.replace(self.random.choice(self.lines))

    def replace(self, line: Line) -> None:
        """End a process and start another in its slot."""
        line.process.kill()
        self.succeed(line)

    def succeed(self, line: Line) -> None:
        self.seen["killed"] += 1
        self.seen["turned"] += line.process.journal._made > 2
        at = self.lines.index(line)
        self.disk.is_full = False  # else it would be started again and again until there is space
        self.lines[at] = Line(self.world.gateway(line.process.slot))

    def keep(self) -> None:
        """A process writes its journal to disk, and lays out the next segment if it can."""
        line = self.awake()
        line.process.journal.keep()
        line.unkept.clear()

    def fill_disk(self) -> None:
        """No segment can be laid out until there is space again, or a process is replaced."""
        self.disk.is_full = True

    def free_disk(self) -> None:
        self.disk.is_full = False

    def cut_power(self) -> None:
        """Everything dies at once; journals lose what was not kept, or parts of it."""
        self.seen["powerless"] += 1
        for line in self.lines:
            self.oracle.may_be_lost |= line.unkept
            line.process.kill()
            for path in sorted(line.process.folder.glob("*.journal")):
                self.seen["torn"] += self.disk.cut(path, self.random)
        self.ghosts.clear()
        self.world.teller = self.world.new_teller()
        for line in list(self.lines):
            self.succeed(line)

    def restart_desk(self) -> None:
        for line in self.lines:
            self.drop(line)
        self.world.teller = self.world.new_teller()

    def fall_asleep(self) -> None:
        self.random.choice(self.lines).is_asleep = True

    def outlive(self) -> None:
        """A process with something to settle sleeps until others may have what it had."""
        found = self.some_open()
        if found is not None:
            found[0].is_asleep = True
            self.advance(40_000)

    def wake(self) -> None:
        line = self.random.choice(self.lines)
        line.is_asleep = False
        if line.process.shard.is_over:
            self.replace(line)

    def pass_time(self) -> None:
        self.advance(self.random.choice((1, 10, 50, 500)))

    def jump(self) -> None:
        self.advance(self.random.choice((5_000, 12_000, 27_000, 40_000)))

    def advance(self, ms: int) -> None:
        world = self.world
        world.clock.advance(ms)
        now_ms = world.clock.now_ms()
        for line in self.lines:
            if line.is_asleep:
                world.teller.left(line.process.seat)
                line.is_given_up = True
        if self.random.random() < 0.05:
            with suppress(StoreFailed), world.teller.attempt(), world.store.write() as tx:
                world.teller.tick(tx, now_ms)
                raise StoreFailed
        with world.store.write() as tx:
            self.send(world.teller.tick(tx, now_ms))
            self.send(world.teller.renew(tx, now_ms))
            taken = world.teller.reclaim(tx, now_ms)
        if taken:
            self.oracle.reclaimed = True
        self.send(taken)
        for line in self.lines:
            if line.is_linked and not line.is_asleep:
                line.process.shard.beat(world.clock.monotonic_ns())

    def top_up(self) -> None:
        self.credit(self.random.choice(self.purses)[0], self.random.choice((1, 5_000, 200_000)))

    def end_day(self) -> None:
        self.world.clock.advance(self.random.choice((0, 86_400_000)))
        with self.world.store.write() as tx:
            close_day(tx, self.world.clock.now_ms())

    def pass_weeks(self) -> None:
        """Nobody does anything for a while; each day is closed."""
        days = self.random.randrange(1, 40)
        self.seen["days"] += days
        self.advance(days * MS_OF_DAY)
        with self.world.store.write() as tx:
            while close_day(tx, self.world.clock.now_ms()) is not None:
                pass

    def set_clock(self) -> None:
        """Somebody sets the clock of the wall, forward or back; what takes long is not changed."""
        self.world.clock.step(self.random.choice((-7_200_000, -3_600_000, -900, 60_000, 3_600_000)))

    def hear_out(self) -> None:
        """Everybody says and hears what there is: whoever asked has an answer, or no link."""
        for line in self.lines:
            line.is_asleep = False
            if line.is_given_up:
                self.drop(line)
        self.mend_link()
        for _ in range(4):
            self.exchange()
            self.advance(100)
        for line in self.lines:
            shard = line.process.shard
            purses = shard._leases._purses.values()
            assert shard.is_over or not any(purse.op for purse in purses), "an ask is forgotten"

    def exchange(self) -> None:
        """Carry what is on its way, and all that follows from it."""
        for line in self.lines:
            while line.down:
                line.process.shard.apply(line.down.popleft())
        for line in self.lines:
            while line.up:
                self.world.tell(line.process.seat, line.up.popleft())
        self.world.pump()

    def calm_down(self) -> None:
        """Everybody wakes and finishes: what is idle goes back, so that nothing stays lent."""
        self.hear_out()
        for line in self.lines:
            self.drop(line)
        self.mend_link()
        for line in self.lines:
            for reservation in list(line.open):
                line.process.shard.settle(reservation, 0, b"")
                self.oracle.settled[reservation] = 0, line.open.pop(reservation)
        for _ in range(4):
            self.exchange()
            self.advance(12_000)
        self.world.pump()
        held = "SELECT coalesce(sum(held), 0) FROM "
        assert self.world.number(held + "book") == 0, "something stays lent"
        assert self.world.number(held + "budget") == 0, "something stays lent"

    def rest(self) -> None:
        """Everybody dies and is succeeded; the journals tell the rest."""
        if self.random.random() < 0.5:
            self.calm_down()
        for line in list(self.lines):
            self.replace(line)
