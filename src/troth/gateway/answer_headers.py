r"""The head of an answer of status 200: what every one carries, and what is told about this one.

Header lines as bytes, each with its line end. Only numbers, our own identifiers and names from the
catalog go in, so that no value can bring a line end of its own.
"""

from datetime import UTC, datetime, timedelta
from typing import Final

from troth.gateway.dialects import dropped
from troth.gateway.flight import Flight
from troth.gateway.journey import Journey
from troth.gateway.rates import Standing
from troth.gateway.settle import Charge
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
_OPENAI_RATES: Final = (
    b"x-ratelimit-limit-%b: %d\r\nx-ratelimit-remaining-%b: %d\r\nx-ratelimit-reset-%b: %b\r\n"
)
_ANTHROPIC_RATES: Final = (
    b"anthropic-ratelimit-%b-limit: %d\r\nanthropic-ratelimit-%b-remaining: %d\r\n"
    b"anthropic-ratelimit-%b-reset: %b\r\n"
)
_REQUESTS: Final = b"requests"
_TOKENS: Final = b"tokens"
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


def dropped_header(journey: Journey, flight: Flight) -> bytes:
    """Return the names of hints that were dropped and the number of unknown fields, or b""."""
    ask = journey.ask
    parts = list(dropped(ask, flight.outlet.offering))
    if ask.unknown_count:
        parts.append(f"unknown={ask.unknown_count}")
    return ", ".join(parts).encode()


def _unusual(journey: Journey, flight: Flight) -> bytes:
    """Return what there is to tell of an answer that is not just as it was asked for."""
    lines = b""
    if len(journey.attempts) > 1:
        lines = b"x-troth-attempts: %d\r\n" % len(journey.attempts)
    if journey.reservation.is_clamped:
        lines += b"x-troth-max-tokens-clamped: %d\r\n" % journey.reservation.max_tokens
    without_effect = dropped_header(journey, flight)
    if without_effect:
        lines += b"x-troth-dropped: %b\r\n" % without_effect
    return lines


def _openai(standing: Standing) -> bytes:
    lines = b""
    if standing.requests_limit:
        lines = _OPENAI_RATES % (
            *(_REQUESTS, standing.requests_limit),
            *(_REQUESTS, standing.requests_left),
            *(_REQUESTS, _span(standing.requests_reset_ms)),
        )
    if standing.tokens_limit:
        lines += _OPENAI_RATES % (
            *(_TOKENS, standing.tokens_limit),
            *(_TOKENS, standing.tokens_left),
            *(_TOKENS, _span(standing.tokens_reset_ms)),
        )
    return lines


def _anthropic(standing: Standing, now_ms: int) -> bytes:
    lines = b""
    if standing.requests_limit:
        lines = _ANTHROPIC_RATES % (
            *(_REQUESTS, standing.requests_limit),
            *(_REQUESTS, standing.requests_left),
            *(_REQUESTS, _at(now_ms + standing.requests_reset_ms)),
        )
    if standing.tokens_limit:
        lines += _ANTHROPIC_RATES % (
            *(_TOKENS, standing.tokens_limit),
            *(_TOKENS, standing.tokens_left),
            *(_TOKENS, _at(now_ms + standing.tokens_reset_ms)),
        )
    return lines


def _span(ms: int) -> bytes:
    """Return a duration as the published header has it: `60ms`, `12s`, `1m3s`."""
    if ms < _SECOND_MS:
        return b"%dms" % ms
    if ms < _MINUTE_MS:
        return b"%ds" % -(-ms // _SECOND_MS)
    seconds = -(-ms // _SECOND_MS)
    return b"%dm%ds" % divmod(seconds, 60)


def _at(ms: int) -> bytes:
    moment = datetime.fromtimestamp(0, UTC) + timedelta(milliseconds=ms)
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ").encode()
