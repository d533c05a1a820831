"""The usual event of one stream, recognized by the bytes around its content.

The events of a stream differ in their content alone, as a rule. Once one was decoded, those that
begin and end like it, with nothing between that could end the string or escape in it, say the
same with another content: a decoder reads them the same way up to there, and from there on.
"""

import re
from typing import Final, Protocol

import msgspec

from troth.gateway.dialects.chat_shapes import Piece

_LESSONS: Final = 3  # a stream whose events differ elsewhere too is not looked at for ever
EVENT_END: Final = b"}\n\n"
_OTHER: Final = b"x"

_is_unescaped: Final = re.compile(rb'[^"\\\x00-\x1f]*').fullmatch
_decode: Final = msgspec.json.Decoder(Piece).decode


class Counted(Protocol):
    """What counts the bytes of content that were delivered."""

    delivered_bytes: int


class UsualEvent:
    """What is around the content of a stream's events, once that is known."""

    __slots__ = ("_after", "_around", "_before", "_drops", "_lessons", "_start")

    def __init__(self) -> None:
        self._before = b""
        self._after = b""
        self._start = 0
        self._around = 0
        self._drops = 0
        self._lessons = _LESSONS

    def shown(self, event: bytes, progress: Counted) -> bytes:
        """Return an event of the known shape as it goes out, and count it; b"" for any other.

        `event` is all of it, from `data: ` to the empty line, and begins where another ended.
        """
        size = len(event) - self._around
        if (
            self._lessons < 0
            and event.startswith(self._before)
            and event.endswith(self._after)
            and _is_unescaped(event, self._start, self._start + size)
            and (event.isascii() or _is_utf8(event))
        ):
            progress.delivered_bytes += size
            return event[: -self._drops] + EVENT_END if self._drops else event
        return b""

    def learn(self, event: bytes, content: str, drops: int) -> None:
        """Look for the content in an event that was decoded, and keep what is around it.

        That it is what the decoder takes for the content is tried, with another in its place.
        `drops`: so many bytes of the end go out as `EVENT_END`.
        """
        if self._lessons <= 0 or not content:
            return
        self._lessons -= 1
        raw = content.encode()
        start = event.rfind(b'"%b"' % raw) + 1
        if not start:
            return
        end = start + len(raw)
        try:
            [choice] = _decode(event[6:end] + _OTHER + event[end:]).choices
        except (msgspec.DecodeError, UnicodeDecodeError):
            return
        if choice.delta.content == content + _OTHER.decode():
            self._before, self._after = event[:start], event[end:]
            self._start = start
            self._around = len(event) - len(raw)
            self._drops = drops
            self._lessons = -1

    def forget(self) -> None:
        """Know no shape any more."""
        self._lessons = 0


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True
