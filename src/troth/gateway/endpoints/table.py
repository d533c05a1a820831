"""One table of endpoints: path and method to purpose and dialect. Authentication by default.

Exact match on the raw path; `Host` never routes; there is no pass-through row.
"""

import re
from enum import Enum
from typing import Final, Literal
from urllib.parse import unquote

import msgspec

from troth.catalog.model import Endpoint
from troth.kernel.errors import MethodNotAllowed, RefusedByPolicy, TrothError, UnknownUrl
from troth.policy.strict import CONTENT_AT_REST

ClientDialectName = Literal["openai", "anthropic"]


class Purpose(Enum):
    """What a path is for."""

    INFER = "infer"
    COUNT = "count"
    MODELS = "models"
    MODEL = "model"
    RECEIPT = "receipt"
    RECEIPTS = "receipts"
    GENERATION = "generation"
    KEY = "key"
    CREDITS = "credits"
    ALIVE = "alive"
    READY = "ready"


class Match(msgspec.Struct, frozen=True):
    """What a path and method lead to. `subject` is the id at the path's end, if it has one.

    Clients write an id with `%2F` for a slash: it stands here as it was meant.
    """

    purpose: Purpose
    dialect: ClientDialectName
    endpoint: Endpoint | None = None
    subject: str = ""


_POSTED: Final = {
    "/v1/chat/completions": Match(Purpose.INFER, "openai", "chat"),
    "/v1/embeddings": Match(Purpose.INFER, "openai", "embeddings"),
    "/v1/messages": Match(Purpose.INFER, "anthropic", "messages"),
    "/v1/messages/count_tokens": Match(Purpose.COUNT, "anthropic"),
}
_HEALTH: Final = {
    "/healthz": Match(Purpose.ALIVE, "openai"),
    "/readyz": Match(Purpose.READY, "openai"),
}
_MODELS: Final = "/v1/models"
_RECEIPT: Final = "/v1/receipts/"
_READS: Final = {
    "/v1/receipts": Match(Purpose.RECEIPTS, "openai"),
    "/v1/generation": Match(Purpose.GENERATION, "openai"),
    "/v1/key": Match(Purpose.KEY, "openai"),
    "/v1/auth/key": Match(Purpose.KEY, "openai"),
    "/v1/credits": Match(Purpose.CREDITS, "openai"),
}
PATHS: Final = frozenset((*_POSTED, *_HEALTH, _MODELS))
"""Whole paths that are served: they say nothing about who asks for them, or for what."""
_ALIASES: Final = ("/openai/v1/", "/v1/openai/", "/api/v1/", "/v1/v1/")
"""The last is what a client asks for that adds /v1 itself and was given an address with it."""

_AT_REST: Final = re.compile(
    r"/v1/(?:"
    r"(?P<chat>chat/completions)(?P<chat_id>/[^/]+(?:/messages)?)?"
    r"|(?P<answers>responses)/(?P<answers_id>[^/]+)(?:/cancel|/input_items)?"
    r"|(?P<kept>conversations|files|batches|uploads|messages/batches)(?P<kept_id>/.+)?"
    r")$"
)
_OPENAI_ALONE: Final = (
    "/v1/auth/",
    "/v1/chat/",
    "/v1/credits",
    "/v1/embeddings",
    "/v1/generation",
    "/v1/key",
    "/v1/receipts",
    "/v1/responses/",
)
"""Where one dialect is spoken, whatever else a caller's head says."""
_STATELESS_UNDER_RESPONSES: Final = frozenset({"input_tokens", "compact"})


def find(method: str, path: str, *, is_anthropic: bool) -> Match | TrothError:
    """Return what serves this request, or the error that answers it.

    `is_anthropic` tells whether the caller sent `anthropic-version`.
    """
    row = _POSTED.get(path)
    if row is not None and method == "POST":
        return row
    path = _unaliased(path)
    row = _POSTED.get(path)
    if row is not None and method == "POST":
        return row
    if path in _HEALTH:
        return _HEALTH[path] if method in {"GET", "HEAD"} else MethodNotAllowed("GET, HEAD")
    reading = _reading(path, "anthropic" if is_anthropic else "openai")
    if reading is not None:
        return reading if method in {"GET", "HEAD"} else MethodNotAllowed("GET, HEAD")
    refused = _kept(method, path)
    if refused is not None:
        return refused
    return MethodNotAllowed("POST") if row is not None else UnknownUrl()


def dialect_of(path: str, *, is_anthropic: bool) -> ClientDialectName:
    """Return the dialect in which a request to this path wants its errors: that of its answers."""
    if _unaliased(path).startswith(_OPENAI_ALONE):
        return "openai"
    return "anthropic" if is_anthropic or "/messages" in path else "openai"


def _unaliased(path: str) -> str:
    for alias in _ALIASES:
        if path.startswith(alias):
            return "/v1/" + path[len(alias) :]
    return path


def _reading(path: str, dialect: ClientDialectName) -> Match | None:
    if path == _MODELS:
        return Match(Purpose.MODELS, dialect)
    if path.startswith(_MODELS + "/") and len(path) > len(_MODELS) + 1:
        return Match(Purpose.MODEL, dialect, subject=unquote(path[len(_MODELS) + 1 :]))
    if path.startswith(_RECEIPT) and len(path) > len(_RECEIPT):
        return Match(Purpose.RECEIPT, "openai", subject=unquote(path[len(_RECEIPT) :]))
    return _READS.get(path)


def _kept(method: str, path: str) -> RefusedByPolicy | None:
    """Return the refusal of an operation that needs content at rest, else None."""
    found = _AT_REST.match(path)
    if found is None:
        return None
    if found["chat"] is not None and found["chat_id"] is None and method != "GET":
        return None
    if found["answers"] is not None and found["answers_id"] in _STATELESS_UNDER_RESPONSES:
        return None
    has_id = any(found[name] for name in ("chat_id", "answers_id", "kept_id"))
    return RefusedByPolicy(None, CONTENT_AT_REST, about_id=has_id)
