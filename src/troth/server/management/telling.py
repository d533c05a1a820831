"""After a change: word to the gateways, and the answer that says where it is in force."""

from collections.abc import Sequence
from typing import Final

from fastapi import Response

from troth.server.management.forms import answer
from troth.server.office import Office, Told
from troth.server.shown import Changed

_KEYS_A_MESSAGE: Final = 1_000


def changed(
    office: Office, ref: str, public_ids: Sequence[str] = (), orgs: Sequence[str] = ()
) -> Response:
    """Tell the gateways of keys and organizations, a message's room at a time, and answer."""
    told = office.gateways.refresh(public_ids[:_KEYS_A_MESSAGE], orgs)
    for start in range(_KEYS_A_MESSAGE, len(public_ids), _KEYS_A_MESSAGE):
        more = office.gateways.refresh(public_ids[start : start + _KEYS_A_MESSAGE], ())
        told = _both(told, more)
    return answer(Changed(ref, not told.silent, told.confirmed, told.silent, told.until_ms))


def _both(one: Told, other: Told) -> Told:
    silent = tuple(sorted({*one.silent, *other.silent}))
    confirmed = min(one.confirmed, other.confirmed)
    return Told(confirmed, silent, max(one.until_ms, other.until_ms))
