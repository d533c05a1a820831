"""A world for the stages: real sinks and arrivals, scripted upstreams, a wallet that counts."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from functools import partial

import msgspec
from typing_extensions import override

from tests.builders.claimed_names import TestNames
from troth.catalog.model import Endpoint, Feature, Model
from troth.catalog.offering import Offering, Upstream
from troth.catalog.price import PriceLine, compile_sheet
from troth.gateway.counters import Counters
from troth.gateway.door import handle
from troth.gateway.estimates import Ratios
from troth.gateway.exchange import Ask, InputSize
from troth.gateway.outlet import Outlets
from troth.gateway.ports import KeyRow, OrgRow, Question
from troth.gateway.rates import CELL_BYTES, ROW_CELLS, Rates
from troth.gateway.world import Limits, World
from troth.kernel import api_keys
from troth.kernel.clock import ManualClock
from troth.kernel.errors import CreditsEnded, CreditsExhausted, UpstreamFailed
from troth.kernel.ids import IdMaker
from troth.kernel.receipt_errors import ReceiptExpired
from troth.kernel.secret import Secret
from troth.kernel.usage_record import UsageRecord, decode
from troth.providers import UpstreamRequest
from troth.routing import Health
from troth.wire import Arrival, Deadlines, Failure, Head, Receiver, Sink
from troth.wire.departures import Departures

ORG = "org_" + "0" * 31 + "1"
KEY = "key_" + "0" * 31 + "1"
WALLET = b"w" + bytes(16)
Step = tuple[str, *tuple[int | bytes | dict[bytes, bytes] | Failure, ...]]


def steady(count: int) -> bytes:
    """Entropy that is always the same."""
    return bytes(range(count)) if count < 256 else bytes(count)


MINTED = api_keys.mint(steady)


def key_row(**changes: object) -> KeyRow:
    """A key without limits that are felt."""
    row = KeyRow(
        MINTED.public_id,
        KEY,
        ORG,
        "",
        (WALLET,),
        frozenset(),
        (),
        0,
        600,
        100_000,
        0,
        may_read_wallet=True,
        rate_slot=3,
    )
    return msgspec.structs.replace(row, **changes)


def model(name: str = "m", **changes: object) -> Model:
    """A chat model of 8,192 tokens."""
    features: frozenset[Feature] = frozenset({"tools", "json_schema", "logprobs", "many_choices"})
    made = Model(name, "tests", 1, 8_192, 1_024, frozenset({"chat", "messages"}), features)
    return msgspec.structs.replace(made, **changes)


def offering(name: str = "m", upstream: str = "u1", **changes: object) -> Offering:
    """An offering at one dollar a million in and two out."""
    sheet = compile_sheet("set1", [PriceLine("input", 10**9), PriceLine("output", 2 * 10**9)])
    address = Upstream(upstream, "llamacpp", "openai", "http", "127.0.0.1", 1, "/v1")
    made = Offering(model(name), address, name, sheet, sheet, cancel="stops")
    return msgspec.structs.replace(made, **changes)


def ask_of(size: InputSize, endpoint: Endpoint = "chat") -> Ask:
    """A request of which only its size matters."""
    return Ask(
        endpoint=endpoint,
        model="m",
        kept={},
        streamed=False,
        wants_usage=False,
        max_tokens=0,
        choices=1,
        needs=frozenset(),
        size=size,
    )


class TestKeys:
    """One key, one organization; `verify` compares with the minted text."""

    __test__ = False

    def __init__(self, row: KeyRow | None, *, is_frozen: bool = False) -> None:
        self.row = row
        self.is_frozen = is_frozen
        self.is_fresh = True
        self.asked = 0
        self.coming = ""
        self.price_set = ""

    def find(self, public_id: str) -> KeyRow | None:
        return self.row if self.row is not None and self.row.public_id == public_id else None

    def org(self, ref: str) -> OrgRow | None:
        return OrgRow(ORG, self.is_frozen, self.price_set) if ref == ORG else None

    def is_worth_asking(self, public_id: str) -> bool:
        return self.row is None and public_id == self.coming

    async def verify(self, public_id: str, text: Secret, peer: str) -> bool:
        self.asked += 1
        return text.reveal() == MINTED.text.reveal() and peer != "" and public_id != ""


class TestOfferings:
    """Offerings by name."""

    __test__ = False

    def __init__(self, offerings: Sequence[Offering]) -> None:
        self.offerings = offerings
        self.pinned: dict[str, Sequence[Offering]] = {}

    def of(self, model: str, price_set: str = "") -> Sequence[Offering]:
        sold = self.pinned.get(price_set, self.offerings)
        return [one for one in sold if one.model.name == model]

    def names(self) -> Sequence[str]:
        return sorted({one.model.name for one in self.offerings})


class TestWallet:
    """A purse that cannot go below zero, and what was settled on it."""

    __test__ = False

    def __init__(self, balance: int) -> None:
        self.balance = balance
        self.open: dict[bytes, int] = {}
        self.records: list[UsageRecord] = []
        self.charges: list[int] = []
        self.overruns: list[int] = []
        self.leased: int | None = None
        """What `free` says instead of the balance."""
        self.extended: list[int] = []
        self.slow_turns = 0
        """Turns of the loop until an extension is answered."""
        self.others_nusd = 0
        """What other requests spend before the first extension."""
        self.ending: UpstreamFailed = CreditsEnded()
        """Why an extension is refused."""

    def admit(
        self, reservation: bytes, purses: tuple[bytes, ...], want: int, least: int, *, enough: int
    ) -> int:
        assert least <= enough <= want
        assert purses == (WALLET,)
        if least > self.balance:
            raise CreditsExhausted(least, self.balance, sum(self.open.values()), "wallet")
        amount = min(want, self.balance)
        self.balance -= amount
        self.open[reservation] = amount
        return amount

    def free(self, purses: tuple[bytes, ...]) -> int:
        assert purses == (WALLET,)
        return self.balance if self.leased is None else self.leased

    def reach(self, purses: tuple[bytes, ...]) -> int:
        assert purses == (WALLET,)
        return self.balance

    def extend(
        self, reservation: bytes, amount: int, done: Callable[[UpstreamFailed | None], None]
    ) -> None:
        self.balance -= self.others_nusd
        self.others_nusd = 0
        self.extended.append(amount)
        is_there = amount <= self.balance
        if is_there:
            self.balance -= amount
            self.open[reservation] += amount
        self._answer(self.slow_turns, done, is_there=is_there)

    def _answer(
        self, turns: int, done: Callable[[UpstreamFailed | None], None], *, is_there: bool
    ) -> None:
        if turns:
            later = partial(self._answer, turns - 1, done, is_there=is_there)
            asyncio.get_running_loop().call_soon(later)
        else:
            done(None if is_there else self.ending)

    def cover(self, reservation: bytes, nusd: int) -> int:
        more = min(nusd - self.open[reservation], self.balance)
        self.balance -= more
        self.open[reservation] += more
        return self.open[reservation]

    def settle(self, reservation: bytes, charged: int, record: bytes, *, overrun: int) -> None:
        self.overruns.append(overrun)
        self.balance += self.open.pop(reservation) - charged
        self.charges.append(charged)
        self.records.append(decode(record))

    def abort(self, reservation: bytes) -> None:
        self.balance += self.open.pop(reservation)


class TestReads:
    """Answers by what they are about, and what was asked."""

    __test__ = False

    def __init__(self) -> None:
        self.receipts: dict[str, bytes] = {}
        self.asked: list[Question] = []
        self.is_over = False

    async def read(self, question: Question) -> bytes | None:
        assert (question.org, question.key) == (ORG, KEY)
        self.asked.append(question)
        if self.is_over:
            raise ReceiptExpired
        return self.receipts.get(question.subject)


class TestCredentials:
    """The same secret everywhere."""

    __test__ = False

    def of(self, upstream: Upstream) -> Secret:
        return Secret(f"secret-of-{upstream.id}")


@dataclass
class TestCall:
    """A call whose script plays until it is closed."""

    __test__ = False

    is_closed: bool = False
    pauses: int = 0
    was_paused: bool = False

    def close(self) -> None:
        self.is_closed = True

    def pause(self) -> None:
        self.pauses += 1
        self.was_paused = True

    def resume(self) -> None:
        self.pauses -= 1


@dataclass
class TestUpstreams:
    """Plays one script a call; keeps what was sent."""

    __test__ = False

    scripts: list[list[Step]]
    sent: list[tuple[Upstream, bytes, bytes]] = field(default_factory=list)
    calls: list[TestCall] = field(default_factory=list)

    def send(
        self,
        upstream: Upstream,
        request: UpstreamRequest,
        receiver: Receiver,
        deadlines: Deadlines,
    ) -> TestCall:
        assert deadlines.whole_ms == upstream.whole_ms
        self.sent.append((upstream, request.head, b"".join(request.body)))
        call = TestCall()
        self.calls.append(call)
        script = self.scripts[min(len(self.calls), len(self.scripts)) - 1]
        asyncio.get_running_loop().call_soon(self._play, receiver, call, script)
        return call

    def _play(self, receiver: Receiver, call: TestCall, script: list[Step]) -> None:
        if call.is_closed or not script:
            return
        name, *given = script[0]
        getattr(receiver, name)(*given)
        asyncio.get_running_loop().call_soon(self._play, receiver, call, script[1:])


def answers(status: int, body: bytes, kind: bytes = b"application/json") -> list[Step]:
    """A script of one buffered answer."""
    return [("head", status, {b"content-type": kind}), ("piece", body), ("ended",)]


def streams(*pieces: bytes, ends: bool = True) -> list[Step]:
    """A script of a stream; without `ends` the connection breaks after the last piece."""
    steps: list[Step] = [("head", 200, {b"content-type": b"text/event-stream"})]
    steps += [("piece", piece) for piece in pieces]
    steps.append(("ended",) if ends else ("failed", Failure.CUT))
    return steps


class Wires(asyncio.Transport):
    """A transport that keeps what was written."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""

    @override
    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written += bytes(data)

    @override
    def writelines(self, list_of_data: Sequence[bytes | bytearray | memoryview]) -> None:  # type: ignore[override]
        self.written += b"".join(map(bytes, list_of_data))

    @override
    def is_closing(self) -> bool:
        return False


class Line:
    """What arrival and sink need of a connection."""

    def __init__(self) -> None:
        self.is_broken = False
        self.is_answered = False

    def ask_body(self, *, with_continue: bool) -> None:
        raise AssertionError(with_continue)

    def must_close(self) -> bool:
        return False

    def answered(self, *, closes: bool) -> None:
        self.is_answered = not closes

    def break_off(self) -> None:
        self.is_broken = True


@dataclass
class Reply:
    """What the client got."""

    status: int
    headers: dict[str, str]
    body: bytes
    is_broken: bool

    @property
    def error(self) -> dict[str, object]:
        """The envelope's inner part."""
        found = msgspec.json.decode(self.body, type=dict[str, object])["error"]
        assert isinstance(found, dict)
        return found


@dataclass
class Scene:
    """A world and its doubles; `ask` sends one request through the door."""

    upstreams: TestUpstreams
    wallet: TestWallet
    keys: TestKeys
    reads: TestReads
    names: TestNames
    clock: ManualClock
    world: World
    waits: list[int]
    leaves_after: int = 0
    """Events of the loop after which the client hangs up; 0 for never."""
    peer: str = "127.0.0.1"

    async def ask(
        self,
        body: bytes,
        path: str = "/v1/chat/completions",
        *,
        method: str = "POST",
        headers: dict[bytes, bytes] | None = None,
        query: str = "",
    ) -> Reply:
        """Send a request and return the answer."""
        sent = {b"host": b"t", b"authorization": b"Bearer " + MINTED.text.reveal().encode()}
        sent |= headers or {}
        head = Head(
            method,
            path,
            query,
            sent,
            self.peer,
            len(body),
            bool(body),
            expects_continue=False,
            is_chunked=False,
            is_http10=False,
            wants_close=False,
        )
        line, wires, departures = Line(), Wires(), Departures()
        arrival = Arrival(head, self.clock.monotonic_ns(), line, 2**25)
        if body:
            arrival.feed(body)
        sink = Sink(line, wires, departures, head)
        if self.leaves_after:
            self._hang_up(arrival, self.leaves_after)
        async with asyncio.timeout(10):
            await handle(arrival, sink, self.world)
        departures.go()
        return read_reply(wires.written, is_broken=line.is_broken)

    def _hang_up(self, arrival: Arrival, after: int) -> None:
        loop = asyncio.get_running_loop()
        if after:
            loop.call_soon(self._hang_up, arrival, after - 1)
        else:
            arrival.leave()


def read_reply(written: bytes, *, is_broken: bool) -> Reply:
    """Read an answer off the wire."""
    if not written:
        return Reply(0, {}, b"", is_broken)
    top, _, body = written.partition(b"\r\n\r\n")
    first, *lines = top.decode().split("\r\n")
    headers = dict(line.split(": ", 1) for line in lines)
    if "transfer-encoding" in headers:
        body = unchunked(body)
    return Reply(int(first.split()[1]), headers, body, is_broken)


def unchunked(body: bytes) -> bytes:
    """Join chunks; a missing last chunk is left to the caller to notice."""
    whole = b""
    while body:
        size, _, rest = body.partition(b"\r\n")
        length = int(size, 16)
        whole += rest[:length]
        body = rest[length + 2 :]
    return whole


def scene(
    *scripts: list[Step],
    balance: int = 10**9,
    offerings: Sequence[Offering] | None = None,
    row: KeyRow | None = None,
    is_frozen: bool = False,
) -> Scene:
    """Make a world whose upstream plays `scripts`, one a call, the last again and again."""
    clock = ManualClock()
    wallet = TestWallet(balance)
    upstreams = TestUpstreams(list(scripts) or [[]])
    keys = TestKeys(row or key_row(), is_frozen=is_frozen)
    reads = TestReads()
    names = TestNames()
    waits: list[int] = []
    cells = memoryview(bytearray(CELL_BYTES * ROW_CELLS * 8)).cast("q")

    def pause(ms: int) -> Awaitable[None]:
        waits.append(ms)
        clock.advance(ms)
        return asyncio.sleep(0)

    world = World(
        keys=keys,
        offerings=TestOfferings(offerings or [offering()]),
        wallet=wallet,
        reads=reads,
        names=names,
        upstreams=upstreams,
        clock=clock,
        ids=IdMaker(clock),
        entropy=steady,
        rates=Rates(cells, 0),
        outlets=Outlets(TestCredentials(), Health(clock)),
        ratios=Ratios(),
        counters=Counters(),
        pause=pause,
        limits=Limits(),
        verified={},
        digest_key=b"d" * 32,
        hint_key=b"h" * 32,
    )
    return Scene(upstreams, wallet, keys, reads, names, clock, world, waits)
