"""The rare ways of a request: limits of retries, hostile upstreams, odd sizes, late clients."""

import msgspec
import pytest

from tests.builders.gateway_world import (
    Scene,
    Step,
    answers,
    ask_of,
    key_row,
    model,
    offering,
    scene,
    streams,
)
from troth.catalog.price import PriceLine, compile_sheet
from troth.gateway.exchange import InputSize
from troth.gateway.reserve import input_bound
from troth.gateway.world import Limits
from troth.kernel.usage_record import Outcome
from troth.wire import Failure

pytestmark = pytest.mark.anyio

ASK = b'{"model":"m","messages":[{"role":"user","content":"Say a word."}],"max_tokens":50}'
STREAM = ASK[:-1] + b',"stream":true}'
EVENT = (
    b'data: {"id":"x","object":"chat.completion.chunk","created":1,"model":"m","choices":'
    b'[{"index":0,"delta":{"role":"assistant","content":"wo"},"finish_reason":null}]}\n\n'
)
WHOLE = (
    b'{"id":"x","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,'
    b'"message":{"role":"assistant","content":"word"},"finish_reason":"stop"}],"usage":'
    b'{"prompt_tokens":12,"completion_tokens":3,"total_tokens":15}}'
)


@pytest.mark.parametrize("kind", [b"text/html", b"application/json", b""])
async def test_a_stream_of_another_type_is_a_failed_attempt(kind: bytes) -> None:
    stage = scene([("head", 200, {b"content-type": kind}), ("piece", EVENT), ("ended",)])
    assert (await stage.ask(STREAM)).status == 502
    assert stage.upstreams.calls[0].is_closed


@pytest.mark.parametrize(
    ("failure", "status"),
    [
        (Failure.CONNECT, 502),
        (Failure.RESET, 502),
        (Failure.TLS, 502),
        (Failure.ENCODED, 502),
        (Failure.FIRST_BYTE_TIMEOUT, 504),
        (Failure.WHOLE_TIMEOUT, 504),
    ],
)
async def test_what_the_wire_gives_up_is_told_in_our_words(failure: Failure, status: int) -> None:
    stage = scene([("failed", failure)])
    reply = await stage.ask(ASK)
    assert reply.status == status
    assert reply.error["type"] == "server_error"
    assert sum(stage.wallet.charges) == 0


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/messages"])
@pytest.mark.parametrize(
    ("failure", "kind"),
    [(Failure.BETWEEN_TIMEOUT, "upstream_timeout"), (Failure.CUT, "upstream_cut")],
)
async def test_a_stream_that_breaks_tells_what_was_charged(
    failure: Failure, kind: str, path: str
) -> None:
    stage = scene([*streams(EVENT)[:-1], ("failed", failure)])
    reply = await stage.ask(STREAM, path)
    (row,) = stage.wallet.records
    assert row.charged_nusd > 0
    told = msgspec.json.decode(reply.body.removesuffix(b"\n\n").rpartition(b"data: ")[2])["error"]
    assert told["x_troth"] == {
        "receipt": reply.headers["x-request-id"],
        "cost_nusd": row.charged_nusd,
    }
    assert "What was delivered is charged, nothing more." in told["message"]
    if path == "/v1/messages":
        assert told["type"] == ("timeout_error" if kind == "upstream_timeout" else "api_error")
    else:
        assert told["code"] == kind


async def test_an_answer_that_did_not_begin_in_time_says_that_it_is_free() -> None:
    stage = scene([("failed", Failure.FIRST_BYTE_TIMEOUT)])
    reply = await stage.ask(STREAM)
    assert reply.status == 504
    assert "nothing was charged" in str(reply.error["message"])
    assert sum(stage.wallet.charges) == 0


async def test_an_error_body_without_end_is_cut_off() -> None:
    flood: list[Step] = [("piece", b"x" * 40_000)] * 3
    stage = scene([("head", 500, {}), *flood, ("ended",)])
    assert (await stage.ask(ASK)).status == 502
    assert all(call.is_closed for call in stage.upstreams.calls)


async def test_a_buffered_answer_above_the_limit_is_cut_off() -> None:
    stage = scene(answers(200, WHOLE))
    stage.world.limits = Limits(answer_bytes=50)
    assert (await stage.ask(ASK)).status == 502
    assert stage.upstreams.calls[0].is_closed


async def test_retries_end_with_their_budget() -> None:
    stage = scene(answers(503, b"{}", b"application/json"))
    for _ in range(4):
        await stage.ask(ASK)
    assert len(stage.upstreams.sent) < 8


async def test_a_wait_that_is_too_long_is_left_to_the_client() -> None:
    busy: list[Step] = [("head", 429, {b"retry-after": b"30"}), ("ended",)]
    stage = scene(busy)
    reply = await stage.ask(ASK)
    assert reply.status == 429
    assert reply.headers["retry-after"] == "30"
    assert stage.waits == []
    assert (await stage.ask(ASK)).status == 429


async def test_an_upstream_refuses_us_until_it_answers() -> None:
    refusal = answers(401, b"{}")
    stage = scene(
        refusal, answers(200, WHOLE), offerings=[offering("up", "u1"), offering("m", "u2")]
    )
    assert (await stage.ask(ASK.replace(b'"m"', b'"up"'))).status == 502
    assert stage.world.counters.refusing == {("u1", "up")}
    assert stage.world.counters.events["credential_refused"] == 1
    assert (await stage.ask(ASK)).status == 200
    assert stage.world.counters.refusing == {("u1", "up")}
    stage.clock.advance(60_001)
    assert (await stage.ask(ASK.replace(b'"m"', b'"up"'))).status == 200
    assert stage.world.counters.refusing == set()


@pytest.mark.parametrize(
    ("part", "word"),
    [
        (b'{"type":"image_url","image_url":{"url":"data:image/png;base64,AA=="}}', "images"),
        (b'{"type":"file","file":{"file_data":"AA=="}}', "files"),
    ],
)
async def test_what_a_model_cannot_see_is_said_and_not_only_where(part: bytes, word: str) -> None:
    reply = await scene().ask(ASK.replace(b'"Say a word."', b"[" + part + b"]"))
    assert (reply.status, reply.error["code"]) == (400, "unsupported_parameter")
    assert reply.error["param"] == "messages"
    assert word in str(reply.error["message"])


async def test_one_attempt_means_one() -> None:
    stage = scene(answers(503, b"{}"))
    stage.world.limits = Limits(attempts=1)
    await stage.ask(ASK)
    assert len(stage.upstreams.sent) == 1


async def leave_while_waiting(stage: Scene) -> None:
    stage.leaves_after = 4
    await stage.ask(ASK)


async def test_a_client_that_left_is_not_retried_for() -> None:
    stage = scene([("head", 503, {}), *[("piece", b"")] * 8, ("ended",)])
    await leave_while_waiting(stage)
    assert len(stage.upstreams.sent) == 1
    assert stage.wallet.balance == 10**9


async def test_a_drain_that_lasts_too_long_ends_with_what_was_delivered() -> None:
    endless = streams(EVENT, *[EVENT] * 5)[:-1]
    stage = scene(endless, offerings=[offering(cancel="bills_full")])
    stage.world.limits = Limits(drain_ms=20)
    stage.leaves_after = 8
    await stage.ask(STREAM)
    (row,) = stage.wallet.records
    assert row.outcome is Outcome.CLIENT_LEFT
    assert row.charged_nusd > 0
    assert stage.upstreams.calls[0].is_closed


async def test_the_dearest_candidate_is_reserved_and_the_answering_one_charged() -> None:
    dear = compile_sheet("dear", [PriceLine("input", 10**10), PriceLine("output", 10**10)])
    cheap = offering(upstream="u1")
    stage = scene(
        answers(200, WHOLE), offerings=[cheap, offering(upstream="u2", sale=dear)], balance=10**10
    )
    assert (await stage.ask(ASK)).status == 200
    (row,) = stage.wallet.records
    assert row.charged_nusd == 12 * 1_000 + 3 * 2_000
    assert row.reserved_nusd > 10_000 * 50


SPOKEN = WHOLE.replace(
    b'"completion_tokens":3,',
    b'"completion_tokens":50,"completion_tokens_details":{"audio_tokens":50},',
)
DEAR_SPEECH = compile_sheet(
    "speech", [PriceLine("output", 10**9), PriceLine("output_audio", 1_000_000, 1)]
)


@pytest.mark.parametrize(("balance", "charged"), [(10**9, 50_000_000), (2_000_000, 2_000_000)])
async def test_more_than_the_reservation_is_charged_only_where_it_is_free(
    balance: int, charged: int
) -> None:
    stage = scene(answers(200, SPOKEN), offerings=[offering(sale=DEAR_SPEECH)], balance=balance)
    assert (await stage.ask(ASK)).status == 200
    (row,) = stage.wallet.records
    assert row.reserved_nusd < charged == row.charged_nusd
    assert stage.wallet.balance == balance - charged
    assert stage.wallet.overruns == [50_000_000 - charged]


@pytest.mark.parametrize(
    ("extra", "param"),
    [
        (b'"logit_bias":{"5":1}', "logit_bias"),
        (b'"modalities":["text","audio"],"audio":{"voice":"a","format":"wav"}', "modalities"),
    ],
)
async def test_what_no_offering_can_is_refused_among_several_too(extra: bytes, param: str) -> None:
    both = [offering(upstream="u1"), offering(upstream="u2")]
    reply = await scene(offerings=both).ask(ASK[:-1] + b"," + extra + b"}")
    assert (reply.status, reply.error["param"]) == (400, param)


async def test_what_has_no_price_is_refused_before_anybody_is_called() -> None:
    hearing = offering(model=model(features=frozenset({"audio_input"})))
    stage = scene(offerings=[hearing])
    reply = await stage.ask(
        b'{"model":"m","messages":[{"role":"user","content":[{"type":"input_audio",'
        b'"input_audio":{"data":"aGk=","format":"wav"}}]}],"max_tokens":5}'
    )
    assert (reply.status, reply.error["code"]) == (400, "unpriced_feature")
    assert stage.upstreams.sent == []


async def test_an_input_that_cannot_fit_is_refused_before_money_is_looked_at() -> None:
    text = b"a" * (8_192 * 128 + 256)
    reply = await scene(balance=0).ask(ASK.replace(b"Say a word.", text))
    assert (reply.status, reply.error["code"]) == (400, "context_length_exceeded")


async def test_chat_is_not_served_by_an_embedding_model() -> None:
    embedding = offering(model=model(endpoints=frozenset({"embeddings"})))
    assert (await scene(offerings=[embedding]).ask(ASK)).status == 404


async def test_a_key_of_a_vanished_organization_is_no_key() -> None:
    assert (await scene(row=key_row(org="org_" + "9" * 32)).ask(ASK)).status == 401


async def test_an_address_that_is_none_is_not_on_any_list() -> None:
    stage = scene(row=key_row(networks=("127.0.0.0/8",)))
    stage.peer = "unix"
    assert (await stage.ask(ASK)).status == 403
    stage.peer = "::ffff:127.0.0.1"
    stage.upstreams.scripts = [answers(400, b"{}")]
    assert (await stage.ask(ASK)).status == 400


async def test_the_bound_of_a_document_is_the_whole_context() -> None:
    plain = ask_of(InputSize(text_bytes=100))
    assert input_bound(offering(), plain) == 100 + 512
    assert input_bound(offering(), ask_of(InputSize(files=1, text_bytes=100))) == 8_192
    several = ask_of(InputSize(messages=3, text_bytes=90_000), "embeddings")
    assert input_bound(offering(), several) == 3 * 8_192
    growing = offering(model=model(normalizing=True))
    assert input_bound(growing, plain) == 100 * 11 + 512


async def test_what_an_upstream_counts_above_the_bound_is_kept_by_model() -> None:
    stage = scene(
        answers(200, WHOLE.replace(b'"prompt_tokens":12', b'"prompt_tokens":9000')),
        answers(200, WHOLE.replace(b'"completion_tokens":3', b'"completion_tokens":57')),
        answers(200, WHOLE),
    )
    kept = []
    for _ in range(3):
        await stage.ask(ASK)
        kept.append(stage.world.counters.above_bound.get("m", 0))
    (first, second, third) = kept
    assert 0 < first < 9_000
    assert second == third == first
    assert stage.world.counters.events["absurd_usage"] == 2


@pytest.mark.parametrize(
    ("extra", "param"),
    [(b'"service_tier":"priority"', "service_tier"), (b'"service_tier":"flex"', "service_tier")],
)
async def test_a_service_at_another_price_is_refused_before_anybody_is_called(
    extra: bytes, param: str
) -> None:
    stage = scene(answers(200, WHOLE))
    reply = await stage.ask(ASK[:-1] + b"," + extra + b"}")
    assert (reply.status, reply.error["code"], reply.error["param"]) == (
        400,
        "unpriced_feature",
        param,
    )
    assert stage.upstreams.sent == []
    assert (await stage.ask(ASK[:-1] + b',"service_tier":"default"}')).status == 200


IMAGE = b'{"type":"image_url","image_url":{"url":"https://a.example/i.png"}}'


async def test_an_image_is_bound_by_what_the_model_counts_for_one() -> None:
    asked = ASK.replace(b'"Say a word."', b"[" + IMAGE + b"]")
    seeing = model(features=frozenset({"image_input"}), context_length=200_000, image_tokens=48_169)
    prices = [
        PriceLine("input", 10**6),
        PriceLine("input_image", 3 * 10**6),
        PriceLine("output", 0),
    ]
    stage = scene(
        answers(200, WHOLE.replace(b'"prompt_tokens":12', b'"prompt_tokens":48000')),
        offerings=[offering(model=seeing, sale=compile_sheet("seen", prices))],
        balance=10**9,
    )
    assert (await stage.ask(asked)).status == 200
    (row,) = stage.wallet.records
    assert row.quantities.input == 48_000
    assert row.reserved_nusd >= 3 * 48_169


async def test_a_price_of_a_call_is_charged_with_each_answer() -> None:
    prices = [PriceLine("input", 0), PriceLine("output", 0), PriceLine("requests", 5_000, 1)]
    stage = scene(answers(200, WHOLE), offerings=[offering(sale=compile_sheet("call", prices))])
    await stage.ask(ASK)
    (row,) = stage.wallet.records
    assert (row.quantities.requests, row.charged_nusd) == (1, 5_000)
