"""Stage 7. Give the answer on as it comes, but for its end: that goes out later."""

from troth.gateway.answer_headers import of_answer
from troth.gateway.flight import Flight
from troth.gateway.journey import Journey
from troth.gateway.ports import Wallet
from troth.gateway.tranches import Tranches
from troth.wire import Sink


def relay(flight: Flight, journey: Journey, sink: Sink, wallet: Wallet) -> None:
    """Begin a stream's answer and let its pieces pass; a buffered answer is whole already."""
    sink.begin(200, of_answer(journey, flight))
    journey.ask.forget()  # a stream may take minutes, and is not asked for again
    flight.deliver_to(sink)
    if journey.reservation.covered:
        flight.tranches = Tranches(journey, flight, wallet)
        flight.tranches.seen(flight.rendering.delivered_bytes)
