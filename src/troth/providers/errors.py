"""An upstream's refusal turned to ours: a closed code, never the provider's text.

The text is read for one purpose, to choose the code, and dropped: it may hold content or our key.
"""

from collections.abc import Container, Mapping
from typing import Final, Protocol

import msgspec

from troth.kernel.errors import (
    BodyTooLarge,
    ContentPolicyViolation,
    ContextLengthExceeded,
    Overloaded,
    ProviderOverloaded,
    RateLimited,
    TrothError,
    Unavailable,
    UpstreamError,
    UpstreamFailed,
    UpstreamRejected,
    UpstreamTimeout,
)

MAX_RETRY_AFTER_MS: Final = 3_600_000
DEFAULT_RETRY_AFTER_MS: Final = 1_000

_BAD_REQUEST: Final = frozenset({400, 422})
_OVERLOADED: Final = frozenset({503, 529})
_TIMED_OUT: Final = frozenset({408, 504})
PROVIDER: Final = "provider"
"""The limit that an upstream set us, as a refusal names it."""
_CREDENTIAL: Final = frozenset({401, 402, 403, 404})
_CONTEXT_WORDS: Final = (
    "context length",
    "context_length",
    "context size",
    "context window",
    "maximum context",
    "prompt is too long",
    "input is too long",
    "exceed_context_size",
)
_POLICY_CODES: Final = frozenset(
    {"content_policy_violation", "content_filter", "moderation_blocked"}
)
_LONGEST_NUMBER: Final = 10


class _Inner(msgspec.Struct, frozen=True):
    message: msgspec.Raw = msgspec.Raw(b"")
    code: msgspec.Raw = msgspec.Raw(b"")
    type: msgspec.Raw = msgspec.Raw(b"")
    param: msgspec.Raw = msgspec.Raw(b"")


class _Envelope(msgspec.Struct, frozen=True):
    error: _Inner


_ENVELOPE: Final = msgspec.json.Decoder(_Envelope)
_TEXT: Final = msgspec.json.Decoder(str)


class CredentialRefused(UpstreamError):
    """The provider refused us, not the caller: our key, our account, our model's name."""


class Asked(Protocol):
    """A request whose fields a provider's complaint may name."""

    @property
    def fields(self) -> Container[str]:
        """The names of the caller's fields."""
        ...


def failure_of(
    _dialect: str, status: int, headers: Mapping[bytes, bytes], body: bytes, ask: Asked
) -> TrothError:
    """Return our error for an upstream's answer that is not 200.

    Both dialects are read alike: they keep their complaint under `error`. A provider's `param` is
    passed on only if its first name is a field of the request.
    """
    if status in _BAD_REQUEST:
        return _rejected(body, ask.fields)
    if status == 413:  # noqa: PLR2004
        return BodyTooLarge()
    if status == 429:  # noqa: PLR2004
        return RateLimited(PROVIDER, _asked_back_ms(headers))
    if status in _OVERLOADED:
        return ProviderOverloaded(_asked_back_ms(headers))
    if status in _CREDENTIAL:
        return CredentialRefused()
    return UpstreamTimeout() if status in _TIMED_OUT else UpstreamError()


def is_retriable(error: TrothError) -> bool:
    """Tell whether another attempt may bring an answer."""
    return isinstance(error, UpstreamFailed | Unavailable) or (
        isinstance(error, RateLimited) and error.limit == PROVIDER
    )


def refuses_us(error: TrothError) -> bool:
    """Tell whether the provider refused us, not the caller: next offering, and an alarm."""
    return isinstance(error, CredentialRefused)


def retry_after_ms(error: TrothError) -> int:
    """Return when the provider wants us back, in milliseconds; 0 where it said nothing."""
    match error:
        case RateLimited() | Overloaded():
            return error.retry_after_ms
        case _:
            return 0


def _asked_back_ms(headers: Mapping[bytes, bytes]) -> int:
    """Read a retry-after: 0 up to an hour, in milliseconds, 1 s if unsaid or not a number."""
    for name, factor in ((b"retry-after-ms", 1), (b"retry-after", 1_000)):
        value = headers.get(name, b"").strip()
        whole, _, rest = value.partition(b".")
        if whole.isdigit() and len(whole) <= _LONGEST_NUMBER and (not rest or rest.isdigit()):
            thousandths = int(rest[:3].ljust(3, b"0")) if rest else 0
            return min((int(whole) * 1_000 + thousandths) * factor // 1_000, MAX_RETRY_AFTER_MS)
    return DEFAULT_RETRY_AFTER_MS


def _rejected(body: bytes, fields: Container[str]) -> TrothError:
    """Choose the code of a 400 or 422, and the field if it is one of the caller's."""
    try:
        inner = _ENVELOPE.decode(body).error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return UpstreamRejected()
    code, kind = _word(inner.code), _word(inner.type)
    message = _word(inner.message).lower()
    if any(word in code or word in kind or word in message for word in _CONTEXT_WORDS):
        return ContextLengthExceeded()
    if code in _POLICY_CODES or kind in _POLICY_CODES:
        return ContentPolicyViolation()
    return UpstreamRejected(_field(_word(inner.param), fields))


def _word(raw: msgspec.Raw) -> str:
    try:
        return _TEXT.decode(raw) if raw else ""
    except (msgspec.DecodeError, UnicodeDecodeError):
        return ""


def _field(param: str, fields: Container[str]) -> str | None:
    """Return the first name of the provider's path if the request had it: never its own words."""
    name = param.partition(".")[0].partition("[")[0]
    return name if name and name in fields else None
