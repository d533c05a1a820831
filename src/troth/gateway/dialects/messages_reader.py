"""Reads an upstream's messages stream: usage as it grows, why it stopped, which block is open."""

from typing import Final

import msgspec
from typing_extensions import override

from troth.gateway.dialects.event_stream import EventStream
from troth.gateway.dialects.messages_shapes import (
    LENGTH_REASONS,
    STOP_REASONS,
    StreamEvent,
    TextEvent,
)
from troth.gateway.dialects.usual_event import Around
from troth.providers.counting import AnthropicUsage, anthropic_merged, begun, of_anthropic
from troth.wire.events import Event

FAULTS: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
NO_BLOCK: Final = -1
_DELTA: Final = b"event: content_block_delta\ndata: "
_LINE_ENDS: Final = 3  # of an event with a name

_decode: Final = msgspec.json.Decoder(StreamEvent).decode
_decode_text: Final = msgspec.json.Decoder(TextEvent).decode


class MessagesReader(EventStream):
    """What all renderings of an Anthropic-style stream share; a subclass shows the events."""

    __slots__ = (
        "_block",
        "_is_begun",
        "_stop_reason",
        "_stop_sequence",
        "_usage",
    )

    def __init__(self) -> None:
        super().__init__()
        self._is_begun = False
        self._block = NO_BLOCK
        self._stop_reason = ""
        self._stop_sequence: str | None = None
        self._usage = AnthropicUsage()

    def show(self, event: StreamEvent, raw: Event) -> bytes:  # noqa: ARG002
        """Return what the client sees of an event. A subclass says it."""
        return b""

    def around_text(self, index: int) -> Around | None:  # noqa: ARG002
        """Return what the client sees around a piece of text; None: what the upstream sent."""
        return None

    @override
    def is_within_text(self) -> bool:
        """Tell whether a block is open."""
        return self._block != NO_BLOCK

    @override
    def one(self, data: bytes) -> bytes:
        """Return what one event becomes, and learn from it."""
        shown = self.split(data)
        if shown and self._usual.is_learning and _is_plain(data):
            self._learn(data)
        return shown

    def _learn(self, data: bytes) -> None:
        """Look at a piece that was shown: if it is text and nothing else, more like it come."""
        try:
            content = _read_text(data)
        except FAULTS:
            return
        self._usual.learn(data, content, _read_text, goes_out=self.around_text(self._block))

    @override
    def ended(self) -> bool:
        """Tell whether the message stopped and its blocks are closed: it may leave out the end."""
        if not self._stop_reason or self._block != NO_BLOCK:
            self.fail()
        return self.failure is None

    @override
    def event(self, event: Event) -> bytes:
        """Return what an event becomes that was split off; what is none of a message fails."""
        if self._is_over or self.failure is not None:
            return b""
        try:
            said = _decode(event.data)
        except FAULTS:
            self.fail()
            return b""
        if said.type == "content_block_delta":
            if said.delta is None or said.index != self._block:
                self.fail()
                return b""
        elif not self._note(said):
            return b""
        return self.show(said, event)

    def _note(self, event: StreamEvent) -> bool:
        """Follow the course of the message; tell whether the event is to be shown."""
        match event.type:
            case "message_start":
                return self._begin(event)
            case "content_block_start":
                return self._open(event)
            case "content_block_stop":
                return self._close(event)
            case "message_delta":
                self._stop(event)
            case "message_stop":
                self._is_over = True
                self._usual.forget()
            case "error":
                self.fail()
            case "ping":
                return self._is_begun
            case _:
                pass
        return False

    def _begin(self, event: StreamEvent) -> bool:
        if event.message is None or self._is_begun:
            self.fail()
            return False
        self._is_begun = True
        self._count(event.message.usage)
        self._usage = begun(self._usage)
        self.reported = of_anthropic(self._usage)
        return True

    def _open(self, event: StreamEvent) -> bool:
        if event.content_block is None or self._block != NO_BLOCK or not self._is_begun:
            self.fail()
            return False
        self._block = event.index
        self._usual.learn_anew()
        return True

    def _close(self, event: StreamEvent) -> bool:
        if event.index != self._block:
            self.fail()
            return False
        self._block = NO_BLOCK
        self._usual.learn_anew()
        return True

    def _stop(self, event: StreamEvent) -> None:
        """Note reason and usage; both leave with the end, when the cost is known."""
        self._count(event.usage)
        self.reported = of_anthropic(self._usage)
        delta = event.delta
        if delta is None or delta.stop_reason is None:
            return
        self._stop_sequence = delta.stop_sequence
        self._stop_reason = delta.stop_reason
        if self._stop_reason not in STOP_REASONS:
            self._stop_reason = "end_turn"
            self.alarms += 1
        self.hit_length = self._stop_reason in LENGTH_REASONS

    def _count(self, usage: msgspec.Raw) -> None:
        """Take the last value of each count: they are cumulative, never to be summed."""
        if usage:
            self._usage = anthropic_merged(self._usage, bytes(usage))


def _is_plain(data: bytes) -> bool:
    """Tell whether bytes are one event of a name and a line of data."""
    return data.startswith(_DELTA) and data.count(b"\n") == _LINE_ENDS and b"\r" not in data


def _read_text(event: bytes) -> str:
    """Return the text of a whole event that adds text and nothing else."""
    return _decode_text(event[len(_DELTA) :]).delta.text
