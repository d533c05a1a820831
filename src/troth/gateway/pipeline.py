"""One inference request, top to bottom: nine stages, each in the file of its name.

The order of the first two is: whose request is it, then what is asked; a wrong key is refused
before its body is read.
"""

from troth.catalog.model import Endpoint
from troth.gateway.admit import admit
from troth.gateway.answer_headers import of_answer
from troth.gateway.authenticate import authenticate
from troth.gateway.finish import finish
from troth.gateway.forward import forward
from troth.gateway.journey import Journey
from troth.gateway.receive import receive
from troth.gateway.record import record
from troth.gateway.relay import relay
from troth.gateway.reserve import reserve
from troth.gateway.route import route
from troth.gateway.settle import settle
from troth.gateway.world import World
from troth.kernel.ids import text
from troth.wire import Arrival, Sink


async def serve(
    arrival: Arrival, sink: Sink, world: World, *, raw: bytes, endpoint: Endpoint
) -> None:
    """Carry one inference request from bytes to answer, and leave only numbers behind."""
    caller = await authenticate(arrival.head, world)  # waits on a key's first use only
    ask = receive(endpoint, await arrival.body())
    admission = admit(ask, caller, world)
    tokens = 0
    try:
        choice = route(ask, world)
        reservation = await reserve(
            ask, choice, caller, world, raw=raw
        )  # waits when the lease is dry
        journey = Journey(
            raw,
            text("req", raw),
            world.clock.now_ms() // 1000,
            arrival.received_ns,
            caller,
            ask,
            admission,
            choice,
            reservation,
            [],
        )
        try:
            flight = await forward(journey, arrival, world)
            if ask.streamed and not flight.has_client_left:
                await relay(flight, of_answer(journey, world.clock.now_ms()), sink)
            elif not flight.is_whole:
                await flight.landed
        finally:  # plain calls: a cancellation cannot land inside
            charge = settle(journey, world)
            record(journey, charge, world)
        tokens = charge.tokens
        finish(journey, charge, sink, world)  # the end leaves once the charge is journaled
    finally:
        world.rates.leave(caller.key, admission.guessed_tokens, tokens)
