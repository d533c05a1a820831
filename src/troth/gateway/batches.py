"""Stage 6 for embeddings: more inputs than the upstream takes in a call go in several, in turn.

It stays one request: one reservation, one answer, one charge, and one of what is asked for each
request; what a provider asks for each call is our cost as often as it was called. All calls after
the first go to the offering that answered it, for there is one price, and vectors of two servers
may differ. A call that fails fails the request, and nothing is charged.
"""

from collections.abc import Awaitable

import msgspec

from troth.gateway.dialects.embeddings_whole import EmbeddingsWhole
from troth.gateway.dialects.strict_json import encode
from troth.gateway.exchange import Ask, Json
from troth.gateway.flight import Flight
from troth.gateway.forward import forward
from troth.gateway.journey import Journey
from troth.gateway.route import Choice
from troth.gateway.world import World
from troth.kernel.errors import UpstreamError
from troth.wire import Arrival


def forward_inputs(journey: Journey, arrival: Arrival, world: World) -> Awaitable[Flight]:
    """Return what waits for the flight with the whole answer; one call where that is enough.

    Raises, when it is awaited:
        UpstreamFailed, RateLimited, BadRequest, Overloaded, ClientLeft: as `forward` does.
    """
    if journey.ask.size.messages > 1:
        batch = _smallest_batch(journey.choice, world)
        if 0 < batch < journey.ask.size.messages:
            return _in_parts(journey, arrival, world, batch)
    return forward(journey, arrival, world)


def _smallest_batch(choice: Choice, world: World) -> int:
    """Return how many inputs each of the candidates takes in a call, 0 for any number."""
    sizes = [world.outlets.of(one).batch for one in choice.candidates]
    return min((size for size in sizes if size), default=0)


async def _in_parts(journey: Journey, arrival: Arrival, world: World, batch: int) -> Flight:
    """Make the calls one after the other; the last flight's rendering is of all inputs."""
    inputs = journey.ask.fields["input"]
    assert isinstance(inputs, list)
    part = journey
    flight: Flight | None = None
    for at in range(0, len(inputs), batch):
        before = flight
        part = msgspec.structs.replace(part, ask=_cut(journey.ask, inputs[at : at + batch]))
        try:
            flight = await forward(part, arrival, world)
        finally:
            journey.flight = part.flight
        flight.is_whole = flight.is_whole and at + batch >= len(inputs)
        if before is not None:
            _join(before, flight, world)
        if arrival.client_left:
            _leave(flight)
            break
        part.choice = Choice((flight.outlet.offering,))
    assert flight is not None
    return flight


def _cut(ask: Ask, inputs: list[Json]) -> Ask:
    """Return the request for some of its inputs."""
    return msgspec.structs.replace(
        ask,
        kept={**ask.fields, "input": inputs},
        encoded={**ask.encoded, "input": encode(inputs)},
        size=msgspec.structs.replace(ask.size, messages=len(inputs)),
    )


def _join(before: Flight, flight: Flight, world: World) -> None:
    """Put the answer for the inputs before in front of this one.

    Raises:
        UpstreamError: together they are larger than an answer may be.
    """
    earlier, rendering = before.rendering, flight.rendering
    assert isinstance(earlier, EmbeddingsWhole)
    assert isinstance(rendering, EmbeddingsWhole)
    rendering.follow(earlier)
    before.release()
    if rendering.delivered_bytes > world.limits.answer_bytes:
        flight.is_whole = False
        flight.error = UpstreamError()
        raise flight.error


def _leave(flight: Flight) -> None:
    """The client is gone: it pays for the calls that were answered, where they were counted."""
    flight.has_client_left = True
    if flight.rendering.reported is None and not flight.is_whole:
        flight.rendering.delivered_bytes = 0
