"""What the server and its connections know of each other."""

from collections.abc import Callable, Sequence
from typing import Protocol

from troth.wire.arrival import Arrival
from troth.wire.departures import Departures
from troth.wire.framing import Head
from troth.wire.known_heads import KnownHeads
from troth.wire.limits import ServerLimits
from troth.wire.sink import Header, Sink

Refuse = Callable[[int, str, Head | None], tuple[int, Sequence[Header], bytes]]
"""From status, code and head to the answer: a dialect may have a status of its own for it."""


class Accepted(Protocol):
    """What the server needs of a connection."""

    peer: str

    def check(self, now_ns: int) -> None:
        """Hold it to its deadlines."""
        ...

    def close_idle(self) -> None:
        """Close if no request is under way."""
        ...

    def break_off(self) -> None:
        """Cut it now."""
        ...


class Listener(Protocol):
    """What a connection needs of its server. `now_ns` is coarse, `clock_ns()` exact."""

    limits: ServerLimits
    heads: KnownHeads
    hosts: frozenset[bytes]
    departures: Departures
    in_flight: int
    now_ns: int
    is_draining: bool
    refusal: Refuse
    clock_ns: Callable[[], int]

    def welcome(self, connection: Accepted) -> bool:
        """Count a connection; tell whether there was room for it."""
        ...

    def farewell(self, connection: Accepted) -> None:
        """Forget a connection."""
        ...

    def serves_host(self, head: Head) -> bool:
        """Whether the `Host` is one of ours."""
        ...

    def serve(self, arrival: Arrival, sink: Sink) -> None:
        """Start the task of one request."""
        ...
