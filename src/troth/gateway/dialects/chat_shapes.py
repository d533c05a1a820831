"""The shapes of OpenAI's chat answers, as read leniently and as written strictly.

What is read names only what is used; everything else an upstream adds is passed over and so gone.
"""

from typing import Annotated, Final

import msgspec
from msgspec import UNSET, UnsetType

FINISH_REASONS: Final = frozenset(
    {"stop", "length", "tool_calls", "content_filter", "function_call"}
)


class Function(msgspec.Struct, omit_defaults=True):
    """The function of a tool call, or a piece of it."""

    name: str | None = None
    arguments: str | None = None


class Custom(msgspec.Struct, omit_defaults=True):
    """The custom tool of a call, or a piece of it."""

    name: str | None = None
    input: str | None = None


class ToolCall(msgspec.Struct, omit_defaults=True):
    """A tool call, or a piece of it; `index` stands in streams only."""

    index: int | None = None
    id: str | None = None
    type: str | None = None
    function: Function | None = None
    custom: Custom | None = None


class Delta(msgspec.Struct, omit_defaults=True):
    """What one event adds to a choice."""

    role: str | None = None
    content: str | None = None
    refusal: str | None = None
    tool_calls: list[ToolCall] | None = None
    function_call: Function | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    reasoning_details: object = None
    audio: object = None


class StreamChoice(msgspec.Struct):
    """One choice of an event."""

    index: int = 0
    delta: Delta | None = None
    finish_reason: str | None = None
    logprobs: object = None


class Chunk(msgspec.Struct):
    """One event of a stream. `error` and `usage` are looked at only when they are there."""

    choices: list[StreamChoice] | None = None
    usage: msgspec.Raw = msgspec.Raw(b"")
    error: msgspec.Raw = msgspec.Raw(b"")
    id: str = ""
    created: int = 0
    model: str = ""


class PieceDelta(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    """A piece of content and nothing else."""

    content: str


class PieceChoice(msgspec.Struct):
    """The one choice that goes on."""

    delta: PieceDelta
    index: int = 0
    finish_reason: None = None
    logprobs: object = None


class Piece(msgspec.Struct):
    """The usual event of a stream: a piece of content for one choice. Others do not fit in here."""

    choices: Annotated[list[PieceChoice], msgspec.Meta(min_length=1, max_length=1)]
    usage: UnsetType | None = UNSET
    error: UnsetType | None = UNSET


class Message(msgspec.Struct):
    """A message as an upstream sends it; it may forget the refusal, which is null as a rule."""

    content: str | None = None
    refusal: str | UnsetType | None = UNSET
    tool_calls: list[ToolCall] | None = None
    function_call: Function | None = None
    annotations: object = None
    audio: object = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    reasoning_details: object = None


class Choice(msgspec.Struct):
    """One choice of a whole answer; the upstream may forget the log probabilities."""

    message: Message
    index: int = 0
    finish_reason: str | None = None
    logprobs: object = UNSET


class Completion(msgspec.Struct):
    """A whole answer."""

    choices: list[Choice]
    usage: msgspec.Raw = msgspec.Raw(b"")
    id: str = ""
    created: int = 0
    model: str = ""
    object: str = ""


class MessageOut(msgspec.Struct, omit_defaults=True):
    """A message as the published document has it: content and refusal are always there."""

    role: str
    content: str | None
    refusal: str | None
    tool_calls: list[ToolCall] | None = None
    function_call: Function | None = None
    annotations: object = None
    audio: object = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    reasoning_details: object = None


class ChoiceOut(msgspec.Struct):
    """A choice as the published document has it."""

    index: int
    message: MessageOut
    logprobs: object
    finish_reason: str


def size_of_delta(delta: Delta) -> int:
    """Return the bytes of content in a delta that has more than plain content."""
    size = 0
    for text in (delta.content, delta.refusal, delta.reasoning_content, delta.reasoning):
        if text:
            size += len(text.encode())
    for call in delta.tool_calls or ():
        size += size_of_call(call)
    return size + size_of_function(delta.function_call)


def size_of_call(call: ToolCall) -> int:
    """Return the bytes of content in a tool call or a piece of one."""
    custom = call.custom
    size = size_of_function(call.function)
    if custom is not None:
        size += len((custom.name or "").encode()) + len((custom.input or "").encode())
    return size


def size_of_function(function: Function | None) -> int:
    """Return the bytes of content in a function's name and arguments."""
    if function is None:
        return 0
    return len((function.name or "").encode()) + len((function.arguments or "").encode())


def size_of_message(message: Message) -> int:
    """Return the bytes of content in a whole message."""
    size = 0
    for text in (message.content, message.refusal, message.reasoning_content, message.reasoning):
        if text:
            size += len(text.encode())
    for call in message.tool_calls or ():
        size += size_of_call(call)
    return size + size_of_function(message.function_call)
