"""The mock provider's embeddings and its list of models."""

import math
import struct
from base64 import b64encode
from collections.abc import Sequence

from troth.proof.twin.accounts import count, openai_usage
from troth.proof.twin.answer import Answer, Request, refusal
from troth.proof.twin.values import (
    Fields,
    Json,
    encoded,
    fields_of,
    items_of,
    tokens_of,
    whole_of,
)

_DIMENSIONS = 16
_SINCE = 1_767_225_600


def embeddings(request: Request) -> Answer:
    """Answer `POST /embeddings` for a string, strings, tokens or lists of tokens."""
    given = request.fields.get("input")
    if not given:
        return refusal(400, "'$.input' is invalid.", anthropic=False)
    alone = not isinstance(given, list) or isinstance(given[0], int)
    texts = [given] if alone else items_of(given)
    size = whole_of(request.fields.get("dimensions"), _DIMENSIONS)
    as_text = request.fields.get("encoding_format") == "base64"
    rows: list[Json] = []
    for index, text in enumerate(texts):
        values = vector(text, size)
        shown: Json = _packed(values) if as_text else list(values)
        rows.append({"object": "embedding", "index": index, "embedding": shown})
    answer: Fields = {"object": "list", "data": rows, "model": request.fields.get("model")}
    if "nousage" not in request.faults:
        counted = count(request, sum(tokens_of(text) for text in texts), 0)
        told = fields_of(openai_usage(request, counted))
        answer["usage"] = {name: told[name] for name in ("prompt_tokens", "total_tokens")}
    return Answer(body=encoded(answer))


def vector(text: Json, size: int) -> Sequence[float]:
    """Return a vector of length one that depends on the text alone."""
    seed = 1 + sum(encoded(text)) % 97
    raw = [math.sin((at + 1) * seed) for at in range(size)]
    length = math.sqrt(sum(value * value for value in raw)) or 1.0
    return [value / length for value in raw]


def _packed(values: Sequence[float]) -> str:
    return b64encode(struct.pack(f"<{len(values)}f", *values)).decode()


def models(names: Sequence[str], *, anthropic: bool) -> Answer:
    """Answer `GET /models` in either dialect."""
    rows: list[Json] = []
    for name in names:
        if anthropic:
            since = "2026-01-01T00:00:00Z"
            rows.append({"type": "model", "id": name, "display_name": name, "created_at": since})
        else:
            rows.append({"id": name, "object": "model", "created": _SINCE, "owned_by": "twin"})
    page: Fields = {"data": rows, "object": "list"}
    if anthropic:
        page = {"data": rows, "has_more": False, "first_id": names[0], "last_id": names[-1]}
    return Answer(body=encoded(page))
