"""Error paths that whole journeys come across too rarely: each is told as the caller needs it."""

from collections.abc import Awaitable

import pytest
from typing_extensions import override

from tests.builders.gateway_world import (
    TestKeys,
    TestWallet,
    answers,
    key_row,
    offering,
    scene,
)
from troth.gateway import authenticate, outlet
from troth.gateway.ports import KeyRow
from troth.gateway.rate_headers import openai_lines
from troth.gateway.rates import Standing
from troth.gateway.refuse import framing_error, refusal
from troth.kernel.errors import CreditsExhausted, TrothError

pytestmark = pytest.mark.anyio

ASK = b'{"model":"m","messages":[{"role":"user","content":"Say a word."}],"max_tokens":50}'
WHOLE = (
    b'{"id":"x","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,'
    b'"message":{"role":"assistant","content":"word"},"finish_reason":"stop"}],"usage":'
    b'{"prompt_tokens":12,"completion_tokens":3,"total_tokens":15}}'
)


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.mark.parametrize(
    ("peer", "status"),
    [("::ffff:10.0.0.7", 200), ("10.0.0.7", 200), ("::ffff:10.1.0.7", 403), ("?", 403)],
)
async def test_a_mapped_address_is_the_one_it_maps(peer: str, status: int) -> None:
    stage = scene(answers(200, WHOLE), row=key_row(networks=("10.0.0.0/16",)))
    stage.peer = peer
    assert (await stage.ask(ASK)).status == status


async def test_fields_that_nobody_knows_are_counted_and_not_named() -> None:
    stage = scene(answers(200, WHOLE))
    reply = await stage.ask(ASK[:-1] + b',"mysterious":1,"other":2}')
    assert reply.status == 200
    assert "unknown=2" in reply.headers["x-troth-dropped"]
    assert "mysterious" not in str(reply.headers)


async def test_the_memory_of_keys_has_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(authenticate, "_VERIFIED_MAX", 1)
    stage = scene(answers(200, WHOLE))
    stage.world.verified["former"] = b"digest"
    assert (await stage.ask(ASK)).status == 200
    assert "former" not in stage.world.verified
    assert len(stage.world.verified) == 1


async def test_a_key_that_is_gone_when_the_desk_has_answered_is_refused() -> None:
    stage = scene(answers(200, WHOLE))
    row = key_row()

    class Passing(TestKeys):
        @override
        def is_worth_asking(self, public_id: str) -> bool:
            return public_id == row.public_id

        @override
        def find(self, public_id: str) -> KeyRow | None:
            del public_id
            return None

    stage.world.keys = Passing(None)
    reply = await stage.ask(ASK)
    assert (reply.status, reply.error["code"]) == (401, "invalid_api_key")
    assert stage.upstreams.calls == []


async def test_a_provider_that_wants_a_long_rest_is_not_asked_again() -> None:
    limited = {b"content-type": b"application/json", b"retry-after": b"120"}
    stage = scene([("head", 429, limited), ("piece", b"{}"), ("ended",)])
    reply = await stage.ask(ASK)
    assert reply.status == 429
    assert int(reply.headers["retry-after"]) == 120
    assert len(stage.upstreams.calls) == 1
    assert stage.waits == []


async def test_a_client_that_left_is_not_asked_for_again() -> None:
    stage = scene(answers(503, b"{}"))
    stage.leaves_after = 3
    assert (await stage.ask(ASK)).status == 0
    assert len(stage.upstreams.calls) == 1
    assert stage.wallet.open == {}
    assert sum(stage.wallet.charges) == 0


async def test_the_memory_of_outlets_has_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outlet, "MOST", 1)
    offerings = [offering("m", "u1"), offering("n", "u2")]
    stage = scene(answers(200, WHOLE), offerings=offerings)
    for name in (b"m", b"n", b"m"):
        assert (await stage.ask(ASK.replace(b'"m"', b'"' + name + b'"'))).status == 200
    assert len(stage.world.outlets._made) == 1


@pytest.mark.parametrize(("may_read", "is_told"), [(True, True), (False, False)])
async def test_a_lease_that_turns_out_short_is_told_to_those_who_may_know(
    *, may_read: bool, is_told: bool
) -> None:
    stage = scene(answers(200, WHOLE), row=key_row(may_read_wallet=may_read))

    class Slow(TestWallet):
        @override
        def admit(  # type: ignore[override]
            self,
            reservation: bytes,
            purses: tuple[bytes, ...],
            want: int,
            least: int,
            *,
            enough: int,
        ) -> Awaitable[int]:
            del reservation, purses, want, enough

            async def word() -> int:
                raise CreditsExhausted(least, 17, 0, "wallet")

            return word()

    stage.world.wallet = Slow(10**9)
    reply = await stage.ask(ASK)
    assert reply.status == 402
    assert (b'"available_nusd":17' in reply.body) is is_told


@pytest.mark.parametrize(
    ("requests", "tokens", "present"),
    [(0, 0, b""), (5, 0, b"x-ratelimit-limit-requests: 5"), (0, 9, b"x-ratelimit-limit-tokens: 9")],
)
def test_only_limits_that_a_key_has_are_told(requests: int, tokens: int, present: bytes) -> None:
    lines = openai_lines(Standing(requests, requests, 0, tokens, tokens, 0))
    assert present in lines
    assert (b"requests" in lines, b"tokens" in lines) == (requests > 0, tokens > 0)


def test_a_fault_of_ours_is_told_as_such_whatever_the_request_was() -> None:
    error = framing_error(500)
    assert type(error) is TrothError
    status, _, answer = refusal(error, None, "req_1")
    assert status == 500
    assert b'"code":"internal"' in answer


def test_money_in_flight_is_worth_a_second() -> None:
    error = CreditsExhausted(5, 3, 4, "in_flight")
    status, headers, _ = refusal(error, None, "req_1")
    assert status == 402
    assert dict(headers)[b"retry-after"] == b"1"
    assert dict(headers)[b"x-should-retry"] == b"true"
