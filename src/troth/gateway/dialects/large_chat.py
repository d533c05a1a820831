r"""The usual chat request when it is large: the same proof as of a small one, with less of a look.

A small body is proved strict by the number of its quotes (`plain_chat`). Counting them in 64 kB
costs more than all else. Mostly the turns stand in the body exactly as they are written to the
upstream: then so many bytes are the same on both sides, and only what stands around them is
counted. Turns without an escape are written by copying them, all others by the encoder.
"""

from typing import Final

import msgspec

from troth.gateway.dialects.plain_chat import (
    FAULTS,
    MESSAGES,
    PlainChat,
    Turn,
    ask_of,
    decode,
    encode,
    quotes,
)
from troth.gateway.exchange import Ask

_NO_TURNS: Final = MESSAGES + b"[]"
_ESCAPED_QUOTE: Final = b"u0022"
_TURN_BEGINS: Final = {
    role: b'{"role":"%b","content":"' % role.encode() for role in ("system", "user", "assistant")
}
_TURN_ENDS: Final = b'"},'
_COPIED_BYTES: Final = 512
"""The mean size from which copying a turn here costs less than having it encoded."""


def read(body: bytes) -> Ask | None:
    """Return the request, or None when it must be read the long way."""
    try:
        asked = decode(body)
    except FAULTS:
        return None
    has_escapes = b"\\" in body
    turns = _written(asked.messages, body, has_escapes=has_escapes)
    start = body.find(MESSAGES)
    end = _end_of(turns, body, start + len(MESSAGES))
    if start >= 0 and end:
        return _surrounded(asked, turns, body[:start] + body[end:])
    if has_escapes and _ESCAPED_QUOTE in body:
        return None
    written = encode(asked)
    if has_escapes:  # as a rule of many quotes
        is_strict = written.count(b'"') == body.count(b'"')
    else:
        is_strict = quotes(written) == quotes(body)
    if not is_strict:
        return None
    return ask_of(asked, written[written.index(MESSAGES) : -1])


def _surrounded(asked: PlainChat, turns: list[bytes], around: bytes) -> Ask | None:
    """Return the request if no key comes twice in what stands around its turns."""
    if b"\\" in around and b"\\u" in around:
        return None
    written = encode(msgspec.structs.replace(asked, messages=[]))
    if written.count(b'"') - MESSAGES.count(b'"') != around.count(b'"'):
        return None
    rest = written[written.index(_NO_TURNS) + len(_NO_TURNS) : -1]
    return ask_of(asked, b"".join((MESSAGES, *turns, rest)))


def _written(turns: list[Turn], body: bytes, *, has_escapes: bool) -> list[bytes]:
    """Return the list of turns as it is written, in parts: each copy of so much costs."""
    if has_escapes or len(turns) * _COPIED_BYTES > len(body):
        return [encode(turns)]
    parts = [b"["]
    for turn in turns:
        parts += (_TURN_BEGINS[turn.role], turn.content.encode(), _TURN_ENDS)
    parts[-1] = b'"}]'
    return parts


def _end_of(parts: list[bytes], body: bytes, at: int) -> int:
    """Return where these parts end in the body if they stand there in a row, else 0."""
    for part in parts:
        if not body.startswith(part, at):
            return 0
        at += len(part)
    return at
