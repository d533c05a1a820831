r"""The head of an answer of status 200: what every one carries, and what is told about this one.

Header lines as bytes, each with its line end. Only numbers, our own identifiers and names from the
catalog go in, so that no value can bring a line end of its own.
"""

from typing import Final

from troth.gateway.dialects import dropped
from troth.gateway.flight import Flight
from troth.gateway.journey import Journey
from troth.gateway.rate_headers import anthropic_lines, openai_lines
from troth.gateway.settle import Charge
from troth.kernel.ids import made_at_ms
from troth.kernel.usage_record import UsageSource

_ESTIMATED: Final = UsageSource.ESTIMATED
_STREAM: Final = (
    b"content-type: text/event-stream; charset=utf-8\r\ncache-control: no-store, no-cache\r\n"
    b"x-accel-buffering: no\r\nx-content-type-options: nosniff\r\nx-request-id: "
)
_WHOLE: Final = (
    b"content-type: application/json\r\ncache-control: no-store\r\n"
    b"x-content-type-options: nosniff\r\nx-request-id: "
)


def of_answer(journey: Journey, flight: Flight) -> bytes:
    """Return the header lines that precede an answer of status 200."""
    ask = journey.ask
    shown = journey.request_id.encode()
    standing = journey.admission.standing
    if ask.endpoint == "messages":
        own = b"request-id: %b\r\n%b" % (shown, anthropic_lines(standing, made_at_ms(journey.raw)))
    else:
        own = openai_lines(standing)
    return b"".join(
        (
            _STREAM if ask.streamed else _WHOLE,
            shown,
            b"\r\n",
            own,
            flight.outlet.told,
            _unusual(journey, flight),
        )
    )


def of_cost(charge: Charge) -> bytes:
    """Return the header lines that tell a whole answer's cost."""
    estimated = b"x-troth-estimated: true\r\n" if charge.source is _ESTIMATED else b""
    return b"x-troth-cost-nusd: %d\r\n%b" % (charge.charged_nusd, estimated)


def _unusual(journey: Journey, flight: Flight) -> bytes:
    """Return what there is to tell of an answer that is not just as it was asked for."""
    lines = b""
    if len(journey.attempts) > 1:
        lines = b"x-troth-attempts: %d\r\n" % len(journey.attempts)
    if journey.reservation.is_clamped:
        lines += b"x-troth-max-tokens-clamped: %d\r\n" % journey.reservation.max_tokens
    ask = journey.ask
    hints = dropped(ask, flight.outlet.offering)
    if ask.unknown_count:
        hints = (*hints, f"unknown={ask.unknown_count}")
    if hints:
        lines += b"x-troth-dropped: %b\r\n" % ", ".join(hints).encode()
    return lines
