"""A second after its end a request is not in the gateway's memory any more: nothing to read."""

import os
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from socket import socket

import msgspec
import pytest

from tests.journeys.patience import wait_until
from tests.journeys.raw_http import connect, head, hello, hello_claude, post, read
from tests.journeys.serving import House, Key
from troth.proof.canary import Canary, Hit

REQUESTS = 1_000
CONNECTIONS = 20
SIZE = 4_000
SIZES = (SIZE, SIZE, SIZE, 200, 64_000)


def may_read(pid: int) -> bool:
    try:
        with Path(f"/proc/{pid}/mem").open("rb"):
            return True
    except PermissionError:
        return False


@pytest.fixture(autouse=True)
def _may_read_memory(house: House) -> None:
    if not may_read(house.gateway_pids()[0]):
        pytest.skip("reading another process's memory needs the right to trace it")


@contextmanager
def kept_alive(house: House) -> Iterator[list[socket]]:
    """Open connections that stay open: what an idle one refers to must be gone as well."""
    with ExitStack() as stack:
        yield [stack.enter_context(connect(house.address)) for _ in range(CONNECTIONS)]


def ask_of(text: str, number: int) -> tuple[str, bytes]:
    """Return a request with an echo, in turn of each dialect, whole and streamed."""
    messages = [{"role": "user", "content": text}]
    fields = {"messages": messages, "stream": bool(number & 1)}
    if number & 2:
        return "/v1/messages", msgspec.json.encode({**hello_claude("claude-echo"), **fields})
    model = "claude-echo" if number & 4 else "echo"
    return "/v1/chat/completions", msgspec.json.encode({**hello(model), **fields})


def send(way: socket, key: Key, path: str, data: bytes) -> None:
    way.sendall(head(path, key.text, f"content-length: {len(data)}") + data)


def residue(house: House, canary: Canary) -> list[Hit]:
    return [hit for pid in house.gateway_pids() for hit in canary.in_process(pid)]


def gone(house: House, canary: Canary) -> list[Hit]:
    """Return what is left a second later. A busy machine may be late: what stays, stays."""
    time.sleep(1)
    for _ in range(3):
        if not residue(house, canary):
            break
        time.sleep(1)
    return residue(house, canary)


def test_memory_holds_no_content_a_second_after_its_end(house: House) -> None:
    canary = Canary(os.urandom(32))
    key = house.key(credit_usd="100")
    with kept_alive(house) as ways:
        for number in range(REQUESTS):
            way = ways[number % CONNECTIONS]
            path, data = ask_of(canary.text(number, SIZES[number % len(SIZES)]), number)
            send(way, key, path, data)
            assert read(way).status == 200
        assert gone(house, canary) == []


def test_memory_holds_content_while_it_is_in_flight(house: House) -> None:
    canary = Canary(os.urandom(32))
    key = house.key()
    data = msgspec.json.encode(
        hello("slow-30000", messages=[{"role": "user", "content": canary.text(1, SIZE)}])
    )
    house.twin.forget()
    with connect(house.address) as way:
        send(way, key, "/v1/chat/completions", data)
        wait_until(lambda: bool(house.twin.seen("slow-30000")), 20, "the call is under way")
        assert residue(house, canary) != []


def test_memory_holds_no_content_of_what_was_refused(house: House) -> None:
    canary = Canary(os.urandom(32))
    key = house.key()
    with kept_alive(house) as ways:
        for number in range(200):
            way = ways[number % CONNECTIONS]
            text = canary.text(number, SIZE)
            bodies = (
                msgspec.json.encode(
                    hello("leak-500", messages=[{"role": "user", "content": text}])
                ),
                msgspec.json.encode(hello(temperature=text)),
                msgspec.json.encode(hello(text)),
                b'{"model":"chat","messages":"' + text.encode(),
            )
            send(way, key, "/v1/chat/completions", bodies[number % 4])
            assert read(way).status >= 400
        assert gone(house, canary) == []


def test_memory_holds_no_name_that_a_caller_gave_to_a_parameter(house: House) -> None:
    # The JSON decoder shares short keys between objects, and would keep them by itself.
    canary = Canary(os.urandom(32))
    key = house.key()
    for number in range(50):
        parameters = {"type": "object", "properties": {canary.text(number): {"type": "string"}}}
        tool = {"type": "function", "function": {"name": "find", "parameters": parameters}}
        reply = post(house.address, key.text, msgspec.json.encode({**hello(), "tools": [tool]}))
        assert reply.status == 200
    assert gone(house, canary) == []
