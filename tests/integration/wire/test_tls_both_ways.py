"""TLS: floors, names, verification; it has no off switch."""

import asyncio
import ssl
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.builders.wire_plane import Listening, echo
from tests.builders.wire_sockets import RawClient, certificate, eventually, serving
from troth.kernel.clock import ManualClock, SystemClock
from troth.wire import ClientLimits, Deadlines, Origin, Pool
from troth.wire.tls import client_context, server_context

pytestmark = pytest.mark.anyio

HEAD = b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\n\r\n"
GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"


class Pair(NamedTuple):
    """A certificate and its key, as paths."""

    certificate: str
    key: str


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Pair:
    return Pair(*certificate(tmp_path_factory.mktemp("tls")))


async def called(pool: Pool, port: int, name: str = "upstream.example") -> Listening:
    receiver = Listening()
    origin = Origin("https", "127.0.0.1", port, name)
    pool.send(origin, HEAD, [b"hello"], receiver, Deadlines())
    async with asyncio.timeout(10):
        await receiver.over.wait()
    return receiver


async def test_calls_and_answers_pass_over_tls(pair: Pair) -> None:
    pool = Pool(ClientLimits(), SystemClock(), client_context("1.3", pair.certificate))
    async with serving(echo, tls=server_context(*pair, "1.3")) as running:
        for _ in range(3):
            receiver = await called(pool, running.port)
            assert receiver.told == (200, b"POST / hello", ["ended"])
        assert pool.connections == 1
        client = await running.open(client_context("1.3", pair.certificate))
        assert (await client.ask(GET)).endswith(b"GET / ")
        assert version_of(client) == "TLSv1.3"
        client.writer.write(b"nonsense\r\n\r\n" + GET)
        assert (await client.until(b"bad_framing")).startswith(b"HTTP/1.1 400 ")
        await client.close()
        await pool.close()
        await eventually(lambda: pool.connections == 0)


async def test_an_unknown_certificate_or_name_is_refused(pair: Pair) -> None:
    async with serving(echo, tls=server_context(*pair, "1.2")) as running:
        pool = Pool(ClientLimits(), SystemClock(), client_context("1.2"))
        assert (await called(pool, running.port)).ends == ["tls"]
        await pool.close()
        pool = Pool(ClientLimits(), SystemClock(), client_context("1.2", pair.certificate))
        assert (await called(pool, running.port, "other.example")).ends == ["tls"]
        assert (await called(pool, running.port)).ends == ["ended"]
        await pool.close()


async def test_the_floor_holds_both_ways(pair: Pair) -> None:
    older = client_context("1.2", pair.certificate)
    older.maximum_version = ssl.TLSVersion.TLSv1_2
    async with serving(echo, tls=server_context(*pair, "1.3")) as running:
        pool = Pool(ClientLimits(), SystemClock(), older)
        assert (await called(pool, running.port)).ends == ["tls"]
        await pool.close()
    accepting = server_context(*pair, "1.2")
    accepting.maximum_version = ssl.TLSVersion.TLSv1_2
    async with serving(echo, tls=accepting) as running:
        pool = Pool(ClientLimits(), SystemClock(), older)
        assert (await called(pool, running.port)).ends == ["ended"]
        await pool.close()
        pool = Pool(ClientLimits(), SystemClock(), client_context("1.3", pair.certificate))
        assert (await called(pool, running.port)).ends == ["tls"]
        await pool.close()


async def test_an_upstream_without_tls_is_no_https_upstream(pair: Pair) -> None:
    async with serving(echo) as running:
        pool = Pool(ClientLimits(), SystemClock(), client_context("1.2", pair.certificate))
        assert (await called(pool, running.port)).ends == ["tls"]
        await pool.close()
        pool = Pool(ClientLimits(), SystemClock())
        assert (await called(pool, running.port)).ends == ["tls"]  # nothing to verify with
        await pool.close()


async def test_a_handshake_has_its_deadline() -> None:
    has_begun = asyncio.Event()

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        has_begun.set()
        await reader.read()
        writer.close()

    server = await asyncio.start_server(silent, "127.0.0.1", 0)
    clock = ManualClock()
    pool = Pool(ClientLimits(), clock, client_context("1.2"))
    receiver = Listening()
    port = server.sockets[0].getsockname()[1]
    origin = Origin("https", "127.0.0.1", port, "upstream.example")
    pool.send(origin, HEAD, [b"hello"], receiver, Deadlines())
    await has_begun.wait()
    clock.advance(4_999)
    pool.sweep()
    assert receiver.ends == []
    clock.advance(1)
    pool.sweep()
    assert receiver.ends == ["tls"]
    await pool.close()
    server.close()
    await asyncio.sleep(0.05)


def test_verification_is_always_on(pair: Pair) -> None:
    context = client_context("1.2", pair.certificate)
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname
    assert context.minimum_version is ssl.TLSVersion.TLSv1_2


def version_of(client: RawClient) -> str | None:
    connection = client.writer.get_extra_info("ssl_object")
    version: str | None = connection.version()
    return version


def test_a_missing_certificate_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        server_context(str(tmp_path / "none"), str(tmp_path / "none"), "1.2")
