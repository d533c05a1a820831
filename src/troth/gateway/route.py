"""Stage 4. Who shall answer? The offerings of the model, healthy ones first."""

from collections.abc import Sequence

import msgspec

from troth.catalog.offering import Offering
from troth.gateway.dialects import unsupported
from troth.gateway.exchange import Ask
from troth.gateway.world import World
from troth.kernel.errors import (
    ModelNotFound,
    NoEligibleProvider,
    UnpricedFeature,
    UnsupportedParameter,
)
from troth.providers.data_terms import can_keep

_UNIT_OF = {"audio_input": "input_audio", "audio_output": "output_audio"}
_PARAM_OF = {"audio_input": "messages", "audio_output": "modalities"}
_WHY = {
    "input": "This model takes texts, not lists of tokens. Send texts, or choose another model.",
    "messages": "This model does not take the images, the audio or the files that are in here, or "
    "not by their address. Leave them out, or choose another model.",
}


class Choice(msgspec.Struct, frozen=True):
    """The candidates in the order they are tried; all can do what was asked."""

    candidates: tuple[Offering, ...]


def route(ask: Ask, world: World, price_set: str = "") -> Choice:
    """Return the offerings that can answer, at the prices of a set or at today's.

    Raises:
        ModelNotFound: no such model, or none that serves this endpoint.
        UnsupportedParameter: the model exists, but no offering can do what the request needs.
        UnpricedFeature: what the request needs has no price.
        NoEligibleProvider: no offering keeps what the caller demands for the prompt.
    """
    offered = world.offerings.of(ask.model, price_set)
    if not offered or not _serves(offered[0], ask):
        raise ModelNotFound("model")
    fitting = tuple(offered)
    if ask.plain is None:
        fitting = _fitting(ask, offered)
    if not ask.needs and len(fitting) == 1:
        return Choice(fitting)
    for need in ask.needs & _UNIT_OF.keys():
        fitting = tuple([one for one in fitting if one.sale.is_priced(_UNIT_OF[need])])
        if not fitting:
            raise UnpricedFeature(_PARAM_OF[need])
    return Choice(_healthy_first(fitting, world))


def _fitting(ask: Ask, offered: Sequence[Offering]) -> tuple[Offering, ...]:
    """Return the offerings that can do what is asked and keep what is demanded for the prompt."""
    keeping = offered
    if ask.terms:
        keeping = [offering for offering in offered if can_keep(offering, ask.terms)]
        if not keeping:
            raise NoEligibleProvider("provider")
    fitting = tuple([offering for offering in keeping if unsupported(ask, offering) is None])
    if not fitting:
        param = unsupported(ask, keeping[0])
        raise UnsupportedParameter(param, _WHY.get(param or "", ""))
    return fitting


def _serves(offering: Offering, ask: Ask) -> bool:
    """Chat and messages serve each other by translation; embeddings stand alone."""
    endpoints = offering.model.endpoints
    if ask.endpoint == "embeddings":
        return "embeddings" in endpoints
    return "chat" in endpoints or "messages" in endpoints


def _healthy_first(fitting: tuple[Offering, ...], world: World) -> tuple[Offering, ...]:
    """Keep the catalog's order, but put what cools down behind what is well."""
    outlets = world.outlets
    return tuple(sorted(fitting, key=lambda one: not outlets.of(one).breaker.is_closed))
