"""What the supervisor hands to a child, and what a child tells it: one socket pair, the life line.

The child's settings come first, as one frame. Afterwards the supervisor says nothing: when its
end closes, the child drains and exits. The child writes one byte when it is ready.
"""

import socket
import struct
from typing import Final, TypeVar

import msgspec

from troth.kernel.errors import Misconfigured

READY: Final = b"R"
_LENGTH: Final = struct.Struct(">I")
_READ_BYTES: Final = 65_536


class Tls(msgspec.Struct, frozen=True):
    """Certificate and key files of the API port; `floor` is the lowest version spoken."""

    certificate_file: str
    key_file: str
    floor: str = "1.3"


class Serving(msgspec.Struct, frozen=True):
    """How a gateway serves. Durations in seconds unless the name says otherwise.

    `stale_seconds` is how long tables and leases outlive the last beat of the desk.
    """

    drain_seconds: int = 30
    stale_seconds: int = 30
    erase_on_free: bool = True
    connections: int = 12_000
    in_flight: int = 10_000
    tls: Tls | None = None
    ca_file: str = ""


class GatewayHandover(msgspec.Struct, frozen=True):
    """All that a gateway process starts with; the rest comes with the snapshot.

    Numbers of inherited descriptors: `listener` is the slot's socket, `rates` the table of rates
    that all gateways of the machine share.
    """

    slot: int
    slots: int
    listener: int
    rates: int
    desk_socket: str
    journal_directory: str
    serving: Serving


class ControlHandover(msgspec.Struct, frozen=True):
    """All that the control process starts with. `credentials` are by upstream.

    Numbers of inherited descriptors: `desk` and `management` are Unix sockets, `port` the control
    port; -1 for one that is not served.
    """

    database: str
    data_directory: str
    desk: int
    management: int
    port: int
    slots: int
    credentials: dict[str, str]
    serving: Serving


Handover = TypeVar("Handover", GatewayHandover, ControlHandover)


def give(line: socket.socket, handover: GatewayHandover | ControlHandover) -> None:
    """Send a child its settings. The socket pair holds them until the child reads."""
    body = msgspec.msgpack.encode(handover)
    line.sendall(_LENGTH.pack(len(body)) + body)


def take(line: socket.socket, kind: type[Handover]) -> Handover:
    """Wait for the settings.

    Raises:
        Misconfigured: the line closed before they came, or they are of another build.
    """
    (size,) = _LENGTH.unpack(_exactly(line, _LENGTH.size))
    try:
        return msgspec.msgpack.decode(_exactly(line, size), type=kind)
    except msgspec.MsgspecError:
        raise Misconfigured("the supervisor handed over settings of another build") from None


def _exactly(line: socket.socket, count: int) -> bytes:
    parts: list[bytes] = []
    while count:
        data = line.recv(min(count, _READ_BYTES))
        if not data:
            raise Misconfigured("the supervisor left before it handed over the settings")
        parts.append(data)
        count -= len(data)
    return b"".join(parts)
