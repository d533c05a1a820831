"""Stage 5. Set the money aside, before anybody is called.

The bound needs no tokenizer: a token of a byte-level vocabulary is at least one byte. `max_tokens`
that is absent or dearer than the wallet is clamped to what the wallet can pay.
"""

from collections.abc import Awaitable
from typing import Final

import msgspec

from troth.catalog.offering import Offering
from troth.gateway.authenticate import Caller
from troth.gateway.estimates import LONGEST_TOKEN
from troth.gateway.exchange import Ask
from troth.gateway.route import Choice
from troth.gateway.world import World
from troth.kernel.errors import ContextLengthExceeded, CreditsExhausted

_A_MESSAGE: Final = 16
_A_CALL: Final = 512
_NORMALIZED: Final = 11
"""NFKC grows a character eleven-fold at most (U+FDFA)."""
DEFAULT_MAX_OUTPUT: Final = 4_096
_SHORT_ANSWER: Final = 256
"""Tokens below which a clamp leaves nothing for others."""
TRANCHE: Final = 1_024
"""Output tokens a choice that are paid for at a time while a wallet is not roomy."""
_ROOMY: Final = 4
"""A wallet that has so many times the bound at hand sets the whole of it aside."""
_LASTING_TENTHS: Final = 9
"""Of what a wallet can pay, a model is told this part, so that a lone stream ends by itself."""


class Reservation(msgspec.Struct, frozen=True):
    """Money set aside under the request's own sixteen bytes.

    `most_input` is the bound of the input's tokens. `max_tokens` is what the upstream is told for
    each choice, 0 for none; `is_clamped` tells that it is less than was asked, or than the model
    could. `covered` are the output tokens that are paid for so far when a stream is paid for in
    tranches, 0 when the whole of it is.
    """

    reserved_nusd: int
    most_input: int
    max_tokens: int
    is_clamped: bool
    covered: int = 0


class _Bound(msgspec.Struct, frozen=True):
    """Who asks what of whom, and what that can need: tokens in, tokens out a choice, nano-USD.

    `covered` are the output tokens that `want` pays for when that is not all of them, else 0.
    """

    ask: Ask
    choice: Choice
    caller: Caller
    tokens_in: int
    most: int
    want: int
    covered: int


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
    for other in choice.candidates[1:]:
        tokens = max(tokens, input_bound(other, ask))
    most = _most_output(offering, ask)
    choices = ask.choices
    first = (most if most < TRANCHE else TRANCHE) * choices
    short = (most if most < _SHORT_ANSWER else _SHORT_ANSWER) * choices
    outputs = (most * choices, first, choices if most else 0, short)
    want, tranche, least, enough = _dearest(choice, ask, tokens, outputs)
    purses = caller.key.purses
    covered = 0
    rolls = ask.streamed and want > tranche and _may_roll(choice)
    if rolls and world.wallet.free(purses) < _ROOMY * want:
        want, covered = tranche, first
    bound = _Bound(ask, choice, caller, tokens, most, want, covered)
    try:
        granted = world.wallet.admit(raw, purses, want, least, enough=enough)
    except CreditsExhausted as refused:
        refused.shows_wallet = caller.key.may_read_wallet
        raise
    if isinstance(granted, int):
        return _made(granted, bound, world)
    return _when_lent(granted, bound, world)


async def _when_lent(granting: Awaitable[int], bound: _Bound, world: World) -> Reservation:
    """Wait for the desk's word on the lease."""
    try:
        granted = await granting
    except CreditsExhausted as refused:
        refused.shows_wallet = bound.caller.key.may_read_wallet
        raise
    return _made(granted, bound, world)


def _made(granted: int, bound: _Bound, world: World) -> Reservation:
    """Return what was reserved; the model is told what the wallet can pay, if that is less."""
    ask, tokens, most, covered = bound.ask, bound.tokens_in, bound.most, bound.covered
    if granted < bound.want:
        affordable = _affordable(granted, bound)
        return Reservation(granted, tokens, max(1, affordable), is_clamped=True)
    if not covered:
        return Reservation(granted, tokens, most, most < ask.max_tokens)
    reach = granted + world.wallet.reach(bound.caller.key.purses)
    lasting = _affordable(reach, bound) * _LASTING_TENTHS // 10
    told = min(most, max(lasting, covered // ask.choices))
    return Reservation(granted, tokens, told, told < (ask.max_tokens or most), covered)


def _affordable(nusd: int, bound: _Bound) -> int:
    """Return how many output tokens a choice so much pays for at the dearest candidate."""
    ask = bound.ask
    size = ask.size
    return (
        min(
            one.sale.affordable_output(
                nusd, bound.tokens_in, asks_cache=size.asks_cache, asks_media=asks_media(ask)
            )
            for one in bound.choice.candidates
        )
        // ask.choices
    )


def _may_roll(choice: Choice) -> bool:
    """Tell whether a stream can be ended by us when its money ends, and shows all it is billed."""
    return all(
        one.cancel == "stops" and not one.model.hidden_reasoning for one in choice.candidates
    )


def input_bound(offering: Offering, ask: Ask) -> int:
    """Return how many input tokens the request can be at most, by its bytes."""
    size = ask.size
    model = offering.model
    text = size.text_bytes * _NORMALIZED if model.normalizing else size.text_bytes
    tokens = text + size.messages * _A_MESSAGE + size.tool_bytes * 3 // 2 + _A_CALL
    tokens += size.images * model.image_tokens + size.tokens + size.audio_bytes
    room = model.context_length
    if size.files:
        return room
    if ask.endpoint == "embeddings":
        return min(tokens, room * max(1, size.messages))
    return tokens if tokens < room else room


def _most_output(offering: Offering, ask: Ask) -> int:
    """Return the output tokens a choice that this request can have; 0 for embeddings."""
    if ask.endpoint == "embeddings":
        return 0
    model = offering.model
    _check_context(offering, ask)
    most = model.max_output or DEFAULT_MAX_OUTPUT
    asked = ask.max_tokens
    return asked if 0 < asked < most else most


def _check_context(offering: Offering, ask: Ask) -> None:
    """Refuse what cannot fit even if every token were as long as tokens get."""
    least = ask.size.text_bytes // LONGEST_TOKEN
    if least > offering.model.context_length:
        raise ContextLengthExceeded("messages")


def _dearest(choice: Choice, ask: Ask, tokens_in: int, outputs: tuple[int, ...]) -> tuple[int, ...]:
    """Return the bounds in nano-USD, one for each number of output tokens."""
    most: tuple[int, ...] = ()
    for one in choice.candidates:
        found = one.sale.bounds(
            tokens_in, outputs, asks_cache=ask.size.asks_cache, asks_media=asks_media(ask)
        )
        most = tuple(map(max, most, found)) if most else found
    return most


def asks_media(ask: Ask) -> bool:
    """Tell whether images or sound go in or come out, which may cost more than text."""
    size = ask.size
    return bool(size.images or size.audio_bytes or size.files) or "audio_output" in ask.needs
