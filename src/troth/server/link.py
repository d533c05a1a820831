"""The gateway's end of the link: a Unix socket to the desk, made again whenever it breaks.

Whoever asks waits for an answer by number; what is said down unasked goes to the tables and the
purses. Nothing waits for a desk that is away longer than it must.
"""

import asyncio
import hashlib
from contextlib import suppress
from typing import TYPE_CHECKING, Final, assert_never

from troth.gateway.ports import Question
from troth.kernel.clock import Clock
from troth.kernel.errors import Overloaded, RateLimited, ReceiptNotPosted, Unavailable
from troth.kernel.ids import raw_of
from troth.kernel.log import Log
from troth.kernel.receipt_errors import ReceiptExpired
from troth.kernel.secret import Secret
from troth.ledger.shard import messages as money
from troth.server.log_lines import LinkDown, LinkRefused, LinkUp, PriceSetRefused
from troth.server.messages import (
    BUILD,
    Applied,
    Beat,
    BrokenLink,
    CatalogPart,
    Delta,
    Down,
    DownReader,
    Found,
    Hello,
    KeyAnswer,
    KeyAsk,
    KeysPart,
    Leaving,
    NameAnswer,
    ReadAnswer,
    ReadAsk,
    Up,
    Welcome,
    frame,
)
from troth.server.tables import Tables

if TYPE_CHECKING:
    from troth.server.purses import Purses

_READ_BYTES: Final = 262_144
_RETRY_SECONDS: Final = 0.1
_PATIENCE_SECONDS: Final = 5.0
_AWAY_SECONDS: Final = 1.0
_SUCCESSOR_SECONDS: Final = 10.0
"""So long whoever needs the desk waits for another one, once this one has said that it leaves."""
_FAILURES_MAX: Final = 10
_FAILURES_WINDOW_NS: Final = 60_000_000_000
_FAILURES_KEPT: Final = 10_000

Key = tuple[str, bytes, int]


class LinkLost(Unavailable):
    """The link broke while somebody waited for an answer."""

    code = "link_lost"


class Link:
    """One gateway's link. `run` keeps it up; the rest is for those who ask."""

    def __init__(self, path: str, slot: int, tables: Tables, clock: Clock, *, log: Log) -> None:
        """`tables` takes what the desk sends; `purses` may be set once the seat is open."""
        self._path = path
        self._slot = slot
        self._tables = tables
        self._clock = clock
        self._log = log
        self._writer: asyncio.StreamWriter | None = None
        self._waiting: dict[Key, asyncio.Future[Down]] = {}
        self._asked = 0
        self._awaited_until = 0.0
        self._up: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self._whole: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.purses: Purses | None = None
        """Set once the seat is open."""
        self.is_over = asyncio.Event()
        """Set when the books have closed our seat: this process must be replaced."""

    # --- staying up ----------------------------------------------------------------------------

    @property
    def is_up(self) -> bool:
        """Whether the desk has welcomed us and the socket stands."""
        return self._up.done()

    async def welcomed(self) -> bytes:
        """Wait for the desk; return the deployment's sixteen bytes."""
        return await asyncio.shield(self._up)

    async def filled(self) -> None:
        """Wait until the tables were whole once."""
        await asyncio.shield(self._whole)

    async def run(self) -> None:
        """Connect, listen, and connect again, until cancelled."""
        while True:
            try:
                reader, self._writer = await asyncio.open_unix_connection(self._path)
            except OSError:
                await asyncio.sleep(_RETRY_SECONDS)
                continue
            try:
                await self._listen(reader)
            except BrokenLink:
                self._log.write(LinkRefused(self._slot))
            except OSError:
                pass
            finally:
                self._lose()
            await asyncio.sleep(_RETRY_SECONDS)

    async def _listen(self, reader: asyncio.StreamReader) -> None:
        seat = b"" if self.purses is None else self.purses.seat
        self.send(Hello(BUILD, self._slot, seat))
        ear = DownReader()
        while data := await reader.read(_READ_BYTES):
            for message in ear.feed(data):
                self._take(message)
                if isinstance(message, Leaving):
                    return  # nothing follows; what we write would meet a closed end

    def _lose(self) -> None:
        """Tell everybody who waits that no answer will come."""
        writer, self._writer = self._writer, None
        if writer is not None:
            writer.close()
        if self._up.done():
            self._up = asyncio.get_running_loop().create_future()
            self._log.write(LinkDown(self._slot))
        self._tables.forget_coming()
        waiting, self._waiting = self._waiting, {}
        for future in waiting.values():
            if not future.done():
                future.set_exception(LinkLost())
        if self.purses is not None:
            self.purses.lost()

    def send(self, message: Up) -> None:
        """Send a message up; one that meets no link is lost, and whoever sent it will know."""
        if self._writer is not None:
            self._writer.write(frame(message))

    async def flushed(self) -> None:
        """Wait until what was sent has left this process."""
        if self._writer is not None:
            with suppress(OSError):
                await self._writer.drain()

    # --- what comes down -----------------------------------------------------------------------

    def _take(self, message: Down) -> None:
        match message:
            case Beat(at_ns):
                self._tables.beat(at_ns)
                if self.purses is not None:
                    self.purses.beat(at_ns)
            case KeyAnswer() | ReadAnswer() | NameAnswer():
                self._answer((message.__class__.__name__, b"", message.ask), message)
            case KeysPart() | CatalogPart() | Delta():
                self._take_table(message)
            case Welcome(deployment):
                self._take_welcome(deployment)
            case Leaving():
                self._take_leave()
            case _:
                self._take_money(message)

    def _take_welcome(self, deployment: bytes) -> None:
        if not self._up.done():
            self._up.set_result(deployment)
        self._log.write(LinkUp(self._slot, self._tables.generation))
        if self.purses is not None:
            self.purses.welcomed()

    def _take_leave(self) -> None:
        """Wait longer for the next desk than for one that fell."""
        self._awaited_until = asyncio.get_running_loop().time() + _SUCCESSOR_SECONDS
        if self.purses is not None:
            self.purses.awaits(self._awaited_until)

    def _take_table(self, message: KeysPart | CatalogPart | Delta) -> None:
        tables = self._tables
        match message:
            case KeysPart():
                tables.take_keys(message)
            case CatalogPart():
                if not tables.take_catalog(message):
                    self._log.write(PriceSetRefused(self._slot))
                    return
            case Delta():
                tables.take_delta(message)
            case _ as never:
                assert_never(never)
        if isinstance(message, Delta) or message.is_last:
            self.send(Applied(message.generation))
        if tables.is_whole and not self._whole.done():
            self._whole.set_result(None)

    def _take_money(self, message: money.Down) -> None:
        purses = self.purses
        match message:
            case money.Ack(seat, upto) if purses is not None and seat == purses.seat:
                purses.acknowledged(upto)
            case money.Ack(seat, upto):
                self._answer(("Ack", seat, upto), message)
            case money.SeatClosed(seat) if ("SeatClosed", seat, 0) in self._waiting:
                self._answer(("SeatClosed", seat, 0), message)
            case money.SeatOpened():
                self._answer(("SeatOpened", b"", 0), message)
            case _ if purses is not None:
                purses.apply(message)
                if purses.is_over:
                    self.is_over.set()
            case _:
                pass

    def _answer(self, key: Key, message: Down) -> None:
        future = self._waiting.pop(key, None)
        if future is not None and not future.done():
            future.set_result(message)

    # --- asking --------------------------------------------------------------------------------

    async def ask(self, message: Up, key: Key) -> Down:
        """Send a message and return its answer.

        Raises:
            LinkLost: the link is down, broke meanwhile, or the desk was silent too long.
        """
        if not self.is_up:
            raise LinkLost
        future: asyncio.Future[Down] = asyncio.get_running_loop().create_future()
        self._waiting[key] = future
        self.send(message)
        timer = future.get_loop().call_later(_PATIENCE_SECONDS, _give_up, future)
        try:
            return await future
        finally:
            timer.cancel()
            self._waiting.pop(key, None)

    async def ask_patiently(self, message: Up, key: Key) -> Down:
        """Ask what may be asked twice: a desk that is away, or leaves, has a while to be back.

        Raises:
            LinkLost: it is not back within a second, nor within ten of its word that it leaves.
        """
        until = asyncio.get_running_loop().time() + _AWAY_SECONDS
        while True:
            try:
                return await self.ask(message, key)
            except LinkLost:
                if asyncio.get_running_loop().time() >= max(until, self._awaited_until):
                    raise
            await asyncio.sleep(_RETRY_SECONDS)

    def number(self) -> int:
        """Return the next number of a question."""
        self._asked += 1
        return self._asked

    async def post(self, posting: money.Posting) -> None:
        """Post settlements of an earlier seat; returns once the books hold them."""
        await self.ask(posting, ("Ack", posting.seat, posting.upto))

    async def close_seat(self, close: money.CloseSeat) -> None:
        """End a seat whose settlements are posted; returns once its leases are back."""
        await self.ask(close, ("SeatClosed", close.seat, 0))

    async def open_seat(self) -> bytes:
        """Begin this process's seat and return it."""
        answer = await self.ask(money.OpenSeat(self._slot), ("SeatOpened", b"", 0))
        assert isinstance(answer, money.SeatOpened)
        return answer.seat


class LinkedKeys:
    """The port of keys: tables here, verification at the desk."""

    def __init__(self, tables: Tables, link: Link, clock: Clock) -> None:
        self._tables = tables
        self._link = link
        self._clock = clock
        self._asking: dict[bytes, asyncio.Task[bool]] = {}
        self._failures: dict[tuple[str, str], tuple[int, int]] = {}
        self.find = tables.find
        self.org = tables.org
        self.is_worth_asking = tables.is_worth_asking

    @property
    def is_fresh(self) -> bool:
        """Whether the tables may still be trusted."""
        return self._tables.is_fresh

    async def verify(self, public_id: str, text: Secret, peer: str) -> bool:
        """Ask the desk whether the whole key matches its hash; the same question is asked once.

        Raises:
            Overloaded: the desk does not answer, or has too many of these to do.
            RateLimited: this id was tried wrongly too often from this address.
        """
        failed = self._failures.get((public_id, peer))
        now_ns = self._clock.monotonic_ns()
        if failed is not None and failed[0] >= _FAILURES_MAX and now_ns < failed[1]:
            raise RateLimited("key checks", (failed[1] - now_ns) // 1_000_000 + 1)
        whole = hashlib.sha256(text.reveal().encode()).digest()
        task = self._asking.get(whole)
        if task is None:
            asking = self._verify(public_id, text)
            task = self._asking[whole] = asyncio.get_running_loop().create_task(asking)
            task.add_done_callback(lambda _: self._asking.pop(whole, None))
        is_valid = await asyncio.shield(task)
        if not is_valid:
            self._note_failure(public_id, peer, now_ns)
        return is_valid

    async def _verify(self, public_id: str, text: Secret) -> bool:
        number = self._link.number()
        try:
            answer = await self._link.ask_patiently(
                KeyAsk(number, public_id, text.reveal()), ("KeyAnswer", b"", number)
            )
        except LinkLost:
            raise Overloaded from None
        assert isinstance(answer, KeyAnswer)
        if answer.is_busy:
            raise Overloaded
        if not answer.is_known:
            self._tables.note_unknown(public_id)
        return answer.is_valid

    def _note_failure(self, public_id: str, peer: str, now_ns: int) -> None:
        count, until_ns = self._failures.pop((public_id, peer), (0, 0))
        if len(self._failures) >= _FAILURES_KEPT:
            del self._failures[next(iter(self._failures))]  # the one that failed longest ago
        if now_ns >= until_ns:
            count, until_ns = 0, now_ns + _FAILURES_WINDOW_NS
        self._failures[public_id, peer] = (count + 1, until_ns)


class LinkedReads:
    """The port of what a key may read about itself."""

    def __init__(self, link: Link) -> None:
        self._link = link

    async def read(self, question: Question) -> bytes | None:
        """Return the answer as JSON, None when there is nothing of this key's.

        Raises:
            ReceiptNotPosted: the request ended here and is not posted yet.
            ReceiptExpired: the time of such a receipt is over.
            Overloaded: the desk does not answer.
        """
        number = self._link.number()
        ask = ReadAsk(number, question)
        try:
            answer = await self._link.ask_patiently(ask, ("ReadAnswer", b"", number))
        except LinkLost:
            raise Overloaded from None
        assert isinstance(answer, ReadAnswer)
        if answer.found is Found.FOUND:
            return answer.document
        if answer.found is Found.FAILED:
            raise Overloaded
        if answer.found is Found.EXPIRED:
            raise ReceiptExpired
        raw = raw_of("req", question.subject)
        purses = self._link.purses
        if raw is not None and purses is not None and purses.is_unposted(raw):
            raise ReceiptNotPosted
        return None


def _give_up(future: asyncio.Future[Down]) -> None:
    """Tell whoever waits that the desk was silent too long."""
    if not future.done():
        future.set_exception(LinkLost())
