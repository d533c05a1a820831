"""One inference request, top to bottom: nine stages, each in the file of its name.

The order of the first two is: whose request is it, then what is asked; a wrong key is refused
before its body is read. A stage is a plain call; what may have to wait is awaited only if it must.
"""

from troth.catalog.model import Endpoint
from troth.gateway.admit import admit
from troth.gateway.authenticate import authenticate, recognize
from troth.gateway.batches import forward_inputs
from troth.gateway.finish import finish
from troth.gateway.forward import forward
from troth.gateway.journey import Journey
from troth.gateway.keep import keep
from troth.gateway.name import name
from troth.gateway.patience import WhileThere, large_body
from troth.gateway.receive import receive
from troth.gateway.record import record
from troth.gateway.relay import relay
from troth.gateway.reserve import Reservation, reserve
from troth.gateway.route import route
from troth.gateway.settle import Charge, settle
from troth.gateway.world import World
from troth.kernel.ids import text
from troth.wire import Arrival, Sink


async def serve(
    arrival: Arrival, sink: Sink, world: World, *, raw: bytes, endpoint: Endpoint
) -> None:
    """Carry one inference request from bytes to answer, and leave only numbers behind."""
    caller = recognize(arrival.head, world) or await authenticate(arrival.head, world)
    body = arrival.whole() or await large_body(arrival, world.memory)
    named = name(arrival.head, body, endpoint, world, naming=(caller.key.org, raw))
    ask = receive(endpoint, body, caller.key.org, world.hint_key)
    admission = admit(ask, caller, world)
    tokens = 0
    try:
        choice = route(ask, world, admission.price_set)
        if named is not None:
            await named.claim()
        reservation = reserve(ask, choice, caller, world, raw=raw)
        if not isinstance(reservation, Reservation):
            reservation = await WhileThere(arrival, reservation)
        journey = Journey(
            raw,
            text("req", raw),
            arrival.received_ns,
            caller,
            ask,
            admission,
            choice,
            reservation,
            [],
            named=named,
        )
        try:
            going = forward_inputs if endpoint == "embeddings" else forward
            flight = await going(journey, arrival, world)
            if ask.streamed and not flight.has_client_left:
                relay(flight, journey, sink, world.wallet)
            if not flight.is_over:
                world.silences.begins(flight)
                await flight.landing()
        finally:  # plain calls: a cancellation cannot land inside
            charge = _settled(journey, world)
        tokens = charge.tokens
        if world.kept is not None:
            await keep(journey, world.kept)
        finish(journey, charge, sink)  # the end leaves once the charge is journaled
    finally:
        world.rates.leave(caller.key, admission.guessed_tokens, tokens)
        if named is not None:
            named.leave()


def _settled(journey: Journey, world: World) -> Charge:
    """Price what was used, and journal it with its record."""
    if journey.flight is not None:
        world.silences.ends(journey.flight)
    charge = settle(journey, world)
    record(journey, charge, world)
    return charge
