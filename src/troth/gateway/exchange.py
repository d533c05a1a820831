"""The values that travel between the stages, and the two faces of a dialect.

`Ask` is what a client dialect read; `Rendering` turns the upstream's bytes into the client's.
"""

from typing import Protocol

import msgspec

from troth.catalog.model import Endpoint, Feature
from troth.catalog.offering import DataTerm
from troth.kernel.errors import UpstreamFailed
from troth.kernel.quantities import Quantities

Json = None | bool | int | float | str | list["Json"] | dict[str, "Json"]
Fields = dict[str, "Json"]


class InputSize(msgspec.Struct, frozen=True, gc=False):
    """What bounds the input's tokens without a tokenizer: sizes in bytes, counts of parts."""

    text_bytes: int = 0
    messages: int = 0
    tool_bytes: int = 0
    images: int = 0
    files: int = 0
    audio_bytes: int = 0
    tokens: int = 0
    asks_cache: bool = False


class Ask(msgspec.Struct):
    """A request as its client dialect read it: checked, allow-listed, still in that dialect.

    `kept` are the fields that may be forwarded; `max_tokens` is 0 when the caller set none;
    `dropped` names hints and counts unknown fields that have no effect. `encoded` holds each field
    as our encoder writes it, so that nothing is serialized twice. A `plain` request was read in
    one step: `given_on` is all that goes to an upstream of its dialect, as one piece. `terms` are
    what the caller demands for the prompt, beside what the deployment promises.
    """

    endpoint: Endpoint
    model: str
    streamed: bool
    wants_usage: bool
    max_tokens: int
    choices: int
    needs: frozenset[Feature]
    size: InputSize
    dropped: tuple[str, ...] = ()
    unknown_count: int = 0
    encoded: dict[str, bytes] = msgspec.field(default_factory=dict)
    asks_reasoning: bool = False
    kept: Fields | None = None
    plain: msgspec.Struct | None = None
    given_on: bytes = b""
    terms: frozenset[DataTerm] = frozenset()

    @property
    def fields(self) -> Fields:
        """What may be forwarded, field by field."""
        if self.kept is None:
            built: Fields = msgspec.to_builtins(self.plain)
            self.kept = built
        return self.kept

    def forget(self) -> None:
        """Let go of what was said: it is not sent again. Names, sizes and bounds stay."""
        self.kept = {}
        self.plain = None
        self.given_on = b""
        self.encoded = {}


class Charged(msgspec.Struct, frozen=True):
    """What of an answer was charged, in nano-USD, and the id of the receipt that explains it."""

    receipt: str
    cost_nusd: int


class Rendering(Protocol):
    """One answer on its way: upstream bytes in, the client's bytes out, counting as it goes.

    A stream: `piece` for each read, `ended` when the upstream ended, then `tail` with the cost,
    or `broken` with the failure. A buffered answer: `piece` collects, `ended`, then `whole`.
    """

    reported: Quantities | None
    """The upstream's own count, once it came and was believable."""
    delivered_bytes: int
    """Bytes of content that went to the client so far: what an estimate rests on."""
    hit_length: bool
    """Whether a choice ended because its tokens were used up."""
    alarms: int
    """Odd values that were normalized; the operator is told how many."""
    failure: UpstreamFailed | None
    """Set when the upstream said inside its answer that it failed, or sent what is no answer."""

    def piece(self, data: bytes) -> bytes:
        """Take bytes of the upstream's body; return events for the client, often one, or b""."""
        ...

    def ended(self) -> bool:
        """The upstream's body ended; tell whether the answer is whole."""
        ...

    def tail(self, cost_nusd: int, used: Quantities) -> bytes:
        """Return a stream's last events: usage where asked for, with its cost, and the end."""
        ...

    def broken(self, error: UpstreamFailed, charged: Charged | None = None) -> bytes:
        """Return the event that says a begun stream failed, and at what cost: the last one."""
        ...

    def whole(self, cost_nusd: int, used: Quantities) -> bytes:
        """Return the buffered answer in the client's dialect, with its cost."""
        ...
