"""Buffered answers whose client and upstream speak different dialects."""

from typing_extensions import override

from troth.catalog.offering import Offering
from troth.gateway.dialects import messages_writer as write
from troth.gateway.dialects.chat_shapes import (
    ChoiceOut,
    Function,
    Message,
    MessageOut,
    ToolCall,
)
from troth.gateway.dialects.chat_whole import ChatWhole, completion
from troth.gateway.dialects.messages_shapes import (
    BlockOut,
    RedactedOut,
    TextOut,
    ThinkingOut,
    tool_use_out,
)
from troth.gateway.dialects.messages_whole import MessagesWhole
from troth.gateway.dialects.reasons import finish_reason_of, stop_reason_of
from troth.gateway.dialects.strict_json import encode
from troth.gateway.exchange import Ask, Json
from troth.kernel.quantities import Quantities
from troth.providers.anthropic_dialect import object_of
from troth.providers.forms import way_of_form


class MessagesFromChatWhole(ChatWhole):
    """Buffered answers from OpenAI-style upstreams to messages clients."""

    __slots__ = ()

    @override
    def whole(self, cost_nusd: int, used: Quantities) -> bytes:
        """Return the message."""
        choice = self.choices()[0]
        message = choice.message
        reason = stop_reason_of(choice.finish_reason or "", has_calls=bool(message.tool_calls))
        return write.whole(
            (f"msg_{self._raw.hex()}", self._model),
            blocks_of(message, shows_thinking=self._shows_reasoning),
            (reason, None),
            used,
        )


class ChatFromMessagesWhole(MessagesWhole):
    """Buffered answers from Anthropic-style upstreams to chat clients."""

    __slots__ = ("_created_at", "_is_form", "_shows_reasoning")

    def __init__(self, ask: Ask, offering: Offering, answer_id: str, created_at: int) -> None:
        """`answer_id` and `created_at` (unix seconds) are the answer's."""
        super().__init__(offering, answer_id)
        self._is_exact = False
        self._created_at = created_at
        self._is_form = way_of_form(ask.fields, offering) == "tool"
        self._shows_reasoning = ask.asks_reasoning

    @override
    def whole(self, cost_nusd: int, used: Quantities) -> bytes:
        """Return the completion with its cost."""
        message = message_of(self._blocks, shows_reasoning=self._shows_reasoning)
        choice = ChoiceOut(0, message, None, finish_reason_of(self._reason[0]))
        if self._is_form:
            unwrap(choice)
        answer_id, model = self._identity
        return completion((answer_id, self._created_at, model), [choice], used, cost_nusd)


def blocks_of(message: Message, *, shows_thinking: bool) -> list[BlockOut]:
    """Return a chat message as blocks: thinking, words, calls."""
    blocks: list[BlockOut] = []
    thought = message.reasoning_content or message.reasoning
    if thought and shows_thinking:
        blocks.append(ThinkingOut(thought, ""))
    said = message.content or message.refusal
    if said:
        blocks.append(TextOut(said, []))
    for at, call in enumerate(message.tool_calls or ()):
        function = call.function or Function()
        arguments = object_of(function.arguments or "")
        blocks.append(tool_use_out(call.id or f"call_{at}", function.name or "", arguments))
    return blocks


def message_of(blocks: list[BlockOut], *, shows_reasoning: bool) -> MessageOut:
    """Return blocks as a chat message."""
    said: list[str] = []
    thought: list[str] = []
    details: list[Json] = []
    calls: list[ToolCall] = []
    for block in blocks:
        match block:
            case TextOut():
                said.append(block.text)
            case ThinkingOut():
                thought.append(block.thinking)
                details.append(
                    {
                        "type": "reasoning.text",
                        "text": block.thinking,
                        "signature": block.signature,
                    }
                )
            case RedactedOut():
                details.append({"type": "reasoning.encrypted", "data": block.data})
            case _:
                function = Function(block.name, encode(block.input).decode())
                calls.append(ToolCall(id=block.id, type="function", function=function))
    message = MessageOut("assistant", "".join(said) if said else None, None, calls or None)
    if shows_reasoning and details:
        message.reasoning = "".join(thought) or None
        message.reasoning_details = details
    return message


def unwrap(choice: ChoiceOut) -> None:
    """Make the arguments of the forced call the words; words without a call stay what they are."""
    message = choice.message
    if message.tool_calls:
        function = message.tool_calls[0].function or Function()
        message.content = function.arguments
        message.tool_calls = None
    if choice.finish_reason == "tool_calls":
        choice.finish_reason = "stop"
