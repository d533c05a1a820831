"""The embeddings dialect of OpenAI: reads `POST /v1/embeddings`."""

from typing import Final

from troth.gateway.dialects.checks import Check, any_value, integer, one_of, required_text
from troth.gateway.dialects.known_fields import EMBEDDINGS
from troth.gateway.dialects.sift import sift
from troth.gateway.dialects.strict_json import read_object
from troth.gateway.dialects.tally import Tally
from troth.gateway.exchange import Ask, Json
from troth.kernel.errors import InvalidValue, MissingParameter

MAX_INPUTS: Final = 2_048
MAX_DIMENSIONS: Final = 65_536
MAX_TOKEN: Final = 2**31 - 1

_CHECKS: Final[dict[str, Check]] = {
    "dimensions": integer(1, MAX_DIMENSIONS),
    "encoding_format": one_of("float", "base64"),
    "input": any_value,
    "model": any_value,
}


def read(body: bytes) -> Ask:
    """Return the request, checked and cut down to the fields that may be forwarded.

    Raises:
        BadRequest: malformed JSON, a missing or wrong field.
        RefusedByPolicy: a field that needs content at rest.
    """
    fields, pieces = read_object(body)
    tally = Tally()
    kept = sift(fields, EMBEDDINGS, _CHECKS, tally)
    model = required_text("model", fields, "model")
    _read_input(kept.get("input"), tally)
    if "dimensions" in kept:
        tally.needs.add("dimensions")
    return Ask(
        endpoint="embeddings",
        model=model,
        streamed=False,
        wants_usage=True,
        max_tokens=0,
        choices=1,
        needs=frozenset(tally.needs),
        size=tally.size(),
        dropped=tuple(tally.dropped),
        unknown_count=tally.unknown,
        encoded=pieces,
        kept=kept,
        terms=frozenset(tally.terms),
    )


def _read_input(value: Json, tally: Tally) -> None:
    """Count one input or a list of them: strings, or lists of token numbers."""
    if value is None:
        raise MissingParameter("input")
    if type(value) is str:
        tally.messages = 1
        tally.add_text(_filled("input", value))
        return
    if type(value) is not list or not value:
        raise InvalidValue("input", "This must be a string, or a list with something in it.")
    if type(value[0]) is int:
        tally.messages = 1
        _read_tokens("input", value, tally)
        return
    if len(value) > MAX_INPUTS:
        raise InvalidValue("input", f"This must be a list of at most {MAX_INPUTS} items.")
    tally.messages = len(value)
    for at, item in enumerate(value):
        if type(item) is str:
            tally.add_text(_filled("input", item))
        else:
            _read_tokens(f"input[{at}]", item, tally)


def _filled(path: str, text: str) -> str:
    if not text:
        raise InvalidValue(path, "This must not be an empty string.")
    return text


def _read_tokens(path: str, value: Json, tally: Tally) -> None:
    if type(value) is not list or not value:
        raise InvalidValue(path, "This must be a string or a list of token numbers.")
    for token in value:
        if type(token) is not int or not 0 <= token <= MAX_TOKEN:
            raise InvalidValue(path, "This must be a string or a list of token numbers.")
    tally.tokens += len(value)
    tally.needs.add("token_arrays")
