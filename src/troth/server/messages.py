"""What gateway and desk say to each other.

A frame is four bytes of length, big-endian, and one MessagePack array that starts with its name;
at most 1 MiB. Structs are closed: an unknown name or another field ends the link. Both ends must
be of one build, which `BUILD` tells: it hashes the fields of everything that travels.
"""

import hashlib
import struct
from typing import Final

import msgspec

from troth.catalog.model import Model
from troth.catalog.offering import Offering, Upstream
from troth.catalog.price import PriceLine, Sheet, Tier
from troth.gateway.ports import KeyRow, Naming, OrgRow, Question
from troth.kernel.errors import TrothError
from troth.kernel.fields import Code
from troth.kernel.quantities import Quantities
from troth.kernel.usage_record import UsageRecord
from troth.ledger.shard import messages as money

MAX_FRAME_BYTES: Final = 1 << 20
_LENGTH: Final = struct.Struct(">I")


class BrokenLink(TrothError):
    """The other end sent what is no message of this build; the connection is closed."""

    code = "broken_link"
    sentence = "The link between gateway and desk broke."


class Hello(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """Up, first: who speaks. The desk closes a link whose `build` is not its own.

    `seat` is empty until one was opened; a gateway that lost its link comes back with it.
    """

    build: str
    slot: int
    seat: bytes


class Welcome(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """Down, first: `deployment` (16 bytes) tells whose journals may be replayed here."""

    deployment: bytes


class Row(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A key's row, still encoded: a gateway decodes it when the key first comes."""

    public_id: str
    row: msgspec.Raw


class KeysPart(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """Down, after `Hello`: a part of all live keys and organizations.

    With `is_partial`, on the last part, there are too many to tell: a gateway asks for a key when
    it first comes, and is told of it and its organization by a `Delta`.
    """

    generation: int
    keys: list[Row]
    orgs: list[OrgRow]
    is_last: bool
    is_partial: bool = False


class UpstreamCredential(msgspec.Struct, frozen=True, array_like=True):
    """The operator's credential at one upstream. Travels over the link and is kept in no file."""

    upstream: str
    text: str


class CatalogPart(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """Down, at the start and when the catalog changed: offerings in the order of preference.

    `price_set` is empty for what is in force, else these are for those pinned to that set.
    """

    generation: int
    offerings: list[Offering]
    credentials: list[UpstreamCredential]
    is_last: bool
    price_set: str = ""


class Delta(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """Down, at once: keys that are new or changed, keys that are gone, organizations changed."""

    generation: int
    keys: list[Row]
    gone: list[str]
    orgs: list[OrgRow]


class Applied(msgspec.Struct, frozen=True, array_like=True, tag=True, gc=False):
    """Up: everything up to `generation` is in force in this process."""

    generation: int


class Beat(msgspec.Struct, frozen=True, array_like=True, tag=True, gc=False):
    """Down, each half second: the desk and its database answered at `at_ns`.

    That is the machine's monotonic clock, so that a gateway which slept believes no old beat.
    """

    at_ns: int


class Leaving(msgspec.Struct, frozen=True, array_like=True, tag=True, gc=False):
    """Down, last: this desk ends in order, and another one is to take its place soon.

    The gateway hangs up. A desk that cut the link itself might not be heard: who writes to a closed
    end is told of that before he has read what was left for him.
    """


class KeyAsk(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """Up: does this whole key match its hash? Asked once a key and process."""

    ask: int
    public_id: str
    text: str


class KeyAnswer(msgspec.Struct, frozen=True, array_like=True, tag=True, gc=False):
    """Down: whether it does; `busy` when the desk has too many of these to do.

    A key that is not known is not live: unknown, revoked or expired.
    """

    ask: int
    is_valid: bool
    is_busy: bool = False
    is_known: bool = True


class ReadAsk(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """Up: what a key asks about itself."""

    ask: int
    question: Question


class Found(Code):
    """What a read came to."""

    FOUND = "found"
    MISSING = "missing"
    EXPIRED = "expired"
    FAILED = "failed"


class ReadAnswer(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """Down: the answer as JSON, empty unless found."""

    ask: int
    found: Found
    document: bytes = b""


class FormKey(msgspec.Struct, frozen=True, array_like=True):
    """A key that hashes what is asked, and its name. It is in memory only, for two days."""

    id: bytes
    key: bytes


class NameAsk(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """Up: may this request run under its name? `forms` are its hashes, by ids of keys."""

    ask: int
    naming: Naming
    forms: list[tuple[bytes, bytes]]


class NameFreed(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """Up: nothing was forwarded under this name, or it was asked for in vain."""

    naming: Naming


class Verdict(Code):
    """What becomes of a claim. STALE: ask again, with forms by the keys that come with it."""

    CLAIMED = "claimed"
    RUNNING = "running"
    CHARGED = "charged"
    REUSED = "reused"
    STALE = "stale"
    FAILED = "failed"


class NameAnswer(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """Down: the verdict; of a charged one which request it was and what it cost."""

    ask: int
    verdict: Verdict
    request: bytes = b""
    cost_nusd: int = 0
    keys: list[FormKey] = []


Asked = KeyAsk | ReadAsk | NameAsk | NameFreed
"""What the desk does for a gateway beside money, in threads of its own."""


class SeriesCount(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """How many requests ended so, since the process started."""

    endpoint: str
    model: str
    provider: str
    status: int
    reason: str
    count: int


class BudgetRefused(msgspec.Struct, frozen=True, array_like=True, tag=True, gc=False):
    """Up, once a minute for each: what is left of this budget did not pay for a request."""

    purse: bytes


class Counters(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """Up, each second: totals since the process started, and gauges as they are.

    `first_byte` counts by the bounds of `gateway.counters`, with the sum in milliseconds;
    `events` are by codes of ours, `above_bound` are tokens by model; `is_ready` is what
    `/readyz` says; `refusing` are upstreams with models at which they refuse us.
    """

    requests: list[SeriesCount]
    first_byte: list[int]
    first_byte_sum_ms: int
    events: dict[str, int]
    tokens: int
    charged_nusd: int
    in_flight: int
    connections: int
    upstream_connections: int
    reservations: int
    unposted: int
    above_bound: dict[str, int] = {}
    is_ready: bool = True
    refusing: list[tuple[str, str]] = []


Up = (
    Hello
    | Applied
    | KeyAsk
    | ReadAsk
    | NameAsk
    | NameFreed
    | Counters
    | BudgetRefused
    | money.OpenSeat
    | money.LeaseAsk
    | money.LeaseReturn
    | money.Posting
    | money.CloseSeat
)
Down = (
    Welcome
    | KeysPart
    | CatalogPart
    | Delta
    | Beat
    | Leaving
    | KeyAnswer
    | ReadAnswer
    | NameAnswer
    | money.SeatOpened
    | money.Lease
    | money.Returned
    | money.Recall
    | money.Ack
    | money.SeatClosed
)


def _digest() -> str:
    """Return a hash of names, fields and types of all that crosses the link."""
    kinds = [*Up.__args__, *Down.__args__, money.Orphan, Row, UpstreamCredential, SeriesCount]
    kinds += [KeyRow, OrgRow, Question, Offering, Model, Upstream, Sheet, Tier, PriceLine]
    kinds += [UsageRecord, Quantities, Naming, FormKey]
    digest = hashlib.sha256()
    for kind in kinds:
        digest.update(repr((kind.__name__, kind.__struct_fields__, kind.__annotations__)).encode())
    return digest.hexdigest()


BUILD: Final = _digest()


_ENCODER: Final = msgspec.msgpack.Encoder()
_UP: Final = msgspec.msgpack.Decoder(Up)
_DOWN: Final = msgspec.msgpack.Decoder(Down)
_ROW: Final = msgspec.msgpack.Decoder(KeyRow)


def frame(message: Up | Down) -> bytes:
    """Return the message with its length in front.

    Raises:
        BrokenLink: it is longer than a frame may be.
    """
    body = _ENCODER.encode(message)
    if len(body) > MAX_FRAME_BYTES:
        raise BrokenLink
    return _LENGTH.pack(len(body)) + body


def row(key: KeyRow) -> Row:
    """Return a key's row as it travels."""
    return Row(key.public_id, msgspec.Raw(_ENCODER.encode(key)))


def opened(raw: msgspec.Raw) -> KeyRow:
    """Return the row that `row` encoded."""
    return _ROW.decode(raw)


class _Frames:
    """Cuts a stream into frames. Holds what is not yet a whole one."""

    __slots__ = ("_rest",)

    def __init__(self) -> None:
        self._rest = b""

    def cut(self, data: bytes) -> list[bytes]:
        """Take bytes as they came; return the bodies that are complete now."""
        rest = self._rest + data if self._rest else data
        found: list[bytes] = []
        at = 0
        while len(rest) - at >= _LENGTH.size:
            (size,) = _LENGTH.unpack_from(rest, at)
            if size > MAX_FRAME_BYTES:
                raise BrokenLink
            end = at + _LENGTH.size + size
            if end > len(rest):
                break
            found.append(rest[at + _LENGTH.size : end])
            at = end
        self._rest = rest[at:]
        return found


class UpReader:
    """The desk's ear."""

    __slots__ = ("_frames",)

    def __init__(self) -> None:
        self._frames = _Frames()

    def feed(self, data: bytes) -> list[Up]:
        """Take bytes, return whole messages.

        Raises:
            BrokenLink: this is no message of this build.
        """
        try:
            return [_UP.decode(body) for body in self._frames.cut(data)]
        except msgspec.MsgspecError:
            raise BrokenLink from None


class DownReader:
    """The gateway's ear."""

    __slots__ = ("_frames",)

    def __init__(self) -> None:
        self._frames = _Frames()

    def feed(self, data: bytes) -> list[Down]:
        """Take bytes, return whole messages.

        Raises:
            BrokenLink: this is no message of this build.
        """
        try:
            return [_DOWN.decode(body) for body in self._frames.cut(data)]
        except msgspec.MsgspecError:
            raise BrokenLink from None
