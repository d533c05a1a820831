"""The control port: health and metrics, through the same wire and framing guard as the API."""

import asyncio
import socket
from collections.abc import Callable, Sequence
from threading import Event, Thread
from typing import Final

from troth.kernel.clock import Clock
from troth.wire import Arrival, Head, Header, Server, ServerLimits, Sink

_OK: Final = 200
_NOT_FOUND: Final = 404
_NOT_ALLOWED: Final = 405
_UNAVAILABLE: Final = 503
_PLAIN: Final = b"text/plain"


class ControlPort:
    """Health and metrics, in a thread with a loop of its own."""

    def __init__(
        self, is_ready: Callable[[], bool], metrics: Callable[[], bytes], kind: str, clock: Clock
    ) -> None:
        """`kind` is the content type of what `metrics` returns."""
        self._is_ready = is_ready
        self._metrics = metrics
        self._kind = kind.encode()
        self._clock = clock
        self._started = Event()
        self._ended: Callable[[], None] = self._started.set

    def serve(self, listener: socket.socket) -> None:
        """Answer on the socket until `stop`."""
        Thread(
            target=lambda: asyncio.run(self._run(listener)), name="control-port", daemon=True
        ).start()
        self._started.wait()

    def stop(self) -> None:
        """End the thread."""
        self._ended()

    async def _run(self, listener: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        ended = asyncio.Event()
        self._ended = lambda: _call(loop, ended.set)
        server = Server(self._serve, ServerLimits(), self._clock, _plain)
        await server.start(listener)
        self._started.set()
        await ended.wait()
        server.close()

    async def _serve(self, arrival: Arrival, sink: Sink) -> None:
        status, kind, body = self._found(arrival.head)
        sink.answer(status, [(b"content-type", kind), (b"cache-control", b"no-store")], body)

    def _found(self, head: Head) -> tuple[int, bytes, bytes]:
        if head.method not in {"GET", "HEAD"}:
            return _NOT_ALLOWED, _PLAIN, b"method not allowed\n"
        match head.path:
            case "/healthz":
                return _OK, _PLAIN, b"ok\n"
            case "/readyz" if self._is_ready():
                return _OK, _PLAIN, b"ok\n"
            case "/readyz":
                return _UNAVAILABLE, _PLAIN, b"not ready\n"
            case "/metrics":
                return _OK, self._kind, self._metrics()
            case _:
                return _NOT_FOUND, _PLAIN, b"not found\n"


def _call(loop: asyncio.AbstractEventLoop, ended: Callable[[], None]) -> None:
    if not loop.is_closed():
        loop.call_soon_threadsafe(ended)


def _plain(status: int, code: str, head: Head | None) -> tuple[Sequence[Header], bytes]:
    del status, code, head
    return [(b"content-type", _PLAIN)], b"refused\n"
