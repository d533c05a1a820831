"""The usage record: one row a request, a closed list of metadata. No field can hold a sentence.

The gateway journals it with the settlement, the desk writes it in the transaction that posts the
charge, `receipts` reads it back. Encoded as a MessagePack array: about 200 bytes.
"""

from collections.abc import Callable
from typing import Final

import msgspec

from troth.kernel.fields import Code
from troth.kernel.quantities import Quantities


class Outcome(Code):
    """How a request ended."""

    DONE = "done"
    LENGTH = "length"
    CLIENT_LEFT = "client_left"
    UPSTREAM_FAILED = "upstream_failed"
    UPSTREAM_CUT = "upstream_cut"
    CREDITS_ENDED = "credits_ended"
    SERVICE_ENDED = "service_ended"
    DRAINED = "drained"


class UsageSource(Code):
    """Who counted."""

    REPORTED = "reported"
    ANOMALY = "anomaly"
    """The upstream, but its parts do not fit its totals: they were cut to fit."""
    ESTIMATED = "estimated"
    NONE = "none"


MODEL_BYTES_MAX: Final = 72
UPSTREAM_BYTES_MAX: Final = 32
RECORD_BYTES_MAX: Final = 790
"""How long names may be in UTF-8, so that a record with one attempt fits the room that a journal
sets aside for it."""

ANSWERED: Final = "ok"
"""The code of an attempt that brought an answer."""


class Attempt(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A try at an upstream: its id in the configuration, a closed code, its length.

    `count` is above 1 where a row stands for several tries that went alike.
    """

    upstream: str
    code: str
    ms: int
    count: int = 1


class UsageRecord(msgspec.Struct, frozen=True, array_like=True):
    """What is kept of one request. Names of models and upstreams come from the catalog.

    Times in unix milliseconds, durations in milliseconds, money in nano-USD.
    """

    request: str
    org: str
    key: str
    endpoint: str
    model_asked: str
    model_served: str
    provider: str
    upstream: str
    region: str
    price_set: str
    started_at_ms: int
    first_byte_ms: int
    latency_ms: int
    status: int
    outcome: Outcome
    streamed: bool
    usage_source: UsageSource
    quantities: Quantities
    reserved_nusd: int
    charged_nusd: int
    cost_nusd: int
    max_tokens_clamped: int
    attempts: tuple[Attempt, ...]
    project: str = ""


_DECODER: Final = msgspec.msgpack.Decoder(UsageRecord)


encode: Final[Callable[[UsageRecord], bytes]] = msgspec.msgpack.Encoder().encode
"""Returns the record's bytes for the journal and the link."""


def decode(data: bytes) -> UsageRecord:
    """Return the record of `encode`'s bytes.

    Raises:
        msgspec.ValidationError: the bytes are not a usage record of this build.
    """
    return _DECODER.decode(data)
