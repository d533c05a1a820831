"""One gateway's socket at the desk: bytes to messages and back. A slow reader is cut off."""

import socket
import struct
from collections.abc import Iterable
from contextlib import suppress
from threading import Lock
from typing import Final

from troth.server.messages import Down, Up, UpReader, frame

_READ_BYTES: Final = 262_144
_SEND_SECONDS: Final = 2
_BUFFER_BYTES: Final = 1 << 20


class DeskLink:
    """A connection. `owner` is its seat, or a name of its own until it has one."""

    def __init__(self, connection: socket.socket, owner: bytes) -> None:
        patience = struct.pack("ll", _SEND_SECONDS, 0)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, patience)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _BUFFER_BYTES)
        self.owner = owner
        self.slot = -1
        self.applied = 0
        self.is_partial = False
        """Whether the gateway was told of no keys, and asks for each."""
        self._connection = connection
        self._sending = Lock()
        self._ear = UpReader()

    def read(self) -> list[Up] | None:
        """Wait for messages; None when the gateway has hung up.

        Raises:
            BrokenLink: it sent what is no message of this build.
        """
        try:
            data = self._connection.recv(_READ_BYTES)
        except OSError:
            return None
        return self._ear.feed(data) if data else None

    def send(self, messages: Iterable[Down]) -> None:
        """Send messages in order; a gateway that takes none for two seconds is cut off."""
        data = b"".join(map(frame, messages))
        with self._sending:
            try:
                self._connection.sendall(data)
            except OSError:
                self.cut()

    def cut(self) -> None:
        """Let both ends know that it is over."""
        with suppress(OSError):
            self._connection.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Release the descriptor."""
        self._connection.close()
