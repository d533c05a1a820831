"""Addresses of upstreams, resolved off the loop and kept for a while.

An answer is asked again once it is no longer fresh; while the resolver fails, the last one is used
until it is too old. Calls that need the same name at the same time share one question.
"""

import asyncio
import ipaddress
import socket
from typing import NamedTuple

from troth.kernel.clock import Clock
from troth.wire.limits import ClientLimits

MS = 1_000_000
Address = tuple[int, str]  # address family, numeric host


class Resolved(NamedTuple):
    """An answer and the monotonic time it came."""

    addresses: tuple[Address, ...]
    at_ns: int


class Resolver:
    """The names of one process."""

    def __init__(self, limits: ClientLimits, clock: Clock) -> None:
        self._limits = limits
        self._clock = clock
        self._kept: dict[str, Resolved] = {}
        self._asking: dict[str, asyncio.Task[tuple[Address, ...]]] = {}

    async def addresses(self, host: str) -> tuple[Address, ...]:
        """Return the addresses of a name, in the resolver's order.

        Raises:
            OSError: it cannot be resolved, and no recent answer is left.
        """
        literal = _literal(host)
        if literal is not None:
            return (literal,)
        kept = self._kept.get(host)
        age_ms = (self._clock.monotonic_ns() - kept.at_ns) // MS if kept is not None else 0
        if kept is not None and age_ms < self._limits.resolved_fresh_ms:
            return kept.addresses
        try:
            return await self._ask(host)
        except OSError:
            if kept is None or age_ms >= self._limits.resolved_kept_ms:
                raise
            return kept.addresses

    async def _ask(self, host: str) -> tuple[Address, ...]:
        """Ask once for everybody; one caller's cancellation does not stop the question."""
        task = self._asking.get(host)
        if task is None:
            task = asyncio.get_running_loop().create_task(self._look_up(host))
            self._asking[host] = task
            task.add_done_callback(lambda _: self._asking.pop(host, None))
        return await asyncio.shield(task)

    async def _look_up(self, host: str) -> tuple[Address, ...]:
        found = await asyncio.get_running_loop().getaddrinfo(
            host, None, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP
        )
        addresses = tuple(dict.fromkeys((entry[0], str(entry[4][0])) for entry in found))
        if not addresses:
            raise OSError("no address")
        self._kept[host] = Resolved(addresses, self._clock.monotonic_ns())
        return addresses


def _literal(host: str) -> Address | None:
    """Return a numeric address as it is."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return None
    return (socket.AF_INET if address.version == 4 else socket.AF_INET6, host)  # noqa: PLR2004
