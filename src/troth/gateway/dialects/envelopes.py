"""The error envelopes of both dialects. Nothing of a request or an upstream enters them."""

from typing import Final

import msgspec

from troth.gateway.exchange import Charged, Fields
from troth.kernel.errors import (
    CreditsEnded,
    CreditsExhausted,
    RefusedByPolicy,
    TrothError,
    UpstreamFailed,
)
from troth.kernel.name_errors import AlreadyCharged
from troth.kernel.stream_errors import JournalFull, MoneyUnreached, NotKept, UpstreamStalled
from troth.wire.events import data, named

_encode: Final = msgspec.json.Encoder().encode

_OPENAI_TYPES: Final = {
    402: "insufficient_quota",
    403: "permission_error",
    409: "conflict",
    429: "rate_limit_error",
}
_ANTHROPIC_TYPES: Final = {
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    409: "conflict_error",
    410: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    503: "overloaded_error",
    504: "timeout_error",
    529: "overloaded_error",
}
_OURS: Final = 500
_BAD_GATEWAY: Final = 502
_IN_STREAM: Final[dict[type[UpstreamFailed], int]] = {
    CreditsEnded: 402,
    JournalFull: 503,
    MoneyUnreached: 503,
    NotKept: 503,
    UpstreamStalled: 504,
}


def openai_error(
    error: TrothError, status: int, *, shows_wallet: bool = False, charged: Charged | None = None
) -> bytes:
    """Return OpenAI's envelope; `shows_wallet` adds what is available to a 402."""
    inner: Fields = {
        "message": error.message,
        "type": _OPENAI_TYPES.get(status)
        or ("server_error" if status >= _OURS else "invalid_request_error"),
        "param": error.param,
        "code": error.code,
    }
    ours = _x_troth(error, charged, shows_wallet=shows_wallet)
    if ours:
        inner["x_troth"] = ours
    return _encode({"error": inner})


def anthropic_error(
    error: TrothError,
    status: int,
    request_id: str,
    *,
    shows_wallet: bool = False,
    charged: Charged | None = None,
) -> bytes:
    """Return Anthropic's envelope; `shows_wallet` adds what is available to a 402."""
    inner: Fields = {
        "type": _ANTHROPIC_TYPES.get(status)
        or ("api_error" if status >= _OURS else "invalid_request_error"),
        "message": error.message,
    }
    ours = _x_troth(error, charged, shows_wallet=shows_wallet)
    if ours:
        inner["x_troth"] = ours
    return _encode({"type": "error", "error": inner, "request_id": request_id})


def openai_broken(error: UpstreamFailed, charged: Charged | None) -> bytes:
    """Return the event that ends a broken stream; no `[DONE]` may follow."""
    return data(openai_error(error, _status_in_stream(error), charged=charged))


def anthropic_broken(error: UpstreamFailed, request_id: str, charged: Charged | None) -> bytes:
    """Return the event that ends a broken stream; no `message_stop` may follow."""
    status = _status_in_stream(error)
    return named(b"error", anthropic_error(error, status, request_id, charged=charged))


def _status_in_stream(error: UpstreamFailed) -> int:
    """Return the status that the failure would have had before its stream began."""
    return _IN_STREAM.get(type(error), _BAD_GATEWAY)


def _x_troth(error: TrothError, charged: Charged | None, *, shows_wallet: bool) -> Fields:
    """Return what is ours to add: a 402's amounts, a refusal's clause, what was charged already."""
    if isinstance(error, RefusedByPolicy):
        return {"clause": error.clause}
    if isinstance(error, AlreadyCharged):
        return {"receipt": error.request_id, "cost_nusd": error.cost_nusd}
    if charged is not None:
        return {"receipt": charged.receipt, "cost_nusd": charged.cost_nusd}
    if not isinstance(error, CreditsExhausted):
        return {}
    ours: Fields = {"needed_nusd": error.needed_nusd}
    if shows_wallet:
        ours["available_nusd"] = error.available_nusd
        ours["in_flight_nusd"] = error.in_flight_nusd
    ours["limit_source"] = error.source
    ours["remedy"] = error.remedy
    return ours
