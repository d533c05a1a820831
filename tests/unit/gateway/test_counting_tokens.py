"""`count_tokens`: the upstream's count where it gives one, else ours; free, but not unlimited."""

import msgspec
import pytest

from tests.builders.gateway_world import Step, answers, key_row, offering, scene
from troth.catalog.offering import Offering
from troth.wire import Failure

pytestmark = pytest.mark.anyio

PATH = "/v1/messages/count_tokens"
ASK = (
    b'{"model":"m","system":"Be kind.","messages":[{"role":"user","content":"Say a word."}],'
    b'"metadata":{"user_id":"u"},"stream":true,"max_tokens":7,"odd":1}'
)


def claude(upstream: str = "u1") -> Offering:
    made = offering(upstream=upstream)
    address = msgspec.structs.replace(made.upstream, dialect="anthropic", provider="anthropic")
    return msgspec.structs.replace(made, upstream=address)


async def test_the_upstreams_count_is_given_and_only_what_has_tokens_is_sent() -> None:
    stage = scene(answers(200, b'{"input_tokens":42}'), offerings=[claude()])
    reply = await stage.ask(ASK, PATH)
    assert (reply.status, reply.body) == (200, b'{"input_tokens":42}')
    assert "x-troth-estimated" not in reply.headers
    assert reply.headers["request-id"] == reply.headers["x-request-id"]
    assert reply.headers["anthropic-ratelimit-requests-remaining"] == "599"
    ((_, head, body),) = stage.upstreams.sent
    assert head.startswith(b"POST /v1/messages/count_tokens HTTP/1.1\r\n")
    assert b"x-api-key: secret-of-u1\r\n" in head
    assert msgspec.json.decode(body) == {
        "model": "m",
        "system": "Be kind.",
        "messages": [{"role": "user", "content": "Say a word."}],
    }
    assert stage.wallet.records == []
    assert stage.wallet.open == {}


SILENT: list[Step] = [("failed", Failure.FIRST_BYTE_TIMEOUT)]
BROKEN: list[Step] = [("head", 200, {}), ("piece", b'{"input_'), ("failed", Failure.CUT)]


@pytest.mark.parametrize(
    "script",
    [
        answers(404, b'{"input_tokens":42}'),
        answers(200, b'{"input_tokens":-1}'),
        answers(200, b'{"input_tokens":"42"}'),
        answers(200, b'{"input_tokens":99999999999}'),
        answers(200, b"<html>"),
        answers(200, b'{"input_tokens":1}' + b" " * 9_000),
        SILENT,
        BROKEN,
    ],
)
async def test_without_a_believable_count_ours_is_given_and_told(script: list[Step]) -> None:
    stage = scene(script, offerings=[claude()])
    reply = await stage.ask(ASK, PATH)
    assert reply.status == 200
    assert reply.headers["x-troth-estimated"] == "true"
    assert 5 <= msgspec.json.decode(reply.body, type=dict[str, int])["input_tokens"] <= 20
    assert len(stage.upstreams.calls) == 1


async def test_the_next_upstream_is_asked_where_one_does_not_count() -> None:
    three = [offering(upstream="u0"), claude("u1"), claude("u2")]
    stage = scene(SILENT, answers(200, b'{"input_tokens":42}'), offerings=three)
    reply = await stage.ask(ASK, PATH)
    assert reply.body == b'{"input_tokens":42}'
    assert "x-troth-estimated" not in reply.headers
    assert [upstream.id for upstream, _, _ in stage.upstreams.sent] == ["u1", "u2"]
    many = scene(SILENT, offerings=[claude(f"u{number}") for number in range(9)])
    assert (await many.ask(ASK, PATH)).headers["x-troth-estimated"] == "true"
    assert len(many.upstreams.sent) == many.world.limits.attempts


async def test_an_upstream_of_the_other_dialect_is_not_asked() -> None:
    stage = scene()
    reply = await stage.ask(ASK, PATH)
    assert reply.status == 200
    assert reply.headers["x-troth-estimated"] == "true"
    assert stage.upstreams.sent == []


async def test_an_upstream_that_cools_down_is_not_asked() -> None:
    stage = scene(answers(401, b"{}"), offerings=[claude()])
    await stage.ask(ASK, "/v1/messages")
    sent = len(stage.upstreams.sent)
    assert (await stage.ask(ASK, PATH)).headers["x-troth-estimated"] == "true"
    assert len(stage.upstreams.sent) == sent


async def test_counting_is_refused_as_a_request_is_and_free_of_charge() -> None:
    broke = scene(balance=0)
    assert (await broke.ask(ASK, PATH)).status == 200
    assert (await broke.ask(ASK, PATH, method="GET")).headers["allow"] == "POST"
    assert (await broke.ask(b"{", PATH)).status == 400
    assert (await broke.ask(ASK.replace(b'"m"', b'"n"'), PATH)).status == 404
    assert (await broke.ask(b"{", PATH, headers={b"authorization": b"x"})).status == 401
    assert (await broke.ask(ASK, PATH, headers={b"content-type": b"text/plain"})).status == 415
    limited = scene(row=key_row(requests_per_minute=1, concurrency=1))
    assert (await limited.ask(ASK, PATH)).status == 200
    assert (await limited.ask(ASK, PATH)).status == 429
    limited.world.is_shedding = True
    assert (await limited.ask(ASK, PATH)).status == 529


async def test_a_client_that_leaves_ends_the_call() -> None:
    idle: list[Step] = [("piece", b"")]
    stage = scene([("head", 200, {}), *idle * 20, ("ended",)], offerings=[claude()])
    stage.leaves_after = 4
    reply = await stage.ask(ASK, PATH)
    assert reply.status == 0
    assert stage.upstreams.calls[0].is_closed


async def test_a_request_without_a_bound_is_counted_though_it_would_not_be_served() -> None:
    unbound = ASK.replace(b',"max_tokens":7', b"")
    assert (await scene().ask(unbound, PATH)).status == 200
    refused = await scene().ask(unbound, "/v1/messages")
    assert b"max_tokens" in refused.body
    assert refused.status == 400
