"""Serves the management API on a Unix socket, in a thread; knows who is at the other end."""

import socket
import struct
import threading
from contextlib import suppress
from typing import Final

import uvicorn
from fastapi import FastAPI
from typing_extensions import override
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from troth.server.management import application
from troth.server.office import Office

_CREDENTIALS: Final = struct.Struct("3i")
BODY_BYTES: Final = 1024 * 1024
_REASON: Final = (
    b'{"error":{"code":"request_too_large","message":"The body is larger than 1 MiB."}}'
)
_TOO_LARGE: Final = (
    b"HTTP/1.1 413 Content Too Large\r\nconnection: close\r\ncontent-type: application/json\r\n"
    b"content-length: %d\r\n\r\n%b" % (len(_REASON), _REASON)
)
_START_SECONDS: Final = 10
_STOP_SECONDS: Final = 5


class PeerProtocol(HttpToolsProtocol):
    """HTTP/1.1 whose `client` is the uid at the other end of the socket.

    A body that is too large is refused by its declared length, before it is read; one without a
    length as soon as it is too large.
    """

    _size = 0
    _is_refused = False

    @property  # type: ignore[explicit-override]  # mypy does not look at a setter's getter
    @override
    def client(self) -> tuple[str, int]:
        """Return who calls; -1 where the system does not tell it like this."""
        peer = self.transport.get_extra_info("socket")
        with suppress(OSError, AttributeError):
            data = peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
            return "uid", _CREDENTIALS.unpack(data)[1]
        return "uid", -1

    @client.setter
    @override
    def client(self, found: tuple[str, int] | None) -> None:
        """Leave out what uvicorn found: a Unix socket has no address."""

    @override
    def on_message_begin(self) -> None:
        """Begin to count."""
        self._size = 0
        super().on_message_begin()

    @override
    def on_headers_complete(self) -> None:
        """Refuse by the declared length; httptools has checked that it is a number."""
        declared = next((value for name, value in self.headers if name == b"content-length"), b"0")
        if int(declared) > BODY_BYTES:
            self._refuse()
        else:
            super().on_headers_complete()

    @override
    def on_body(self, body: bytes) -> None:
        """Count what comes without a length."""
        self._size += len(body)
        if self._size > BODY_BYTES and not self._is_refused:
            self._refuse()
        if not self._is_refused:
            super().on_body(body)

    @override
    def on_message_complete(self) -> None:
        """End a request that was not refused."""
        if not self._is_refused:
            super().on_message_complete()

    def _refuse(self) -> None:
        self._is_refused = True
        self.transport.write(_TOO_LARGE)
        self.transport.close()


class ManagementServer:
    """The application on a listening Unix socket until `stop`."""

    def __init__(self, application: FastAPI, listener: socket.socket) -> None:
        config = uvicorn.Config(
            application,
            http=PeerProtocol,
            loop="asyncio",
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            date_header=False,
            timeout_graceful_shutdown=_STOP_SECONDS,
        )
        self._server = uvicorn.Server(config)
        self._listener = listener
        self._thread = threading.Thread(
            target=self._server.run, args=([listener],), name="management", daemon=True
        )

    def start(self) -> None:
        """Serve in a thread of its own."""
        self._thread.start()

    def stop(self) -> None:
        """Stop accepting, answer what came, end the thread."""
        self._server.should_exit = True
        self._thread.join(_STOP_SECONDS + _START_SECONDS)


def open_management(office: Office, listener: socket.socket) -> ManagementServer:
    """Return the management API over an office."""
    return ManagementServer(application(office), listener)
