r"""The usual chat request, read in one typed step: turns of a role and a text, and numbers.

Most requests are of this form, and it can be proved to be strict without a second look at the
text. The decoder refuses every unknown field and wrong type; what it would let pass, a key named
twice, shows in the number of quotes: each string has two, and so has each string of what our
encoder writes. An escape such as `\u0022` would blur that count, so a body with one is read the
long way, as is everything else that does not fit here.
"""

from typing import Annotated, Final, Literal

import msgspec
from msgspec import UNSET, UnsetType

from troth.catalog.model import Feature
from troth.gateway.exchange import Ask, InputSize

MAX_MESSAGES: Final = 10_000
MAX_TOKENS: Final = 2**31 - 1
_NO_NEEDS: Final = frozenset[Feature]()

_Count = Annotated[int, msgspec.Meta(ge=1, le=MAX_TOKENS)] | UnsetType
_Share = Annotated[float, msgspec.Meta(ge=0, le=1)] | UnsetType
_Heat = Annotated[float, msgspec.Meta(ge=0, le=2)] | UnsetType
_Penalty = Annotated[float, msgspec.Meta(ge=-2, le=2)] | UnsetType
_Seed = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)] | UnsetType
_Stops = Annotated[list[str], msgspec.Meta(max_length=4)]


class Turn(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    """A plain turn."""

    role: Literal["system", "user", "assistant"]
    content: str


class Options(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True, gc=False):
    """What a stream shall tell."""

    include_usage: bool | UnsetType = UNSET


class PlainChat(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True, kw_only=True):
    """A plain request. What the gateway sets itself stands first, what is given on behind it."""

    model: str
    stream: bool | UnsetType = UNSET
    stream_options: Options | UnsetType = UNSET
    max_tokens: _Count = UNSET
    max_completion_tokens: _Count = UNSET
    messages: Annotated[list[Turn], msgspec.Meta(min_length=1, max_length=MAX_MESSAGES)]
    temperature: _Heat = UNSET
    top_p: _Share = UNSET
    stop: str | _Stops | UnsetType = UNSET
    seed: _Seed = UNSET
    frequency_penalty: _Penalty = UNSET
    presence_penalty: _Penalty = UNSET


GIVEN_ON: Final = PlainChat.__struct_fields__[PlainChat.__struct_fields__.index("messages") :]
"""The fields that an upstream gets as they are: no provider may drop or change one of them."""

LARGEST: Final = 4_096
"""Bytes beyond which `large_chat` needs less of a look."""
MESSAGES: Final = b'"messages":'
FAULTS: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
decode: Final = msgspec.json.Decoder(PlainChat).decode
encode: Final = msgspec.json.Encoder().encode


def read(body: bytes) -> Ask | None:
    """Return the request, or None when it must be read the long way."""
    if b"\\" in body and b"\\u" in body:
        return None
    try:
        asked = decode(body)
    except FAULTS:
        return None
    written = encode(asked)
    if quotes(written) != quotes(body):
        return None
    return ask_of(asked, written[written.index(MESSAGES) : -1])


def quotes(text: bytes) -> int:
    """Count quotes where they are few: this looks for the next one, and not at each byte."""
    return len(text) - len(text.replace(b'"', b""))


def ask_of(asked: PlainChat, given_on: bytes) -> Ask:
    """Return the request; `given_on` is what of it goes to an upstream as it is."""
    size = 0
    for turn in asked.messages:
        content = turn.content
        size += len(content) if content.isascii() else len(content.encode())
    options = asked.stream_options
    most = asked.max_completion_tokens or asked.max_tokens or 0
    return Ask(
        "chat",
        asked.model,
        streamed=asked.stream is True,
        wants_usage=options is not UNSET and options.include_usage is True,
        max_tokens=most,
        choices=1,
        needs=_NO_NEEDS,
        size=InputSize(size, len(asked.messages)),
        plain=asked,
        given_on=given_on,
    )
