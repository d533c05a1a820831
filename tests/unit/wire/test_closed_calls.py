"""A call that its caller gives up says nothing more."""

import asyncio
import socket
from collections.abc import Callable

import pytest
from typing_extensions import override

from tests.builders.wire_plane import LineTransport, Listening, turns
from tests.builders.wire_upstream import HEAD, OK, ORIGIN, Played
from troth.kernel.clock import ManualClock
from troth.wire import Call, ClientLimits, Deadlines, Pool
from troth.wire.client import Upstream
from troth.wire.dial import Dialer
from troth.wire.resolver import Address

pytestmark = pytest.mark.anyio


class Closing(Listening):
    """Closes its call at a moment."""

    def __init__(self, at: str) -> None:
        super().__init__()
        self.at = at
        self.call: Call | None = None

    def close(self, at: str) -> None:
        assert self.call is not None
        if self.at == at:
            self.call.close()

    @override
    def head(self, status: int, headers: dict[bytes, bytes]) -> None:
        super().head(status, headers)
        self.close("head")

    @override
    def piece(self, data: bytes) -> None:
        super().piece(data)
        self.close("piece")


@pytest.mark.parametrize("at", ["sent", "head", "piece", "over"])
async def test_a_closed_call_says_nothing_more(at: str) -> None:
    played = Played()
    receiver = Closing(at)
    receiver.call = call = played.pool.send(ORIGIN, HEAD, [], receiver, Deadlines())
    await turns()
    receiver.close("sent")
    await played.answer(OK)
    assert receiver.ends == (["ended"] if at == "over" else [])
    assert played.line.is_aborted == (at != "over")
    for act in (call.close, call.close, call.pause, call.resume):
        act()
    assert played.pool.in_flight == 0
    await played.lose()
    assert played.pool.connections == 0


async def test_a_call_may_be_closed_while_it_connects() -> None:
    played = Played()
    played.dialer.gate.clear()
    receiver, call = await played.send()
    call.close()
    await turns()
    assert (played.pool.connections, receiver.ends) == (0, [])


async def test_a_call_for_which_there_was_no_room_may_be_closed() -> None:
    played = Played(ClientLimits(connections_per_origin=1, waiting_per_origin=0))
    await played.send()
    receiver = Listening()
    played.pool.send(ORIGIN, HEAD, [], receiver, Deadlines()).close()
    await turns()
    assert receiver.ends == []
    assert played.pool.in_flight == 1


async def test_a_call_closed_while_it_waits_opens_no_connection() -> None:
    played = Played(ClientLimits(connections_per_origin=1))
    await played.send()
    _, waiting = await played.send()
    waiting.close()
    await played.lose()
    assert (played.pool.connections, len(played.dialer.lines)) == (0, 1)


async def test_a_connection_lost_before_its_call_began_fails_the_call(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def connected(_dialer: Dialer, _addresses: tuple[Address, ...]) -> socket.socket:
        return socket.socket()

    async def lost(
        make: Callable[[], Upstream], sock: socket.socket, **_options: str | None
    ) -> tuple[LineTransport, Upstream]:
        sock.close()
        upstream = make()
        upstream.connection_made(LineTransport())
        upstream.connection_lost(None)
        return LineTransport(), upstream

    monkeypatch.setattr(Dialer, "_open", connected)
    monkeypatch.setattr(asyncio.get_running_loop(), "create_connection", lost)
    pool = Pool(ClientLimits(), ManualClock())
    receiver = Listening()
    pool.send(ORIGIN, HEAD, [], receiver, Deadlines())
    await turns()
    assert receiver.ends == ["reset"]
    assert pool.connections == 0
    await pool.close()
