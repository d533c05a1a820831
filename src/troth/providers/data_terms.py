"""What may happen to a prompt behind an upstream, said to one that passes it on to others.

OpenRouter sends a prompt to a provider that it chooses. `provider.data_collection = "deny"` keeps
it from those that train on prompts, `provider.zdr = true` from those that keep them at all; where
none is left, the call fails. What a deployment promises is sent with each request.
"""

from collections.abc import Set as AbstractSet
from typing import Final

from troth.catalog.offering import DataTerm, Offering

_TOLD: Final[tuple[tuple[DataTerm, bytes], ...]] = (
    ("no_collection", b'"data_collection":"deny"'),
    ("no_retention", b'"zdr":true'),
)
_PASSES_ON: Final = frozenset({"openrouter"})


def can_keep(offering: Offering, terms: AbstractSet[DataTerm]) -> bool:
    """Tell whether these terms hold at an offering, or can be made to hold by saying so."""
    upstream = offering.upstream
    return upstream.provider in _PASSES_ON or terms <= upstream.data_terms


def told(offering: Offering, terms: AbstractSet[DataTerm] = frozenset()) -> bytes:
    """Return the field that tells an upstream its own terms and these, with a comma before it.

    Empty for upstreams that need not be told, for there it is a matter of contract.
    """
    upstream = offering.upstream
    all_terms = upstream.data_terms | terms
    if upstream.provider not in _PASSES_ON or not all_terms:
        return b""
    return b',"provider":{%b}' % b",".join(said for term, said in _TOLD if term in all_terms)
