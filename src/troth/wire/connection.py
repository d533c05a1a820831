r"""One client's connection: requests in, answers out, in order, one at a time.

    HEAD -> BODY -> ANSWER -> HEAD ...      a request; a body may still come while it is answered
                \-> SKIP   -> HEAD          answered before its short body came: that is discarded
    any  -> LINGER -> gone                  refused or closing: what still comes is discarded

Nothing that was read outlives its request here.
"""

import asyncio
from typing import cast

from typing_extensions import override

from troth.wire import framing
from troth.wire.arrival import Arrival
from troth.wire.framing import Head, Refusal
from troth.wire.roles import Listener
from troth.wire.shared_buffer import BUFFER, VIEW, ZEROS
from troth.wire.sink import Sink

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
LINGER_BYTES = 64 * 1024 * 1024
MS = 1_000_000

_HEAD, _BODY, _ANSWER, _SKIP, _LINGER, _CLOSED = range(6)


class Connection(asyncio.BufferedProtocol):
    """The protocol of one accepted connection."""

    __slots__ = (
        "_arrival",
        "_asked_ns",
        "_closes",
        "_is_reading",
        "_is_spoiled",
        "_listener",
        "_partial",
        "_rest",
        "_served",
        "_since_ns",
        "_sink",
        "_skip",
        "_state",
        "_transport",
        "_unsent",
        "_unsent_since_ns",
        "peer",
    )

    _transport: asyncio.Transport

    def __init__(self, listener: Listener) -> None:
        self.peer = ""
        self._listener = listener
        self._state = _HEAD
        self._arrival: Arrival | None = None
        self._sink: Sink | None = None
        self._partial: bytearray | None = None
        self._rest: bytearray | None = None
        self._closes = False
        self._is_reading = True
        self._served = False
        self._is_spoiled = False
        self._skip = 0
        self._since_ns = listener.now_ns
        self._asked_ns = 0
        self._unsent = 0
        self._unsent_since_ns = 0

    # -- what the loop calls

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        address = transport.get_extra_info("peername")
        self.peer = str(address[0]) if isinstance(address, tuple) else ""
        high = self._listener.limits.unsent_bytes
        self._transport.set_write_buffer_limits(high=high, low=high // 4)
        if not self._listener.welcome(self):
            self._state = _ANSWER  # nothing was read: close without lingering
            self._refuse(503, "overloaded")

    @override
    def get_buffer(self, sizehint: int) -> memoryview:
        return VIEW

    @override
    def buffer_updated(self, nbytes: int) -> None:
        try:
            if self._state == _HEAD and self._partial is None:
                end = BUFFER.find(b"\r\n\r\n", 0, nbytes)
                if end >= 0:
                    self._start(VIEW[:end].tobytes(), VIEW[end + 4 : nbytes].tobytes())
                else:
                    self._gather(bytes(VIEW[:nbytes]))
            elif self._state < _SKIP:
                self._take(bytes(VIEW[:nbytes]))
            else:
                self._discard(nbytes)
        finally:
            VIEW[:nbytes] = ZEROS[:nbytes]

    @override
    def eof_received(self) -> None:
        self._leave()  # who will send nothing more has left (decision 0034); the loop closes ours

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        self._leave()
        self._listener.farewell(self)

    @override
    def pause_writing(self) -> None:
        self._unsent = self._transport.get_write_buffer_size()
        self._unsent_since_ns = self._listener.now_ns
        if self._sink is not None:
            self._sink.pause()

    @override
    def resume_writing(self) -> None:
        self._unsent = 0
        if self._sink is not None:
            self._sink.resume()

    # -- requests

    def _take(self, data: bytes) -> None:
        """Take bytes that are no fresh head: part of a head, of a body, or pipelined."""
        if self._state == _HEAD:
            self._gather(data)
        elif self._state == _BODY:
            self._feed(data)
        else:
            self._keep(data)

    def _gather(self, data: bytes) -> None:
        """Collect a head that comes in pieces."""
        partial = self._partial
        if partial is None:
            self._partial = partial = bytearray()
            self._since_ns = self._listener.now_ns
        searched = max(len(partial) - 3, 0)
        partial += data
        end = partial.find(b"\r\n\r\n", searched)
        if end >= 0:
            self._partial = None
            self._start(bytes(partial[:end]), bytes(partial[end + 4 :]))
            return
        try:
            framing.refuse_partial(partial, self._listener.limits)
        except Refusal as refusal:
            self._refuse(refusal.status, refusal.code)

    def _start(self, raw: bytes, rest: bytes) -> None:
        """Begin a request whose head is complete."""
        listener = self._listener
        limits = listener.limits
        try:
            head = listener.heads.read(raw, self.peer)
        except Refusal as refusal:
            self._refuse(refusal.status, refusal.code)
            return
        if (head.content_length or 0) > limits.body_bytes:
            self._refuse(413, framing.BODY_TOO_LARGE, head)
        elif listener.hosts and not listener.serves_host(head):
            self._refuse(400, framing.BAD_FRAMING, head)
        elif listener.in_flight >= limits.in_flight:
            self._refuse(503, "overloaded", head)
        else:
            self._serve(head, rest)

    def _serve(self, head: Head, rest: bytes) -> None:
        listener = self._listener
        arrival = Arrival(head, listener.clock_ns(), self, listener.limits.body_bytes)
        sink = Sink(self, self._transport, self._listener.departures, head)
        self._arrival = arrival
        self._sink = sink
        self._closes = head.wants_close
        if head.has_body:
            self._state = _BODY
            if rest:
                self._feed(rest)
        else:
            self._state = _ANSWER
            if rest:
                self._keep(rest)
        if self._unsent:
            sink.pause()
        listener.serve(arrival, sink)

    def _feed(self, data: bytes) -> None:
        """Hand body bytes to the request, and keep what stands behind them."""
        arrival = self._arrival
        assert arrival is not None, "a body belongs to a request"
        self._since_ns = self._listener.now_ns
        rest = arrival.feed(data)
        if arrival.is_complete:
            self._state = _ANSWER
            if rest:
                self._keep(rest)
        elif arrival.has_failed:
            self._closes = self._is_spoiled = True
            self._state = _ANSWER
        elif arrival.unasked_bytes > self._listener.limits.unasked_bytes:
            self._pause_reading()

    def _keep(self, data: bytes) -> None:
        """Keep pipelined bytes until the request before them is answered."""
        if self._closes:
            self._is_spoiled = True
            return
        if self._rest is None:
            self._rest = bytearray()
        self._rest += data
        if len(self._rest) > self._listener.limits.pipelined_bytes:
            self._pause_reading()

    def ask_body(self, *, with_continue: bool) -> None:
        """Let the body come: somebody waits for it."""
        self._since_ns = self._asked_ns = self._listener.now_ns
        if with_continue:
            self._listener.departures.add(self._transport, (CONTINUE,))
        self._resume_reading()

    # -- answers

    def must_close(self) -> bool:
        """Whether the connection ends with the answer that is about to start."""
        if self._closes or self._listener.is_draining:
            return True
        arrival = self._arrival
        if arrival is None or arrival.is_complete:
            return False
        head = arrival.head
        return (
            head.is_chunked
            or head.expects_continue
            or arrival.missing > self._listener.limits.skipped_bytes
        )

    def answered(self, *, closes: bool) -> None:
        """Go on behind a complete answer."""
        arrival = self._arrival
        self._arrival = self._sink = None
        self._served = True
        self._since_ns = self._listener.now_ns
        missing = 0
        if arrival is not None:
            missing = 0 if arrival.is_complete else arrival.missing
            arrival.detach()
        if closes:
            self._hang_up()
        elif missing:
            self._state = _SKIP
            self._skip = missing
            self._resume_reading()
        else:
            self._state = _HEAD
            if self._rest is not None:
                self._go_on(self._rest)

    def break_off(self) -> None:
        """Cut the connection now; what the loop has not sent is lost, and the request is told."""
        self._leave()
        self._listener.departures.go()
        self._transport.abort()

    def _go_on(self, rest: bytearray) -> None:
        """Take the next request, which is here already, and read on."""
        self._rest = None
        self._gather(bytes(rest))
        if self._rest is None:
            self._resume_reading()

    def _refuse(self, status: int, code: str, head: Head | None = None) -> None:
        """Answer what is not served, and close: nothing behind it is looked at."""
        self._closes = True
        status, headers, content = self._listener.refusal(status, code, head)
        sink = Sink(self, self._transport, self._listener.departures, head)
        self._partial = None
        sink.answer(status, headers, content)

    def _hang_up(self) -> None:
        """Close; where the client may still be sending, discard that first.

        Closing with unread bytes would reset the connection, and the client might never read the
        answer that tells it why.
        """
        clean = self._state == _ANSWER and self._rest is None and not self._is_spoiled
        self._rest = None
        self._partial = None
        transport = self._transport
        self._listener.departures.go()
        if clean or transport.is_closing():
            self._state = _CLOSED
            transport.close()
            return
        self._state = _LINGER
        self._skip = LINGER_BYTES
        self._resume_reading()
        if transport.can_write_eof():
            transport.write_eof()

    def _discard(self, count: int) -> None:
        """Drop what an answered client still sends."""
        skip = self._skip
        self._skip = skip - count
        if self._state == _SKIP:
            self._since_ns = self._listener.now_ns
            if count >= skip:
                self._state = _HEAD
                if count > skip:
                    self._gather(bytes(VIEW[skip:count]))
        elif self._state == _LINGER and self._skip < 0:
            self.break_off()

    def _leave(self) -> None:
        """The client is gone: tell the request, forget everything."""
        self._state = _CLOSED
        self._rest = None
        self._partial = None
        arrival, sink = self._arrival, self._sink
        self._arrival = self._sink = None
        if sink is not None:
            sink.detach()
        if arrival is not None:
            arrival.leave()

    def _pause_reading(self) -> None:
        if self._is_reading:
            self._is_reading = False
            self._transport.pause_reading()

    def _resume_reading(self) -> None:
        if not self._is_reading:
            self._is_reading = True
            self._transport.resume_reading()

    # -- time

    def check(self, now_ns: int) -> None:
        """Hold the connection to its deadlines; called by the server's sweep."""
        waited_ms = (now_ns - self._since_ns) // MS
        if self._unsent:
            self._check_unsent(now_ns)
        elif self._state == _HEAD:
            self._check_head(waited_ms)
        elif self._state == _BODY:
            self._check_body(now_ns, waited_ms)
        elif self._state != _ANSWER and waited_ms >= self._patience_ms():
            self.break_off()

    def _check_head(self, waited_ms: int) -> None:
        limits = self._listener.limits
        if self._partial is not None and self._partial != b"\r\n":  # an empty line begins none
            if waited_ms >= limits.headers_ms:
                self._refuse(408, "request_timeout")
        elif waited_ms >= (limits.idle_ms if self._served else limits.headers_ms):
            self.close_idle()

    def _check_body(self, now_ns: int, waited_ms: int) -> None:
        arrival = self._arrival
        if arrival is None or not arrival.is_awaited:
            return
        limits = self._listener.limits
        asked_ms = (now_ns - self._asked_ns) // MS
        floor = asked_ms * limits.body_bytes_per_second // 1000
        is_slow = asked_ms >= limits.body_grace_ms and arrival.received_bytes < floor
        if is_slow or waited_ms >= limits.body_silent_ms:
            self._is_spoiled = self._closes = True
            arrival.fail(408, "request_timeout")

    def _check_unsent(self, now_ns: int) -> None:
        """Cut off a reader that has taken nothing for too long."""
        unsent = self._transport.get_write_buffer_size()
        if unsent < self._unsent:
            self._unsent = unsent
            self._unsent_since_ns = now_ns
        elif (now_ns - self._unsent_since_ns) // MS >= self._listener.limits.stalled_ms:
            self.break_off()

    def _patience_ms(self) -> int:
        """How long to wait for a client that has been answered: longer while it still reads."""
        limits = self._listener.limits
        if self._state == _SKIP:
            return limits.body_silent_ms
        if self._state == _CLOSED or self._transport.get_write_buffer_size():
            return limits.stalled_ms
        return limits.linger_ms

    def close_idle(self) -> None:
        """Close if no request is under way."""
        if self._state == _HEAD:
            self._state = _CLOSED
            self._since_ns = self._listener.now_ns
            self._partial = None
            self._listener.departures.go()
            self._transport.close()
