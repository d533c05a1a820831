"""A chat stream of an upstream for a messages client: each event becomes those of blocks.

One block is open at a time. Pieces of parallel tool calls that come interleaved wait until their
block may open; together they are bounded.
"""

from typing import Final

import msgspec
from typing_extensions import override

from troth.catalog.offering import Offering
from troth.gateway.dialects import messages_writer as write
from troth.gateway.dialects.chat_shapes import Chunk, StreamChoice, ToolCall, size_of_delta
from troth.gateway.dialects.event_stream import EventStream
from troth.gateway.dialects.messages_shapes import BlockOut, TextOut, ThinkingOut, tool_use_out
from troth.gateway.dialects.reasons import stop_reason_of
from troth.gateway.dialects.usual_event import read_chat, read_piece
from troth.gateway.exchange import Ask, Charged, InputSize
from troth.kernel.errors import UpstreamFailed
from troth.kernel.quantities import Quantities
from troth.providers.counting import openai_quantities
from troth.wire.events import Event

MAX_WAITING: Final = 1_048_576

_A_MESSAGE: Final = 4
_A_PIECE: Final = 64
_DONE: Final = b"[DONE]"
_NULL: Final = b"null"
_FAULTS: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
_TEXT: Final = "text"
_THINKING: Final = "thinking"

_decode: Final = msgspec.json.Decoder(Chunk).decode


class MessagesFromChat(EventStream):
    """Streams from OpenAI-style upstreams to messages clients."""

    __slots__ = (
        "_calls",
        "_guess",
        "_identity",
        "_index",
        "_is_begun",
        "_open",
        "_reasoning_inside",
        "_request_id",
        "_shows_thinking",
        "_stop_reason",
        "_waiting",
        "_waiting_bytes",
    )

    def __init__(self, ask: Ask, offering: Offering, answer_id: str, request_id: str) -> None:
        """`answer_id` is the message's id."""
        super().__init__()
        self._identity = (answer_id, offering.model.name)
        self._request_id = request_id
        self._guess = Quantities(input=guessed_tokens(ask.size))
        self._shows_thinking = ask.asks_reasoning
        self._reasoning_inside = offering.reasoning_inside
        self._is_begun = False
        self._index = -1
        self._open: str | int | None = None
        self._calls: set[int] = set()
        self._waiting: dict[int, list[ToolCall]] = {}
        self._waiting_bytes = 0
        self._stop_reason = ""

    @override
    def is_within_text(self) -> bool:
        """Tell whether a block of text is open."""
        return self._open == _TEXT

    @override
    def one(self, data: bytes) -> bytes:
        """Return what one event becomes."""
        return (self._open == _TEXT and self._straight(data)) or self.split(data)

    @override
    def ended(self) -> bool:
        """Tell whether the choice finished."""
        if not self._stop_reason:
            self.fail()
        return self.failure is None

    @override
    def tail(self, cost_nusd: int, used: Quantities) -> bytes:
        """Return the events that end the message."""
        return write.end(self._stop_reason, None, used)

    @override
    def broken(self, error: UpstreamFailed, charged: Charged | None = None) -> bytes:
        """Return the event that says the stream failed."""
        return write.broken(error, self._request_id, charged)

    def _straight(self, data: bytes) -> bytes:
        """Return what the usual event becomes: more of the open block's text. b"" for others."""
        choice = read_piece(self._splitter.single(data))
        if choice is None or choice.index or not choice.delta.content:
            return b""
        content = choice.delta.content
        self._usual.learn(data, content, read_chat, goes_out=write.around_text(self._index))
        self.delivered_bytes += len(content) if content.isascii() else len(content.encode())
        return write.text(self._index, content)

    @override
    def event(self, event: Event) -> bytes:
        if self._is_over or self.failure is not None:
            return b""
        if event.data == _DONE:
            self._is_over = True
            self._usual.forget()
            return b""
        try:
            chunk = _decode(event.data)
        except _FAULTS:
            self.fail()
            return b""
        if chunk.usage and chunk.usage != _NULL:
            self.reported = openai_quantities(
                bytes(chunk.usage), reasoning_inside=self._reasoning_inside
            )
        if not chunk.choices:
            if chunk.choices is None or chunk.error:
                self.fail()
            return b""
        return b"".join(self._step(chunk.choices[0]))

    def _step(self, choice: StreamChoice) -> list[bytes]:
        """Return the events of one step of the only choice."""
        out: list[bytes] = []
        if not self._is_begun:
            self._is_begun = True
            out.append(write.start(*self._identity, self._guess))
        delta = choice.delta
        if delta is not None and not self._stop_reason:
            self.delivered_bytes += size_of_delta(delta)
            thought = delta.reasoning_content or delta.reasoning
            if thought and self._shows_thinking:
                self._enter(_THINKING, ThinkingOut("", ""), out)
                out.append(write.thinking(self._index, thought))
            said = delta.content or delta.refusal
            if said:
                self._enter(_TEXT, TextOut("", []), out)
                out.append(write.text(self._index, said))
            for call in delta.tool_calls or ():
                self._call(call, out)
        if choice.finish_reason is not None and not self._stop_reason:
            self._finish(choice.finish_reason, out)
        return out

    def _enter(self, what: str | int, block: BlockOut, out: list[bytes]) -> None:
        """Open a block unless it is open, and close the one before."""
        if self._open == what:
            return
        self._leave(out)
        self._usual.learn_anew()
        self._index += 1
        self._open = what
        out.append(write.block_start(self._index, block))

    def _leave(self, out: list[bytes]) -> None:
        if self._open is not None:
            self._usual.learn_anew()
            out.append(write.block_stop(self._index))
            self._open = None

    def _call(self, call: ToolCall, out: list[bytes]) -> None:
        """Show a piece of a tool call, or keep it until the open call has ended."""
        number = call.index
        if number is None:
            number = len(self._calls) if call.id or not self._calls else len(self._calls) - 1
        if number not in self._calls and not isinstance(self._open, int):
            self._begin_call(number, call, out)
        elif self._open == number:
            self._argue(call, out)
        else:
            self._waiting_bytes += _A_PIECE + size_of_piece(call)
            self._waiting.setdefault(number, []).append(call)
            if self._waiting_bytes > MAX_WAITING:
                self.fail()

    def _begin_call(self, number: int, call: ToolCall, out: list[bytes]) -> None:
        name = call.function.name if call.function is not None else None
        call_id = call.id or f"call_{number}"
        self._calls.add(number)
        self._enter(number, tool_use_out(call_id, name or "", None), out)
        self._argue(call, out)

    def _argue(self, call: ToolCall, out: list[bytes]) -> None:
        said = call.function.arguments if call.function is not None else None
        if said:
            out.append(write.arguments(self._index, said))

    def _finish(self, reason: str, out: list[bytes]) -> None:
        """Close the open block, show the calls that waited, note why the choice ended."""
        self._leave(out)
        for number in sorted(self._waiting):
            for call in self._waiting[number]:
                if number in self._calls:
                    self._argue(call, out)
                else:
                    self._begin_call(number, call, out)
            self._leave(out)
        self._waiting.clear()
        self._stop_reason = stop_reason_of(reason, has_calls=bool(self._calls))
        self.hit_length = reason == "length"


def guessed_tokens(size: InputSize) -> int:
    """Return about how many tokens an input has: the upstream tells it at the end only."""
    return (size.text_bytes + size.tool_bytes) * 2 // 9 + _A_MESSAGE * size.messages


def size_of_piece(call: ToolCall) -> int:
    """Return the bytes of a waiting piece's arguments."""
    function = call.function
    return len((function.arguments or "").encode()) if function is not None else 0
