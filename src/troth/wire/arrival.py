"""One request as it arrives: its head now, its body when somebody asks."""

import asyncio
from collections.abc import Callable
from typing import Protocol

from troth.kernel.content import Content
from troth.wire.chunks import Chunks
from troth.wire.framing import BODY_TOO_LARGE, Head, Refusal


class BodyRefused(Exception):
    """The body cannot be read: too large (413), too slow (408), no chunk (400)."""

    def __init__(self, status: int, code: str) -> None:
        super().__init__(code)
        self.status = status
        self.code = code


class ClientLeft(Exception):
    """The client hung up before its body was complete."""


class Source(Protocol):
    """What an arrival needs of its connection."""

    def ask_body(self, *, with_continue: bool) -> None:
        """Let the body come: somebody waits for it."""
        ...


class Arrival:
    """A request. `received_ns` is the monotonic time at which its head was complete."""

    __slots__ = (
        "_chunks",
        "_failure",
        "_left_callback",
        "_limit",
        "_parts",
        "_source",
        "_waiter",
        "client_left",
        "head",
        "is_complete",
        "missing",
        "received_bytes",
        "received_ns",
    )

    def __init__(self, head: Head, received_ns: int, source: Source, limit: int) -> None:
        self.head = head
        self.received_ns = received_ns
        self.client_left = False
        self.is_complete = not head.has_body
        self.missing = head.content_length or 0
        self.received_bytes = 0
        self._limit = limit
        self._chunks = Chunks(limit) if head.is_chunked else None
        self._failure: tuple[int, str] | None = None  # a raised instance would hold frames
        self._left_callback: Callable[[], None] | None = None
        self._parts: list[bytes] = []
        self._source: Source | None = source
        self._waiter: asyncio.Future[None] | None = None

    async def body(self, limit: int | None = None) -> Content:
        """Return the body, waiting for the rest of it; sends `100 Continue` if it must.

        `limit` in bytes narrows the server's own for this endpoint.

        Raises:
            BodyRefused: it is too large, too slow or not well-formed.
            ClientLeft: the client hung up.
        """
        if limit is not None:
            self._narrow(limit)
        source = self._source
        if source is not None and self._is_coming():
            self._waiter = asyncio.get_running_loop().create_future()
            head = self.head
            source.ask_body(with_continue=head.expects_continue and self.received_bytes == 0)
            await self._waiter
        if self.client_left and not self.is_complete:
            raise ClientLeft
        if self._failure is not None:
            raise BodyRefused(*self._failure)
        parts = self._parts
        self._parts = []
        return Content(parts)

    def whole(self) -> Content | None:
        """Return the body if all of it is here already: nobody has to wait then."""
        if not self.is_complete or self._failure is not None:
            return None
        parts = self._parts
        self._parts = []
        return Content(parts)

    def on_client_left(self, callback: Callable[[], None]) -> None:
        """Call `callback` once when the client hangs up; at once if it has."""
        if self.client_left:
            callback()
        else:
            self._left_callback = callback

    @property
    def is_awaited(self) -> bool:
        """Whether somebody waits for the body right now."""
        return self._waiter is not None and not self._waiter.done()

    @property
    def unasked_bytes(self) -> int:
        """How much of the body came while nobody waited for it."""
        return 0 if self.is_awaited else self.received_bytes

    def feed(self, data: bytes) -> bytes:
        """Take bytes from the wire; return those behind the end of the body."""
        if self._chunks is not None:
            return self._feed_chunks(self._chunks, data)
        missing = self.missing
        size = len(data)
        rest = b""
        if size > missing:
            rest = data[missing:]
            data = data[:missing]
            size = missing
        self._parts.append(data)
        self.received_bytes += size
        self.missing = missing = missing - size
        if not missing:
            self.is_complete = True
            if self._waiter is not None:
                self._wake()
        return rest

    def _feed_chunks(self, chunks: Chunks, data: bytes) -> bytes:
        try:
            piece, rest = chunks.feed(data)
        except Refusal as refusal:
            self.fail(refusal.status, refusal.code)
            return b""
        if piece:
            self._parts.append(piece)
            self.received_bytes += len(piece)
        if self.received_bytes > self._limit:
            self.fail(413, BODY_TOO_LARGE)
        elif chunks.is_complete:
            self.is_complete = True
            self._wake()
        return rest

    def fail(self, status: int, code: str) -> None:
        """Give the body up; whoever waits for it or asks later is told."""
        if self._failure is None:
            self._failure = (status, code)
            self._parts = []
            self._wake()

    def leave(self) -> None:
        """Note that the client hung up, and tell whoever wanted to know."""
        self.client_left = True
        self._parts = self._parts if self.is_complete else []
        self._wake()
        callback = self._left_callback
        self._left_callback = None
        if callback is not None:
            callback()

    def detach(self) -> None:
        """Let go of the connection and of the content: the answer is out."""
        self._source = None
        self._left_callback = None
        self._parts = []

    @property
    def has_failed(self) -> bool:
        """Whether the body was given up."""
        return self._failure is not None

    def _is_coming(self) -> bool:
        return not self.is_complete and self._failure is None and not self.client_left

    def _narrow(self, limit: int) -> None:
        self._limit = min(limit, self._limit)
        if max(self.head.content_length or 0, self.received_bytes) > self._limit:
            self.fail(413, BODY_TOO_LARGE)

    def _wake(self) -> None:
        waiter = self._waiter
        if waiter is not None and not waiter.done():
            waiter.set_result(None)
