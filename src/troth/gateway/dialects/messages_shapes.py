"""The shapes of Anthropic's answers, as read leniently and as written strictly."""

from typing import Final, Literal

import msgspec

STOP_REASONS: Final = frozenset(
    {
        "end_turn",
        "max_tokens",
        "model_context_window_exceeded",
        "pause_turn",
        "refusal",
        "stop_sequence",
        "tool_use",
    }
)
LENGTH_REASONS: Final = frozenset({"max_tokens", "model_context_window_exceeded"})


class Block(msgspec.Struct):
    """A block of content as an upstream sends it, whole or as it begins in a stream."""

    type: str = ""
    text: str | None = None
    citations: object = None
    id: str | None = None
    name: str | None = None
    input: object = None
    thinking: str | None = None
    signature: str | None = None
    data: str | None = None


class Delta(msgspec.Struct):
    """What an event adds to a block, or to the message at its end."""

    type: str = ""
    text: str | None = None
    partial_json: str | None = None
    thinking: str | None = None
    signature: str | None = None
    citation: object = None
    stop_reason: str | None = None
    stop_sequence: str | None = None


class Answer(msgspec.Struct):
    """A message: whole, or as `message_start` has it."""

    id: str = ""
    model: str = ""
    content: list[Block] | None = None
    stop_reason: str | None = None
    stop_sequence: str | None = None
    usage: msgspec.Raw = msgspec.Raw(b"")


class StreamEvent(msgspec.Struct):
    """Any event of a stream; `type` tells which fields it has."""

    type: str
    index: int = 0
    message: Answer | None = None
    content_block: Block | None = None
    delta: Delta | None = None
    usage: msgspec.Raw = msgspec.Raw(b"")


class TextDelta(msgspec.Struct, forbid_unknown_fields=True, tag_field="type", tag="text_delta"):
    """A piece of text and nothing else."""

    text: str


class TextEvent(msgspec.Struct, forbid_unknown_fields=True):
    """The usual event of a stream: more of an open block's text. Others do not fit in here."""

    type: Literal["content_block_delta"]
    index: int
    delta: TextDelta


class TextOut(msgspec.Struct, tag_field="type", tag="text"):
    """A text block as the published type has it."""

    text: str
    citations: object


class ToolUseOut(msgspec.Struct, tag_field="type", tag="tool_use"):
    """A tool call as the published type has it."""

    id: str
    name: str
    input: dict[str, object]
    caller: dict[str, object]


class ThinkingOut(msgspec.Struct, tag_field="type", tag="thinking"):
    """Thinking as the published type has it."""

    thinking: str
    signature: str


class RedactedOut(msgspec.Struct, tag_field="type", tag="redacted_thinking"):
    """Thinking that only its provider can read."""

    data: str


BlockOut = TextOut | ToolUseOut | ThinkingOut | RedactedOut

_DIRECT: Final[dict[str, object]] = {"type": "direct"}


def block_out(block: Block) -> BlockOut | None:
    """Return a block as it is shown; None for one that nobody asked for."""
    match block.type:
        case "text":
            return TextOut(block.text or "", block.citations or [])
        case "tool_use":
            return tool_use_out(block.id or "", block.name or "", block.input)
        case "thinking":
            return ThinkingOut(block.thinking or "", block.signature or "")
        case "redacted_thinking":
            return RedactedOut(block.data or "")
        case _:
            return None


def tool_use_out(call_id: str, name: str, arguments: object) -> ToolUseOut:
    """Return a tool call; arguments that are no object become an empty one."""
    return ToolUseOut(call_id, name, arguments if type(arguments) is dict else {}, _DIRECT)


def size_of_block(block: BlockOut) -> int:
    """Return the bytes of content in a whole block."""
    match block:
        case TextOut():
            return len(block.text.encode())
        case ToolUseOut():
            return len(block.name.encode()) + len(msgspec.json.encode(block.input))
        case ThinkingOut():
            return len(block.thinking.encode())
        case _:
            return len(block.data)
