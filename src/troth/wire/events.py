"""Server-sent events: read at any split of the bytes, written whole.

Reading follows the WHATWG rules: lines end with CR, LF or CRLF; a leading byte order mark is
dropped; data lines join with LF; comments, `id` and `retry` are passed over; an event without data
is none; what the stream ends in the middle of is not delivered.
"""

import re

from msgspec import Struct

LINE_BYTES = 1024 * 1024
EVENT_BYTES = 4 * 1024 * 1024
BOM = b"\xef\xbb\xbf"
LINE_END = re.compile(rb"\r\n|\r|\n")


class StreamTooLarge(Exception):
    """A line or an event of a stream is above its limit. Carries no bytes."""


class Event(Struct, frozen=True, gc=False):
    """One event. `name` is empty where the stream gave none."""

    name: bytes
    data: bytes


def data(content: bytes) -> bytes:
    """Return an event without a name; `content` holds no line end."""
    return b"data: %b\n\n" % content


def named(name: bytes, content: bytes) -> bytes:
    """Return an event with a name; neither part holds a line end."""
    return b"event: %b\ndata: %b\n\n" % (name, content)


def comment(text: bytes = b"") -> bytes:
    """Return a comment, which keeps a silent stream alive."""
    return b": %b\n\n" % text


class Splitter:
    """Splits one stream into events. `is_between`: what was read ends exactly behind an event."""

    __slots__ = (
        "_after_cr",
        "_at_start",
        "_data",
        "_data_bytes",
        "_event_bytes",
        "_first",
        "_line_bytes",
        "_name",
        "_partial",
        "_partial_bytes",
        "_whole_bytes",
        "is_between",
    )

    def __init__(self, line_bytes: int = LINE_BYTES, event_bytes: int = EVENT_BYTES) -> None:
        self._line_bytes = line_bytes
        self._event_bytes = event_bytes
        self._whole_bytes = min(line_bytes, event_bytes)  # no larger read can pass a limit
        self._first = b""  # of the stream, while it may be a byte order mark
        self._partial: list[bytes] = []  # of a line
        self._partial_bytes = 0
        self._name = b""
        self._data: list[bytes] = []
        self._data_bytes = 0
        self._after_cr = False
        self._at_start = True
        self.is_between = False

    def single(self, data: bytes) -> bytes:
        """Return the data of the one plain event that these bytes are, else b"" and take nothing.

        Plain is a line of data without a name, and no more. Then `feed` need not see them.
        """
        if (
            self.is_between
            and data[:6] == b"data: "
            and data.find(b"\n") == len(data) - 2
            and data[-1:] == b"\n"
            and len(data) <= self._whole_bytes
            and b"\r" not in data
        ):
            return data[6:-2]
        return b""

    def feed(self, data: bytes) -> list[Event]:
        """Return the events that are complete with these bytes.

        Raises:
            StreamTooLarge: a line or an event is above its limit.
        """
        events: list[Event] = []
        if (
            self.is_between
            and data[-2:] == b"\n\n"
            and len(data) <= self._whole_bytes
            and b"\r" not in data
        ):
            for block in data[:-2].split(b"\n\n"):
                self._take_block(block, events)
        elif data:
            self._take(data, events)
        return events

    def _take_block(self, block: bytes, events: list[Event]) -> None:
        """Take one whole event: the usual two forms straight, others line by line."""
        if block[:6] == b"data: ":
            if b"\n" not in block:
                events.append(Event(b"", block[6:]))
                return
        elif block[:7] == b"event: ":
            name, _, rest = block.partition(b"\n")
            if rest[:6] == b"data: " and b"\n" not in rest:
                events.append(Event(name[7:], rest[6:]))
                return
        for line in block.split(b"\n"):
            self._take_line(line, events)
        self._dispatch(events)

    def _take(self, data: bytes, events: list[Event]) -> None:
        """Take bytes of any form, line by line."""
        if self._at_start:
            data = self._without_bom(data)
            if not data:
                return
        at = 1 if self._after_cr and data[:1] == b"\n" else 0
        self._after_cr = data[-1:] == b"\r"
        for end in LINE_END.finditer(data, at):
            line = data[at : end.start()]
            at = end.end()
            if self._partial:
                line = b"".join((*self._partial, line))
                self._partial.clear()
                self._partial_bytes = 0
            self._limit(len(line), self._line_bytes)
            self._take_line(line, events)
        if at < len(data):
            self._partial.append(data[at:])
            self._partial_bytes += len(data) - at
            self._limit(self._partial_bytes, self._line_bytes)
        self.is_between = not (self._partial or self._data or self._name or self._after_cr)

    def _without_bom(self, data: bytes) -> bytes:
        """Return the start of the stream without its mark; nothing while it may still be one."""
        data = self._first + data
        if len(data) < len(BOM) and BOM.startswith(data):
            self._first = data
            return b""
        self._first = b""
        self._at_start = False
        return data.removeprefix(BOM)

    def _take_line(self, line: bytes, events: list[Event]) -> None:
        if not line:
            self._dispatch(events)
            return
        field, _, value = line.partition(b":")
        if field == b"data":
            value = value.removeprefix(b" ")
            self._data.append(value)
            self._data_bytes += len(value) + 1
            self._limit(self._data_bytes - 1, self._event_bytes)
        elif field == b"event":
            self._name = value.removeprefix(b" ")

    def _dispatch(self, events: list[Event]) -> None:
        lines = self._data
        if lines:
            events.append(Event(self._name, b"\n".join(lines)))
            self._data = []
            self._data_bytes = 0
        self._name = b""

    def _limit(self, size: int, limit: int) -> None:
        if size > limit:
            self._partial.clear()
            self._data.clear()
            raise StreamTooLarge
