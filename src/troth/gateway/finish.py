"""The answer's end, with its cost; it leaves only after the journal has the charge."""

from troth.gateway.answer_headers import of_answer, of_cost
from troth.gateway.exchange import Charged
from troth.gateway.journey import Journey
from troth.gateway.settle import Charge
from troth.kernel.errors import UpstreamCut, UpstreamFailed
from troth.wire import Sink


def finish(journey: Journey, charge: Charge, sink: Sink) -> None:
    """Send the last bytes: a whole answer, a stream's end, or the event that says it broke."""
    flight = journey.flight
    if flight is None:
        return
    rendering = flight.rendering
    if flight.has_client_left:
        pass
    elif flight.is_cut:
        error = flight.error if isinstance(flight.error, UpstreamFailed) else UpstreamCut()
        sink.finish(rendering.broken(error, Charged(journey.request_id, charge.charged_nusd)))
    elif journey.ask.streamed:
        sink.finish(rendering.tail(charge.charged_nusd, charge.used))
    else:
        headers = of_answer(journey, flight) + of_cost(charge)
        sink.answer(200, headers, rendering.whole(charge.charged_nusd, charge.used))
    flight.release()
