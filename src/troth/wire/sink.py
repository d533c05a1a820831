"""The way back to the client: one answer, whole or in pieces, never blocking."""

import asyncio
from collections.abc import Callable, Sequence
from http import HTTPStatus
from typing import Protocol

from troth.wire.departures import Departures
from troth.wire.framing import Head

Header = tuple[bytes, bytes]
Lines = Sequence[Header] | bytes
"""Headers of an answer: in pairs, which are checked, or as lines whose writer vouches for them."""

STATUS_LINES = {
    status.value: b"HTTP/1.1 %d %b\r\n" % (status.value, status.phrase.encode())
    for status in HTTPStatus
} | {529: b"HTTP/1.1 529 Overloaded\r\n"}
JOINED_BYTES = 32 * 1024  # copying so much costs less than a second vector
LAST_CHUNK = b"0\r\n\r\n"
CLOSE = b"connection: close\r\n"
CHUNKED = b"transfer-encoding: chunked\r\n"
WITHOUT_BODY = frozenset((204, 304))

_FORMAT_HEADER = b"%b: %b\r\n".__mod__
_CHUNKED, _PLAIN, _NOTHING = range(3)


class UnsafeHeader(ValueError):
    """An answer's header holds a line end: a programmer's error, stopped before the wire."""


class Owner(Protocol):
    """What a sink needs of its connection."""

    def must_close(self) -> bool:
        """Whether the connection ends with this answer."""
        ...

    def answered(self, *, closes: bool) -> None:
        """The answer is complete (or, with `closes`, the connection has to go)."""
        ...

    def break_off(self) -> None:
        """Cut the connection now."""
        ...


class Sink:
    """One answer. `begun`: bytes of it may have left. `is_open`: the client may still read it."""

    __slots__ = (
        "_closes",
        "_departures",
        "_flows",
        "_head",
        "_mode",
        "_on_paused",
        "_on_resumed",
        "_owner",
        "_request",
        "_transport",
        "begun",
        "is_open",
        "is_paused",
    )

    def __init__(
        self,
        owner: Owner,
        transport: asyncio.Transport,
        departures: Departures,
        request: Head | None,
    ) -> None:
        self.begun = False
        self.is_open = True
        self.is_paused = False
        self._owner: Owner | None = owner
        self._transport = transport
        self._request = request
        self._closes = False
        self._departures = departures
        self._flows = False  # in chunks, behind the head
        self._head: bytes | None = None
        self._mode = _CHUNKED
        self._on_paused: Callable[[], None] | None = None
        self._on_resumed: Callable[[], None] | None = None

    def answer(self, status: int, headers: Lines, body: bytes | Sequence[bytes] = b"") -> None:
        """Send a whole answer with its length. Replaces a begun one that has not left yet."""
        owner = self._owner
        if owner is None or self.begun:
            return
        closes = owner.must_close()
        if isinstance(body, bytes):
            size, parts = len(body), [body]
        else:
            size, parts = sum(map(len, body)), [*body]
        framing = b"content-length: %d\r\n" % size
        if status in WITHOUT_BODY:
            framing, parts = b"", []
        elif self._request is not None and self._request.method == "HEAD":
            parts = []
        block = [*_block(status, headers, framing + CLOSE if closes else framing), *parts]
        self.begun = True
        if size <= JOINED_BYTES:
            block = [b"".join(block)]
        self._departures.add(self._transport, block)
        self._end(owner, closes=closes)

    def begin(self, status: int, headers: Lines) -> None:
        """Start an answer in pieces; its head leaves with the first write."""
        owner = self._owner
        if owner is None or self.begun:
            return
        self._closes = closes = owner.must_close()
        request = self._request
        if status in WITHOUT_BODY or (request is not None and request.method == "HEAD"):
            self._mode = _NOTHING
            framing = b""
        elif request is not None and request.is_http10:
            self._mode = _PLAIN
            framing = b""
        else:
            self._mode = _CHUNKED
            framing = CHUNKED
        self._head = b"".join(_block(status, headers, framing + CLOSE if closes else framing))

    def write(self, data: bytes) -> None:
        """Send one piece as one chunk; an empty one is nothing."""
        if not self.is_open or not data:
            return
        parts: tuple[bytes, ...]
        if not self._flows:
            parts = (self._framed(data),)
        elif len(data) <= JOINED_BYTES:
            parts = (b"%x\r\n%b\r\n" % (len(data), data),)
        else:
            parts = (b"%x\r\n" % len(data), data, b"\r\n")
        self._departures.add(self._transport, parts)

    def finish(self, tail: bytes = b"") -> None:
        """Send the last piece, if any, and the end."""
        owner = self._owner
        if owner is None or not self.is_open:
            return
        last = self._framed(tail)
        if self._mode == _CHUNKED:
            last += LAST_CHUNK
        if last:
            self._departures.add(self._transport, (last,))
        self._end(owner, closes=self._closes)

    def abort(self) -> None:
        """Cut the connection without the end, so that the client sees that it broke."""
        owner = self._owner
        if owner is not None:
            self.detach()
            owner.break_off()

    def on_drain(self, paused: Callable[[], None], resumed: Callable[[], None]) -> None:
        """Call `paused` when too much is unsent, `resumed` when it has gone."""
        self._on_paused = paused
        self._on_resumed = resumed
        if self.is_paused:
            paused()

    def pause(self) -> None:
        """Too much is unsent."""
        self.is_paused = True
        if self._on_paused is not None:
            self._on_paused()

    def resume(self) -> None:
        """The client has caught up."""
        self.is_paused = False
        if self._on_resumed is not None:
            self._on_resumed()

    def detach(self) -> None:
        """Let go of the connection: nothing more is sent."""
        self.is_open = False
        self._owner = None
        self._on_paused = None
        self._on_resumed = None

    def _framed(self, data: bytes) -> bytes:
        """Return the piece as it goes out, behind the head if that is still here."""
        mode = self._mode
        if mode == _NOTHING:
            data = b""
        elif mode == _CHUNKED and data:
            data = b"%x\r\n%b\r\n" % (len(data), data)
        head = self._head
        if head is not None:
            self._head = None
            self._flows = mode == _CHUNKED
            self.begun = True
            data = head + data
        return data

    def _end(self, owner: Owner, *, closes: bool) -> None:
        self.is_open = False
        self._owner = self._on_paused = self._on_resumed = None
        owner.answered(closes=closes)


def _block(status: int, headers: Lines, framing: bytes) -> tuple[bytes, ...]:
    """Build the head of an answer, in parts."""
    line = STATUS_LINES.get(status) or b"HTTP/1.1 %d Status\r\n" % status
    if isinstance(headers, bytes):
        return line, headers, framing, b"\r\n"
    fields = b"".join(map(_FORMAT_HEADER, headers))
    count = len(headers)
    if fields.count(b"\n") != count or fields.count(b"\r") != count:
        raise UnsafeHeader("a header of an answer holds a line end")
    return line, fields, framing, b"\r\n"
