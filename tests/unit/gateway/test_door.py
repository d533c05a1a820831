"""What is let in, and in whose words the rest is refused."""

import pytest

from tests.builders.gateway_world import MINTED, answers, key_row, offering, scene
from troth.gateway.endpoints import find
from troth.gateway.refuse import STATUSES, framing_error, status_of
from troth.kernel import errors

pytestmark = pytest.mark.anyio

ASK = b'{"model":"m","messages":[{"role":"user","content":"hi"}],"max_tokens":5}'
BAD_JSON = b"{"
KEY = MINTED.text.reveal().encode()


@pytest.mark.parametrize(
    "given",
    [
        b"",
        b"Bearer ",
        b"Basic abc",
        b"Bearer sk-other",
        b"Bearer " + KEY[:-1] + b"x",
        b"Bearer sk-troth-" + b"0" * 61,
    ],
)
async def test_a_wrong_key_is_the_same_401_even_with_a_wrong_body(given: bytes) -> None:
    reply = await scene().ask(BAD_JSON, headers={b"authorization": given})
    assert reply.status == 401
    assert reply.error["code"] == "invalid_api_key"
    assert len(given) < 20 or given[7:] not in reply.body
    assert reply.headers["x-should-retry"] == "false"


async def test_a_key_is_taken_from_either_header_but_not_two_different_ones() -> None:
    stage = scene()
    plain = await stage.ask(b"", "/v1/models", method="GET", headers={b"x-api-key": KEY})
    assert plain.status == 200
    two = await stage.ask(b"", "/v1/models", method="GET", headers={b"x-api-key": KEY[:-1] + b"x"})
    assert two.status == 400


async def test_a_key_in_the_query_is_refused() -> None:
    reply = await scene().ask(b"", "/v1/models", method="GET", query="api_key=abc")
    assert reply.status == 401


async def test_a_key_is_verified_at_the_desk_once_and_then_by_its_digest() -> None:
    stage = scene()
    for _ in range(3):
        assert (await stage.ask(b"", "/v1/models", method="GET")).status == 200
    assert stage.keys.asked == 1
    forged = b"Bearer " + KEY[:30] + b"zzzz" + KEY[34:]
    reply = await stage.ask(b"", "/v1/models", method="GET", headers={b"authorization": forged})
    assert reply.status == 401
    assert stage.keys.asked == 1


async def test_a_revoked_key_is_refused_though_its_digest_is_known() -> None:
    stage = scene()
    await stage.ask(b"", "/v1/models", method="GET")
    stage.keys.row = None
    assert (await stage.ask(b"", "/v1/models", method="GET")).status == 401


async def test_an_expired_key_is_refused() -> None:
    stage = scene()
    stage.keys.row = key_row(expires_at_ms=stage.clock.now_ms() + 1_000)
    assert (await stage.ask(b"", "/v1/models", method="GET")).status == 200
    stage.clock.advance(1_000)
    assert (await stage.ask(b"", "/v1/models", method="GET")).status == 401


async def test_stale_tables_are_not_trusted() -> None:
    stage = scene()
    stage.keys.is_fresh = False
    reply = await stage.ask(ASK)
    assert reply.status == 503
    assert "retry-after" in reply.headers


async def test_a_frozen_organization_and_a_foreign_address_are_403() -> None:
    frozen = await scene(is_frozen=True).ask(ASK)
    assert (frozen.status, frozen.error["code"]) == (403, "organization_frozen")
    away = await scene(row=key_row(networks=("10.0.0.0/8", "2001:db8::/32"))).ask(ASK)
    assert (away.status, away.error["code"]) == (403, "ip_not_allowed")


async def test_an_address_on_the_list_is_let_in() -> None:
    stage = scene(answers(400, b"{}"), row=key_row(networks=("127.0.0.0/8",)))
    assert (await stage.ask(ASK)).status != 403


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/", 404, "unknown_url"),
        ("POST", "/v1/unknown", 404, "unknown_url"),
        ("PUT", "/v1/embeddings", 405, "method_not_allowed"),
        ("POST", "/v1/models", 405, "method_not_allowed"),
        ("GET", "/v1/files", 403, "refused_by_policy"),
        ("GET", "/v1/files/file-1/content", 404, "refused_by_policy"),
        ("POST", "/v1/batches", 403, "refused_by_policy"),
        ("GET", "/v1/responses/resp_1", 404, "refused_by_policy"),
        ("GET", "/v1/chat/completions", 403, "refused_by_policy"),
        ("POST", "/v1/chat/completions/x", 404, "refused_by_policy"),
        ("POST", "/v1/messages/batches", 403, "refused_by_policy"),
        ("POST", "/v1/responses/input_tokens", 404, "unknown_url"),
    ],
)
async def test_every_other_path_is_answered_in_the_envelope(
    method: str, path: str, status: int, code: str
) -> None:
    reply = await scene().ask(b"", path, method=method)
    assert reply.status == status
    if "messages" in path:
        assert b'"request_id"' in reply.body
    else:
        assert reply.error["code"] == code
    assert reply.headers["x-request-id"].startswith("req_")


@pytest.mark.parametrize("prefix", ["/openai/v1", "/v1/openai", "/api/v1", "/v1/v1", "/v1"])
async def test_an_alias_leads_to_the_same_endpoint(prefix: str) -> None:
    assert (await scene().ask(b"", prefix + "/models", method="GET")).status == 200
    found = find("POST", prefix + "/chat/completions", is_anthropic=False)
    assert not isinstance(found, errors.TrothError)


async def test_errors_speak_the_callers_dialect() -> None:
    reply = await scene().ask(b"", "/v1/messages", headers={b"authorization": b"x"})
    assert reply.status == 401
    assert b'"type":"error"' in reply.body
    assert b'"authentication_error"' in reply.body
    assert reply.headers["request-id"] == reply.headers["x-request-id"]


async def test_overload_is_529_for_the_messages_dialect() -> None:
    stage = scene()
    stage.keys.is_fresh = False
    assert (await stage.ask(ASK, "/v1/messages")).status == 529


@pytest.mark.parametrize(
    "headers",
    [{b"content-encoding": b"gzip"}, {b"content-type": b"text/plain"}],
)
async def test_what_is_not_plain_json_is_415(headers: dict[bytes, bytes]) -> None:
    assert (await scene().ask(ASK, headers=headers)).status == 415


async def test_a_key_without_requests_left_is_429_with_the_wait() -> None:
    stage = scene(answers(500, b"{}"), row=key_row(requests_per_minute=2))
    for _ in range(2):
        await stage.ask(ASK)
    reply = await stage.ask(ASK)
    assert reply.status == 429
    assert 1 <= int(reply.headers["retry-after"]) <= 60
    assert reply.error["type"] == "rate_limit_error"


async def test_models_are_listed_in_both_dialects_for_this_key_only() -> None:
    stage = scene(
        offerings=[offering("a"), offering("b/c")], row=key_row(models=frozenset({"b/c"}))
    )
    openai = await stage.ask(b"", "/v1/models", method="GET")
    assert b'"b/c"' in openai.body
    assert b'"a"' not in openai.body
    anthropic = await stage.ask(
        b"", "/v1/models/b/c", method="GET", headers={b"anthropic-version": b"2023-06-01"}
    )
    assert b'"type":"model"' in anthropic.body
    assert (await stage.ask(b"", "/v1/models/a", method="GET")).status == 404


async def test_a_receipt_is_read_by_its_own_key_only() -> None:
    stage = scene()
    request = "req_" + "0" * 32
    stage.reads.receipts[request] = b'{"id":1}'
    assert (await stage.ask(b"", f"/v1/receipts/{request}", method="GET")).body == b'{"id":1}'
    assert (await stage.ask(b"", "/v1/receipts/req_1", method="GET")).status == 404
    other = "req_" + "1" * 32
    assert (await stage.ask(b"", f"/v1/receipts/{other}", method="GET")).status == 404


async def test_health_answers_one_word() -> None:
    stage = scene()
    assert (await stage.ask(b"", "/healthz", method="GET")).body == b"ok\n"
    assert (await stage.ask(b"", "/readyz", method="GET")).status == 200
    stage.world.is_ready = False
    assert (await stage.ask(b"", "/readyz", method="GET")).status == 503
    assert (await stage.ask(b"", "/healthz", method="POST")).status == 405


def leaves(kind: type[errors.TrothError]) -> list[type[errors.TrothError]]:
    found = [kind]
    for below in kind.__subclasses__():
        if below.__module__.startswith("troth."):  # other tests have errors of their own
            found += leaves(below)
    return found


@pytest.mark.parametrize("kind", leaves(errors.TrothError), ids=lambda kind: kind.__name__)
async def test_every_error_has_a_status(kind: type[errors.TrothError]) -> None:
    assert any(above in STATUSES for above in kind.__mro__)


@pytest.mark.parametrize("status", [400, 408, 413, 414, 415, 431, 503])
async def test_the_wires_refusals_keep_their_status(status: int) -> None:
    assert status_of(framing_error(status)) == status
