"""The control port: health, metrics and webhooks, through the same framing guard as the API."""

import asyncio
import socket
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from threading import Event, Thread
from typing import Final, Protocol

from troth.kernel.clock import Clock
from troth.kernel.content import Content
from troth.wire import Arrival, BodyRefused, ClientLeft, Head, Header, Server, ServerLimits, Sink

_OK: Final = 200
_NOT_FOUND: Final = 404
_NOT_ALLOWED: Final = 405
_UNAVAILABLE: Final = 503
_PLAIN: Final = b"text/plain"
_JSON: Final = b"application/json"
_PATHS: Final = frozenset(("/healthz", "/readyz", "/metrics", "/status.json"))
_UNREADY: Final = (_UNAVAILABLE, _PLAIN, b"not ready\n")
HOOK_PATH: Final = "/hooks/stripe"
HOOK_BYTES_MAX: Final = 256 * 1024
_SIGNATURE: Final = b"stripe-signature"


class Hooks(Protocol):
    """What takes the bytes of webhooks to where they are verified."""

    def submit(self, body: Content, signature: bytes) -> Future[int]:
        """Return the status to answer with, once the work is done."""
        ...

    def stop(self) -> None:
        """End when what has begun is done."""
        ...


class ControlPort:
    """Health and metrics, in a thread with a loop of its own."""

    def __init__(
        self,
        is_ready: Callable[[], bool],
        metrics: Callable[[], bytes],
        kind: str,
        clock: Clock,
        *,
        status: Callable[[], bytes] = bytes,
    ) -> None:
        """`kind` is the content type of what `metrics` returns; `status` is the public page."""
        self._is_ready = is_ready
        self._metrics = metrics
        self._kind = kind.encode()
        self._status = status
        self._clock = clock
        self._started = Event()
        self._ended: Callable[[], None] = self._started.set
        self._hooks: Hooks | None = None

    def serve(self, listener: socket.socket, hooks: Hooks | None = None) -> None:
        """Answer on the socket until `stop`. Without `hooks` there is no route for webhooks."""
        self._hooks = hooks
        Thread(
            target=lambda: asyncio.run(self._run(listener)), name="control-port", daemon=True
        ).start()
        self._started.wait()

    def stop(self) -> None:
        """End the thread, once the webhooks that have begun are dealt with."""
        self._ended()
        if self._hooks is not None:
            self._hooks.stop()

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
        hooks = self._hooks
        if hooks is not None and arrival.head.path == HOOK_PATH:
            await _take(hooks, arrival, sink)
            return
        status, kind, body = self._found(arrival.head)
        sink.answer(status, [(b"content-type", kind), (b"cache-control", b"no-store")], body)

    def _found(self, head: Head) -> tuple[int, bytes, bytes]:
        if head.path in _PATHS and head.method not in {"GET", "HEAD"}:
            return _NOT_ALLOWED, _PLAIN, b"method not allowed\n"
        match head.path:
            case "/healthz":
                return _OK, _PLAIN, b"ok\n"
            case "/readyz":
                is_ready = self._is_ready()
                return (_OK, _PLAIN, b"ok\n") if is_ready else _UNREADY
            case "/status.json":
                page = self._status()
                return (_OK, _JSON, page) if page else _UNREADY
            case "/metrics":
                return _OK, self._kind, self._metrics()
            case _:
                return _NOT_FOUND, _PLAIN, b"not found\n"


async def _take(hooks: Hooks, arrival: Arrival, sink: Sink) -> None:
    """Read one webhook and answer when it is dealt with, so that a lost one is sent again."""
    head, status = arrival.head, _NOT_ALLOWED
    if head.method == "POST":
        try:
            body = await arrival.body(HOOK_BYTES_MAX)
            signature = head.headers.get(_SIGNATURE, b"")
            status = await asyncio.wrap_future(hooks.submit(body, signature))
        except BodyRefused as refused:
            status = refused.status
        except ClientLeft:
            sink.abort()
            return
    answer = b"ok\n" if status == _OK else b"refused\n"
    sink.answer(status, [(b"content-type", _PLAIN), (b"cache-control", b"no-store")], answer)


def _call(loop: asyncio.AbstractEventLoop, ended: Callable[[], None]) -> None:
    if not loop.is_closed():
        loop.call_soon_threadsafe(ended)


def _plain(status: int, code: str, head: Head | None) -> tuple[int, Sequence[Header], bytes]:
    del code, head
    return status, [(b"content-type", _PLAIN)], b"refused\n"
