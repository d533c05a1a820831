"""A messages stream for a messages client: relayed as bytes where its events fit, else written."""

from typing_extensions import override

from troth.catalog.offering import Offering
from troth.gateway.dialects import messages_writer as write
from troth.gateway.dialects.messages_reader import MessagesReader
from troth.gateway.dialects.messages_shapes import (
    Delta,
    StreamEvent,
    block_out,
)
from troth.gateway.dialects.usual_event import Around
from troth.gateway.exchange import Charged
from troth.kernel.errors import UpstreamFailed
from troth.kernel.quantities import Quantities
from troth.providers.counting import of_anthropic
from troth.wire.events import Event


class MessagesStream(MessagesReader):
    """Streams from Anthropic-style upstreams to messages clients."""

    __slots__ = ("_identity", "_is_exact", "_request_id")

    def __init__(self, offering: Offering, answer_id: str, request_id: str) -> None:
        """`answer_id` is used where the events are ours."""
        super().__init__()
        self._is_exact = offering.exact
        self._identity = (answer_id, offering.model.name)
        self._request_id = request_id

    @override
    def tail(self, cost_nusd: int, used: Quantities) -> bytes:
        """Return the events that end the message."""
        return write.end(self._stop_reason, self._stop_sequence, used)

    @override
    def broken(self, error: UpstreamFailed, charged: Charged | None = None) -> bytes:
        """Return the event that says the stream failed."""
        return write.broken(error, self._request_id, charged)

    @override
    def show(self, event: StreamEvent, raw: Event) -> bytes:
        """Return an event as it came from an exact offering, else as it is written here."""
        if event.delta is not None:
            self.delivered_bytes += _size(event.delta)
        if self._is_exact and raw.name and b"\n" not in raw.data:
            return b"event: %b\ndata: %b\n\n" % (raw.name, raw.data)
        return self._written(event)

    @override
    def around_text(self, index: int) -> Around | None:
        """Return what is around a piece of text as it is written here; None for an exact one."""
        return None if self._is_exact else write.around_text(index)

    def _written(self, event: StreamEvent) -> bytes:
        index = event.index
        match event.type:
            case "content_block_delta" if event.delta is not None:
                return _delta(index, event.delta)
            case "message_start":
                return write.start(*self._identity, of_anthropic(self._usage))
            case "content_block_start" if event.content_block is not None:
                block = block_out(event.content_block)
                if block is None:
                    self.fail()
                    return b""
                return write.block_start(index, block)
            case "content_block_stop":
                return write.block_stop(index)
            case _:
                return write.PING


def _size(delta: Delta) -> int:
    text = delta.text or delta.partial_json or delta.thinking
    if text is None:
        return 0
    return len(text) if text.isascii() else len(text.encode())


def _delta(index: int, delta: Delta) -> bytes:
    """Return a piece of a block; b"" for a kind that nobody asked for."""
    if delta.text is not None:
        return write.text(index, delta.text)
    if delta.partial_json is not None:
        return write.arguments(index, delta.partial_json)
    if delta.thinking is not None:
        return write.thinking(index, delta.thinking)
    if delta.signature is not None:
        return write.signature(index, delta.signature)
    return b""
