"""Quirks: what one offering does otherwise than its provider, as the catalog names it.

A closed list, each a change of the provider's row, so that whoever reads the row heeds them:

- `answers_in_reasoning`: with thinking off the whole answer may come in the field for reasoning.
- `developer_as_system`: turns of the role `developer` are an error there.
- `limit_max_completion_tokens`, `limit_max_tokens`: the name of the field that bounds an answer.
- `no_image_urls`: pictures are taken as data only; a request that names one is refused.
- `no_stream_usage`: `stream_options` is an error there; usage that does not come is estimated.
- `no_tool_choice`: a choice of tools cannot be forced; a request that does is refused.
- `no_turn_names`: `name` of a turn is an error there.
- `no_zero_temperature`: 0 is an error there; the smallest that is none is sent.
- `odd_events`: answers do not fit the published schema (an empty role, a strange reason to end),
  so that they are never relayed as they came. The catalog heeds it: the offering is not exact.
"""

from collections.abc import Mapping
from functools import cache
from typing import Final

import msgspec

from troth.catalog.offering import Offering, Quirk
from troth.providers.provider import Provider, provider_of

_Change = Mapping[str, bool | str]
CHANGES: Final[Mapping[Quirk, _Change]] = {
    "answers_in_reasoning": {"answers_in_reasoning": True},
    "developer_as_system": {"has_developer": False},
    "limit_max_completion_tokens": {"limit_field": "max_completion_tokens"},
    "limit_max_tokens": {"limit_field": "max_tokens"},
    "no_image_urls": {"takes_image_urls": False},
    "no_stream_usage": {"takes_stream_options": False},
    "no_tool_choice": {"has_tool_choice": False},
    "no_turn_names": {},
    "no_zero_temperature": {"takes_zero_temperature": False},
    "odd_events": {},
}
_NAME: Final = frozenset({"name"})


def row_of(offering: Offering) -> Provider:
    """Return the row of an offering: its provider's, changed by its quirks."""
    name = offering.upstream.provider
    return _changed(name, offering.quirks) if offering.quirks else provider_of(name)


@cache
def _changed(name: str, quirks: frozenset[Quirk]) -> Provider:
    row = provider_of(name)
    if "no_turn_names" in quirks:
        row = msgspec.structs.replace(row, message_drops=row.message_drops | _NAME)
    for quirk in sorted(quirks):
        row = msgspec.structs.replace(row, **CHANGES[quirk])
    return row
