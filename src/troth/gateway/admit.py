"""Stage 3. May this caller ask this now? Everything that can say no without looking at money."""

from typing import Final

import msgspec

from troth.gateway.authenticate import Caller
from troth.gateway.exchange import Ask
from troth.gateway.rates import Exceeded, Standing
from troth.gateway.world import World
from troth.kernel.errors import (
    InvalidKey,
    ModelNotFound,
    OrganizationFrozen,
    RateLimited,
)

_BYTES_PER_TOKEN_GUESS: Final = 4
_OUTPUT_GUESS: Final = 256


class Admission(msgspec.Struct, frozen=True):
    """The caller is in: where its key stands, and what was guessed of the tokens.

    `price_set` is the one that its organization is pinned to, empty for today's.
    """

    standing: Standing
    guessed_tokens: int
    price_set: str = ""


def admit(ask: Ask, caller: Caller, world: World) -> Admission:
    """Let the request in, and count it.

    Raises:
        OrganizationFrozen, ModelNotFound, RateLimited: as they say.
    """
    key = caller.key
    organization = world.keys.org(key.org)
    if organization is None:
        raise InvalidKey
    if organization.is_frozen:
        raise OrganizationFrozen
    if key.models and ask.model not in key.models:
        raise ModelNotFound("model")
    guess = _guess(ask)
    standing = world.rates.enter(key, guess, world.clock.monotonic_ns())
    if isinstance(standing, Exceeded):
        raise RateLimited(standing.limit, standing.retry_after_ms)
    return Admission(standing, guess, organization.price_set)


def _guess(ask: Ask) -> int:
    size = ask.size
    tokens = size.tokens + (size.text_bytes + size.tool_bytes) // _BYTES_PER_TOKEN_GUESS
    if ask.endpoint == "embeddings":
        return tokens
    most = ask.max_tokens
    return tokens + (most if 0 < most < _OUTPUT_GUESS else _OUTPUT_GUESS) * ask.choices
