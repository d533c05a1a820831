"""Headers of an answer: what every one carries, and what is told about this one."""

from datetime import UTC, datetime, timedelta
from typing import Final

from troth.gateway.dialects import dropped
from troth.gateway.journey import Journey
from troth.gateway.rates import Standing

Headers = list[tuple[bytes, bytes]]

_JSON: Final = (b"content-type", b"application/json")
_STREAM: Final = (
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-store, no-cache"),
    (b"x-accel-buffering", b"no"),
    (b"x-content-type-options", b"nosniff"),
)
_WHOLE: Final = (
    _JSON,
    (b"cache-control", b"no-store"),
    (b"x-content-type-options", b"nosniff"),
)
_SECOND_MS: Final = 1_000
_MINUTE_MS: Final = 60_000


def of_answer(journey: Journey, now_ms: int) -> Headers:
    """Return the headers that precede an answer of status 200."""
    ask, reservation = journey.ask, journey.reservation
    shown = journey.request_id.encode()
    headers: Headers = [*(_STREAM if ask.streamed else _WHOLE), (b"x-request-id", shown)]
    if ask.endpoint == "messages":
        headers.append((b"request-id", shown))
        headers += _anthropic_rates(journey.admission.standing, now_ms)
    else:
        headers += _openai_rates(journey.admission.standing)
    flight = journey.flight
    if flight is not None:
        headers.append((b"x-troth-model", flight.offering.model.name.encode()))
        headers.append((b"x-troth-provider", flight.offering.upstream.provider.encode()))
    if len(journey.attempts) > 1:
        headers.append((b"x-troth-attempts", b"%d" % len(journey.attempts)))
    if reservation.is_clamped:
        headers.append((b"x-troth-max-tokens-clamped", b"%d" % reservation.max_tokens))
    without_effect = dropped_header(journey)
    if without_effect:
        headers.append((b"x-troth-dropped", without_effect))
    return headers


def dropped_header(journey: Journey) -> bytes:
    """Return the names of hints that were dropped and the number of unknown fields, or b""."""
    ask, flight = journey.ask, journey.flight
    parts = list(ask.dropped if flight is None else dropped(ask, flight.offering))
    if ask.unknown_count:
        parts.append(f"unknown={ask.unknown_count}")
    return ", ".join(parts).encode()


def _openai_rates(standing: Standing) -> Headers:
    headers: Headers = []
    if standing.requests_limit:
        headers += [
            (b"x-ratelimit-limit-requests", b"%d" % standing.requests_limit),
            (b"x-ratelimit-remaining-requests", b"%d" % standing.requests_left),
            (b"x-ratelimit-reset-requests", _span(standing.requests_reset_ms)),
        ]
    if standing.tokens_limit:
        headers += [
            (b"x-ratelimit-limit-tokens", b"%d" % standing.tokens_limit),
            (b"x-ratelimit-remaining-tokens", b"%d" % standing.tokens_left),
            (b"x-ratelimit-reset-tokens", _span(standing.tokens_reset_ms)),
        ]
    return headers


def _anthropic_rates(standing: Standing, now_ms: int) -> Headers:
    headers: Headers = []
    if standing.requests_limit:
        headers += [
            (b"anthropic-ratelimit-requests-limit", b"%d" % standing.requests_limit),
            (b"anthropic-ratelimit-requests-remaining", b"%d" % standing.requests_left),
            (b"anthropic-ratelimit-requests-reset", _at(now_ms + standing.requests_reset_ms)),
        ]
    if standing.tokens_limit:
        headers += [
            (b"anthropic-ratelimit-tokens-limit", b"%d" % standing.tokens_limit),
            (b"anthropic-ratelimit-tokens-remaining", b"%d" % standing.tokens_left),
            (b"anthropic-ratelimit-tokens-reset", _at(now_ms + standing.tokens_reset_ms)),
        ]
    return headers


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
