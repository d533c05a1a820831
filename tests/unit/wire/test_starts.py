"""Requests that come all at once begin one at a turn; what is under way goes on in between."""

import asyncio
from itertools import pairwise

import pytest

from tests.builders.wire_plane import Line, deliver, turns
from troth.wire import Arrival, ServerLimits, Sink
from troth.wire.starts import AT_ONCE

pytestmark = pytest.mark.anyio

GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
HEALTH = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
MORE = 10


class Held:
    """Begins requests and answers none of them until told."""

    def __init__(self) -> None:
        self.begun: list[str] = []
        self.gate = asyncio.Event()

    async def handle(self, arrival: Arrival, sink: Sink) -> None:
        self.begun.append(arrival.head.path)
        await self.gate.wait()
        sink.answer(200, [])


def crowd(held: Held, count: int, limits: ServerLimits | None = None) -> list[Line]:
    """Return so many connections whose requests all come within one turn."""
    first = Line(held.handle, limits or ServerLimits())
    lines = [first, *(Line(server=first.server) for _ in range(count - 1))]
    for number, line in enumerate(lines):
        deliver(line.connection, b"GET /%d HTTP/1.1\r\nHost: x\r\n\r\n" % number)
    return lines


async def test_few_requests_begin_within_the_turn_in_which_they_come() -> None:
    held = Held()
    crowd(held, AT_ONCE)
    assert len(held.begun) == AT_ONCE
    held.gate.set()
    await turns()


async def test_what_comes_beyond_begins_one_at_a_turn_in_the_order_in_which_it_came() -> None:
    held = Held()
    lines = crowd(held, AT_ONCE + MORE)
    begun = [len(held.begun)]
    for _ in range(MORE):
        await asyncio.sleep(0)
        begun.append(len(held.begun))
    assert begun == list(range(AT_ONCE, AT_ONCE + MORE + 1))
    assert held.begun == [f"/{number}" for number in range(AT_ONCE + MORE)]
    held.gate.set()
    await turns()
    assert all(line.transport.take().startswith(b"HTTP/1.1 200 ") for line in lines)
    assert lines[0].server.in_flight == 0


async def test_what_is_under_way_goes_on_between_two_that_begin() -> None:
    held = Held()
    begun_between: list[int] = []

    async def stream(arrival: Arrival, sink: Sink) -> None:
        if arrival.head.path != "/stream":
            await held.handle(arrival, sink)
            return
        sink.begin(200, [])
        for _ in range(MORE):
            begun_between.append(len(held.begun))
            sink.write(b"event")
            await asyncio.sleep(0)
        sink.finish()

    line = Line(stream)
    deliver(line.connection, GET.replace(b"/ ", b"/stream "))
    held_lines = [Line(server=line.server) for _ in range(AT_ONCE + MORE)]
    for each in held_lines:
        deliver(each.connection, GET)
    await turns(MORE + 2)
    steps = {after - before for before, after in pairwise(begun_between[1:])}
    assert steps == {1}
    held.gate.set()
    await turns()


async def test_what_waits_for_its_turn_counts_among_the_requests_under_way() -> None:
    held = Held()
    lines = crowd(held, AT_ONCE + MORE, ServerLimits(in_flight=AT_ONCE + MORE - 1))
    assert lines[-1].transport.take().startswith(b"HTTP/1.1 503 ")
    assert lines[0].server.in_flight == AT_ONCE + MORE - 1
    held.gate.set()
    await turns(MORE + 4)
    assert lines[0].server.in_flight == 0


async def test_a_client_that_leaves_before_its_turn_is_not_served() -> None:
    held = Held()
    lines = crowd(held, AT_ONCE + MORE)
    lines[AT_ONCE].connection.connection_lost(None)
    await turns(MORE + 1)
    assert len(held.begun) == AT_ONCE + MORE - 1
    assert f"/{AT_ONCE}" not in held.begun
    assert lines[0].server.in_flight == AT_ONCE + MORE - 1
    held.gate.set()
    await turns()


async def test_a_body_that_comes_while_its_request_waits_is_kept() -> None:
    held = Held()
    lines = crowd(held, AT_ONCE + 1)
    late = Line(server=lines[0].server)
    deliver(late.connection, b"POST /p HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhe")
    deliver(late.connection, b"llo")
    held.gate.set()
    await turns(6)
    assert held.begun[-1] == "/p"
    assert late.transport.take().startswith(b"HTTP/1.1 200 ")


async def test_a_look_at_our_health_waits_for_no_turn() -> None:
    held = Held()
    lines = crowd(held, AT_ONCE + MORE)
    probe = Line(server=lines[0].server)
    deliver(probe.connection, HEALTH)
    assert held.begun[-1] == "/healthz"
    held.gate.set()
    await turns(MORE + 4)


async def test_pipelined_requests_never_begin_within_each_other() -> None:
    depth = 0
    deepest = 0

    async def handle(_arrival: Arrival, sink: Sink) -> None:
        nonlocal depth, deepest
        depth += 1
        deepest = max(deepest, depth)
        sink.answer(200, [])
        depth -= 1

    line = Line(handle)
    deliver(line.connection, (GET + HEALTH) * 300)
    await turns(700)
    assert line.transport.take().count(b"HTTP/1.1 200 ") == 600
    assert deepest == 1


async def test_a_request_that_fails_as_it_begins_holds_up_no_other() -> None:
    held = Held()
    told: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _loop, what: told.append(what))

    async def handle(arrival: Arrival, sink: Sink) -> None:
        if arrival.head.path == f"/{AT_ONCE}":
            raise ValueError
        await held.handle(arrival, sink)

    first = Line(handle)
    lines = [first, *(Line(server=first.server) for _ in range(AT_ONCE + MORE - 1))]
    for number, line in enumerate(lines):
        deliver(line.connection, b"GET /%d HTTP/1.1\r\nHost: x\r\n\r\n" % number)
    await turns(MORE + 1)
    assert len(held.begun) == AT_ONCE + MORE - 1
    assert len(told) == 1
    assert lines[AT_ONCE].transport.take().startswith(b"HTTP/1.1 500 ")
    held.gate.set()
    await turns()
