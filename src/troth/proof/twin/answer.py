"""What the mock provider's dialects share: an answer to send, what it says, error envelopes."""

from collections.abc import Iterator, Mapping
from typing import Final

import msgspec

from troth.proof.twin.values import Fields, Json, encoded, fields_of, items_of, sample, text_of

JSON: Final = "application/json"
WORDS: Final = ["Tokens", "are", "counted", "here", "and", "words", "are", "forgotten", "."]
_OPENAI: Final[Mapping[int, tuple[str, str | None]]] = {
    400: ("invalid_request_error", None),
    401: ("invalid_request_error", "invalid_api_key"),
    402: ("insufficient_quota", "insufficient_quota"),
    403: ("permission_error", None),
    404: ("invalid_request_error", "model_not_found"),
    408: ("timeout", None),
    409: ("conflict", None),
    413: ("invalid_request_error", None),
    422: ("invalid_request_error", None),
    429: ("requests", "rate_limit_exceeded"),
    503: ("server_error", "overloaded"),
}
_ANTHROPIC: Final[Mapping[int, str]] = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    529: "overloaded_error",
}


class Answer(msgspec.Struct):
    """One answer: buffered (`body`) or streamed (`events`, one element an event)."""

    status: int = 200
    body: bytes = b""
    events: Iterator[bytes] | None = None
    content_type: str = JSON
    headers: tuple[tuple[str, str], ...] = ()


class Request(msgspec.Struct, frozen=True):
    """One request as the dialects see it."""

    fields: Fields
    faults: Mapping[str, int]
    number: int
    now: int

    def id(self, prefix: str) -> str:
        """Return an identifier that belongs to this request."""
        return f"{prefix}{self.number:024d}"


class Said(msgspec.Struct, frozen=True):
    """What the model answers: words in pieces, or a call of a tool."""

    pieces: tuple[str, ...] = ()
    tool: str = ""
    arguments: str = ""
    finish: str = "stop"
    """In the words of the OpenAI dialect: stop, length, tool_calls."""


class Tool(msgspec.Struct, frozen=True):
    """A tool on offer: its name and the schema of its arguments."""

    name: str
    schema: Json


class Wish(msgspec.Struct, frozen=True):
    """What a request asks of the model, in neither dialect's words.

    `choice` is a tool's name, "none", or anything else; `schema` is None for plain words; `limit`
    in tokens; `last` is the text that an echo repeats.
    """

    tools: list[Tool]
    choice: str
    schema: Json
    limit: int
    last: str


def refusal(
    status: int, message: str, *, anthropic: bool, code: str | None = None, after: int | None = None
) -> Answer:
    """Return an error in the dialect's envelope."""
    headers = () if after is None else (("retry-after", str(after)),)
    if anthropic:
        kind = _ANTHROPIC.get(status, "api_error")
        inner: Fields = {"type": kind, "message": message}
        whole: Fields = {"type": "error", "error": inner, "request_id": "req_of_the_provider"}
        return Answer(status, encoded(whole), headers=headers)
    kind, usual = _OPENAI.get(status, ("server_error", None))
    inner = {"message": message, "type": kind, "param": None, "code": code or usual}
    return Answer(status, encoded({"error": inner}), headers=headers)


def say(request: Request, wish: Wish) -> Said:
    """Return what this model says: a tool call, a value of the schema, or words."""
    faults = request.faults
    if wish.tools and wish.choice != "none":
        named = [tool for tool in wish.tools if tool.name == wish.choice]
        tool = (named or wish.tools)[0]
        arguments = "{broken" if "badjson" in faults else encoded(sample(tool.schema)).decode()
        return Said(tool=tool.name, arguments=arguments, finish="tool_calls")
    if wish.schema is not None:
        value: Json = sample(wish.schema) if wish.schema else {"ok": True}
        return Said(pieces=(encoded(value).decode(),))
    words = _words(request, wish.limit, wish.last)
    if len(words) > wish.limit:
        return Said(pieces=tuple(words[: wish.limit]), finish="length")
    return Said(pieces=tuple(words), finish="length" if "fill" in faults else "stop")


def _words(request: Request, limit: int, last: str) -> list[str]:
    faults = request.faults
    if "huge" in faults:
        return ["word " * 200] * faults["huge"]
    if "fill" in faults:
        return spaced(WORDS, min(limit, 10_000))
    if "words" in faults:
        return spaced(WORDS, faults["words"])
    if "echo" in faults:
        return [last[at : at + 16] for at in range(0, len(last), 16)] or [""]
    return spaced(WORDS, len(WORDS))


def spaced(words: list[str], count: int) -> list[str]:
    """Return `count` words, each but the first with its space."""
    return [(" " if at else "") + words[at % len(words)] for at in range(count)]


def last_text(messages: Json) -> str:
    """Return the text of the last message, parts joined."""
    turns = items_of(messages)
    content = fields_of(turns[-1]).get("content") if turns else None
    if isinstance(content, str):
        return content
    return "".join(text_of(fields_of(part).get("text")) for part in items_of(content))


def event(value: Json, name: str = "") -> bytes:
    """Return one server-sent event."""
    head = f"event: {name}\n".encode() if name else b""
    return head + b"data: " + encoded(value) + b"\n\n"
