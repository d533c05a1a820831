"""Stage 7. Give the answer on as it comes. Waits once, for the end; that goes out later."""

from troth.gateway.flight import Flight
from troth.wire import Sink

Headers = list[tuple[bytes, bytes]]


async def relay(flight: Flight, headers: Headers, sink: Sink) -> None:
    """Deliver a stream but for its end; a buffered answer is whole already."""
    sink.begin(200, headers)
    flight.deliver_to(sink)
    await flight.landed
