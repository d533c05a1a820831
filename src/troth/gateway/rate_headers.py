"""Where a key stands with its rates, as header lines of either dialect, each with its line end."""

from functools import lru_cache
from typing import Final

from troth.gateway.authenticate import recognize
from troth.gateway.endpoints import find
from troth.gateway.endpoints.table import Match
from troth.gateway.ports import KeyRow
from troth.gateway.rates import Standing
from troth.gateway.world import World
from troth.kernel.clock import iso
from troth.kernel.errors import TrothError
from troth.wire import Head

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


def limits_of(head: Head, world: World) -> list[tuple[bytes, bytes]]:
    """Return where the key of a refused inference request stands, in its dialect's headers."""
    found = find(head.method, head.path, is_anthropic=False)
    if not isinstance(found, Match) or found.endpoint is None:
        return []
    try:
        caller = recognize(head, world)
    except TrothError:
        caller = None
    if caller is None:
        return []
    return pairs_of(caller.key, world, is_messages=found.endpoint == "messages")


def pairs_of(key: KeyRow, world: World, *, is_messages: bool) -> list[tuple[bytes, bytes]]:
    """Return where a key stands now, in the headers of a dialect."""
    standing = world.rates.standing(key, world.clock.monotonic_ns())
    lines = (
        anthropic_lines(standing, world.clock.now_ms()) if is_messages else openai_lines(standing)
    )
    pairs = [line.partition(b": ") for line in lines.splitlines()]
    return [(name, value) for name, _, value in pairs]


def openai_lines(standing: Standing) -> bytes:
    """Return OpenAI's lines."""
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


def anthropic_lines(standing: Standing, now_ms: int) -> bytes:
    """Return Anthropic's lines; `now_ms` is unix time."""
    lines = b""
    if standing.requests_limit:
        reset = iso(now_ms + standing.requests_reset_ms).encode()
        lines = _ANTHROPIC_REQUESTS % (standing.requests_limit, standing.requests_left, reset)
    if standing.tokens_limit:
        reset = iso(now_ms + standing.tokens_reset_ms).encode()
        lines += _ANTHROPIC_TOKENS % (standing.tokens_limit, standing.tokens_left, reset)
    return lines


@lru_cache(maxsize=256)
def _span(ms: int) -> bytes:
    """Return a duration as the published header has it: `60ms`, `12s`, `1m3s`."""
    if ms < _SECOND_MS:
        return b"%dms" % ms
    minutes, seconds = divmod(-(-ms // _SECOND_MS), 60)
    return b"%dm%ds" % (minutes, seconds) if minutes else b"%ds" % seconds
