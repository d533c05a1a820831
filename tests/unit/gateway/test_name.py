"""A request that its caller names: claimed first, given back when nothing was forwarded."""

import msgspec
import pytest

from tests.builders.gateway_world import ORG, answers, scene, streams
from tests.unit.gateway.test_pipeline import ASK, DONE, FIRST, LAST, STREAM, WHOLE
from troth.kernel.errors import Overloaded, TrothError
from troth.kernel.name_errors import AlreadyCharged, AlreadyRunning, NameReused

pytestmark = pytest.mark.anyio

CHAT, MESSAGES = "/v1/chat/completions", "/v1/messages"
NAMED = {b"idempotency-key": b"order-7"}
REQUEST = "req_" + "0" * 31 + "7"


@pytest.mark.parametrize("headers", [{}, {b"idempotency-key": b""}])
async def test_without_a_name_nobody_is_asked(headers: dict[bytes, bytes]) -> None:
    stage = scene(answers(200, WHOLE))
    assert (await stage.ask(ASK, headers=headers)).status == 200
    assert (stage.names.claimed, stage.names.freed) == ([], [])


@pytest.mark.parametrize("body", [ASK, STREAM])
async def test_a_named_request_is_claimed_once_and_keeps_its_name(body: bytes) -> None:
    stage = scene(streams(FIRST, LAST, DONE) if body is STREAM else answers(200, WHOLE))
    reply = await stage.ask(body, headers=NAMED)
    assert reply.status == 200
    [(naming, form)] = stage.names.claimed
    assert (naming.org, naming.name) == (ORG, "order-7")
    assert f"req_{naming.request.hex()}" == reply.headers["x-request-id"]
    assert len(form) == 16
    assert stage.names.freed == []


async def test_the_hash_is_that_of_body_and_endpoint() -> None:
    stage = scene(answers(200, WHOLE))
    for body, path in ((ASK, CHAT), (ASK, CHAT), (ASK, MESSAGES), (ASK + b" ", CHAT)):
        await stage.ask(body, path, headers=NAMED)
    forms = [form for _, form in stage.names.claimed]
    assert forms[0] == forms[1]
    assert len(set(forms)) == 3


@pytest.mark.parametrize("name", [b"a b", b"x" * 256, "é".encode()])
async def test_a_name_that_is_none_is_refused_unquoted(name: bytes) -> None:
    stage = scene(answers(200, WHOLE))
    reply = await stage.ask(ASK, headers={b"idempotency-key": name})
    assert reply.status == 400
    assert reply.error["param"] == "idempotency-key"
    assert name not in reply.body
    assert (stage.names.claimed, stage.names.freed) == ([], [])
    assert stage.upstreams.calls == []


@pytest.mark.parametrize(
    ("refusal", "status", "kinds"),
    [
        (AlreadyRunning(), 409, ("conflict", "conflict_error")),
        (AlreadyCharged(REQUEST, 1_234), 409, ("conflict", "conflict_error")),
        (NameReused(), 422, ("invalid_request_error", "invalid_request_error")),
        (Overloaded(), 503, ("server_error", "overloaded_error")),
    ],
)
@pytest.mark.parametrize("path", [CHAT, MESSAGES])
async def test_a_refused_name_calls_nobody_and_is_not_given_back(
    refusal: TrothError, status: int, kinds: tuple[str, str], path: str
) -> None:
    stage = scene(answers(200, WHOLE))
    stage.names.refusal = refusal
    reply = await stage.ask(ASK, path, headers=NAMED)
    is_anthropic = path == MESSAGES
    assert reply.status == (529 if status == 503 and is_anthropic else status)
    assert reply.error["type"] == kinds[is_anthropic]
    assert reply.error["message"] == refusal.message
    may_come_back = isinstance(refusal, AlreadyRunning | Overloaded)
    assert ("retry-after" in reply.headers) is may_come_back
    assert reply.headers.get("x-should-retry") == (None if may_come_back else "false")
    assert stage.upstreams.calls == []
    assert stage.wallet.open == {}
    assert stage.names.freed == []
    if isinstance(refusal, AlreadyCharged):
        assert reply.error["x_troth"] == {"receipt": REQUEST, "cost_nusd": 1_234}
        assert REQUEST in refusal.message


async def test_what_money_refuses_gives_its_name_back() -> None:
    stage = scene(answers(200, WHOLE), balance=1)
    assert (await stage.ask(ASK, headers=NAMED)).status == 402
    assert stage.names.freed == [stage.names.claimed[0][0]]


async def test_what_is_refused_before_claims_no_name() -> None:
    stage = scene(answers(200, WHOLE), is_frozen=True)
    assert (await stage.ask(ASK, headers=NAMED)).status == 403
    assert (stage.names.claimed, stage.names.freed) == ([], [])


async def test_a_provider_that_fails_is_told_by_the_receipt_not_by_the_name() -> None:
    stage = scene(answers(400, b"{}"))
    assert (await stage.ask(ASK, headers=NAMED)).status == 400
    (row,) = stage.wallet.records
    assert row.charged_nusd == 0
    assert stage.names.freed == []


async def test_no_answer_tells_a_name() -> None:
    stage = scene(answers(200, WHOLE))
    stage.names.refusal = NameReused()
    reply = await stage.ask(ASK, headers=NAMED)
    assert b"order-7" not in reply.body
    assert b"order-7" not in msgspec.json.encode(reply.headers)
