"""Parts a request's fields into those that may be forwarded and those that have no effect."""

from typing import Final

from troth.gateway.dialects.checks import Check, boolean, mapping, one_of, required_mapping, text
from troth.gateway.dialects.known_fields import SILENT, STATEFUL, TOLD
from troth.gateway.dialects.tally import Tally
from troth.gateway.exchange import Fields, Json
from troth.kernel.errors import RefusedByPolicy
from troth.policy.strict import CONTENT_AT_REST

_TERMS: Final = frozenset({"data_collection", "zdr"})
_SILENT_CHECKS: Final[dict[str, Check]] = {
    "metadata": mapping,
    "safety_identifier": text,
    "store": boolean,
    "user": text,
}
"""What goes nowhere is of its type all the same: a mistake in it is a mistake."""


def sift(fields: Fields, known: frozenset[str], checks: dict[str, Check], tally: Tally) -> Fields:
    """Return the known fields that hold something, each checked; note the rest in the tally.

    Raises:
        InvalidValue: a value is not what its field takes.
        RefusedByPolicy: a field needs content at rest.
    """
    kept: Fields = {}
    for name, value in fields.items():
        if name in known:
            if value is not None:
                checks[name](name, value)
                kept[name] = value
        elif name not in SILENT:
            _note(name, value, tally)
        elif value is not None:
            _SILENT_CHECKS[name](name, value)
    return kept


def _note(name: str, value: Json, tally: Tally) -> None:
    if value is None:
        return
    if name in STATEFUL or (name == "background" and value is True):
        raise RefusedByPolicy(name, CONTENT_AT_REST)
    if name == "provider":
        _read_terms(value, tally)
    elif name in TOLD:
        tally.dropped.append(name)
    else:
        tally.unknown += 1


def _read_terms(value: Json, tally: Tally) -> None:
    """Read what a caller demands for the prompt; callers narrow what is promised, never widen."""
    wanted = required_mapping("provider", value)
    if wanted.get("zdr") is not None:
        boolean("provider.zdr", wanted["zdr"])
        if wanted["zdr"] is True:
            tally.terms.add("no_retention")
    if wanted.get("data_collection") is not None:
        one_of("allow", "deny")("provider.data_collection", wanted["data_collection"])
        if wanted["data_collection"] == "deny":
            tally.terms.add("no_collection")
    if wanted.keys() - _TERMS:
        tally.dropped.append("provider")
