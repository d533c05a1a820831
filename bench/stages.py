"""`make bench-stages`: each stage of a request alone, so that a slower one has a name.

The pipeline runs over the doubles of the test suite, without sockets; the ledger runs with its real
journal. Microseconds of one busy core; compare only on one machine.
"""

import asyncio
import shutil
import statistics
import sys
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import closing
from types import FrameType, ModuleType
from typing import cast

import msgspec

from bench.harness.places import BUILD, ROOT
from bench.harness.prompts import Prompt
from bench.harness.tables import Table, number
from tests.builders.gateway_world import Scene, answers, key_row, scene, streams
from tests.builders.money_world import USD, MoneyWorld
from troth.gateway import forward, pipeline
from troth.gateway.ports import KeyRow
from troth.store import engine

REQUESTS = 4_000
ROUNDS = 5
SETTLEMENTS = 10_000
EVENTS = 64
COUNTED = 50
PLAIN_STAGES = ("receive", "admit", "route", "settle", "record", "finish")
AWAITED_STAGES = ("authenticate", "reserve")
PARTS_OF_FORWARD = ("compose", "rendering", "Flight", "_plan", "_note")

Spent = dict[str, int]
Function = Callable[..., object]  # type: ignore[explicit-any]


def main() -> int:
    """Print both tables."""
    for table in (_calls(), _pipeline(), _money()):
        sys.stdout.write(table.text() + "\n\n")
    return 0


def _timed(name: str, function: Function, spent: Spent) -> Function:
    def timed(*given: object, **named: object) -> object:
        start = time.perf_counter_ns()
        try:
            return function(*given, **named)
        finally:
            spent[name] = spent.get(name, 0) + time.perf_counter_ns() - start

    return timed


def _timed_coroutine(name: str, function: Function, spent: Spent) -> Function:
    async def timed(*given: object, **named: object) -> object:
        start = time.perf_counter_ns()
        try:
            return await cast("Awaitable[object]", function(*given, **named))
        finally:
            spent[name] = spent.get(name, 0) + time.perf_counter_ns() - start

    return timed


def _watch(module: ModuleType, names: tuple[str, ...], spent: Spent, *, awaited: bool) -> None:
    """Put a clock around functions of a module, for the rest of this process."""
    wrap = _timed_coroutine if awaited else _timed
    for name in names:
        setattr(module, name, wrap(name, getattr(module, name), spent))


async def _repeat(stage: Scene, body: bytes, count: int) -> int:
    start = time.perf_counter_ns()
    for _ in range(count):
        reply = await stage.ask(body)
        assert reply.status == 200, reply  # noqa: PLR2004
        stage.upstreams.sent.clear()
        stage.wallet.records.clear()
    return time.perf_counter_ns() - start


def _key() -> KeyRow:
    return key_row(requests_per_minute=10**9, tokens_per_minute=10**12)


def _scene(*, streamed: bool) -> Scene:
    usage = b'{"prompt_tokens":212,"completion_tokens":146,"total_tokens":358}'
    top = b'"id":"x","created":1,"model":"m"'
    if not streamed:
        message = b'{"role":"assistant","content":"' + b"A text of common length. " * 20 + b'"}'
        choice = b'{"index":0,"message":' + message + b',"finish_reason":"stop"}'
        whole = b'{"object":"chat.completion",%b,"choices":[%b],"usage":%b}' % (top, choice, usage)
        return scene(answers(200, whole), balance=10**18, row=_key())
    event = b'data: {"object":"chat.completion.chunk",%b,"choices":[{"index":0,"delta":%b,'
    event += b'"finish_reason":%b}]}\n\n'
    pieces = [event % (top, b'{"role":"assistant","content":""}', b"null")]
    pieces += [event % (top, b'{"content":"some words"}', b"null")] * EVENTS
    pieces.append(event % (top, b"{}", b'"stop"'))
    last = b'data: {"object":"chat.completion.chunk",%b,"choices":[],"usage":%b}\n\n'
    pieces += [last % (top, usage), b"data: [DONE]\n\n"]
    return scene(streams(*pieces), balance=10**18, row=_key())


def _lowest(*, streamed: bool, count: int) -> float:
    prompt = Prompt(events=EVENTS if streamed else 0)
    found = []
    for _ in range(ROUNDS):
        stage = _scene(streamed=streamed)
        asyncio.run(_repeat(stage, prompt.body("m"), count // 10))
        found.append(asyncio.run(_repeat(stage, prompt.body("m"), count)) / count / 1e3)
    return min(found)


def _pipeline() -> Table:
    whole = _lowest(streamed=False, count=REQUESTS)
    stream = _lowest(streamed=True, count=REQUESTS // 20)
    rows = [["", "us"], ["buffered request, all stages and doubles", number(whole)]]
    rows.append([f"stream of {EVENTS} events, an event", number(stream / EVENTS)])
    spent: Spent = {}
    _watch(pipeline, PLAIN_STAGES, spent, awaited=False)
    _watch(pipeline, AWAITED_STAGES, spent, awaited=True)
    _watch(forward, PARTS_OF_FORWARD, spent, awaited=False)
    body = Prompt().body("m")
    least: dict[str, float] = {}
    for _ in range(ROUNDS):
        stage = _scene(streamed=False)
        asyncio.run(_repeat(stage, body, REQUESTS // 10))
        spent.clear()
        asyncio.run(_repeat(stage, body, REQUESTS))
        for name, nanoseconds in spent.items():
            cost = nanoseconds / REQUESTS / 1e3
            least[name] = min(cost, least.get(name, cost))
    names = (*AWAITED_STAGES, *PLAIN_STAGES)
    rows += [[f"  {name}", number(least.get(name))] for name in names]
    rows += [[f"  forward: {name}", number(least.get(name))] for name in PARTS_OF_FORWARD]
    return Table("The pipeline, over doubles (a clock around each stage costs 0.1 to 0.3)", rows)


def _calls() -> Table:
    """Count function calls a request: the one figure here that no noise can move."""
    ours: Counter[str] = Counter()
    root = f"{ROOT / 'src'}/"

    def note(frame: FrameType, event: str, _: object) -> None:
        path = frame.f_code.co_filename
        if event in {"call", "c_call"} and path.startswith(root):
            ours[path.removeprefix(root)] += 1

    async def count() -> None:
        stage, body = _scene(streamed=False), Prompt().body("m")
        await _repeat(stage, body, 20)
        sys.setprofile(note)
        await _repeat(stage, body, COUNTED)
        sys.setprofile(None)

    asyncio.run(count())
    rows = [["", "calls"], ["all", number(ours.total() / COUNTED)]]
    rows += [[f"  {name}", number(calls / COUNTED)] for name, calls in ours.most_common(20)]
    return Table("Function calls of a buffered request, Python and C, sockets left out", rows)


class _Nothing(msgspec.Struct):
    """A record of common size."""

    fields: tuple[str, ...] = ("a field of a usage record",) * 12


def _money() -> Table:
    folder = BUILD / "stages"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    record = msgspec.msgpack.encode(_Nothing())
    with closing(engine.open(f"sqlite:///{folder / 'books.db'}")) as store:
        world = MoneyWorld(store, folder)
        wallet = b"w" + world.organization(1_000_000 * USD)
        gateway = world.gateway()
        took = []
        for at in range(SETTLEMENTS):
            admitted = gateway.admit((wallet,), 100_000)
            assert isinstance(admitted, tuple)
            gateway.shard.settle(admitted[0], 50_000, record)
            if at % 100 == 0:
                gateway.journal.keep()
                world.pump()
            reservation = world.ids.raw()
            start = time.perf_counter_ns()
            found = gateway.shard.admit(reservation, (wallet,), 100_000, 1)
            if not isinstance(found, int):
                world.pump()
                continue
            gateway.shard.settle(reservation, 50_000, record)
            took.append((time.perf_counter_ns() - start) / 1e3)
    shutil.rmtree(folder)
    cuts = statistics.quantiles(took, n=100)
    rows = [["", "p50 us", "p99 us"], ["reserve + settle", number(cuts[49]), number(cuts[98])]]
    rows.append(["gate", "10", "100"])
    return Table(f"The ledger's shard with its journal, one purse, {len(took):,} runs", rows)


if __name__ == "__main__":
    sys.exit(main())
