import msgspec
import pytest

from tests.builders.dialect_world import chat
from troth.kernel.errors import (
    BodyTooLarge,
    ContentPolicyViolation,
    ContextLengthExceeded,
    InvalidValue,
    Overloaded,
    ProviderOverloaded,
    RateLimited,
    TrothError,
    UpstreamError,
    UpstreamRejected,
    UpstreamTimeout,
)
from troth.providers import failure_of, is_retriable, refuses_us, retry_after_ms
from troth.providers.errors import CredentialRefused

BODIES = (b"", b"<html>", b"[]", b'{"error":"words"}', b"\xff", b"[" * 9999)
SECRET = "the prompt's words and sk-our-key"


def failed(status: int, body: bytes = b"", **headers: str) -> TrothError:
    sent = {name.replace("_", "-").encode(): value.encode() for name, value in headers.items()}
    return failure_of("openai", status, sent, body, chat(temperature=1))


def complaint(**inner: object) -> bytes:
    return msgspec.json.encode({"error": {"message": SECRET, **inner}})


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (200, UpstreamError),
        (302, UpstreamError),
        (400, UpstreamRejected),
        (401, CredentialRefused),
        (402, CredentialRefused),
        (403, CredentialRefused),
        (404, CredentialRefused),
        (408, UpstreamTimeout),
        (409, UpstreamError),
        (413, BodyTooLarge),
        (422, UpstreamRejected),
        (429, RateLimited),
        (500, UpstreamError),
        (503, ProviderOverloaded),
        (504, UpstreamTimeout),
        (529, ProviderOverloaded),
    ],
)
def test_each_status_has_its_error(status: int, kind: type[TrothError]) -> None:
    error = failed(status, complaint())
    assert type(error) is kind
    assert SECRET not in error.message
    assert SECRET not in repr(error)


@pytest.mark.parametrize(
    ("inner", "kind"),
    [
        ({"code": "context_length_exceeded"}, ContextLengthExceeded),
        ({"type": "exceed_context_size_error", "code": 400}, ContextLengthExceeded),
        ({"message": "This model's Maximum Context is 10"}, ContextLengthExceeded),
        ({"code": "content_filter"}, ContentPolicyViolation),
        ({"type": "content_policy_violation"}, ContentPolicyViolation),
        ({"code": None}, UpstreamRejected),
        ({"code": "\udcff".encode("utf-8", "surrogatepass").hex()}, UpstreamRejected),
    ],
)
def test_a_rejection_gets_a_closed_code(inner: dict[str, object], kind: type[TrothError]) -> None:
    assert type(failed(400, complaint(**inner))) is kind


def test_a_rejection_names_a_field_only_if_the_request_had_it() -> None:
    assert failed(400, complaint(param="temperature")).param == "temperature"
    assert failed(400, complaint(param="messages[3].content")).param == "messages"
    assert failed(400, complaint(param=SECRET)).param is None
    assert failed(400, complaint(param=5)).param is None


@pytest.mark.parametrize(
    "body", [b"", b"<html>", b"[]", b'{"error":"words"}', b"\xff", b"[" * 9999]
)
def test_a_rejection_without_an_envelope_is_a_rejection(body: bytes) -> None:
    assert type(failed(400, body)) is UpstreamRejected


def test_invalid_utf_8_in_a_complaint_is_no_word() -> None:
    assert type(failed(400, b'{"error":{"message":"\xff","code":"x"}}')) is UpstreamRejected


@pytest.mark.parametrize(
    ("headers", "wait_ms"),
    [
        ({}, 1_000),
        ({"retry_after": "3"}, 3_000),
        ({"retry_after": "0.25"}, 250),
        ({"retry_after": "2", "retry_after_ms": "150"}, 150),
        ({"retry_after": "999999"}, 3_600_000),
        ({"retry_after": "soon"}, 1_000),
        ({"retry_after": "-1"}, 1_000),
        ({"retry_after": "1.x"}, 1_000),
        ({"retry_after": "1" * 20}, 1_000),
    ],
)
def test_when_to_come_back_is_read_within_bounds(headers: dict[str, str], wait_ms: int) -> None:
    assert retry_after_ms(failed(429, b"", **headers)) == wait_ms
    assert retry_after_ms(failed(503, b"", **headers)) == wait_ms


def test_what_may_be_tried_again_is_known() -> None:
    for status in (401, 408, 409, 429, 500, 503, 529):
        assert is_retriable(failed(status))
    for error in (failed(400), failed(413), InvalidValue(), RateLimited("requests", 5)):
        assert not is_retriable(error)
    assert is_retriable(Overloaded())
    assert refuses_us(failed(401))
    assert not refuses_us(failed(500))
    assert retry_after_ms(failed(500)) == 0
