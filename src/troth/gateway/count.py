"""How many tokens would a messages request have? The upstream's word where it gives one, else ours.

It costs nothing, so no money is set aside and no receipt is kept; it is a request of its key.
"""

from collections.abc import Mapping
from typing import Final

import msgspec

from troth.catalog.offering import Offering
from troth.gateway.admit import admit
from troth.gateway.authenticate import authenticate, recognize
from troth.gateway.dialects.compose import compose_count
from troth.gateway.exchange import Ask
from troth.gateway.patience import large_body
from troth.gateway.rate_headers import pairs_of
from troth.gateway.receive import check_head, receive
from troth.gateway.route import route
from troth.gateway.world import World
from troth.wire import Arrival, ClientLeft, Failure, Moment, Sink

_OK: Final = 200
_BODY_BYTES: Final = 4_096
_A_MESSAGE: Final = 4
_MOST: Final = 2**31 - 1
_JSON: Final = [
    (b"content-type", b"application/json"),
    (b"cache-control", b"no-store"),
    (b"x-content-type-options", b"nosniff"),
]


class _Said(msgspec.Struct):
    input_tokens: int


_decode: Final = msgspec.json.Decoder(_Said).decode


class Counting:
    """The receiver of an upstream's count; `tokens` is None when it gave none."""

    __slots__ = ("_body", "_is_good", "over", "tokens")

    def __init__(self) -> None:
        self.over = Moment()
        self.tokens: int | None = None
        self._body = b""
        self._is_good = False

    def head(self, status: int, _headers: Mapping[bytes, bytes]) -> None:
        """The upstream's status is here."""
        self._is_good = status == _OK

    def piece(self, data: bytes) -> None:
        """Bytes of its body are here; no count is long."""
        if len(self._body) + len(data) > _BODY_BYTES:
            self._is_good = False
        else:
            self._body += data

    def ended(self) -> None:
        """Its body is whole."""
        if self._is_good:
            try:
                said = _decode(self._body).input_tokens
            except (msgspec.DecodeError, UnicodeDecodeError):
                said = -1
            self.tokens = said if 0 <= said <= _MOST else None
        self.over.happen()

    def failed(self, _failure: Failure) -> None:
        """It will not come."""
        self.over.happen()


async def count(arrival: Arrival, sink: Sink, raw_id: bytes, world: World) -> None:
    """Answer `POST /v1/messages/count_tokens`; `raw_id` is the request's outer form.

    Raises:
        Refused: as an inference request is refused, but for money.
        Unavailable: too much memory is in use, or the desk does not answer.
        BodyRefused, ClientLeft: as `Arrival.body` does.
    """
    head = arrival.head
    check_head(head)
    caller = recognize(head, world) or await authenticate(head, world)
    body = arrival.whole() or await large_body(arrival, world.memory)
    ask = receive("messages", body, caller.key.org, world.hint_key, counts=True)
    admission = admit(ask, caller, world)
    tokens = None
    try:
        candidates = route(ask, world, admission.price_set).candidates
        for offering in candidates[: world.limits.attempts]:
            if tokens is None and offering.upstream.dialect == "anthropic":
                tokens = await _asked(ask, offering, arrival, world)
    finally:
        world.rates.leave(caller.key, admission.guessed_tokens, 0)
    headers = [*_JSON, (b"x-request-id", raw_id), (b"request-id", raw_id)]
    if tokens is None:
        tokens = _guessed(ask, candidates[0], world)
        headers.append((b"x-troth-estimated", b"true"))
    headers += pairs_of(caller.key, world, is_messages=True)
    sink.answer(_OK, headers, b'{"input_tokens":%d}' % tokens)


async def _asked(ask: Ask, offering: Offering, arrival: Arrival, world: World) -> int | None:
    """Return the upstream's count, None where it is not well or does not say."""
    outlet = world.outlets.of(offering)
    if not outlet.breaker.is_closed:
        return None
    counting = Counting()
    request = compose_count(ask, outlet)
    call = world.upstreams.send(offering.upstream, request, counting, outlet.streamed)
    arrival.on_client_left(counting.over.happen)
    try:
        await counting.over
    finally:
        call.close()
    if arrival.client_left:
        raise ClientLeft
    return counting.tokens


def _guessed(ask: Ask, offering: Offering, world: World) -> int:
    """Return our own count: bytes by what this model's answers taught, and what is no text."""
    size, model = ask.size, offering.model
    text = world.ratios.tokens(model.name, size.text_bytes + size.tool_bytes)
    media = (size.images + size.files) * model.image_tokens
    return max(1, text + _A_MESSAGE * size.messages + media)
