"""A messages stream whose one forced call is the answer: its arguments become the words."""

from typing import Final

from typing_extensions import override

from troth.catalog.offering import Offering
from troth.gateway.dialects.chat_from_messages import ChatFromMessages
from troth.gateway.dialects.chat_shapes import Delta as ChatDelta
from troth.gateway.dialects.chat_shapes import StreamChoice
from troth.gateway.dialects.messages_shapes import Block, Delta, StreamEvent
from troth.gateway.exchange import Ask
from troth.kernel.quantities import Quantities
from troth.providers.forms import way_of_form
from troth.wire.events import Event

_NO_ARGUMENTS: Final = "{}"


class FormStream(ChatFromMessages):
    """Streams to chat clients who asked for a form that was sent as a tool.

    Words beside the call are no part of the form. They wait until it is known that no call came,
    as when the model declined; the request's limit of tokens bounds them.
    """

    __slots__ = ("_has_arguments", "_words")

    def __init__(self, ask: Ask, offering: Offering, answer_id: str, created_at: int) -> None:
        """`answer_id` and `created_at` (unix seconds) are the answer's."""
        super().__init__(ask, offering, answer_id, created_at)
        self._usual.forget()  # text is no usual event here: it waits
        self._has_arguments = False
        self._words: list[str] = []

    @override
    def tail(self, cost_nusd: int, used: Quantities) -> bytes:
        """Return the words of an answer without a call, the finish reason, and the end."""
        said = b""
        if self._words:
            said = self._writer.write(StreamChoice(0, ChatDelta(content="".join(self._words))))
        if self._stop_reason == "tool_use":
            self._stop_reason = "end_turn"
        return said + super().tail(cost_nusd, used)

    @override
    def show(self, event: StreamEvent, raw: Event) -> bytes:
        """Return what an event adds to the form; a call without arguments is an empty object."""
        if event.type != "content_block_stop":
            return super().show(event, raw)
        if self._call_count == 0 or self._has_arguments:
            return b""
        self._has_arguments = True
        self.delivered_bytes += len(_NO_ARGUMENTS)
        return self._writer.write(StreamChoice(0, ChatDelta(content=_NO_ARGUMENTS)))

    @override
    def _begun(self, block: Block) -> ChatDelta | None:
        if block.type == "tool_use":
            self._call_count += 1
            self._words.clear()
            return None
        return self._beside(super()._begun(block))

    @override
    def _added(self, delta: Delta) -> ChatDelta | None:
        piece = delta.partial_json
        if piece is None:
            return self._beside(super()._added(delta))
        if self._call_count != 1 or not self._is_in_call:
            return None
        self._has_arguments = self._has_arguments or bool(piece)
        return ChatDelta(content=piece)

    def _beside(self, delta: ChatDelta | None) -> ChatDelta | None:
        """Keep words back; what else there is goes on."""
        if delta is None or delta.content is None:
            return delta
        if self._call_count == 0:
            self._words.append(delta.content)
            self.delivered_bytes += len(delta.content.encode())
        return None


def stream_kind(ask: Ask, offering: Offering) -> type[ChatFromMessages]:
    """Return what renders the messages stream that answers a chat request."""
    return FormStream if way_of_form(ask.fields, offering) == "tool" else ChatFromMessages
