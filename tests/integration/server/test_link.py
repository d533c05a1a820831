"""The gateway's end of the link, against a desk that says what a test wants."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import TypeVar

import pytest

from tests.unit.server.test_link_messages import KEY
from troth.gateway.ports import Question, Reading
from troth.kernel.clock import ManualClock
from troth.kernel.errors import Overloaded, RateLimited, ReceiptNotPosted
from troth.kernel.log import Log
from troth.kernel.receipt_errors import ReceiptExpired
from troth.kernel.secret import Secret
from troth.ledger.shard import Journal, Shard, ShardTerms
from troth.ledger.shard import messages as money
from troth.server.link import Link, LinkedKeys, LinkedReads, LinkLost
from troth.server.messages import (
    Applied,
    Beat,
    CatalogPart,
    Delta,
    Down,
    Found,
    Hello,
    KeyAnswer,
    KeyAsk,
    KeysPart,
    Leaving,
    ReadAnswer,
    ReadAsk,
    Up,
    UpReader,
    Welcome,
    frame,
    row,
)
from troth.server.purses import Purses
from troth.server.tables import Tables
from troth.wire import Errand

Kind = TypeVar("Kind")
Script = Callable[[Up], list[Down]]
DEPLOYMENT = bytes(16)
REQUEST = "req_" + "1" * 32
QUESTION = Question(Reading.RECEIPT, "org", "key", REQUEST)


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


pytestmark = pytest.mark.anyio


class Desk:
    """Answers by a script; keeps what it heard."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.heard: list[Up] = []
        self.script: Script = self.usual
        self._writers: list[asyncio.StreamWriter] = []

    def usual(self, message: Up) -> list[Down]:
        """Welcome a gateway, with one key; answer nothing else."""
        if isinstance(message, Hello):
            keys = KeysPart(1, [row(KEY)], [], is_last=True)
            return [Welcome(DEPLOYMENT), keys, CatalogPart(1, [], [], is_last=True)]
        return []

    async def attend(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one link."""
        self._writers.append(writer)
        ear = UpReader()
        with suppress(OSError):
            while data := await reader.read(65_536):
                for message in ear.feed(data):
                    self.heard.append(message)
                    for answer in self.script(message):
                        writer.write(frame(answer))
        writer.close()

    def say(self, message: Down) -> None:
        """Say something unasked."""
        self._writers[-1].write(frame(message))

    def raw(self, data: bytes) -> None:
        """Say what is no message."""
        self._writers[-1].write(data)

    def hang_up(self) -> None:
        """Break the link."""
        self._writers[-1].close()


class Place:
    """A link with its tables, and the desk it speaks to."""

    def __init__(self, path: Path) -> None:
        self.desk = Desk(path)
        self.clock = ManualClock()
        self.lines: list[bytes] = []
        self.tables = Tables(self.clock, 30)
        log = Log(self.lines.append, self.clock, "gateway-0")
        self.link = Link(str(path), 0, self.tables, self.clock, log=log)
        self.keys = LinkedKeys(self.tables, self.link, self.clock)
        self.reads = LinkedReads(self.link)

    async def until(self, holds: Callable[[], bool]) -> None:
        """Wait until something is true."""
        async with asyncio.timeout(5):
            while not holds():  # noqa: ASYNC110 - nobody tells when bytes arrive
                await asyncio.sleep(0.001)


@asynccontextmanager
async def linked(folder: Path) -> AsyncIterator[Place]:
    place = Place(folder / "desk.sock")
    server = await asyncio.start_unix_server(place.desk.attend, place.desk.path)
    running = asyncio.get_running_loop().create_task(place.link.run())
    try:
        await place.link.welcomed()
        await place.link.filled()
        yield place
    finally:
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running
        server.close()
        for writer in place.desk._writers:
            writer.close()
        await asyncio.sleep(0)


async def test_tables_are_filled_and_said_to_be_in_force(tmp_path: Path) -> None:
    async with linked(tmp_path) as place:
        assert place.keys.find("id") == KEY
        await place.until(lambda: place.desk.heard.count(Applied(1)) == 2)
        place.desk.say(Delta(2, [], ["id"], []))
        await place.until(lambda: Applied(2) in place.desk.heard)
        assert place.keys.find("id") is None
        place.desk.say(Beat(place.clock.monotonic_ns()))
        await place.until(lambda: place.keys.is_fresh)


async def test_a_key_is_verified_once_for_all_who_ask_at_once(tmp_path: Path) -> None:
    async with linked(tmp_path) as place:
        usual = place.desk.usual

        def answers(message: Up) -> list[Down]:
            if isinstance(message, KeyAsk):
                return [KeyAnswer(message.ask, is_valid=message.text == "right")]
            return usual(message)

        place.desk.script = answers
        asking = [place.keys.verify("id", Secret("right"), "peer") for _ in range(20)]
        assert await asyncio.gather(*asking) == [True] * 20
        assert sum(isinstance(message, KeyAsk) for message in place.desk.heard) == 1
        for number in range(10):
            assert not await place.keys.verify("id", Secret(f"wrong {number}"), "peer")
        with pytest.raises(RateLimited):
            await place.keys.verify("id", Secret("right"), "peer")
        assert await place.keys.verify("id", Secret("right"), "another peer")
        place.clock.advance(60_001)
        assert await place.keys.verify("id", Secret("right"), "peer")


async def test_a_busy_or_lost_desk_is_told_as_overload(tmp_path: Path) -> None:
    async with linked(tmp_path) as place:

        def busy(message: Up) -> list[Down]:
            if isinstance(message, KeyAsk):
                return [KeyAnswer(message.ask, is_valid=False, is_busy=True)]
            if isinstance(message, ReadAsk):
                return [ReadAnswer(message.ask, Found.FAILED)]
            return []

        place.desk.script = busy
        with pytest.raises(Overloaded):
            await place.keys.verify("id", Secret("right"), "peer")
        with pytest.raises(Overloaded):
            await place.reads.read(QUESTION)
        place.desk.script = lambda _: []
        asking = asyncio.ensure_future(place.keys.verify("id", Secret("right"), "peer"))
        await place.until(lambda: any(isinstance(one, KeyAsk) for one in place.desk.heard[-1:]))
        place.desk.hang_up()
        with pytest.raises(Overloaded):
            await asking


async def test_a_key_is_asked_for_again_when_the_link_is_back(tmp_path: Path) -> None:
    async with linked(tmp_path) as place:
        place.desk.script = lambda _: []
        asking = asyncio.ensure_future(place.keys.verify("id", Secret("right"), "peer"))
        await place.until(lambda: any(isinstance(one, KeyAsk) for one in place.desk.heard[-1:]))

        def answers(message: Up) -> list[Down]:
            if isinstance(message, KeyAsk):
                return [KeyAnswer(message.ask, is_valid=True)]
            return place.desk.usual(message)

        place.desk.script = answers
        place.desk.hang_up()
        assert await asking


async def test_a_read_without_a_desk_is_overload(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("troth.server.link._AWAY_SECONDS", 0.01)
    async with linked(tmp_path) as place:
        place.desk.script = lambda _: []
        place.desk.hang_up()
        await place.until(lambda: not place.link.is_up)
        with pytest.raises(Overloaded):
            await on_errand(place.reads.read(QUESTION))


async def test_the_memory_of_failed_checks_has_an_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("troth.server.link._FAILURES_KEPT", 2)
    async with linked(tmp_path) as place:

        def wrong(message: Up) -> list[Down]:
            return [KeyAnswer(message.ask, is_valid=False)] if isinstance(message, KeyAsk) else []

        place.desk.script = wrong
        for peer in ("a", "b", "c"):
            assert not await place.keys.verify("id", Secret("wrong"), peer)
        assert [peer for _, peer in place.keys._failures] == ["b", "c"]


def on_errand(work: Coroutine[object, object, Kind]) -> asyncio.Future[Kind]:
    """Do something as a request does it, outside any task: its result, once it is there."""
    done: asyncio.Future[Kind] = asyncio.get_running_loop().create_future()

    async def run() -> None:
        try:
            done.set_result(await work)
        except Overloaded as error:
            done.set_exception(error)

    Errand(run()).go()
    return done


async def test_whoever_asks_a_desk_that_left_waits_for_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("troth.server.link._AWAY_SECONDS", 0.01)
    async with linked(tmp_path) as place:
        place.desk.script = lambda _: []
        place.desk.say(Leaving())
        place.desk.hang_up()
        await place.until(lambda: not place.link.is_up)
        reading = on_errand(place.reads.read(QUESTION))
        await asyncio.sleep(0.05)  # several times what a desk that fell is given
        assert not reading.done()

        def answers(message: Up) -> list[Down]:
            if isinstance(message, ReadAsk):
                return [ReadAnswer(message.ask, Found.FOUND, b"{}")]
            return place.desk.usual(message)

        place.desk.script = answers
        place.desk.hang_up()  # the connection that was not welcomed
        assert await reading == b"{}"


async def test_a_broken_link_is_made_again_with_a_new_snapshot(tmp_path: Path) -> None:
    async with linked(tmp_path) as place:
        place.desk.raw(b"\xff\xff\xff\xff")
        await place.until(lambda: not place.link.is_up)
        assert any(b"LinkRefused" in line for line in place.lines)
        with pytest.raises(LinkLost):
            await place.link.open_seat()
        await place.link.welcomed()
        assert sum(isinstance(message, Hello) for message in place.desk.heard) == 2


async def test_receipts_are_found_missing_or_not_posted_yet(tmp_path: Path) -> None:
    async with linked(tmp_path) as place:
        results = (Found.FOUND, Found.MISSING, Found.EXPIRED)
        answers = iter([ReadAnswer(1, found, b"{}") for found in results] * 2)

        def read(message: Up) -> list[Down]:
            if not isinstance(message, ReadAsk):
                return []
            answer = next(answers)
            return [ReadAnswer(message.ask, answer.found, answer.document)]

        place.desk.script = read
        assert await place.reads.read(QUESTION) == b"{}"
        assert await place.reads.read(QUESTION) is None
        with pytest.raises(ReceiptExpired):
            await place.reads.read(QUESTION)
        with purses(place, tmp_path) as held:
            place.link.purses = held
            await place.reads.read(QUESTION)
            reservation = bytes.fromhex("1" * 32)
            lend(place)
            granting = held.admit(reservation, (b"w" * 17,), 1, 1, enough=1)
            assert not isinstance(granting, int)
            assert await granting == 1
            with pytest.raises(ReceiptNotPosted):
                await place.reads.read(QUESTION)
            held.abort(reservation)


def lend(place: Place) -> None:
    """Answer each ask for credit."""
    former = place.desk.script

    def lends(message: Up) -> list[Down]:
        if not isinstance(message, money.LeaseAsk):
            return former(message)
        return [
            money.Lease(
                op=message.op,
                purse=message.purse,
                epoch=1,
                granted=1_000,
                is_direct=False,
                is_short=False,
                available=0,
                held=0,
                ends_at_ms=0,
            )
        ]

    place.desk.script = lends


@contextmanager
def purses(place: Place, folder: Path) -> Iterator[Purses]:
    """A wallet over a journal of its own."""
    journal = Journal(folder, DEPLOYMENT, bytes(16), 256 * 1024)
    journal.keep()
    made = Purses(Shard(bytes(16), journal, place.clock, ShardTerms()), journal, place.link)
    made.beat(place.clock.monotonic_ns())
    yield made
    journal.close()


async def test_a_seat_is_opened_posted_for_and_closed(tmp_path: Path) -> None:
    async with linked(tmp_path) as place:

        def books(message: Up) -> list[Down]:
            match message:
                case money.OpenSeat(slot):
                    return [money.SeatOpened(b"s" * 16, slot)]
                case money.Posting(seat, _, upto, _):
                    return [money.Ack(seat, upto)]
                case money.CloseSeat(seat, _):
                    return [money.SeatClosed(seat)]
                case _:
                    return []

        place.desk.script = books
        assert await place.link.open_seat() == b"s" * 16
        await place.link.post(money.Posting(b"o" * 16, 1, 3, []))
        await place.link.close_seat(money.CloseSeat(b"o" * 16, []))


async def test_a_seat_that_was_closed_ends_the_process(tmp_path: Path) -> None:
    async with linked(tmp_path) as place:
        with purses(place, tmp_path) as held:
            place.link.purses = held
            place.desk.say(money.SeatClosed(bytes(16)))
            async with asyncio.timeout(5):
                await place.link.is_over.wait()
            assert held.is_over
