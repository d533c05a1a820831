"""Stage 5. Set the money aside, before anybody is called.

The bound needs no tokenizer: a token of a byte-level vocabulary is at least one byte. `max_tokens`
that is absent or dearer than the wallet is clamped to what the wallet can pay.
"""

from collections.abc import Awaitable
from typing import Final, NamedTuple

import msgspec

from troth.catalog.offering import Offering
from troth.gateway.authenticate import Caller
from troth.gateway.exchange import Ask
from troth.gateway.route import Choice
from troth.gateway.world import World
from troth.kernel.errors import ContextLengthExceeded, CreditsExhausted

_A_MESSAGE: Final = 16
_A_CALL: Final = 512
_IMAGE_TOKENS: Final = 4_096
_NORMALIZED: Final = 11
"""NFKC grows a character eleven-fold at most (U+FDFA)."""
DEFAULT_MAX_OUTPUT: Final = 4_096
_SHORT_ANSWER: Final = 256
"""Tokens below which a clamp leaves nothing for others."""


class Reservation(msgspec.Struct, frozen=True):
    """Money set aside under the request's own sixteen bytes.

    `most_input` is the bound of the input's tokens. `max_tokens` is what the upstream is told for
    each choice, 0 for none; `is_clamped` tells that it is less than was asked, or than the model
    could.
    """

    reserved_nusd: int
    most_input: int
    max_tokens: int
    is_clamped: bool


class _Bound(NamedTuple):
    """What a request can need: tokens in, tokens out a choice, nano-USD for both."""

    tokens_in: int
    most: int
    want: int


def reserve(
    ask: Ask, choice: Choice, caller: Caller, world: World, *, raw: bytes
) -> Reservation | Awaitable[Reservation]:
    """Reserve for the dearest candidate; only when the wallet's lease is dry, that takes a wait.

    Raises, at once or when it is awaited:
        CreditsExhausted: the wallet cannot pay for the input and one token a choice.
        Overloaded: the desk is away, or the journal cannot be written.
        ContextLengthExceeded: the input alone is certainly above the model's context.
    """
    offering = choice.candidates[0]
    tokens = input_bound(offering, ask)
    most = _most_output(offering, ask)
    choices = ask.choices
    outputs = (most * choices, min(most, 1) * choices, min(most, _SHORT_ANSWER) * choices)
    want, least, enough = _dearest(choice, ask, tokens, outputs)
    bound = _Bound(tokens, most, want)
    try:
        granted = world.wallet.admit(raw, caller.key.purses, want, least, enough=enough)
    except CreditsExhausted as refused:
        refused.shows_wallet = caller.key.may_read_wallet
        raise
    if isinstance(granted, int):
        return _made(granted, bound, ask, choice)
    return _when_lent(granted, bound, ask, choice, caller=caller)


async def _when_lent(
    granting: Awaitable[int], bound: _Bound, ask: Ask, choice: Choice, *, caller: Caller
) -> Reservation:
    """Wait for the desk's word on the lease."""
    try:
        granted = await granting
    except CreditsExhausted as refused:
        refused.shows_wallet = caller.key.may_read_wallet
        raise
    return _made(granted, bound, ask, choice)


def _made(granted: int, bound: _Bound, ask: Ask, choice: Choice) -> Reservation:
    tokens, most, want = bound
    if granted >= want:
        return Reservation(granted, tokens, most, most < ask.max_tokens)
    affordable = min(
        one.sale.affordable_output(granted, tokens, asks_cache=ask.size.asks_cache)
        for one in choice.candidates
    )
    return Reservation(granted, tokens, max(1, affordable // ask.choices), is_clamped=True)


def input_bound(offering: Offering, ask: Ask) -> int:
    """Return how many input tokens the request can be at most, by its bytes."""
    size = ask.size
    model = offering.model
    text = size.text_bytes * _NORMALIZED if model.normalizing else size.text_bytes
    tokens = text + size.messages * _A_MESSAGE + size.tool_bytes * 3 // 2 + _A_CALL
    tokens += size.images * _IMAGE_TOKENS + size.tokens + size.audio_bytes
    room = model.context_length
    if size.files:
        return room
    if ask.endpoint == "embeddings":
        return min(tokens, room * max(1, size.messages))
    return min(tokens, room)


def _most_output(offering: Offering, ask: Ask) -> int:
    """Return the output tokens a choice that this request can have; 0 for embeddings."""
    if ask.endpoint == "embeddings":
        return 0
    model = offering.model
    _check_context(offering, ask)
    most = model.max_output or DEFAULT_MAX_OUTPUT
    return min(ask.max_tokens, most) if ask.max_tokens else most


def _check_context(offering: Offering, ask: Ask) -> None:
    """Refuse what cannot fit even if every token were as long as tokens get."""
    longest_token_bytes = 128
    least = ask.size.text_bytes // longest_token_bytes
    if least > offering.model.context_length:
        raise ContextLengthExceeded("messages")


def _dearest(choice: Choice, ask: Ask, tokens_in: int, outputs: tuple[int, ...]) -> tuple[int, ...]:
    """Return the bounds in nano-USD, one for each number of output tokens."""
    asks_cache = ask.size.asks_cache
    first, *others = choice.candidates
    most = first.sale.bounds(tokens_in, outputs, asks_cache=asks_cache)
    for other in others:
        most = tuple(map(max, most, other.sale.bounds(tokens_in, outputs, asks_cache=asks_cache)))
    return most
