"""Names: asked off the loop, shared, kept while fresh, used on while the resolver fails."""

import asyncio
import socket

import pytest

from troth.kernel.clock import ManualClock
from troth.wire.limits import ClientLimits
from troth.wire.resolver import Resolver

pytestmark = pytest.mark.anyio

Found = list[tuple[socket.AddressFamily, socket.SocketKind, int, str, tuple[str, int]]]


class PlayedNames:
    """Stands for the loop's resolver."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.asked: list[str] = []
        self.hosts = ["192.0.2.1", "192.0.2.2", "192.0.2.1"]
        self.fails = False
        loop = asyncio.get_running_loop()
        monkeypatch.setattr(loop, "getaddrinfo", self._look_up)

    async def _look_up(self, host: str, port: int | None, **_kinds: int) -> Found:
        assert port is None
        self.asked.append(host)
        await asyncio.sleep(0)
        if self.fails:
            raise socket.gaierror
        kind = (socket.AF_INET, socket.SOCK_STREAM, 6, "")
        return [(*kind, (address, 0)) for address in self.hosts]


FIRST = ((socket.AF_INET, "192.0.2.1"), (socket.AF_INET, "192.0.2.2"))


async def test_an_answer_is_kept_while_it_is_fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    names = PlayedNames(monkeypatch)
    clock = ManualClock()
    resolver = Resolver(ClientLimits(), clock)
    assert await resolver.addresses("a.example") == FIRST
    clock.advance(59_999)
    names.hosts = ["192.0.2.3"]
    assert await resolver.addresses("a.example") == FIRST
    clock.advance(1)
    assert await resolver.addresses("a.example") == ((socket.AF_INET, "192.0.2.3"),)
    assert len(names.asked) == 2


async def test_an_old_answer_serves_while_the_resolver_fails(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    names = PlayedNames(monkeypatch)
    clock = ManualClock()
    resolver = Resolver(ClientLimits(), clock)
    await resolver.addresses("a.example")
    names.fails = True
    clock.advance(599_999)
    assert await resolver.addresses("a.example") == FIRST
    clock.advance(1)
    with pytest.raises(OSError):  # noqa: PT011 - any of the resolver's
        await resolver.addresses("a.example")
    names.fails = False
    names.hosts = []
    with pytest.raises(OSError, match="no address"):
        await resolver.addresses("b.example")


async def test_callers_share_one_question(monkeypatch: pytest.MonkeyPatch) -> None:
    names = PlayedNames(monkeypatch)
    resolver = Resolver(ClientLimits(), ManualClock())
    first = asyncio.create_task(resolver.addresses("a.example"))
    others = [asyncio.create_task(resolver.addresses("a.example")) for _ in range(5)]
    await asyncio.sleep(0)
    first.cancel()
    assert await asyncio.gather(*others) == [FIRST] * 5
    assert names.asked == ["a.example"]
    assert first.cancelled()


async def test_numeric_addresses_are_not_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    names = PlayedNames(monkeypatch)
    resolver = Resolver(ClientLimits(), ManualClock())
    assert await resolver.addresses("127.0.0.1") == ((socket.AF_INET, "127.0.0.1"),)
    assert await resolver.addresses("::1") == ((socket.AF_INET6, "::1"),)
    assert names.asked == []
