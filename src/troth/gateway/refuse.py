"""From an error to an answer: one table of statuses, and the headers that tell a client what to do.

Money is 402, never 429: a client library repeats a 429, and would hammer an empty wallet.
"""

from typing import Final

from troth.gateway.dialects import ANTHROPIC_MESSAGES, OPENAI_CHAT, ClientDialect
from troth.gateway.endpoints.table import dialect_of
from troth.kernel import errors
from troth.kernel.name_errors import AlreadyCharged, AlreadyRunning, NameReused, NameTaken
from troth.kernel.receipt_errors import ReceiptExpired
from troth.kernel.stream_errors import ServiceEnded
from troth.wire import Head, Sink

Headers = list[tuple[bytes, bytes]]

STATUSES: Final[dict[type[errors.TrothError], int]] = {
    errors.BadRequest: 400,
    errors.RefusedByPolicy: 403,
    errors.InvalidKey: 401,
    errors.CreditsExhausted: 402,
    errors.Forbidden: 403,
    errors.Missing: 404,
    ReceiptExpired: 410,
    errors.MethodNotAllowed: 405,
    NameTaken: 409,
    NameReused: 422,
    errors.RequestTimeout: 408,
    errors.BodyTooLarge: 413,
    errors.UrlTooLong: 414,
    errors.UnsupportedMediaType: 415,
    errors.HeadersTooLarge: 431,
    errors.BadFraming: 400,
    errors.RateLimited: 429,
    errors.UpstreamTimeout: 504,
    errors.CreditsEnded: 402,
    ServiceEnded: 503,
    errors.UpstreamFailed: 502,
    errors.ProviderOverloaded: 503,
    errors.Unavailable: 503,
    errors.TrothError: 500,
}
_ANTHROPIC_OVERLOADED: Final = 529
_NOT_FOUND: Final = 404
_BAD_REQUEST: Final = 400
_RETRIABLE: Final = frozenset({408, 409, 429, 500, 502, 503, 504, 529})

_ALWAYS: Final[Headers] = [
    (b"content-type", b"application/json"),
    (b"cache-control", b"no-store"),
    (b"x-content-type-options", b"nosniff"),
]


def status_of(error: errors.TrothError) -> int:
    """Return the HTTP status of an error: that of its class, or of the nearest above it."""
    if isinstance(error, errors.RefusedByPolicy):
        if error.param is not None:
            return _BAD_REQUEST
        return _NOT_FOUND if error.about_id else STATUSES[errors.RefusedByPolicy]
    return next(STATUSES[kind] for kind in type(error).__mro__ if kind in STATUSES)


def refuse(
    error: errors.TrothError, head: Head, request_id: str, sink: Sink, *, more: Headers
) -> None:
    """Answer with an error, in the caller's dialect; `more` headers tell where the key stands."""
    status, headers, body = refusal(error, head, request_id)
    sink.answer(status, [*headers, *more], body)


def refusal(
    error: errors.TrothError, head: Head | None, request_id: str
) -> tuple[int, Headers, bytes]:
    """Return status, headers and body of an error, in the caller's dialect."""
    dialect = _dialect(head)
    status = status_of(error)
    if status == STATUSES[errors.Unavailable] and dialect is ANTHROPIC_MESSAGES:
        status = _ANTHROPIC_OVERLOADED
    shown = request_id.encode()
    headers = [*_ALWAYS, (b"x-request-id", shown), *_advice(error, status)]
    if dialect is ANTHROPIC_MESSAGES:
        headers.append((b"request-id", shown))
    shows_wallet = isinstance(error, errors.CreditsExhausted) and error.shows_wallet
    body = dialect.error_body(error, status, request_id, shows_wallet=shows_wallet)
    return status, headers, body


def framing_error(status: int) -> errors.TrothError:
    """Return the error of a status that the wire refuses with."""
    for kind in (
        errors.RequestTimeout,
        errors.BodyTooLarge,
        errors.UrlTooLong,
        errors.UnsupportedMediaType,
        errors.HeadersTooLarge,
    ):
        if STATUSES[kind] == status:
            return kind()
    if status == STATUSES[errors.MethodNotAllowed]:
        return errors.MethodNotAllowed("GET, HEAD, POST")  # TRACE and CONNECT, on any path
    if status == STATUSES[errors.TrothError]:
        return errors.TrothError()  # a fault of ours, whatever the request was
    return errors.Overloaded() if status == STATUSES[errors.Unavailable] else errors.BadFraming()


def _dialect(head: Head | None) -> ClientDialect:
    if head is None:
        return OPENAI_CHAT
    name = dialect_of(head.path, is_anthropic=b"anthropic-version" in head.headers)
    return ANTHROPIC_MESSAGES if name == "anthropic" else OPENAI_CHAT


def _advice(error: errors.TrothError, status: int) -> Headers:
    """Return what tells a client whether and when to come back."""
    advice: Headers = []
    wait_ms = _wait_ms(error)
    if wait_ms:
        advice.append((b"retry-after", b"%d" % -(-wait_ms // 1000)))
        advice.append((b"retry-after-ms", b"%d" % wait_ms))
    if isinstance(error, errors.CreditsExhausted):
        in_flight = error.source == "in_flight"
        advice.append((b"x-should-retry", b"true" if in_flight else b"false"))
    elif isinstance(error, ServiceEnded | AlreadyCharged) or (
        status not in _RETRIABLE and not isinstance(error, errors.ReceiptNotPosted)
    ):
        advice.append((b"x-should-retry", b"false"))
    if isinstance(error, errors.MethodNotAllowed):
        advice.append((b"allow", error.allow.encode()))
    return advice


def _wait_ms(error: errors.TrothError) -> int:
    """Return after how many milliseconds it is worth to come back; 0 for no advice."""
    match error:
        case errors.RateLimited() | errors.Overloaded() | errors.ReceiptNotPosted():
            return max(1_000, error.retry_after_ms)
        case AlreadyRunning():
            return error.retry_after_ms
        case errors.CreditsExhausted(source="in_flight"):
            return 1_000
        case _:
            return 0
