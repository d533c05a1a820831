"""What the supervisor hands to a child, and what a child tells it: one socket pair, the life line.

The child's settings come first, as one frame. Afterwards the supervisor says nothing: when its
end closes, the child drains and exits. The child says when it is ready, that it is alive, or why
it cannot start.
"""

import socket
import struct
from contextlib import suppress
from typing import Final, Literal, TypeVar

import msgspec

from troth.catalog.load import Catalog
from troth.kernel.errors import Misconfigured
from troth.server.document_settings import DocumentSettings
from troth.server.payment_settings import PaymentTerms
from troth.server.settings import KeySettings
from troth.wire.limits import ClientLimits, ServerLimits
from troth.wire.tls import Floor

NO_LISTENER: Final = -1
_LENGTH: Final = struct.Struct(">I")
_READ_BYTES: Final = 65_536


class Tls(msgspec.Struct, frozen=True):
    """Certificate and key files of the API port; `floor` is the lowest version spoken."""

    certificate_file: str
    key_file: str
    floor: Floor = "1.3"


class Ready(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """The child answers. `is_erasing`: what it frees is overwritten, as it saw itself."""

    is_erasing: bool


class Alive(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """A sign of life, each second: one that stops saying so is replaced."""


class Failed(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """The child cannot start, in words for the operator who must mend it."""

    problem: str


Sign = Ready | Alive | Failed


class WaitTerms(msgspec.Struct, frozen=True):
    """How long a request waits for money in flight, in milliseconds, and how many may do so.

    `for_one` is the most that wait for one purse, `in_all` for all of them, in one process.
    """

    wait_ms: int = 1_000
    for_one: int = 1_000
    in_all: int = 4_000


class Serving(msgspec.Struct, frozen=True):
    """How a gateway serves. Durations in seconds unless the name says otherwise.

    `stale_seconds` is how long tables and leases outlive the last beat of the desk; `is_strict`: an
    answer's end waits until its charge is on disk.
    """

    drain_seconds: int = 30
    stale_seconds: int = 30
    erase_on_free: bool = True
    tls: Tls | None = None
    limits: ServerLimits = ServerLimits()
    upstream: ClientLimits = ClientLimits()
    extra_ca: str = ""
    segment_bytes: int = 16 * 1024 * 1024
    is_strict: bool = False
    memory_bytes: int = 0
    waits: WaitTerms = WaitTerms()


class GatewayHandover(msgspec.Struct, frozen=True):
    """All that a gateway process starts with; the rest comes with the snapshot.

    Numbers of inherited descriptors: `listener` is the slot's socket, `rates` the table of rates
    that all gateways of the machine share, as they share `hint_key`, new with each start. With
    NO_LISTENER the process only settles what former processes of its slot left behind.
    """

    slot: int
    slots: int
    listener: int
    rates: int
    hint_key: bytes
    desk_socket: str
    journal_directory: str
    serving: Serving


class MailServer(msgspec.Struct, frozen=True):
    """Where mails are handed over, and as whom: handed to the control process, shown nowhere."""

    host: str
    port: int
    security: Literal["starttls", "tls", "none"]
    username: str
    password: str
    sender: str


class AvailabilityTerms(msgspec.Struct, frozen=True):
    """How long ahead maintenance is announced, whether it is left out, what follows from it all."""

    maintenance_notice_ms: int = 86_400_000
    is_maintenance_excluded: bool = False
    is_credit_applied: bool = False


class AlertTerms(msgspec.Struct, frozen=True):
    """What the control process tells by: the days, and the mail server if there is one.

    `uptime` maps percent of uptime in nano-percent to the percent of charges credited below it,
    and `availability` says how it is measured and whether that credit is applied by itself.
    """

    low_balance_days: int = 7
    mail: MailServer | None = None
    uptime: tuple[tuple[int, int], ...] = ()
    availability: AvailabilityTerms = AvailabilityTerms()


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
    catalog: Catalog
    warnings: list[str]
    key_defaults: KeySettings
    notice_days: int
    serving: Serving
    payments: PaymentTerms | None = None
    alerts: AlertTerms = AlertTerms()
    documents: DocumentSettings = DocumentSettings()
    usage_days: int = 0


_SIGN: Final = msgspec.msgpack.Decoder(Sign)

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


def tell(line: socket.socket, sign: Sign) -> None:
    """Say something to the supervisor. A supervisor that is gone hears nothing, and needs not."""
    body = msgspec.msgpack.encode(sign)
    with suppress(OSError):
        line.sendall(_LENGTH.pack(len(body)) + body)


class SignReader:
    """The supervisor's ear for one child."""

    __slots__ = ("_rest",)

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> list[Sign]:
        """Take bytes, return whole signs; what is no sign is taken for silence."""
        rest = self._rest + data
        signs: list[Sign] = []
        while len(rest) >= _LENGTH.size:
            end = _LENGTH.size + _LENGTH.unpack_from(rest)[0]
            if len(rest) < end:
                break
            with suppress(msgspec.MsgspecError):
                signs.append(_SIGN.decode(rest[_LENGTH.size : end]))
            rest = rest[end:]
        self._rest = rest
        return signs


def _exactly(line: socket.socket, count: int) -> bytes:
    parts: list[bytes] = []
    while count:
        data = line.recv(min(count, _READ_BYTES))
        if not data:
            raise Misconfigured("the supervisor left before it handed over the settings")
        parts.append(data)
        count -= len(data)
    return b"".join(parts)
