"""Reads an upstream's messages stream: usage as it grows, why it stopped, which block is open."""

from typing import Final

import msgspec

from troth.gateway.dialects.messages_shapes import LENGTH_REASONS, STOP_REASONS, StreamEvent
from troth.gateway.dialects.progress import Progress
from troth.providers.counting import AnthropicUsage, anthropic_merged, of_anthropic
from troth.wire.events import Event, Splitter, StreamTooLarge

FAULTS: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
NO_BLOCK: Final = -1

_decode: Final = msgspec.json.Decoder(StreamEvent).decode


class MessagesReader(Progress):
    """What all renderings of an Anthropic-style stream share; a subclass shows the events."""

    __slots__ = (
        "_block",
        "_is_begun",
        "_is_over",
        "_split",
        "_stop_reason",
        "_stop_sequence",
        "_usage",
    )

    def __init__(self) -> None:
        super().__init__()
        self._split = Splitter().feed
        self._is_begun = False
        self._is_over = False
        self._block = NO_BLOCK
        self._stop_reason = ""
        self._stop_sequence: str | None = None
        self._usage = AnthropicUsage()

    def show(self, event: StreamEvent, raw: Event) -> bytes:  # noqa: ARG002
        """Return what the client sees of an event. A subclass says it."""
        return b""

    def read(self, data: bytes) -> bytes:
        """Take bytes of the upstream's body; return what the client sees of them."""
        if self.failure is not None:
            return b""
        try:
            events = self._split(data)
        except StreamTooLarge:
            self.fail()
            return b""
        if len(events) == 1:
            return self._event(events[0])
        return b"".join(map(self._event, events))

    def is_whole(self) -> bool:
        """Tell whether the message stopped with all its blocks closed."""
        if not self._stop_reason or self._block != NO_BLOCK:
            self.fail()
        return self.failure is None

    def _event(self, raw: Event) -> bytes:
        if self._is_over or self.failure is not None:
            return b""
        try:
            event = _decode(raw.data)
        except FAULTS:
            self.fail()
            return b""
        if event.type == "content_block_delta":
            if event.delta is None or event.index != self._block:
                self.fail()
                return b""
        elif not self._note(event):
            return b""
        return self.show(event, raw)

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
        return True

    def _open(self, event: StreamEvent) -> bool:
        if event.content_block is None or self._block != NO_BLOCK or not self._is_begun:
            self.fail()
            return False
        self._block = event.index
        return True

    def _close(self, event: StreamEvent) -> bool:
        if event.index != self._block:
            self.fail()
            return False
        self._block = NO_BLOCK
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
