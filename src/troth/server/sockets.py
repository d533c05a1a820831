"""The sockets of an installation: opened once by the supervisor, handed to every child."""

import fcntl
import os
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

import msgspec

from troth.kernel.errors import Misconfigured
from troth.kernel.ids import system_entropy
from troth.server import rates_memory
from troth.server.parts import LOCKS, Part

BACKLOG: Final = 4_096
_LONGEST_PATH: Final = 107
_OF_CONTROL: Final = 3


class Taken(Misconfigured):
    """Another process serves out of the folder."""


class Address(msgspec.Struct, frozen=True):
    """An address and a port to listen on; port 0 lets the system choose."""

    host: str
    port: int


NOWHERE: Final = Address("", 0)
"""Of what does not listen here."""


class Sockets(msgspec.Struct, frozen=True):
    """What children inherit: one listening socket a slot, the control port, two Unix sockets.

    `hint_key` is no socket, but stays as long: 32 bytes that all gateways of a start share.
    """

    slots: tuple[socket.socket, ...]
    port: socket.socket
    management: socket.socket
    desk: socket.socket
    rates: int
    hint_key: bytes

    def close(self) -> None:
        """Close everything; a child's copies stay open."""
        for one in (*self.slots, self.port, self.management, self.desk):
            one.close()
        os.close(self.rates)


def open_sockets(
    bind: Address, control: Address, slots: int, folder: Path, *, part: Part = "all"
) -> Sockets:
    """Open the sockets of a part; the Unix ones lie in `folder`, for this user alone.

    Where control does not run, its sockets are none: they listen nowhere.

    Raises:
        Misconfigured: an address that is taken or not ours, a folder whose path is too long.
    """
    opened: list[socket.socket] = []
    try:
        if part != "control":
            opened.append(_listen(bind, is_shared=slots > 1))
            found = Address(bind.host, opened[0].getsockname()[1])
            opened += [_listen(found, is_shared=True) for _ in range(slots - 1)]
        if part == "gateway":
            opened += [socket.socket() for _ in range(_OF_CONTROL)]
        else:
            opened.append(_listen(control, is_shared=False))
            opened.append(_unix(folder / "control.sock"))
            opened.append(_unix(folder / "desk.sock"))
        rates = rates_memory.make()
    except BaseException:
        for one in opened:
            one.close()
        raise
    *gateways, port, management, desk = opened
    return Sockets(tuple(gateways), port, management, desk, rates, system_entropy(32))


def address_of(listener: socket.socket) -> Address:
    """Return where a socket listens."""
    host, port = listener.getsockname()[:2]
    return Address(str(host), int(port))


def _listen(address: Address, *, is_shared: bool) -> socket.socket:
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if is_shared:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        listener.bind((address.host, address.port))
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        raise Misconfigured(
            f"cannot listen on {address.host}:{address.port}: {os.strerror(error.errno or 0)}. "
            "Stop what uses it, or set another with 'server.bind' or 'server.control_bind'."
        ) from None
    return listener


def _unix(path: Path) -> socket.socket:
    if len(os.fsencode(path)) > _LONGEST_PATH:
        raise Misconfigured(f"the path {path} is too long for a socket: move the data folder")
    path.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        listener.bind(str(path))
        path.chmod(0o600)
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        raise Misconfigured(f"cannot make {path}: {os.strerror(error.errno or 0)}") from None
    return listener


@contextmanager
def alone_in(folder: Path, part: Part = "control") -> Iterator[None]:
    """Make the folder, for this user alone, and keep others from serving that part out of it.

    Raises:
        Taken: another process does.
        Misconfigured: the folder cannot be made.
    """
    with ExitStack() as locks:
        try:
            folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            folder.mkdir(mode=0o700, exist_ok=True)
            opened = [locks.enter_context((folder / name).open("ab")) for name in LOCKS[part]]
        except OSError as error:
            raise Misconfigured(f"cannot use {folder}: {os.strerror(error.errno or 0)}") from None
        try:
            for lock in opened:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise Taken(f"another process serves out of {folder.parent}") from None
        yield
