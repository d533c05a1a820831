r"""The head of an answer of status 200: what every one carries, and what is told about this one.

Header lines as bytes, each with its line end. Only numbers, our own identifiers and names from the
catalog go in, so that no value can bring a line end of its own.
"""

from typing import Final

from troth.gateway.dialects import dropped
from troth.gateway.flight import Flight
from troth.gateway.journey import Journey
from troth.gateway.rates import Standing
from troth.gateway.settle import Charge
from troth.kernel.clock import iso
from troth.kernel.ids import made_at_ms
from troth.kernel.usage_record import UsageSource

_STREAM: Final = (
    b"content-type: text/event-stream; charset=utf-8\r\ncache-control: no-store, no-cache\r\n"
    b"x-accel-buffering: no\r\nx-content-type-options: nosniff\r\nx-request-id: "
)
_WHOLE: Final = (
    b"content-type: application/json\r\ncache-control: no-store\r\n"
    b"x-content-type-options: nosniff\r\nx-request-id: "
)
_OPENAI_REQUESTS: Final = (
    b"x-ratelimit-limit-requests: %d\r\nx-ratelimit-remaining-requests: %d\r\n"
    b"x-ratelimit-reset-requests: %b\r\n"
)
_OPENAI_TOKENS: Final = (
    b"x-ratelimit-limit-tokens: %d\r\nx-ratelimit-remaining-tokens: %d\r\n"
    b"x-ratelimit-reset-tokens: %b\r\n"
)
_OPENAI_BOTH: Final = _OPENAI_REQUESTS + _OPENAI_TOKENS
_ANTHROPIC_REQUESTS: Final = (
    b"anthropic-ratelimit-requests-limit: %d\r\nanthropic-ratelimit-requests-remaining: %d\r\n"
    b"anthropic-ratelimit-requests-reset: %b\r\n"
)
_ANTHROPIC_TOKENS: Final = (
    b"anthropic-ratelimit-tokens-limit: %d\r\nanthropic-ratelimit-tokens-remaining: %d\r\n"
    b"anthropic-ratelimit-tokens-reset: %b\r\n"
)
_SECOND_MS: Final = 1_000
_MINUTE_MS: Final = 60_000


def of_answer(journey: Journey, flight: Flight) -> bytes:
    """Return the header lines that precede an answer of status 200."""
    ask = journey.ask
    shown = journey.request_id.encode()
    standing = journey.admission.standing
    if ask.endpoint == "messages":
        own = b"request-id: %b\r\n%b" % (shown, _anthropic(standing, made_at_ms(journey.raw)))
    else:
        own = _openai(standing)
    return b"%b%b\r\n%b%b%b" % (
        _STREAM if ask.streamed else _WHOLE,
        shown,
        own,
        flight.outlet.told,
        _unusual(journey, flight),
    )


def of_cost(charge: Charge) -> bytes:
    """Return the header lines that tell a whole answer's cost."""
    estimated = b"x-troth-estimated: true\r\n" if charge.source is UsageSource.ESTIMATED else b""
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


def _openai(standing: Standing) -> bytes:
    requests = (
        standing.requests_limit,
        standing.requests_left,
        _span(standing.requests_reset_ms),
    )
    tokens = (standing.tokens_limit, standing.tokens_left, _span(standing.tokens_reset_ms))
    if requests[0] and tokens[0]:
        return _OPENAI_BOTH % (*requests, *tokens)
    lines = _OPENAI_REQUESTS % requests if requests[0] else b""
    return lines + _OPENAI_TOKENS % tokens if tokens[0] else lines


def _anthropic(standing: Standing, now_ms: int) -> bytes:
    lines = b""
    if standing.requests_limit:
        reset = iso(now_ms + standing.requests_reset_ms).encode()
        lines = _ANTHROPIC_REQUESTS % (standing.requests_limit, standing.requests_left, reset)
    if standing.tokens_limit:
        reset = iso(now_ms + standing.tokens_reset_ms).encode()
        lines += _ANTHROPIC_TOKENS % (standing.tokens_limit, standing.tokens_left, reset)
    return lines


def _span(ms: int) -> bytes:
    """Return a duration as the published header has it: `60ms`, `12s`, `1m3s`."""
    if ms < _SECOND_MS:
        return b"%dms" % ms
    if ms < _MINUTE_MS:
        return b"%ds" % -(-ms // _SECOND_MS)
    seconds = -(-ms // _SECOND_MS)
    return b"%dm%ds" % divmod(seconds, 60)
