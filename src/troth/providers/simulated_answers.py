"""What the simulated provider says: made from sizes and schemas, never from what it was told.

Answers have the published form of OpenAI's documents, so that the offering can be exact.
"""

from base64 import b64encode
from collections.abc import Iterator
from struct import pack
from typing import Final

import msgspec

from troth.providers.json_values import Fields, Json

DIMENSIONS: Final = 384
CREATED_AT: Final = 1_790_000_000

_BYTES_PER_TOKEN: Final = 4
_TEXT: Final = (
    "This answer comes from the simulated model inside the gateway. It reads nothing, keeps "
    "nothing and costs its provider nothing; it shows how streaming, metering and receipts "
    "work before a real provider is connected. "
)
_WORDS: Final = tuple(_TEXT.split())
_LONGEST: Final = 400
_DEEPEST: Final = 16
_READ: Final = ("messages", "tools", "response_format")
_SIMPLE: Final[dict[str, Json]] = {
    "string": "simulated",
    "integer": 1,
    "number": 1.5,
    "boolean": True,
    "null": None,
}

encode: Final = msgspec.json.Encoder().encode


class Tool(msgspec.Struct, frozen=True):
    """A function that may be called."""

    name: str
    parameters: Json = None


class Wanted(msgspec.Struct, frozen=True):
    """What an answer needs to know of its request: sizes, names and schemas."""

    model: str
    prompt_tokens: int
    words: int
    choices: int
    is_streamed: bool
    tool: Tool | None
    schema: Json
    max_tokens: int


class Said(msgspec.Struct, frozen=True):
    """One choice's answer in the pieces in which it is streamed."""

    pieces: tuple[str, ...]
    finish_reason: str
    tool: str | None


def wanted_of(fields: Fields) -> Wanted:
    """Read a chat request. Its size is that of what a model reads, streamed or not."""
    size = len(encode([fields.get(name) for name in _READ]))
    prompt = max(1, size // _BYTES_PER_TOKEN)
    limit = fields.get("max_completion_tokens", fields.get("max_tokens"))
    count = fields.get("n")
    form = fields.get("response_format")
    return Wanted(
        model=str(fields.get("model", "")),
        prompt_tokens=prompt,
        words=min(12 + size % 61, _LONGEST),
        choices=count if type(count) is int else 1,
        is_streamed=fields.get("stream") is True,
        tool=_tool(fields),
        schema=_schema(form) if type(form) is dict else None,
        max_tokens=limit if type(limit) is int else _LONGEST,
    )


def said_of(wanted: Wanted) -> Said:
    """Return what every choice says: a call, a value of the schema, or words."""
    if wanted.tool is not None:
        arguments = encode(value_of(wanted.tool.parameters or {"type": "object"})).decode()
        return Said(_cut(arguments), "tool_calls", wanted.tool.name)
    if wanted.schema is not None:
        return Said(_cut(encode(value_of(wanted.schema)).decode()), "stop", None)
    count = min(wanted.words, wanted.max_tokens)
    words = tuple(("" if at == 0 else " ") + _WORDS[at % len(_WORDS)] for at in range(count))
    return Said(words, "stop" if count == wanted.words else "length", None)


def usage_of(wanted: Wanted, said: Said) -> Fields:
    """Return the usage object of an answer."""
    written = len(said.pieces) * wanted.choices
    return {
        "prompt_tokens": wanted.prompt_tokens,
        "completion_tokens": written,
        "total_tokens": wanted.prompt_tokens + written,
        "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": 0, "audio_tokens": 0},
    }


def whole_answer(wanted: Wanted) -> bytes:
    """Return a buffered chat answer."""
    said = said_of(wanted)
    text = "".join(said.pieces)
    message: Fields = {"role": "assistant", "content": text, "refusal": None}
    if said.tool is not None:
        message["content"] = None
        message["tool_calls"] = [_call(said.tool, text)]
    choices: list[Json] = [
        {"index": at, "message": message, "logprobs": None, "finish_reason": said.finish_reason}
        for at in range(wanted.choices)
    ]
    return encode(
        {
            "id": "chatcmpl-simulated",
            "object": "chat.completion",
            "created": CREATED_AT,
            "model": wanted.model,
            "choices": choices,
            "usage": usage_of(wanted, said),
        }
    )


def streamed_answer(wanted: Wanted) -> Iterator[bytes]:
    """Yield the events of a streamed chat answer, usage and end included."""
    said = said_of(wanted)
    for at in range(wanted.choices):
        first: Fields = {"role": "assistant", "content": "", "refusal": None}
        if said.tool is not None:
            first["content"] = None
            first["tool_calls"] = [{"index": 0} | _call(said.tool, "")]
        yield _event(wanted, [_choice(at, first, None)])
        for piece in said.pieces:
            delta: Fields = {"content": piece}
            if said.tool is not None:
                delta = {"tool_calls": [{"index": 0, "function": {"arguments": piece}}]}
            yield _event(wanted, [_choice(at, delta, None)])
        yield _event(wanted, [_choice(at, {}, said.finish_reason)])
    yield _event(wanted, [], usage_of(wanted, said))
    yield b"data: [DONE]\n\n"


def embeddings_answer(fields: Fields, size: int) -> bytes:
    """Return unit vectors, one an input, made from the place in the list."""
    asked = fields.get("input")
    count = len(asked) if type(asked) is list and asked and type(asked[0]) is not int else 1
    wanted = fields.get("dimensions")
    dimensions = wanted if type(wanted) is int else DIMENSIONS
    rows: list[Json] = []
    for at in range(count):
        vector = [0.0] * dimensions
        vector[at % dimensions] = 1.0
        if fields.get("encoding_format") == "base64":
            shown: Json = b64encode(pack(f"<{dimensions}f", *vector)).decode()
        else:
            shown = [*vector]
        rows.append({"object": "embedding", "index": at, "embedding": shown})
    tokens = max(1, size // _BYTES_PER_TOKEN)
    usage: Fields = {"prompt_tokens": tokens, "total_tokens": tokens}
    return encode({"object": "list", "data": rows, "model": fields.get("model"), "usage": usage})


def value_of(schema: Json, depth: int = 0) -> Json:
    """Return a small value that fits a JSON schema; an empty one where it is not understood."""
    if type(schema) is not dict or depth > _DEEPEST:
        return {}
    if "const" in schema:
        return schema["const"]
    for name in ("enum", "anyOf", "oneOf"):
        options = schema.get(name)
        if type(options) is list and options:
            return options[0] if name == "enum" else value_of(options[0], depth + 1)
    return _typed(schema, depth)


def _typed(schema: Fields, depth: int) -> Json:
    """Return a value of the schema's type, or of its first."""
    kind = schema.get("type")
    kind = kind[0] if type(kind) is list and kind else kind
    if kind == "array":
        return [value_of(schema.get("items"), depth + 1)]
    if type(kind) is str and kind in _SIMPLE:
        return _SIMPLE[kind]
    fields = schema.get("properties")
    if type(fields) is not dict:
        return {}
    return {name: value_of(inner, depth + 1) for name, inner in fields.items()}


def _cut(text: str) -> tuple[str, ...]:
    """Return a text in pieces of the size of a token."""
    starts = range(0, len(text), _BYTES_PER_TOKEN)
    return tuple(text[at : at + _BYTES_PER_TOKEN] for at in starts)


def _choice(at: int, delta: Fields, finish_reason: str | None) -> Fields:
    return {"index": at, "delta": delta, "logprobs": None, "finish_reason": finish_reason}


def _event(wanted: Wanted, choices: list[Json], usage: Fields | None = None) -> bytes:
    chunk: Fields = {
        "id": "chatcmpl-simulated",
        "object": "chat.completion.chunk",
        "created": CREATED_AT,
        "model": wanted.model,
        "choices": choices,
        "usage": usage,
    }
    return b"data: %b\n\n" % encode(chunk)


def _call(name: str, arguments: str) -> Fields:
    function: Fields = {"name": name, "arguments": arguments}
    return {"id": "call_simulated", "type": "function", "function": function}


def _tool(fields: Fields) -> Tool | None:
    """Return the function to call: the one that is forced, else the first, unless answered."""
    tools, choice = fields.get("tools"), fields.get("tool_choice")
    if type(tools) is not list or choice == "none" or _is_answered(fields.get("messages")):
        return None
    offered = [one for tool in tools if (one := _function(tool)) is not None]
    forced = _function(choice)
    if forced is not None:
        return next((tool for tool in offered if tool.name == forced.name), None)
    return offered[0] if offered else None


def _function(tool: Json) -> Tool | None:
    inner = tool.get("function") if type(tool) is dict else None
    if type(inner) is not dict:
        return None
    return Tool(str(inner.get("name", "")), inner.get("parameters"))


def _is_answered(messages: Json) -> bool:
    last = messages[-1] if type(messages) is list and messages else None
    return type(last) is dict and last.get("role") == "tool"


def _schema(form: Fields) -> Json:
    """Return the schema that a response format asks for; None for plain text."""
    if form.get("type") == "json_object":
        return {"type": "object"}
    inner = form.get("json_schema")
    return inner.get("schema", {"type": "object"}) if type(inner) is dict else None
