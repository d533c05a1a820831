"""What a key may read: models in both dialects, its own receipts. No body, no money."""

from typing import Final

from troth.gateway.authenticate import Caller, authenticate
from troth.gateway.dialects import model_body, models_body
from troth.gateway.endpoints.table import Match
from troth.gateway.world import World
from troth.kernel.errors import Missing, ModelNotFound
from troth.kernel.ids import raw_of, text
from troth.wire import Arrival, Sink

_JSON: Final = [
    (b"content-type", b"application/json"),
    (b"cache-control", b"no-store"),
    (b"x-content-type-options", b"nosniff"),
]


async def models(found: Match, arrival: Arrival, sink: Sink, world: World) -> None:
    """List the models that this key may use."""
    caller = await authenticate(arrival.head, world)
    names = [name for name in world.offerings.names() if _may_use(caller, name)]
    offered = [world.offerings.of(name)[0] for name in names]
    _send(sink, models_body(found.dialect, offered), world)


async def model(found: Match, arrival: Arrival, sink: Sink, world: World) -> None:
    """Describe one model.

    Raises:
        ModelNotFound: no such model for this key.
    """
    caller = await authenticate(arrival.head, world)
    offered = world.offerings.of(found.subject)
    if not offered or not _may_use(caller, found.subject):
        raise ModelNotFound("model")
    _send(sink, model_body(found.dialect, offered[0]), world)


async def receipt(found: Match, arrival: Arrival, sink: Sink, world: World) -> None:
    """Show the receipt of one request of this key.

    Raises:
        Missing: no such receipt for this key.
        ReceiptNotPosted: the request ended and is not posted yet.
    """
    caller = await authenticate(arrival.head, world)
    if raw_of("req", found.subject) is None:
        raise Missing
    body = await world.reads.receipt(caller.key.org, caller.key.ref, found.subject)
    if body is None:
        raise Missing
    _send(sink, body, world)


def _may_use(caller: Caller, name: str) -> bool:
    return not caller.key.models or name in caller.key.models


def _send(sink: Sink, body: bytes, world: World) -> None:
    request_id = text("req", world.ids.raw()).encode()
    sink.answer(200, [*_JSON, (b"x-request-id", request_id)], body)
