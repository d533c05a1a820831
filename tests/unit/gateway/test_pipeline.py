"""One request through all stages: what goes out, what is charged, what is kept."""

import msgspec
import pytest

from tests.builders.gateway_world import (
    KEY,
    ORG,
    Reply,
    answers,
    key_row,
    model,
    offering,
    scene,
    streams,
)
from troth.catalog.price import PriceLine, compile_sheet
from troth.kernel.quantities import CLASSES, Quantities
from troth.kernel.usage_record import (
    MODEL_BYTES_MAX,
    RECORD_BYTES_MAX,
    UPSTREAM_BYTES_MAX,
    Attempt,
    Outcome,
    UsageRecord,
    UsageSource,
    encode,
)
from troth.ledger.shard import records

pytestmark = pytest.mark.anyio

ASK = b'{"model":"m","messages":[{"role":"user","content":"Say a word."}],"max_tokens":50}'
STREAM = ASK[:-1] + b',"stream":true}'
USAGE = b'{"prompt_tokens":12,"completion_tokens":3,"total_tokens":15}'
WHOLE = (
    b'{"id":"x","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,'
    b'"message":{"role":"assistant","content":"word"},"finish_reason":"stop"}],"usage":'
    + USAGE
    + b"}"
)


def chunk(delta: bytes, finish: bytes = b"null") -> bytes:
    return (
        b'data: {"id":"x","object":"chat.completion.chunk","created":1,"model":"m","choices":'
        b'[{"index":0,"delta":' + delta + b',"finish_reason":' + finish + b"}]}\n\n"
    )


FIRST = chunk(b'{"role":"assistant","content":"wo"}')
SECOND = chunk(b'{"content":"rd"}')
LAST = chunk(b"{}", b'"stop"')
COUNT = (
    b'data: {"id":"x","object":"chat.completion.chunk","created":1,"model":"m","choices":[],'
    b'"usage":' + USAGE + b"}\n\n"
)
DONE = b"data: [DONE]\n\n"
COST = 12 * 1_000 + 3 * 2_000


def events(reply: Reply) -> list[bytes]:
    return [event for event in reply.body.split(b"\n\n") if event]


async def test_a_buffered_answer_comes_with_its_exact_cost() -> None:
    stage = scene(answers(200, WHOLE))
    reply = await stage.ask(ASK)
    assert reply.status == 200
    assert reply.headers["x-troth-cost-nusd"] == str(COST)
    told = msgspec.json.decode(reply.body)
    assert told["choices"][0]["message"]["content"] == "word"
    assert b'"cost":0.000018000' in reply.body
    assert stage.wallet.charges == [COST]
    assert stage.wallet.open == {}
    assert stage.wallet.balance == 10**9 - COST


async def test_a_stream_ends_with_done_after_the_charge_is_journaled() -> None:
    stage = scene(streams(FIRST, SECOND, LAST, COUNT, DONE))
    reply = await stage.ask(STREAM)
    assert reply.headers["content-type"].startswith("text/event-stream")
    assert events(reply)[-1] == b"data: [DONE]"
    assert b"".join(events(reply)).count(b"[DONE]") == 1
    assert stage.wallet.charges == [COST]


async def test_a_stream_and_a_buffered_answer_cost_the_same() -> None:
    one, two = scene(answers(200, WHOLE)), scene(streams(FIRST, SECOND, LAST, COUNT, DONE))
    await one.ask(ASK)
    await two.ask(STREAM)
    assert one.wallet.charges == two.wallet.charges


async def test_the_record_holds_numbers_and_names_only() -> None:
    stage = scene(answers(200, WHOLE))
    reply = await stage.ask(ASK)
    (row,) = stage.wallet.records
    assert row.request == reply.headers["x-request-id"]
    assert (row.org, row.key) == (ORG, KEY)
    assert (row.quantities.input, row.quantities.output) == (12, 3)
    assert (row.outcome, row.usage_source, row.status) == (Outcome.DONE, UsageSource.REPORTED, 200)
    assert row.charged_nusd == COST
    assert b"word" not in msgspec.json.encode(row)
    assert b"Say a" not in msgspec.json.encode(row)


async def test_nothing_of_the_callers_head_is_forwarded() -> None:
    stage = scene(answers(200, WHOLE))
    await stage.ask(
        ASK, headers={b"cookie": b"c=1", b"user-agent": b"mine", b"x-forwarded-for": b"9.9.9.9"}
    )
    _, head, _ = stage.upstreams.sent[0]
    for word in (b"sk-troth", b"cookie", b"mine", b"9.9.9.9"):
        assert word not in head
    assert b"secret-of-u1" in head


async def test_max_tokens_is_clamped_to_what_the_wallet_pays_and_told() -> None:
    stage = scene(answers(200, WHOLE), balance=1_000_000)
    reply = await stage.ask(ASK.replace(b"50}", b"1000}"))
    told = int(reply.headers["x-troth-max-tokens-clamped"])
    assert 0 < told < 1_000
    sent = msgspec.json.decode(stage.upstreams.sent[0][2])
    assert told in (sent.get("max_tokens"), sent.get("max_completion_tokens"))


async def test_an_empty_wallet_is_402_and_must_not_be_retried() -> None:
    stage = scene(answers(200, WHOLE), balance=10)
    reply = await stage.ask(ASK)
    assert reply.status == 402
    assert reply.headers["x-should-retry"] == "false"
    assert reply.error["code"] == "insufficient_quota"
    facts = reply.error["x_troth"]
    assert isinstance(facts, dict)
    assert facts["available_nusd"] == 10
    assert stage.upstreams.sent == []


async def test_a_model_that_costs_nothing_works_on_an_empty_wallet() -> None:
    free = compile_sheet("free", [PriceLine("input", 0), PriceLine("output", 0)])
    stage = scene(answers(200, WHOLE), balance=0, offerings=[offering(sale=free)])
    assert (await stage.ask(ASK)).status == 200


@pytest.mark.parametrize("status", [401, 402, 403, 404])
async def test_a_refusal_of_our_credential_is_a_generic_502(status: int) -> None:
    stage = scene(answers(status, b'{"error":{"message":"key sk-live-1 is wrong"}}'))
    reply = await stage.ask(ASK)
    assert reply.status == 502
    assert b"sk-live" not in reply.body
    assert stage.wallet.charges == [0] * len(stage.wallet.charges)
    assert stage.wallet.balance == 10**9
    assert stage.world.counters.events["credential_refused"] >= 1


async def test_a_failing_offering_is_followed_by_the_next_before_the_first_byte() -> None:
    stage = scene(
        answers(503, b"{}"),
        answers(200, WHOLE),
        offerings=[offering(upstream="u1"), offering(upstream="u2")],
    )
    reply = await stage.ask(ASK)
    assert reply.status == 200
    assert reply.headers["x-troth-attempts"] == "2"
    (row,) = stage.wallet.records
    assert [attempt.upstream for attempt in row.attempts] == ["u1", "u2"]
    assert row.charged_nusd == COST


async def test_a_record_that_would_not_fit_the_journal_tells_its_attempts_in_one_row() -> None:
    wide = compile_sheet("s" * 360, [PriceLine("input", 0), PriceLine("output", 0)])
    name = "m" * MODEL_BYTES_MAX
    ways = [offering(name, letter * UPSTREAM_BYTES_MAX, sale=wide) for letter in "uvwx"]
    stage = scene(*[answers(503, b"{}")] * 3, answers(200, WHOLE), offerings=ways)
    stage.world.limits = msgspec.structs.replace(stage.world.limits, attempts=5)
    reply = await stage.ask(ASK.replace(b'"m"', b'"%b"' % name.encode()))
    assert (reply.status, reply.headers["x-troth-attempts"]) == (200, "4")
    (row,) = stage.wallet.records
    assert [(at.upstream[0], at.code, at.count) for at in row.attempts] == [("x", "ok", 4)]


def test_the_longest_record_with_one_attempt_fits_the_room_of_the_journal() -> None:
    model, upstream = "m" * MODEL_BYTES_MAX, "u" * UPSTREAM_BYTES_MAX
    long, most = 2**31 - 1, 2**62
    request, org, project = ("req_" + "0" * 32, "org_" + "0" * 32, "prj_" + "0" * 32)
    names = (request, org, "key_" + "0" * 32, "embeddings", model, model, "openrouter", upstream)
    row = UsageRecord(
        *(*names, upstream, "ps_" + "0" * 16, 2**42, long, long, 503),
        *(Outcome.UPSTREAM_FAILED, True, UsageSource.ESTIMATED),
        Quantities(*[long] * len(CLASSES)),
        *(most, most, most, long),
        (Attempt(upstream, "missing_required_parameter", long, long),),
        project,
    )
    assert len(encode(row)) <= RECORD_BYTES_MAX <= records.RECORD_BYTES_MAX


async def test_the_same_offering_is_tried_once_more_after_a_jittered_wait() -> None:
    stage = scene(answers(503, b"{}"), answers(200, WHOLE))
    assert (await stage.ask(ASK)).status == 200
    assert len(stage.waits) == 1
    assert 50 <= stage.waits[0] <= 2_251


async def test_a_client_fault_is_not_retried() -> None:
    stage = scene(answers(400, b'{"error":{"message":"no","type":"invalid_request_error"}}'))
    reply = await stage.ask(ASK)
    assert reply.status == 400
    assert len(stage.upstreams.sent) == 1
    assert reply.error["code"] == "upstream_rejected"


async def test_five_failures_open_the_breaker_and_the_client_is_told_when_to_come() -> None:
    stage = scene(answers(500, b"{}"))
    for _ in range(5):
        await stage.ask(ASK)
    before = len(stage.upstreams.sent)
    reply = await stage.ask(ASK)
    assert reply.status == 503
    assert int(reply.headers["retry-after"]) >= 1
    assert len(stage.upstreams.sent) == before


async def test_a_cut_stream_never_looks_whole_and_is_charged_as_delivered() -> None:
    stage = scene(streams(FIRST, SECOND, ends=False))
    reply = await stage.ask(STREAM)
    assert b"[DONE]" not in reply.body
    assert b'"error"' in events(reply)[-1]
    (row,) = stage.wallet.records
    assert row.outcome is Outcome.UPSTREAM_CUT
    assert row.usage_source is UsageSource.ESTIMATED
    assert 0 < row.charged_nusd <= row.reserved_nusd


async def test_a_stream_that_ends_without_a_finish_is_cut_too() -> None:
    stage = scene(streams(FIRST, SECOND))
    reply = await stage.ask(STREAM)
    assert b"[DONE]" not in reply.body
    assert b'"error"' in events(reply)[-1]


async def test_only_a_missing_done_after_every_finish_is_whole() -> None:
    stage = scene(streams(FIRST, SECOND, LAST, COUNT))
    assert events(await stage.ask(STREAM))[-1] == b"data: [DONE]"


async def test_an_attempt_that_breaks_before_its_first_event_is_free_and_repeated() -> None:
    stage = scene(streams(b"data: {", ends=False), streams(FIRST, LAST, COUNT, DONE))
    reply = await stage.ask(STREAM)
    assert reply.status == 200
    assert stage.wallet.charges == [COST]


@pytest.mark.parametrize("body", [b"<html>", b"{}", b'{"choices":[]}', b"[1]"])
async def test_an_answer_that_is_none_is_502_and_free(body: bytes) -> None:
    stage = scene(answers(200, body))
    reply = await stage.ask(ASK)
    assert reply.status == 502
    assert sum(stage.wallet.charges) == 0
    assert stage.wallet.balance == 10**9


async def test_a_client_that_leaves_before_the_answer_pays_nothing() -> None:
    stage = scene([("head", 200, {b"content-type": b"text/event-stream"})])
    stage.leaves_after = 5
    reply = await stage.ask(STREAM)
    assert reply.status == 0
    assert stage.upstreams.calls[0].is_closed
    assert stage.wallet.charges == [0]
    assert stage.wallet.records[0].outcome is Outcome.CLIENT_LEFT


async def test_a_client_that_leaves_during_the_answer_pays_what_was_delivered() -> None:
    stage = scene([*streams(FIRST, SECOND)[:-1], ("piece", b"")])
    stage.leaves_after = 12
    await stage.ask(STREAM)
    assert stage.upstreams.calls[0].is_closed
    (row,) = stage.wallet.records
    assert row.outcome is Outcome.CLIENT_LEFT
    assert row.charged_nusd > 0
    assert row.status == 499


async def test_where_the_provider_bills_in_full_a_left_stream_is_heard_out() -> None:
    pieces = [SECOND] * 30
    stage = scene(
        streams(FIRST, *pieces, LAST, COUNT, DONE), offerings=[offering(cancel="bills_full")]
    )
    stage.leaves_after = 10
    await stage.ask(STREAM)
    (row,) = stage.wallet.records
    assert row.outcome is Outcome.DRAINED
    assert row.charged_nusd == COST


@pytest.mark.parametrize(
    "usage",
    [
        b'{"prompt_tokens":-5,"completion_tokens":-1,"total_tokens":-6}',
        b'{"prompt_tokens":1000000000000000000,"completion_tokens":3,"total_tokens":1}',
        b'{"prompt_tokens":12,"completion_tokens":99999999,"total_tokens":1}',
        b'{"prompt_tokens":"12","completion_tokens":3}',
        b"null",
    ],
)
async def test_absurd_usage_is_replaced_by_our_count_never_zero_never_above(usage: bytes) -> None:
    stage = scene(answers(200, WHOLE.replace(USAGE, usage)))
    reply = await stage.ask(ASK)
    assert reply.status == 200
    assert reply.headers["x-troth-estimated"] == "true"
    (row,) = stage.wallet.records
    assert row.usage_source is UsageSource.ESTIMATED
    assert 0 < row.charged_nusd <= row.reserved_nusd


async def test_an_endless_answer_is_cut_off() -> None:
    endless = [SECOND * 200] * 200
    stage = scene(streams(FIRST, *endless, LAST))
    reply = await stage.ask(STREAM)
    assert b'"error"' in events(reply)[-1]
    assert stage.upstreams.calls[0].is_closed


async def test_an_unknown_model_and_one_of_another_key_are_the_same_404() -> None:
    unknown = await scene().ask(ASK.replace(b'"m"', b'"n"'))
    foreign = await scene(row=key_row(models=frozenset({"other"}))).ask(ASK)
    assert unknown.status == foreign.status == 404
    assert unknown.error == foreign.error


async def test_a_feature_that_the_model_lacks_is_refused_by_name() -> None:
    plain = offering(model=model(features=frozenset()))
    reply = await scene(offerings=[plain]).ask(ASK[:-1] + b',"n":2}')
    assert reply.status == 400
    assert (reply.error["code"], reply.error["param"]) == ("unsupported_parameter", "n")


async def test_a_body_that_is_no_json_is_refused_without_its_words() -> None:
    reply = await scene().ask(b'{"model":"m","messages":[{"content":"secret words"')
    assert reply.status == 400
    assert b"secret" not in reply.body
