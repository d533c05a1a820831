"""A gateway process: wire, stages, shard and journal. It opens no file but its journal.

Order at the start: settings, desk, what earlier lives of the slot left in the journal, a new seat,
tables; only then a connection is accepted. Order at the end: no new connections, running requests,
last postings, leases back. Without a listener it only settles what lies in its folder.
"""

import asyncio
import gc
import signal
import socket
import sys
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Final

import uvloop

from troth.catalog.offering import Upstream
from troth.gateway.counters import Counters
from troth.gateway.dialects.key_memory import KeyMemory
from troth.gateway.endpoints.table import PATHS
from troth.gateway.estimates import Ratios
from troth.gateway.outlet import Outlets
from troth.gateway.ports import Call
from troth.gateway.rates import Rates
from troth.gateway.world import Limits, World
from troth.kernel.clock import Clock, SystemClock
from troth.kernel.errors import Misconfigured
from troth.kernel.ids import IdMaker, system_entropy
from troth.kernel.log import Log
from troth.ledger.shard import Journal, Shard, ShardTerms, recover
from troth.ledger.shard.messages import CloseSeat
from troth.providers import UpstreamRequest
from troth.providers.simulated import Simulated
from troth.routing.health import Health
from troth.server import messages
from troth.server.faults import where
from troth.server.handover import (
    NO_LISTENER,
    Alive,
    Failed,
    GatewayHandover,
    Ready,
    take,
    tell,
)
from troth.server.hardening import SmallBlocks, UsedStack, erases, forbid_dumps
from troth.server.keeper import AnyKeeper, begun, kept_by
from troth.server.link import Link, LinkedKeys, LinkedReads, LinkLost
from troth.server.listener import guarded, refuse, tell_by_line, tls_of
from troth.server.log_lines import (
    JournalReplayed,
    JournalSetAside,
    NotErasing,
    ProcessFailed,
    SheddingChanged,
)
from troth.server.names import LinkedNames
from troth.server.purses import POSTING_COUNT, Purses
from troth.server.rates_memory import cells, written_rows
from troth.server.shedding import Shedding
from troth.server.slot_folder import discard, own
from troth.server.standard_error import to_standard_error
from troth.server.tables import HeldCredentials, Tables
from troth.wire import Deadlines, Origin, Pool, Receiver, Server
from troth.wire.tls import client_context

_REPORT_SECONDS: Final = 1.0
_OVERWRITE_SECONDS: Final = 0.4
_LAST_WORD_SECONDS: Final = 2.0
_HEAR_OUT_SECONDS: Final = 1.0
_HEAR_OUT_TURNS: Final = 20
_LOCK_SECONDS: Final = 0.05
_LOOK_SECONDS: Final = 0.25
_GC_THRESHOLDS: Final = (200_000, 50, 100)
_DIGEST_KEY_BYTES: Final = 32


class Ways:
    """The way out: a pool of connections, and the provider that lives in this process."""

    def __init__(self, pool: Pool, simulated: Simulated) -> None:
        self.pool = pool
        self._simulated = simulated
        self._origins: dict[str, Origin] = {}

    def send(
        self,
        upstream: Upstream,
        request: UpstreamRequest,
        receiver: Receiver,
        deadlines: Deadlines,
    ) -> Call:
        """Send a request to an upstream of the configuration."""
        if upstream.dialect == "simulated":
            return self._simulated.send(upstream, request.head, request.body, receiver, deadlines)
        origin = self._origins.get(upstream.id)
        if origin is None:
            host = upstream.host
            origin = self._origins[upstream.id] = Origin(upstream.scheme, host, upstream.port, host)
        return self.pool.send(origin, request.head, request.body, receiver, deadlines)


class Gateway:
    """One process's parts, from the settings to the listening socket."""

    def __init__(self, handover: GatewayHandover, clock: Clock, log: Log) -> None:
        self._handover = handover
        self._clock = clock
        self._log = log
        serving = handover.serving
        self.tables = Tables(clock, serving.stale_seconds)
        self.link = Link(handover.desk_socket, handover.slot, self.tables, clock, log=log)
        self.counters = Counters()
        tls = client_context("1.2", serving.extra_ca or None)
        self.ways = Ways(Pool(serving.upstream, clock, tls), Simulated())
        self._lock: BinaryIO | None = None
        self._journal: Journal | None = None
        self._keeper: AnyKeeper | None = None
        self._server: Server | None = None
        self._world: World | None = None
        self._shedding = Shedding(serving.memory_bytes)
        self.purses: Purses | None = None

    async def start(self) -> None:
        """Come up; returns when connections are accepted."""
        folder = Path(self._handover.journal_directory)
        while self._lock is None:
            self._lock = own(folder)
            await asyncio.sleep(0 if self._lock else _LOCK_SECONDS)
        deployment = await self._settle_the_past(folder, self._handover.slot)
        if self._handover.listener == NO_LISTENER:
            return
        await self._open_seat(deployment)
        await self.link.filled()
        world = self._world = self._make_world()
        serving = self._handover.serving
        self._server = Server(
            guarded(world, self._log),
            serving.limits,
            self._clock,
            refuse(world),
            tls=tls_of(serving),
            paths=PATHS,
        )
        gc.collect()
        gc.freeze()
        gc.set_threshold(*_GC_THRESHOLDS)
        await self._server.start(socket.socket(fileno=self._handover.listener))

    async def _settle_the_past(self, folder: Path, slot: int) -> bytes:
        """Post what earlier seats of this slot journaled and end them; return the deployment."""
        while True:
            deployment = await self.link.welcomed()
            found = recover(folder, deployment, self._clock.now_ms())
            if found.set_aside:
                self._log.write(JournalSetAside(slot, len(found.set_aside)))
            with suppress(LinkLost):
                for old in found.seats:
                    for posting in old.postings(POSTING_COUNT):
                        await self.link.post(posting)
                    await self.link.close_seat(CloseSeat(old.seat, list(old.orphans)))
                    old.discard()
                settled = sum(len(old.settlements) for old in found.seats)
                orphans = sum(len(old.orphans) for old in found.seats)
                self._log.write(JournalReplayed(slot, len(found.seats), settled, orphans))
                return deployment

    async def _open_seat(self, deployment: bytes) -> None:
        seat = b""
        while not seat:
            await self.link.welcomed()
            with suppress(LinkLost):
                seat = await self.link.open_seat()
        handover = self._handover
        self._journal = Journal(
            Path(handover.journal_directory), deployment, seat, handover.serving.segment_bytes
        )
        terms = ShardTerms(valid_ms=handover.serving.stale_seconds * 1_000)
        shard = Shard(seat, self._journal, self._clock, terms)
        self.purses = Purses(shard, self._journal, self.link, handover.serving.waits)
        self._keeper = begun(self._journal, self.purses, is_strict=handover.serving.is_strict)
        self.link.purses = self.purses
        self.purses.beat(self.tables.beaten_ns)

    def _make_world(self) -> World:
        assert self.purses is not None
        clock, memory = self._clock, self._handover.rates
        return World(
            keys=LinkedKeys(self.tables, self.link, clock),
            offerings=self.tables,
            wallet=self.purses,
            reads=LinkedReads(self.link),
            names=LinkedNames(self.link),
            upstreams=self.ways,
            clock=clock,
            ids=IdMaker(clock),
            entropy=system_entropy,
            rates=Rates(cells(memory), self._handover.slot, written_rows(memory)),
            outlets=Outlets(HeldCredentials(self.tables), Health(clock)),
            ratios=Ratios(),
            counters=self.counters,
            pause=_pause,
            limits=Limits(),
            memory=self._shedding,
            verified={},
            digest_key=system_entropy(_DIGEST_KEY_BYTES),
            hint_key=self._handover.hint_key,
            proxies=self._handover.serving.limits.trusted,
            kept=kept_by(self._keeper),
        )

    async def watch_memory(self) -> None:
        """Refuse new requests while too much memory is in use; let silent streams speak."""
        while True:
            world, server = self._world, self._server
            if world is not None and server is not None:
                is_on = self._shedding.look(server.in_flight)
                if is_on is not world.is_shedding:
                    self._log.write(SheddingChanged(self._handover.slot, is_on))
                world.is_shedding = is_on
                world.silences.look(self._clock.monotonic_ns())
            await asyncio.sleep(_LOOK_SECONDS)

    async def stop(self) -> None:
        """Let running requests end, post what they owe, give the leases back."""
        if self._server is not None and self._world is not None:
            self._world.is_ready = False
            await self._hear_out(self._server)
            left = await self._server.drain(self._handover.serving.drain_seconds)
            if left:
                self._server.close()
                await asyncio.sleep(0)
        is_closed = await self._last_words()
        if self._keeper is not None and self._journal is not None:
            self._keeper.stop()
            self._journal.close()
        if is_closed and self.purses is not None:
            discard(Path(self._handover.journal_directory), self.purses.seat)
        await self.ways.pool.close()
        if self._server is not None:
            self._server.close()

    async def _hear_out(self, server: Server) -> None:
        """Accept no more, and serve what is on its way on connections that stand."""
        server.close_listener()
        for _ in range(_HEAR_OUT_TURNS):
            if not server.connections:
                return
            await asyncio.sleep(_HEAR_OUT_SECONDS / _HEAR_OUT_TURNS)

    async def _last_words(self) -> bool:
        """Post everything and end the seat; what the desk does not hear, the journal keeps."""
        purses = self.purses
        if purses is None:
            return False
        with suppress(TimeoutError, LinkLost):
            async with asyncio.timeout(_LAST_WORD_SECONDS):
                purses.flush()
                while purses.unposted_count:
                    await asyncio.sleep(0.005)
                    purses.flush()
                self.report()
                if not purses.open_count:
                    await self.link.close_seat(CloseSeat(purses.seat, []))
                    return True
        return False

    def report(self) -> None:
        """Tell the desk what was counted."""
        counters = self.counters
        purses = self.purses
        server = self._server
        if purses is None or server is None:
            return
        is_ready = purses.is_writable and not server.is_draining
        if self._world is not None:
            self._world.is_ready = is_ready
            is_ready = is_ready and self._world.keys.is_fresh
        self.link.send(
            messages.Counters(
                requests=[
                    messages.SeriesCount(*series, count)
                    for series, count in counters.requests.items()
                ],
                first_byte=counters.first_byte.counts,
                first_byte_sum_ms=counters.first_byte.sum_ms,
                events=counters.events,
                above_bound=counters.above_bound,
                tokens=counters.tokens,
                charged_nusd=counters.charged_nusd,
                in_flight=server.in_flight,
                connections=server.connections,
                upstream_connections=self.ways.pool.connections,
                reservations=purses.open_count,
                unposted=purses.unposted_count,
                is_ready=is_ready,
                refusing=sorted(counters.refusing),
            )
        )


async def _pause(ms: int) -> None:
    await asyncio.sleep(ms / 1_000)


async def serve(line: socket.socket, handover: GatewayHandover, clock: Clock, log: Log) -> None:
    """Serve until the life line closes or the books have closed our seat."""
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(tell_by_line(log))
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ended.set)
    line.settimeout(0)
    loop.add_reader(line, lambda: _heard(line, ended))
    gateway = Gateway(handover, clock, log)
    linked = loop.create_task(gateway.link.run())
    linked.add_done_callback(lambda _: ended.set())
    starting = loop.create_task(gateway.start())
    ending = loop.create_task(ended.wait())
    beating = loop.create_task(_beat(line, gateway, ended))
    overwriting = loop.create_task(_overwrite())
    watching = loop.create_task(gateway.watch_memory())
    await asyncio.wait((starting, ending), return_when=asyncio.FIRST_COMPLETED)
    if starting.done():
        await _started(starting, line)
        is_erasing = erases(system_entropy)
        if handover.serving.erase_on_free and not is_erasing:
            log.write(NotErasing(handover.slot))
        tell(line, Ready(is_erasing))
        if handover.listener != NO_LISTENER:
            await ending
    else:
        starting.cancel()
    await gateway.stop()
    for task in (beating, overwriting, watching):
        task.cancel()
    loop.remove_reader(line)
    if linked.done():
        await linked  # it never ends by itself: this raises what ended it
    linked.cancel()


async def _started(starting: asyncio.Task[None], line: socket.socket) -> None:
    """Let the operator know why a gateway could not start."""
    try:
        await starting
    except Misconfigured as wrong:
        tell(line, Failed(wrong.problem))
        raise


def _heard(line: socket.socket, ended: asyncio.Event) -> None:
    """The supervisor says nothing: whatever is heard is its end."""
    with suppress(BlockingIOError):
        line.recv(1)
        ended.set()


async def _beat(line: socket.socket, gateway: Gateway, ended: asyncio.Event) -> None:
    """Each second, a sign of life to the supervisor and a report to the desk."""
    while True:
        tell(line, Alive())
        gateway.report()
        if gateway.link.is_over.is_set():
            ended.set()
        await asyncio.sleep(_REPORT_SECONDS)


async def _overwrite() -> None:
    """Leave nothing of a request in what decoder and C library keep for reuse, nor on the stack."""
    places = (KeyMemory(), SmallBlocks(), UsedStack())
    while True:
        for place in places:
            place.overwrite()
        await asyncio.sleep(_OVERWRITE_SECONDS)


def _tell_fault(log: Log, error: BaseException, traceback: TracebackType | None) -> None:
    found = where(error, traceback)
    log.write(ProcessFailed(found.plane, found.line, found.kind))


def main(number: int) -> None:
    """Run a gateway whose life line is the descriptor `number`."""
    forbid_dumps()
    with socket.socket(fileno=number) as line:
        handover = take(line, GatewayHandover)
        Path(handover.journal_directory).mkdir(mode=0o700, parents=True, exist_ok=True)
        clock = SystemClock()
        log = Log(to_standard_error, clock, f"gateway-{handover.slot}")
        sys.excepthook = lambda _, error, traceback: _tell_fault(log, error, traceback)
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(serve(line, handover, clock, log))


if __name__ == "__main__":
    main(int(sys.argv[1]))
