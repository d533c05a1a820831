"""Loads the management API behind the desk: its framework is half of all that a start loads."""

import socket
from importlib import import_module
from typing import TYPE_CHECKING, Final

from troth.server.office import Office

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Protocol

    class Management(Protocol):
        """The API on its socket."""

        def start(self) -> None:
            """Serve in a thread of its own."""
            ...

        def stop(self) -> None:
            """Stop accepting, answer what came, end the thread."""
            ...


_API: Final = "troth.server.management_socket"


def load() -> None:
    """Load it now: for who must know that all of this code can be loaded."""
    import_module(_API)


def open_management(office: Office, listener: socket.socket) -> "Management":
    """Return the API over an office, loaded by then."""
    opened: Callable[[Office, socket.socket], Management] = import_module(_API).open_management
    return opened(office, listener)
