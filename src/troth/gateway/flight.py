"""One attempt at an upstream, as it happens: pieces pass to the client by plain calls.

`ready` is done when the first valid event or the whole answer is here, or the attempt failed;
it is over, and `landing` done, when the upstream's answer is over, one way or the other.
"""

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final, Protocol

from troth.gateway.dialects.chat_writer import COMMENT
from troth.gateway.dialects.messages_writer import PING
from troth.gateway.estimates import LONGEST_TOKEN
from troth.gateway.exchange import Ask, Rendering
from troth.gateway.outlet import Outlet
from troth.gateway.world import Limits
from troth.kernel.errors import TrothError, UpstreamCut, UpstreamError, UpstreamTimeout
from troth.kernel.stream_errors import UpstreamStalled
from troth.providers import failure_of
from troth.wire import Failure, Moment, Sink

if TYPE_CHECKING:
    from troth.gateway.ports import Call

_OK: Final = 200
_ERROR_BYTES: Final = 65_536
_SLACK_BYTES: Final = 65_536
_TIMEOUTS: Final = frozenset(
    {
        Failure.CONNECT_TIMEOUT,
        Failure.FIRST_BYTE_TIMEOUT,
        Failure.BETWEEN_TIMEOUT,
        Failure.WHOLE_TIMEOUT,
    }
)


class Meter(Protocol):
    """What wants to know how much of a stream was delivered."""

    def seen(self, delivered_bytes: int) -> None:
        """So many bytes of content were delivered so far."""
        ...


class Flight:
    """The receiver of one upstream answer. All its methods are called by the wire, none waits."""

    __slots__ = (
        "_ask",
        "_drain_ms",
        "_failed_head",
        "_failed_parts",
        "_landed",
        "_most_bytes",
        "_received",
        "_sink",
        "call",
        "error",
        "first_ns",
        "has_begun",
        "has_client_left",
        "is_cut",
        "is_over",
        "is_whole",
        "outlet",
        "ready",
        "rendering",
        "tranches",
        "waiting",
    )

    def __init__(
        self,
        rendering: Rendering,
        outlet: Outlet,
        ask: Ask,
        *,
        max_tokens: int,
        limits: Limits,
    ) -> None:
        """Take what turns bytes, and the bounds past which an upstream is cut off."""
        self.ready = Moment()
        self._landed: Moment | None = None
        self.tranches: Meter | None = None
        self.is_over = False
        self.rendering = rendering
        self.outlet = outlet
        self.call: Call | None = None
        self.error: TrothError | None = None
        self.waiting: list[bytes] = []
        self.first_ns = 0
        self.is_whole = False
        self.is_cut = False
        self.has_begun = False
        self.has_client_left = False
        self._ask = ask
        self._sink: Sink | None = None
        self._failed_head: tuple[int, Mapping[bytes, bytes]] | None = None
        self._failed_parts: list[bytes] = []
        self._received = 0
        self._drain_ms = limits.drain_ms
        self._most_bytes = limits.answer_bytes
        if ask.streamed:
            tokens = (max_tokens or outlet.offering.model.max_output or 1) * ask.choices
            self._most_bytes = tokens * LONGEST_TOKEN * 4 + _SLACK_BYTES

    def head(self, status: int, headers: Mapping[bytes, bytes]) -> None:
        """The upstream's status and headers are here."""
        kind = headers.get(b"content-type", b"")
        if status != _OK:
            self._failed_head = (status, headers)
        elif self._ask.streamed != kind.startswith(b"text/event-stream"):
            self._give_up(UpstreamError())

    def piece(self, data: bytes) -> None:
        """Bytes of the upstream's body are here."""
        if self.is_over:
            return
        self._received += len(data)
        if self._failed_head is not None:
            self._keep_error(data)
            return
        rendering = self.rendering
        shown = rendering.piece(data)
        if shown:
            sink = self._sink
            if sink is not None:
                sink.write(shown)
                if self.tranches is not None:
                    self.tranches.seen(rendering.delivered_bytes)
            else:
                self.waiting.append(shown)
                self.ready.happen()
        if rendering.failure is not None:
            self._break(rendering.failure)
        elif self._received > self._most_bytes and not self.has_client_left:
            self._break(UpstreamError())

    def ended(self) -> None:
        """The upstream's body ended as its framing said."""
        if self.is_over:
            return
        if self._failed_head is not None:
            status, headers = self._failed_head
            body = b"".join(self._failed_parts)
            self._failed_parts.clear()
            self.error = failure_of(
                self.outlet.offering.upstream.dialect, status, headers, body, self._ask
            )
            self._land()
            return
        self.is_whole = self.rendering.ended()
        if self.is_whole:
            self._land()
        else:
            self._break(self.rendering.failure or UpstreamCut())

    def failed(self, failure: Failure) -> None:
        """The wire gave up: no connection, a reset, a deadline, bytes that are no HTTP."""
        if not self.is_over:
            self._break(UpstreamTimeout() if failure in _TIMEOUTS else UpstreamError())

    def client_left(self) -> None:
        """The client is gone: stop the upstream, or hear it out where it bills the whole."""
        if self.is_over or self.has_client_left:
            return
        self.has_client_left = True
        if (
            self.outlet.offering.cancel == "bills_full"
            and self._received
            and self._failed_head is None
        ):
            asyncio.get_running_loop().call_later(self._drain_ms / 1000, self._drained)
        else:
            self._close()
            self._land()

    def deliver_to(self, sink: Sink) -> None:
        """From now on pieces go straight to the client."""
        self._sink = sink
        self.has_begun = True
        for shown in self.waiting:
            sink.write(shown)
        self.waiting.clear()
        if self.call is not None:
            sink.on_drain(self.call.pause, self.call.resume)

    def end(self, error: TrothError) -> None:
        """End a stream that has begun: nothing pays for the rest."""
        if not self.is_over:
            self._break(error)

    def delivered(self) -> int:
        """Return how many bytes of content the client was sent."""
        return self.rendering.delivered_bytes

    def say_alive(self) -> None:
        """Send what a client skips, where it reads at all: nothing came for a while."""
        sink = self._sink
        if sink is not None and not sink.is_paused and not self.has_client_left:
            sink.write(PING if self._ask.endpoint == "messages" else COMMENT)

    def pause(self) -> None:
        """Take no more of the answer for now."""
        if self.call is not None:
            self.call.pause()

    def resume(self) -> None:
        """Go on, unless the client is what is slow."""
        if self.call is not None and not (self._sink is not None and self._sink.is_paused):
            self.call.resume()

    def release(self) -> None:
        """Drop what refers to content, so that it is freed when the request ends."""
        self.waiting.clear()
        self._failed_parts.clear()
        self._failed_head = None
        self._sink = None
        self.tranches = None
        self.call = None

    def _drained(self) -> None:
        if not self.is_over:
            self._close()
            self._land()

    def _keep_error(self, data: bytes) -> None:
        if self._received <= _ERROR_BYTES:
            self._failed_parts.append(data)
        else:
            self._give_up(UpstreamError())

    def _give_up(self, error: TrothError) -> None:
        self.error = error
        self._close()
        self._land()

    def _break(self, error: TrothError) -> None:
        """Fail: before the first byte as an attempt that may be repeated, later as a cut."""
        self.is_cut = self.has_begun
        self.error = _of_begun(error) if self.is_cut else error
        self._close()
        self._land()

    def _close(self) -> None:
        if self.call is not None:
            self.call.close()

    def landing(self) -> Moment:
        """Return the moment of the end, for the one who waits for it."""
        self._landed = Moment()
        return self._landed

    def _land(self) -> None:
        self.is_over = True
        if self._landed is not None:
            self._landed.happen()
        self.ready.happen()


def _of_begun(error: TrothError) -> TrothError:
    """Return what ends a stream: what was delivered is charged, so never say that nothing was."""
    if isinstance(error, UpstreamTimeout):
        return UpstreamStalled()
    return UpstreamCut() if isinstance(error, UpstreamError) else error
