"""One connection to an upstream: a request out, its answer in, then the next."""

import asyncio
from typing import Protocol, cast

import httptools
from typing_extensions import override

from troth.wire.call import Call
from troth.wire.departures import Departures
from troth.wire.origin import NOBODY, Failure
from troth.wire.pulse import Pulse
from troth.wire.shared_buffer import SHORT_VIEW, VIEW, ZEROS

FIRST_FINAL = 200
WITHOUT_BODY = frozenset((204, 304))


class StrayBytes(Exception):
    """The upstream sends on behind the end of its answer."""


class Lane(Protocol):
    """What a connection needs of the pool's lane to its origin."""

    pulse: Pulse
    head_bytes: int
    departures: Departures

    def restart(self, call: Call) -> None:
        """Send a call anew on a new connection: the kept one turned out to be dead."""
        ...

    def free(self, upstream: "Upstream") -> None:
        """Take back a connection whose answer is whole."""
        ...

    def forget(self, upstream: "Upstream") -> None:
        """A connection is gone."""
        ...


class Upstream(asyncio.BufferedProtocol):
    """The protocol of one connection. `touched_ns`: when it last received something (coarse)."""

    __slots__ = (
        "_body",
        "_call",
        "_departures",
        "_fault",
        "_has_ended",
        "_has_head",
        "_head_bytes",
        "_headers",
        "_is_delimited",
        "_is_interim",
        "_is_reading",
        "_is_reused",
        "_keeps",
        "_lane",
        "_needs_look",
        "_parser",
        "_pulse",
        "_receiver",
        "_round",
        "_transport",
        "is_lost",
        "touched_ns",
    )

    _transport: asyncio.Transport

    def __init__(self, lane: Lane) -> None:
        self.touched_ns = 0
        self._lane = lane
        self._pulse = lane.pulse
        self._departures = lane.departures
        self._round = -1
        self._parser = httptools.HttpResponseParser(self)
        self._body: bytes | None = None
        self._call: Call | None = None
        self._receiver = NOBODY
        self.is_lost = False
        self._is_reading = True
        self._is_reused = False
        self._fault: Failure | None = None
        self._has_ended = False
        self._has_head = False
        self._head_bytes = 0
        self._headers: dict[bytes, bytes] = {}
        self._is_delimited = False
        self._is_interim = False
        self._keeps = False
        self._needs_look = True

    # -- for the pool and the call

    def is_usable(self) -> bool:
        """Tell whether the next call may go out here."""
        return not self._transport.is_closing()

    def begin(self, call: Call) -> None:
        """Send a call's request."""
        self._call = call
        self._receiver = call.receiver
        call.sent(self)
        if call.is_paused:
            self.pause()
        departures = self._departures
        self._round = departures.rounds  # as long as it is this one, nothing has left
        departures.add(self._transport, call.parts)

    def drop(self) -> None:
        """Close at once; nobody waits for the answer any more."""
        self._call = None
        self._receiver = NOBODY
        self._transport.abort()

    def hang_up(self) -> None:
        """Close a connection that carries nothing."""
        self._transport.close()

    def pause(self) -> None:
        """Read no more for now."""
        if self._is_reading:
            self._is_reading = False
            self._transport.pause_reading()

    def resume(self) -> None:
        """Read on."""
        if not self._is_reading:
            self._is_reading = True
            self.touched_ns = self._pulse.now_ns
            self._transport.resume_reading()

    # -- what the loop calls

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    @override
    def get_buffer(self, sizehint: int) -> memoryview:
        return SHORT_VIEW

    @override
    def buffer_updated(self, nbytes: int) -> None:
        view = VIEW[:nbytes]
        if self._call is None:
            view[:] = ZEROS[:nbytes]
            self._transport.abort()  # nothing was asked
            return
        self.touched_ns = self._pulse.now_ns
        if not self._has_head:
            self._head_bytes += nbytes
        try:
            self._parser.feed_data(view)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            self._needs_look = True
            self._fault = self._fault or Failure.MALFORMED
        finally:
            view[:] = ZEROS[:nbytes]
        body = self._body
        if body is not None:
            self._body = None
            self._receiver.piece(body)
        if self._needs_look:
            self._look()

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        call = self._call
        self._call = None
        self._receiver = NOBODY
        self.is_lost = True
        del self._parser  # it refers back to here
        self._lane.forget(self)
        if call is None:
            return
        if self._has_head and not self._is_delimited and exc is None:
            call.end().ended()
        elif self._is_reused and not self._head_bytes and not call.was_retried:
            call.was_retried = True
            self._lane.restart(call)
        else:
            call.fail(Failure.CUT if self._has_head else Failure.RESET)

    # -- what the parser calls

    def on_message_begin(self) -> None:
        """A message starts: there must be no second one."""
        if self._has_ended:
            self._keeps = False
            raise StrayBytes

    def on_header(self, name: bytes, value: bytes) -> None:
        """Collect a header; trailers are ignored."""
        if self._has_head:
            return
        key = name.lower()
        headers = self._headers
        headers[key] = b"%b, %b" % (headers[key], value) if key in headers else value

    def on_headers_complete(self) -> None:
        """Judge the head and hand it on; interim answers (1xx) are skipped."""
        status = self._parser.get_status_code()
        headers = self._headers
        self._headers = {}
        if status < FIRST_FINAL:
            self._is_interim = True
            return
        if b"content-encoding" in headers and headers[b"content-encoding"].lower() != b"identity":
            self._fault = Failure.ENCODED
            return
        if self._head_bytes > self._lane.head_bytes and _size(headers) > self._lane.head_bytes:
            self._fault = Failure.TOO_LARGE
            return
        self._has_head = True
        self._needs_look = False
        self._is_delimited = (
            b"content-length" in headers
            or b"transfer-encoding" in headers
            or status in WITHOUT_BODY
        )
        assert self._call is not None, "nothing is read for nobody"
        self._call.answered()
        self._receiver.head(status, headers)

    def on_body(self, data: bytes) -> None:
        """Keep a piece of the body: all that one read brings is handed on as one.

        So a stream in arrears catches up, for what was read late leaves in one write.
        """
        if self._body is not None:
            self._body += data  # at most 64 KiB
        elif self._has_head:
            self._body = data

    def on_message_complete(self) -> None:
        """Note the end of the message."""
        if self._is_interim:
            self._is_interim = False
            return
        self._has_ended = True
        self._needs_look = True
        self._keeps = self._parser.should_keep_alive()

    # -- what follows

    def _look(self) -> None:
        """See what the last read brought, other than a piece of the body."""
        call = self._call
        if call is None:
            return
        if self._has_ended and self._has_head:
            self._finish(call)
        elif self._fault is not None:
            call.fail(self._fault)
        elif not self._has_head and self._head_bytes > self._lane.head_bytes:
            call.fail(Failure.TOO_LARGE)

    def _finish(self, call: Call) -> None:
        """The answer is whole: free the connection, then tell the receiver."""
        receiver = call.end()
        self._call = None
        self._receiver = NOBODY
        transport = self._transport
        if (
            self._keeps
            and self._fault is None
            and self._round != self._departures.rounds
            and not transport.is_closing()
            and not transport.get_write_buffer_size()
        ):
            self._has_ended = self._has_head = False
            self._head_bytes = 0
            self._is_reused = True
            if not self._is_reading:
                self.resume()
            self._lane.free(self)
        else:
            transport.abort()
        receiver.ended()


def _size(headers: dict[bytes, bytes]) -> int:
    """Return the size of a head in bytes, without its punctuation."""
    return sum(map(len, headers)) + sum(map(len, headers.values()))
