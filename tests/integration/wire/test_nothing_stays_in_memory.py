"""Prompts and answers leave no trace in the memory of a process that keeps its connections."""

import asyncio
import re
import resource
import ssl
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.builders.wire_sockets import RawClient, certificate, request_head, upstream
from troth.wire.tls import client_context, server_context

pytestmark = pytest.mark.anyio

ROOT = Path(__file__).resolve().parents[3]
ERASING = {
    "PYTHONMALLOC": "malloc",
    "GLIBC_TUNABLES": "glibc.malloc.perturb=165:glibc.malloc.tcache_count=0",
}
PROMPT = b"marked-prompt-%06d-"
ANSWER = b"marked-answer-%06d-"
CLIENTS = 10
ROUNDS = 20
STREAMS = 60
STREAM_BYTES = 160 * 1024  # two connections and what is between them; half of it is found


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"  # the loop that matters is the other process's


def traces(pid: int) -> set[bytes]:
    """Return the marks that are readable in a process's memory."""
    found: set[bytes] = set()
    maps = Path(f"/proc/{pid}/maps").read_text(encoding="ascii")
    with Path(f"/proc/{pid}/mem").open("rb", buffering=0) as memory:
        for line in maps.splitlines():
            span = re.match(r"([0-9a-f]+)-([0-9a-f]+) rw", line)
            if span is None or "[v" in line:
                continue
            start, end = int(span[1], 16), int(span[2], 16)
            memory.seek(start)
            try:
                held = memory.read(end - start)
            except OSError:
                continue
            found.update(re.findall(rb"marked-(?:prompt|answer)-\d{6}-", held))
    return found


async def play(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while True:
        head = await request_head(reader)
        size = int(head.partition(b"content-length: ")[2].partition(b"\r")[0])
        prompt = await reader.readexactly(size)
        number = int(prompt[14:20])
        writer.write(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
        for _ in range(3):
            event = b"data: " + ANSWER % number * 8 + b"\n\n"
            writer.write(b"%x\r\n%b\r\n" % (len(event), event))
            await asyncio.sleep(0)
        if number % 7 == 3:
            await reader.read()  # until its client has left
        writer.write(b"0\r\n\r\n")


@asynccontextmanager
async def relay(port: int, *arguments: str) -> AsyncIterator[tuple[int, int]]:
    """Start the relaying process; yields its id and its port."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "tests.builders.wire_relay", str(port), *arguments),
        cwd=ROOT,
        env=ERASING,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert process.stdout is not None
    assert process.stdin is not None
    try:
        yield process.pid, int(await process.stdout.readline())
    finally:
        process.stdin.close()
        await process.wait()


async def one_client(port: int, first: int, tls: ssl.SSLContext | None) -> RawClient:
    """Ask again and again on one connection; leave in the middle of some answers."""
    client = await connected(port, tls)
    for number in range(first, first + ROUNDS):
        prompt = PROMPT % number * 200
        head = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(prompt)
        client.writer.write(head + prompt)
        if number % 7 == 3:
            await client.until(ANSWER % number)
            await client.close()
            client = await connected(port, tls)
        else:
            await client.until(b"0\r\n\r\n")
    return client


async def connected(port: int, tls: ssl.SSLContext | None) -> RawClient:
    name = "upstream.example" if tls is not None else None
    reader, writer = await asyncio.open_connection(
        "127.0.0.1", port, limit=1 << 20, ssl=tls, server_hostname=name
    )
    return RawClient(reader, writer)


@pytest.mark.skipif(sys.platform != "linux", reason="reads another process's memory by /proc")
@pytest.mark.parametrize("is_secure", [False, True], ids=["plain", "tls"])
@pytest.mark.parametrize("loop", ["uvloop", "asyncio"])
async def test_ended_requests_leave_no_trace(loop: str, *, is_secure: bool, tmp_path: Path) -> None:
    pair = certificate(tmp_path) if is_secure else None
    calling = client_context("1.3", pair[0]) if pair else None
    playing = server_context(*pair, "1.3") if pair else None
    async with (
        upstream(play, playing) as port,
        relay(port, loop, *(pair or ())) as (pid, own_port),
    ):
        clients = await asyncio.gather(
            *(one_client(own_port, number * ROUNDS, calling) for number in range(CLIENTS))
        )
        await asyncio.sleep(0.3)
        assert traces(pid) == set()
        held = await connected(own_port, calling)
        held.writer.write(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5000\r\n\r\n")
        held.writer.write(PROMPT % 999_999)
        await asyncio.sleep(0.2)
        assert traces(pid) == {PROMPT % 999_999}  # the search does find what is there
        for client in (*clients, held):
            await client.close()


def resident_bytes(pid: int) -> int:
    pages = int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1])
    return pages * resource.getpagesize()


async def held_open(port: int, tls: ssl.SSLContext) -> RawClient:
    """Start a stream whose upstream says no more until its client has left."""
    client = await connected(port, tls)
    prompt = PROMPT % 3 * 50
    client.writer.write(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(prompt))
    client.writer.write(prompt)
    await client.until(ANSWER % 3)
    return client


@pytest.mark.skipif(sys.platform != "linux", reason="reads another process's size by /proc")
async def test_a_stream_over_tls_both_ways_keeps_little_memory(tmp_path: Path) -> None:
    pair = certificate(tmp_path)
    calling, playing = client_context("1.3", pair[0]), server_context(*pair, "1.3")
    async with (
        upstream(play, playing) as port,
        relay(port, "uvloop", *pair) as (pid, own_port),
    ):
        clients = [await held_open(own_port, calling) for _ in range(20)]  # what is loaded once
        before = resident_bytes(pid)
        clients += [await held_open(own_port, calling) for _ in range(STREAMS)]
        assert resident_bytes(pid) - before < STREAMS * STREAM_BYTES
        for client in clients:
            await client.close()
