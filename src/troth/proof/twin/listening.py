"""A plain HTTP/1.1 listener on loopback, one thread a connection: enough for a double, no more."""

import socket
import struct
import threading
from collections.abc import Callable
from typing import Final

import msgspec

_RESET: Final = struct.pack("ii", 1, 0)
_BACKLOG: Final = 2_048
_MOST_HEAD: Final = 1 << 20


class Incoming(msgspec.Struct, frozen=True):
    """One request as it came: header names in lower case, in their order."""

    method: str
    path: str
    query: str
    headers: tuple[tuple[str, str], ...]
    body: bytes

    def header(self, name: str) -> str:
        """Return a header's first value, or an empty text."""
        return next((value for key, value in self.headers if key == name), "")


class Way:
    """The way back to one client."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._read = b""

    def send(self, data: bytes) -> None:
        """Send all of it now.

        Raises:
            OSError: the client has left.
        """
        self._connection.sendall(data)

    def reset(self) -> None:
        """Let the close of the connection be a reset."""
        self._connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)

    def next(self) -> Incoming | None:
        """Wait for the next request; None when the client is done."""
        while b"\r\n\r\n" not in self._read:
            if len(self._read) > _MOST_HEAD or not self._more():
                return None
        head, _, self._read = self._read.partition(b"\r\n\r\n")
        lines = head.decode("latin-1").split("\r\n")
        method, target, _ = lines[0].split(" ")
        pairs = [line.partition(":") for line in lines[1:]]
        headers = tuple((name.lower(), value.strip()) for name, _, value in pairs)
        path, _, query = target.partition("?")
        size = int(dict(headers).get("content-length", "0"))
        parts = [self._read]
        while sum(map(len, parts)) < size:
            data = self._connection.recv(1 << 16)
            if not data:
                return None
            parts.append(data)
        whole = b"".join(parts)
        self._read = whole[size:]
        return Incoming(method, path, query, headers, whole[:size])

    def _more(self) -> bool:
        data = self._connection.recv(1 << 16)
        self._read += data
        return bool(data)


class Listener:
    """Accepts on 127.0.0.1 and hands every request to `handle`, which tells whether to go on."""

    def __init__(self, port: int, handle: Callable[[Way, Incoming], bool]) -> None:
        self._handle = handle
        self._socket = socket.create_server(("127.0.0.1", port), backlog=_BACKLOG)
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    @property
    def address(self) -> str:
        """Return `http://127.0.0.1:PORT`."""
        return f"http://127.0.0.1:{self._socket.getsockname()[1]}"

    def close(self) -> None:
        """Accept no more; connections end with their clients."""
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._thread.join()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        way = Way(connection)
        with connection:
            try:
                while (incoming := way.next()) is not None:
                    if not self._handle(way, incoming):
                        return
            except (OSError, ValueError):
                return
