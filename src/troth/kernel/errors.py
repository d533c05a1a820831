"""The error tree. An error is part of the API: a stable code, a public sentence, typed fields.

    TrothError
    ├── Refused          theirs to fix
    │   ├── BadRequest       InvalidValue MissingParameter UnsupportedParameter MalformedBody ...
    │   ├── InvalidKey, AmbiguousKey
    │   ├── CreditsExhausted
    │   ├── Forbidden        AddressNotAllowed OrganizationFrozen NoEligibleProvider
    │   ├── Missing          ModelNotFound UnknownUrl ReceiptNotPosted
    │   ├── BadFraming       one leaf a limit of the wire
    │   └── RateLimited
    ├── UpstreamFailed   theirs and ours to wait for: UpstreamError UpstreamTimeout UpstreamCut ...
    ├── Unavailable      Overloaded, and leaves of `payment_errors`, `disk_errors`
    ├── Misconfigured    the operator's to fix: no start
    └── InvariantBroken  ours; money work stops

Errors know no HTTP (`gateway/refuse.py` maps each leaf) and never carry what a caller sent: no
field is `Content`, `Secret` or free text from a request.
"""

from typing import ClassVar

from typing_extensions import override


class TrothError(Exception):
    """The root. `code` is stable; `sentence` is shown to whoever asked."""

    code: ClassVar[str] = "internal"
    sentence: ClassVar[str] = "The gateway failed. Send the request again; nothing was charged."

    def __init__(self, param: str | None = None) -> None:
        """Keep the path of the field that is at fault, such as `messages[2].content`."""
        super().__init__(self.code)
        self.param = param

    @property
    def message(self) -> str:
        """The sentence, filled with the typed fields of the leaf."""
        return self.sentence


class Refused(TrothError):
    """The caller can fix it."""


class BadRequest(Refused):
    """Something in the request is wrong."""

    code = "invalid_value"
    sentence = "The request is not valid."

    def __init__(self, param: str | None = None, reason: str = "") -> None:
        """Keep field and reason; `reason` is one of our own sentences, never the value."""
        super().__init__(param)
        self.reason = reason

    @property
    @override
    def message(self) -> str:
        """The reason in our words, naming the field."""
        where = f"'{self.param}': " if self.param else ""
        return where + (self.reason or self.sentence)


class InvalidValue(BadRequest):
    """A value is out of its range or of the wrong type."""


class MissingParameter(BadRequest):
    """A required field is absent."""

    code = "missing_required_parameter"
    sentence = "This field is required. Add it and send the request again."


class UnsupportedParameter(BadRequest):
    """The model asked for cannot do this; leaving it out would change the answer's meaning."""

    code = "unsupported_parameter"
    sentence = "This model does not support this field. Remove it or choose another model."


class MalformedBody(BadRequest):
    """The body is not one strict JSON object."""

    code = "invalid_json"
    sentence = "The body is not one valid JSON object in UTF-8."


class UnpricedFeature(BadRequest):
    """The request asks for something that has no price, so it is not served."""

    code = "unpriced_feature"
    sentence = "This model has no price for what the request asks. Remove it or choose another."


class ContextLengthExceeded(BadRequest):
    """The input does not fit the model's context."""

    code = "context_length_exceeded"
    sentence = "The input is longer than the model's context. Shorten it or choose another model."


class ContentPolicyViolation(BadRequest):
    """The provider refused the content by its own rules."""

    code = "content_policy_violation"
    sentence = "The provider refused this content under its own policy."


class UpstreamRejected(BadRequest):
    """The provider called the request bad."""

    code = "upstream_rejected"
    sentence = "The provider did not accept this request. Check the fields against its limits."


class RefusedByPolicy(Refused):
    """The published policy forbids it; `clause` names the promise."""

    code = "refused_by_policy"
    sentence = "This needs content to be kept, and the published policy keeps none (clause {})."

    def __init__(self, param: str | None, clause: str, *, about_id: bool = False) -> None:
        """Keep the field, if one asked for it, the clause's id, and whether a path named an id."""
        super().__init__(param)
        self.clause = clause
        self.about_id = about_id

    @property
    @override
    def message(self) -> str:
        """The sentence with the clause."""
        return self.sentence.format(self.clause)


class InvalidKey(Refused):
    """Unknown, expired, revoked, malformed: the same answer for each."""

    code = "invalid_api_key"
    sentence = (
        "Incorrect API key provided. Send a current key as 'Authorization: Bearer sk-troth-...' "
        "or in 'x-api-key'; make one in the console or with 'troth keys create'."
    )


class AmbiguousKey(BadRequest):
    """Two different credentials came with one request."""

    code = "invalid_value"
    sentence = "Two different API keys were sent. Send one."


class CreditsExhausted(Refused):
    """The wallet or a budget cannot pay for the smallest useful answer."""

    code = "insufficient_quota"
    sentence = "There is not enough credit left for this request. {}"

    def __init__(
        self, needed_nusd: int, available_nusd: int, in_flight_nusd: int, source: str
    ) -> None:
        """Keep the amounts in nano-USD; `source` is wallet, key_budget, ... or in_flight.

        `shows_wallet` is set where the caller's key may read what is available.
        """
        super().__init__()
        self.needed_nusd = needed_nusd
        self.available_nusd = available_nusd
        self.in_flight_nusd = in_flight_nusd
        self.source = source
        self.shows_wallet = False

    @property
    def remedy(self) -> str:
        """What the caller can do."""
        if self.source == "in_flight":
            return "Running requests have reserved the rest: send it again when they have ended."
        if self.source == "wallet":
            return "Add credit to the wallet, or send a shorter request."
        return "Raise the spend limit that was reached, or wait for its next period."

    @property
    @override
    def message(self) -> str:
        """The sentence with the remedy."""
        return self.sentence.format(self.remedy)


class Forbidden(Refused):
    """The key is right; what it asks is not allowed."""

    code = "permission_denied"
    sentence = "This key may not do that."


class AddressNotAllowed(Forbidden):
    """The key is bound to a list of addresses."""

    code = "ip_not_allowed"
    sentence = "This key may not be used from this address. Change the key's address list."


class OrganizationFrozen(Forbidden):
    """The organization was suspended."""

    code = "organization_frozen"
    sentence = "This organization is suspended. Ask the operator."


class NoEligibleProvider(Forbidden):
    """No offering fits what the caller or the policy demands of a provider."""

    code = "no_eligible_provider"
    sentence = "No provider of this model meets the data policy that was asked for."


class Missing(Refused):
    """It is not there, or not yours: the same answer."""

    code = "not_found"
    sentence = "There is nothing here with this id."


class ModelNotFound(Missing):
    """Unknown model, or one that this key may not use."""

    code = "model_not_found"
    sentence = "This key has no such model at this endpoint. 'GET /v1/models' lists those it has."


class UnknownUrl(Missing):
    """No endpoint has this path."""

    code = "unknown_url"
    sentence = "Not served. Try /v1/chat/completions, /v1/messages, /v1/embeddings or /v1/models."


class ReceiptNotPosted(Missing):
    """The receipt's request has ended, but its charge is not posted yet."""

    code = "receipt_pending"
    sentence = "This receipt is not posted yet. Ask again in a second."
    retry_after_ms: ClassVar[int] = 1_000


class MethodNotAllowed(Refused):
    """The path exists with another method."""

    code = "method_not_allowed"
    sentence = "This endpoint does not take this method."

    def __init__(self, allow: str) -> None:
        """Keep the method that is allowed."""
        super().__init__()
        self.allow = allow


class BadFraming(Refused):
    """The bytes are not a request that can be answered safely; the connection is closed."""

    code = "bad_framing"
    sentence = "This is not a well-formed HTTP/1.1 request."


class RequestTimeout(BadFraming):
    """The request came too slowly."""

    code = "request_timeout"
    sentence = "The request did not arrive in time. Send it again."


class BodyTooLarge(BadFraming):
    """The body is above the limit."""

    code = "request_too_large"
    sentence = "The body is larger than the limit of this endpoint."


class UrlTooLong(BadFraming):
    """The target is above the limit."""

    code = "url_too_long"
    sentence = "The request's path is too long."


class HeadersTooLarge(BadFraming):
    """The headers are above the limit."""

    code = "headers_too_large"
    sentence = "The request's headers are too large or too many."


class UnsupportedMediaType(BadFraming):
    """Neither the content type nor the encoding is one we read."""

    code = "unsupported_media_type"
    sentence = "Send the body as 'application/json' without a content encoding."


class RateLimited(Refused):
    """A limit of the key, or every offering is limited."""

    code = "rate_limit_exceeded"
    sentence = "A rate limit was reached ({}). Wait and send the request again."

    def __init__(self, limit: str, retry_after_ms: int) -> None:
        """Keep which limit (requests, tokens, concurrency, provider) and when to come back."""
        super().__init__()
        self.limit = limit
        self.retry_after_ms = retry_after_ms

    @property
    @override
    def message(self) -> str:
        """The sentence with the limit's name."""
        return self.sentence.format(self.limit)


class UpstreamFailed(TrothError):
    """The provider failed."""

    code = "upstream_error"
    sentence = "The model's provider failed. Send the request again; nothing was charged."


class UpstreamError(UpstreamFailed):
    """No attempt brought an answer."""


class UpstreamTimeout(UpstreamFailed):
    """The provider did not answer in time."""

    code = "upstream_timeout"
    sentence = "The model's provider did not answer in time; nothing was charged. Send it again."


class UpstreamCut(UpstreamFailed):
    """The provider broke off an answer that had begun."""

    code = "upstream_cut"
    sentence = "The model's provider broke off. What was delivered is charged, nothing more."


class CreditsEnded(UpstreamFailed):
    """The wallet could not pay for more of a running stream."""

    code = "insufficient_quota"
    sentence = "The credit ended here. What was delivered is charged, nothing more. Add credit."


class Unavailable(TrothError):
    """We cannot serve now."""

    code = "overloaded"
    sentence = "The service cannot take this request now. Send it again shortly."


class Overloaded(Unavailable):
    """Nothing available, leases dry, or shedding."""

    def __init__(self, retry_after_ms: int = 1_000) -> None:
        """Keep when to come back."""
        super().__init__()
        self.retry_after_ms = retry_after_ms


class ProviderOverloaded(Overloaded):
    """The provider said that it is overloaded."""


class Misconfigured(TrothError):
    """The operator's to fix. `problem` names the setting, the fault and the fix."""

    code = "misconfigured"
    sentence = "The configuration is not valid."

    def __init__(self, problem: str) -> None:
        """Keep the problem in the operator's words; it is never shown to a caller."""
        super().__init__()
        self.problem = problem
        self.args = (problem,)


class InvariantBroken(TrothError):
    """A rule of the books does not hold. `rule` names it; no amount, no id."""

    def __init__(self, rule: str) -> None:
        """Keep the rule's name, such as `I2 wallet below zero`."""
        super().__init__()
        self.rule = rule
        self.args = (rule,)


def invariant(holds: bool, rule: str) -> None:  # noqa: FBT001
    """Raise InvariantBroken when a rule does not hold. Unlike `assert`, `-O` cannot strip it."""
    if not holds:
        raise InvariantBroken(rule)
