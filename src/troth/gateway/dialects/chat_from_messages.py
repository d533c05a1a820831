"""A messages stream of an upstream for a chat client: blocks become deltas of the one choice."""

from typing_extensions import override

from troth.catalog.offering import Offering
from troth.gateway.dialects.chat_shapes import Delta as ChatDelta
from troth.gateway.dialects.chat_shapes import Function, StreamChoice, ToolCall, size_of_delta
from troth.gateway.dialects.chat_writer import ChatWriter
from troth.gateway.dialects.envelopes import openai_broken
from troth.gateway.dialects.messages_reader import MessagesReader
from troth.gateway.dialects.messages_shapes import Block, Delta, StreamEvent
from troth.gateway.dialects.reasons import finish_reason_of
from troth.gateway.dialects.usual_event import Around
from troth.gateway.exchange import Ask, Charged
from troth.kernel.errors import UpstreamFailed
from troth.kernel.quantities import Quantities
from troth.wire.events import Event


class ChatFromMessages(MessagesReader):
    """Streams from Anthropic-style upstreams to chat clients."""

    __slots__ = ("_call_count", "_is_in_call", "_writer")

    def __init__(self, ask: Ask, offering: Offering, answer_id: str, created_at: int) -> None:
        """`answer_id` and `created_at` (unix seconds) are the answer's."""
        super().__init__()
        self._call_count = 0
        self._is_in_call = False
        self._writer = ChatWriter(
            wants_usage=ask.wants_usage,
            shows_reasoning=ask.asks_reasoning,
        )
        self._writer.name(answer_id, created_at, offering.model.name)

    @override
    def tail(self, cost_nusd: int, used: Quantities) -> bytes:
        """Return the finish reason, the usage event if it was asked for, and the end."""
        finish = StreamChoice(0, ChatDelta(), finish_reason_of(self._stop_reason))
        return self._writer.write(finish) + self._writer.end(cost_nusd, used)

    @override
    def broken(self, error: UpstreamFailed, charged: Charged | None = None) -> bytes:
        """Return the event that says the stream failed."""
        return openai_broken(error, charged)

    @override
    def show(self, event: StreamEvent, raw: Event) -> bytes:
        """Return what an event adds to the choice; b"" when it adds nothing."""
        delta: ChatDelta | None = None
        if event.type == "content_block_delta" and event.delta is not None:
            delta = self._added(event.delta)
        elif event.type == "content_block_start" and event.content_block is not None:
            self._is_in_call = event.content_block.type == "tool_use"
            delta = self._begun(event.content_block)
        elif event.type == "message_start":
            return self._writer.write(StreamChoice())
        if delta is None:
            return b""
        self.delivered_bytes += size_of_delta(delta)
        return self._writer.write(StreamChoice(0, delta))

    @override
    def around_text(self, index: int) -> Around | None:
        """Return what is around a piece of content; blocks are not told apart here."""
        return self._writer.around_content()

    def _begun(self, block: Block) -> ChatDelta | None:
        """Return what the start of a block adds."""
        match block.type:
            case "tool_use":
                call = ToolCall(
                    self._call_count, block.id, "function", Function(block.name or "", "")
                )
                self._call_count += 1
                return ChatDelta(tool_calls=[call])
            case "redacted_thinking":
                return ChatDelta(
                    reasoning_details=[{"type": "reasoning.encrypted", "data": block.data}]
                )
            case "text" if block.text:
                return ChatDelta(content=block.text)
            case _:
                return None

    def _added(self, delta: Delta) -> ChatDelta | None:
        """Return what a piece of a block adds."""
        if delta.text is not None:
            return ChatDelta(content=delta.text)
        if delta.partial_json is not None:
            if not self._is_in_call:  # of a tool that the provider runs itself
                return None
            piece = ToolCall(self._call_count - 1, function=Function(None, delta.partial_json))
            return ChatDelta(tool_calls=[piece])
        if delta.thinking is not None:
            detail = {"type": "reasoning.text", "text": delta.thinking}
            return ChatDelta(reasoning=delta.thinking, reasoning_details=[{**detail}])
        if delta.signature is not None:
            return ChatDelta(
                reasoning_details=[{"type": "reasoning.text", "signature": delta.signature}]
            )
        return None
