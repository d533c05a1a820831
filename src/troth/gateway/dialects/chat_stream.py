"""A chat stream for a chat client: relayed as bytes where its events fit, else written anew.

An exact offering's events go out as they came, but for a `usage` key that was not asked for.
Usage and the end wait for `tail`, which knows the cost.
"""

from typing import Final

import msgspec
from typing_extensions import override

from troth.catalog.offering import Offering
from troth.gateway.dialects.chat_shapes import (
    FINISH_REASONS,
    Chunk,
    Piece,
    StreamChoice,
    size_of_delta,
)
from troth.gateway.dialects.chat_writer import ChatWriter
from troth.gateway.dialects.envelopes import openai_broken
from troth.gateway.dialects.event_stream import EventStream
from troth.gateway.dialects.usual_event import EVENT_END, read_chat
from troth.gateway.exchange import Ask, Charged
from troth.kernel.errors import UpstreamFailed
from troth.kernel.quantities import Quantities
from troth.providers.counting import openai_quantities
from troth.wire.events import Event

_DONE: Final = b"[DONE]"
_END: Final = b"\n\n"
_NULL: Final = b"null"
_UNASKED_USAGE: Final = b',"usage":null}'
_NULL_USAGE: Final = _UNASKED_USAGE + _END
_FAULTS: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)

_decode: Final = msgspec.json.Decoder(Chunk).decode
_decode_piece: Final = msgspec.json.Decoder(Piece).decode


class ChatStream(EventStream):
    """Streams from OpenAI-style upstreams to chat clients."""

    __slots__ = (
        "_expected",
        "_finished",
        "_identity",
        "_is_exact",
        "_reasoning_inside",
        "_wants_usage",
        "_writer",
    )

    def __init__(self, ask: Ask, offering: Offering, answer_id: str, created_at: int) -> None:
        """`answer_id` and `created_at` (unix seconds) are used where the events are ours."""
        super().__init__()
        self._is_exact = offering.exact and offering.upstream.dialect == "openai"
        self._expected = ask.choices
        self._finished: set[int] = set()
        self._identity = (answer_id, created_at, offering.model.name)
        self._reasoning_inside = offering.reasoning_inside
        self._wants_usage = ask.wants_usage
        self._writer = ChatWriter(
            wants_usage=ask.wants_usage,
            shows_reasoning=ask.asks_reasoning,
        )

    @override
    def is_within_text(self) -> bool:
        """Tell whether what comes may go out as it came."""
        return self._is_exact and self._writer.is_named

    @override
    def one(self, data: bytes) -> bytes:
        """Return what one event becomes."""
        return self._straight(data) or self.split(data)

    @override
    def ended(self) -> bool:
        """Tell whether every choice finished: a missing `[DONE]` alone does not break it."""
        if len(self._finished) < self._expected:
            self.fail()
        return self.failure is None

    @override
    def tail(self, cost_nusd: int, used: Quantities) -> bytes:
        """Return the usage event, if it was asked for, and the end."""
        return self._writer.end(cost_nusd, used)

    @override
    def broken(self, error: UpstreamFailed, charged: Charged | None = None) -> bytes:
        """Return the event that says the stream failed."""
        return openai_broken(error, charged)

    def _straight(self, data: bytes) -> bytes:
        """Return bytes that are one usual event of an exact stream as they go out, else b"".

        What is not just a piece of content is left to `event`, and not counted here.
        """
        text = self._splitter.single(data)
        if not text or self._is_over or self.failure is not None:
            return b""
        try:
            chunk = _decode_piece(text)
        except _FAULTS:
            return b""
        [choice] = chunk.choices
        if not 0 <= choice.index < self._expected:
            return b""
        drops = 0
        if chunk.usage is None and not self._wants_usage:
            if not data.endswith(_NULL_USAGE):
                return b""
            drops = len(_NULL_USAGE)
        content = choice.delta.content
        self._usual.learn(data, content, read_chat, drops=drops)
        self.delivered_bytes += len(content) if content.isascii() else len(content.encode())
        return data[:-drops] + EVENT_END if drops else data

    @override
    def event(self, event: Event) -> bytes:
        """Return what one event of the upstream becomes; what is no event of a chat fails."""
        data = event.data
        if self._is_over or self.failure is not None:
            return b""
        if data == _DONE:
            self._is_over = True
            self._usual.forget()
            return b""
        try:
            chunk = _decode(data)
        except _FAULTS:
            self.fail()
            return b""
        usage = bytes(chunk.usage) if chunk.usage else b""
        if usage and usage != _NULL:
            self.reported = openai_quantities(usage, reasoning_inside=self._reasoning_inside)
        choices = chunk.choices
        if choices:
            relayed = self._relayed(event, usage) if self._is_exact else b""
            return self._shown(chunk, choices, relayed)
        if choices is None or chunk.error:
            self.fail()
        return b""

    def _shown(self, chunk: Chunk, choices: list[StreamChoice], relayed: bytes) -> bytes:
        """Return the event as it came, if it fits, else what is written in its place."""
        if not self._writer.is_named:
            named = (chunk.id, chunk.created, chunk.model) if self._is_exact else self._identity
            self._writer.name(*named)
        if relayed and self._fits(choices):
            return relayed
        if len(choices) == 1:
            return self._rewritten(choices[0])
        return b"".join(map(self._rewritten, choices))

    def _relayed(self, event: Event, usage: bytes) -> bytes:
        """Return the event as it came, without a usage that was not asked for; b"" if it cannot."""
        data = event.data
        if event.name or b"\n" in data:
            return b""
        if not usage or (self._wants_usage and usage == _NULL):
            return b"data: %b\n\n" % data
        if usage == _NULL and data.endswith(_UNASKED_USAGE):
            return b"data: %b}\n\n" % data[: -len(_UNASKED_USAGE)]
        return b""

    def _fits(self, choices: list[StreamChoice]) -> bool:
        """Tell whether an event may be relayed, and count it if so."""
        for choice in choices:
            delta, reason = choice.delta, choice.finish_reason
            if delta is None or not 0 <= choice.index < self._expected:
                return False
            if reason is not None:
                if reason not in FINISH_REASONS:
                    return False
                self._finish(choice.index, reason)
            content = delta.content
            if content is not None and delta.tool_calls is None:
                self.delivered_bytes += len(content) if content.isascii() else len(content.encode())
            else:
                self.delivered_bytes += size_of_delta(delta)
        return True

    def _rewritten(self, choice: StreamChoice) -> bytes:
        index = choice.index
        if not 0 <= index < self._expected:
            self.fail()
            return b""
        if index in self._finished:
            return b""
        delta = choice.delta
        if delta is not None:
            self.delivered_bytes += size_of_delta(delta)
        if choice.finish_reason is None:
            return self._writer.write(choice)
        choice.finish_reason = self._reason(choice)
        self._finish(index, choice.finish_reason)
        return self._writer.write(choice)

    def _reason(self, choice: StreamChoice) -> str:
        """Return a reason that the published document knows."""
        reason = choice.finish_reason
        called = self._writer.has_calls(choice.index) or bool(
            choice.delta and choice.delta.tool_calls
        )
        if reason == "stop" and called:
            return "tool_calls"
        if reason in FINISH_REASONS:
            return reason
        self.alarms += 1
        return "tool_calls" if called else "stop"

    def _finish(self, index: int, reason: str) -> None:
        self._finished.add(index)
        if reason == "length":
            self.hit_length = True
