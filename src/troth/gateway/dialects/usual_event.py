"""The usual event of one stream, recognized by the bytes around its content.

The events of a stream differ in their content alone, as a rule. Once one was decoded, those that
begin and end like it, with nothing between that could end the string or escape in it, say the
same with another content: a decoder reads them the same way up to there, and from there on. What
goes out differs in the content alone too: as it came, or with other bytes around it.
"""

import re
from collections.abc import Callable
from typing import Final, Protocol

import msgspec

from troth.gateway.dialects.chat_shapes import Piece, PieceChoice

_LESSONS: Final = 3  # a stream whose events differ elsewhere too is not looked at for ever
EVENT_END: Final = b"}\n\n"
_OTHER: Final = b"x"

_is_unescaped: Final = re.compile(rb'[^"\\\x00-\x1f]*').fullmatch
_decode: Final = msgspec.json.Decoder(Piece).decode
_FAULTS: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)

Around = tuple[bytes, bytes]
"""The bytes before a content, and those behind it."""


class Counted(Protocol):
    """What counts the bytes of content that were delivered."""

    delivered_bytes: int


class UsualEvent:
    """What is around the content of a stream's events, once that is known."""

    __slots__ = ("_after", "_around", "_before", "_goes_out", "_lessons", "_start")

    def __init__(self) -> None:
        self._before = b""
        self._after = b""
        self._start = 0
        self._around = 0
        self._goes_out: Around | None = None
        self._lessons = _LESSONS

    @property
    def is_learning(self) -> bool:
        """Whether another event is to be looked at."""
        return self._lessons > 0

    def shown(self, event: bytes, progress: Counted) -> bytes:
        """Return what an event of the known shape becomes, and count it; b"" for any other.

        `event` is all of it, from its first line to the empty one, and begins where another ended.
        """
        size = len(event) - self._around
        start = self._start
        if (
            size > 0  # an empty piece is left out where it is written anew
            and self._lessons < 0
            and event.startswith(self._before)
            and event.endswith(self._after)
            and _is_unescaped(event, start, start + size)
            and (event.isascii() or _is_utf8(event))
        ):
            progress.delivered_bytes += size
            goes_out = self._goes_out
            if goes_out is None:
                return event
            before, after = goes_out
            return b"%b%b%b" % (before, event[start : start + size], after)
        return b""

    def learn(
        self,
        event: bytes,
        content: str,
        read: Callable[[bytes], str],
        *,
        drops: int = 0,
        goes_out: Around | None = None,
    ) -> None:
        """Look for the content in an event that was decoded, and keep what is around it.

        That it is what `read` takes for the content is tried, with another in its place.
        `drops`: so many bytes of the end go out as `EVENT_END`. `goes_out`: what is around the
        content there, if it is not the event itself that goes out.
        """
        if self._lessons <= 0 or not content:
            return
        self._lessons -= 1
        raw = content.encode()
        start = event.rfind(b'"%b"' % raw) + 1
        end = start + len(raw)
        if not start:
            return
        try:
            found = read(event[:end] + _OTHER + event[end:])
        except _FAULTS:
            return
        if found == content + _OTHER.decode():
            self._before, self._after = event[:start], event[end:]
            self._start = start
            self._around = len(event) - len(raw)
            if drops:
                goes_out = event[:start], event[end:-drops] + EVENT_END
            self._goes_out = goes_out
            self._lessons = -1

    def learn_anew(self) -> None:
        """Know no shape: what goes out is about to have other bytes around its content."""
        if self._lessons < 0:
            self._lessons = _LESSONS

    def forget(self) -> None:
        """Know no shape any more."""
        self._lessons = 0


def read_piece(text: bytes) -> PieceChoice | None:
    """Return the one choice of a chat event that is a piece of content and nothing else."""
    try:
        [choice] = _decode(text).choices
    except _FAULTS:
        return None
    return choice


def read_chat(event: bytes) -> str:
    """Return the content of a whole chat event that is nothing else."""
    [choice] = _decode(event[6:]).choices
    return choice.delta.content


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True
