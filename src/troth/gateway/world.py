"""The world as the stages see it: one value, made once a process, handed to each request."""

from collections.abc import Awaitable, Callable
from typing import Protocol

import msgspec

from troth.catalog.offering import Upstream
from troth.gateway.counters import Counters
from troth.gateway.estimates import Ratios
from troth.gateway.outlet import Outlets
from troth.gateway.ports import Call, Keys, Names, Offerings, Reads, Wallet
from troth.gateway.rates import Rates
from troth.gateway.silence import Silences
from troth.kernel.clock import Clock
from troth.kernel.ids import Entropy, IdMaker
from troth.providers import UpstreamRequest
from troth.wire import Deadlines, Receiver


class Upstreams(Protocol):
    """The way out. Addresses come from configuration; nothing a caller sends is one."""

    def send(
        self,
        upstream: Upstream,
        request: UpstreamRequest,
        receiver: Receiver,
        deadlines: Deadlines,
    ) -> Call:
        """Send a request that was built from nothing; the receiver hears the rest."""
        ...


class Memory(Protocol):
    """How much more this process may take in. Asked for bodies that are not here at once."""

    def takes(self, size: int) -> bool:
        """Tell whether a body of so many bytes may come; then it is counted until it `came`."""
        ...

    def came(self, size: int) -> None:
        """A body that was taken is here, or will not come."""
        ...


class AllMemory:
    """Memory without a limit."""

    def takes(self, size: int) -> bool:
        """Take anything."""
        del size
        return True

    def came(self, size: int) -> None:
        """Nothing was counted."""


class Limits(msgspec.Struct, frozen=True):
    """What a request may be at most: bytes, attempts, milliseconds."""

    answer_bytes: int = 64 * 1024 * 1024
    attempts: int = 3
    drain_ms: int = 60_000


class World(msgspec.Struct):
    """Everything a request may ask of its surroundings, as ports."""

    keys: Keys
    offerings: Offerings
    wallet: Wallet
    reads: Reads
    names: Names
    upstreams: Upstreams
    clock: Clock
    ids: IdMaker
    entropy: Entropy
    rates: Rates
    outlets: Outlets
    ratios: Ratios
    counters: Counters
    pause: Callable[[int], Awaitable[None]]
    """Waits so many milliseconds; a test's world does not wait."""
    limits: Limits
    verified: dict[str, bytes]
    """Public id to the keyed digest of a key that the desk verified for this process."""
    digest_key: bytes
    hint_key: bytes
    """Of the hashes that stand for what a caller named: the same in all gateways of a start."""
    proxies: frozenset[str] = frozenset()
    """Addresses that tell the truth about who asks through them."""
    is_ready: bool = True
    is_shedding: bool = False
    """Too much memory is in use: no new requests."""
    memory: Memory = msgspec.field(default_factory=AllMemory)
    kept: Callable[[], Awaitable[None]] | None = None
    """Waits until all that was settled so far is on disk; None where no answer waits for that."""
    silences: Silences = msgspec.field(default_factory=Silences)
