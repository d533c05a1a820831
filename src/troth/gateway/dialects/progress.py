"""What every rendering keeps while it works, and the neutral half of its face.

A stream has no `whole`, a buffered answer neither `tail` nor `broken`: they answer nothing here.
"""

from troth.gateway.exchange import Charged
from troth.kernel.errors import UpstreamCut, UpstreamError, UpstreamFailed
from troth.kernel.quantities import Quantities


class Progress:
    """Counts of one answer on its way. See `gateway.exchange.Rendering`."""

    __slots__ = ("alarms", "delivered_bytes", "failure", "hit_length", "reported")

    def __init__(self) -> None:
        self.reported: Quantities | None = None
        self.delivered_bytes = 0
        self.hit_length = False
        self.failure: UpstreamFailed | None = None
        self.alarms = 0

    def piece(self, data: bytes) -> bytes:  # noqa: ARG002
        """Take bytes of the upstream's body; return events for the client."""
        return b""

    def ended(self) -> bool:
        """Tell whether the answer is whole."""
        return self.failure is None

    def tail(self, cost_nusd: int, used: Quantities) -> bytes:  # noqa: ARG002
        """Return a stream's last events."""
        return b""

    def broken(self, error: UpstreamFailed, charged: Charged | None = None) -> bytes:  # noqa: ARG002
        """Return the event that says a begun stream failed."""
        return b""

    def whole(self, cost_nusd: int, used: Quantities) -> bytes:  # noqa: ARG002
        """Return the buffered answer."""
        return b""

    def fail(self) -> None:
        """Note that the upstream sent what is no answer; the first failure stays."""
        if self.failure is None:
            self.failure = UpstreamCut() if self.delivered_bytes else UpstreamError()
