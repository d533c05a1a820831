"""The neutral form of a chat request: what both dialects can say, in values of neither.

A dialect reads its fields into a `Conversation` and writes them from one. On what both can say,
A to B to A is the identity; what only one can say is left out here and refused or told before.
"""

import re
from collections.abc import Iterable
from hashlib import sha256
from typing import Final, Literal

import msgspec

from troth.providers.json_values import Fields, Json

Role = Literal["user", "assistant"]
Effort = Literal["none", "low", "medium", "high"]


class Text(msgspec.Struct, frozen=True):
    """Words. `cache` is the mark that asks to keep the prompt up to here, as given."""

    text: str
    cache: Json = None


class Image(msgspec.Struct, frozen=True):
    """A picture: base64 `data` with its type, or an address that only the provider follows."""

    media_type: str = ""
    data: str = ""
    url: str = ""
    cache: Json = None


class Document(msgspec.Struct, frozen=True):
    """A document in base64 with its type."""

    media_type: str
    data: str
    title: str = ""
    cache: Json = None


class Thinking(msgspec.Struct, frozen=True):
    """What the model thought; `redacted` is for its provider alone."""

    text: str = ""
    signature: str = ""
    redacted: str = ""


class Call(msgspec.Struct, frozen=True):
    """A tool call; `arguments` is JSON as text."""

    id: str
    name: str
    arguments: str
    cache: Json = None


class Result(msgspec.Struct, frozen=True):
    """What a tool answered."""

    call_id: str
    parts: tuple[Text | Image, ...]
    is_error: bool = False
    cache: Json = None


Part = Text | Image | Document | Thinking | Call | Result


class Turn(msgspec.Struct, frozen=True):
    """What one side said at once. Results stand in the user's turn, first."""

    role: Role
    parts: tuple[Part, ...]


class Tool(msgspec.Struct, frozen=True):
    """A function that the model may call; `schema` is that of its arguments."""

    name: str
    description: str | None
    schema: Json
    strict: bool | None = None
    cache: Json = None


class Choice(msgspec.Struct, frozen=True):
    """Whether and what to call: none, auto, any, or the tool that is named."""

    kind: Literal["none", "auto", "any", "tool"]
    name: str = ""


class Form(msgspec.Struct, frozen=True):
    """The JSON schema that the answer has to fit; without a schema, any JSON object."""

    schema: Json
    name: str = "answer"


class Conversation(msgspec.Struct, frozen=True):
    """A whole request, but for model, output limit and streaming, which the gateway sets."""

    system: tuple[Text, ...] = ()
    turns: tuple[Turn, ...] = ()
    tools: tuple[Tool, ...] = ()
    choice: Choice | None = None
    is_parallel: bool | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    stop: tuple[str, ...] = ()
    form: Form | None = None
    effort: Effort | None = None


BUDGETS: Final[dict[Effort, int]] = {"low": 1_024, "medium": 4_096, "high": 16_384}
"""Tokens of thinking for each effort where a dialect counts them."""

_PLAIN_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")
_DATA_URL: Final = re.compile(r"data:([A-Za-z0-9.+/-]{1,127});base64,")


def effort_of(budget: int) -> Effort:
    """Return the least effort that allows so many tokens of thinking."""
    for effort, most in BUDGETS.items():
        if budget <= most:
            return effort
    return "high"


def is_plain_id(name: str) -> bool:
    """Tell whether every dialect takes this as an id or a tool's name."""
    return _PLAIN_ID.fullmatch(name) is not None


def plain_id(call_id: str) -> str:
    """Return an id that every dialect takes; the same one for the same id, always."""
    if is_plain_id(call_id):
        return call_id
    return "call_" + sha256(call_id.encode()).hexdigest()[:32]


def image_of_url(url: str, cache: Json = None) -> Image:
    """Return the picture that an address holds, or the address."""
    found = _DATA_URL.match(url)
    if found is None:
        return Image(url=url, cache=cache)
    return Image(found[1], url[found.end() :], cache=cache)


def url_of_image(image: Image) -> str:
    """Return the picture as an address."""
    return image.url or f"data:{image.media_type};base64,{image.data}"


def merged(turns: Iterable[Turn]) -> tuple[Turn, ...]:
    """Return turns that alternate: neighbors of one role become one turn."""
    done: list[Turn] = []
    for turn in turns:
        if done and done[-1].role == turn.role:
            done[-1] = Turn(turn.role, done[-1].parts + turn.parts)
        elif turn.parts:
            done.append(turn)
    return tuple(done)


def marked(fields: Fields, cache: Json) -> Fields:
    """Return a part's fields with its cache mark, if it has one."""
    return fields if cache is None else {**fields, "cache_control": cache}


def number(value: Json) -> float | None:
    """Return a number, or None for anything else."""
    return value if type(value) is int or type(value) is float else None


def string(value: Json) -> str:
    """Return a string, or an empty one for anything else."""
    return value if type(value) is str else ""


def items(value: Json) -> list[Json]:
    """Return a list, or an empty one for anything else."""
    return value if type(value) is list else []


def fields_of(value: Json) -> Fields:
    """Return an object, or an empty one for anything else."""
    return value if type(value) is dict else {}
