"""Providers that fail, lie or never end: what the caller sees, and what is charged."""

import msgspec
import pytest

from tests.journeys.catalog import OUTPUT_NUSD
from tests.journeys.patience import wait_until
from tests.journeys.raw_http import Reply, connect, events, head, hello, hello_claude, post
from tests.journeys.serving import House, Key

SECRETS = (b"the-operators-own-key", b"the-operators-other-key", b"provider_session", b"twin/1.0")


def asked(house: House, key: Key, model: str, *, streamed: bool) -> Reply:
    """Ask in the dialect of the model's provider."""
    if model.startswith("claude"):
        ask = hello_claude(model, stream=streamed)
        return post(house.address, key.text, ask, "/v1/messages")
    return post(house.address, key.text, hello(model, stream=streamed))


@pytest.mark.parametrize(
    ("status", "told"),
    [
        (400, 400),
        (422, 400),
        (401, 502),
        (403, 502),
        (404, 502),
        (408, 502),
        (409, 502),
        (500, 502),
        (502, 502),
        (503, 503),
        (429, 429),
        (529, 503),
    ],
)
@pytest.mark.parametrize("streamed", [False, True])
def test_a_providers_status_is_told_in_our_words(
    house: House, key: Key, status: int, told: int, *, streamed: bool
) -> None:
    # Two models: a provider that refuses us or fails often is left alone for a while.
    model = f"err-{status}+joined" if streamed else f"err-{status}"
    reply = asked(house, key, model, streamed=streamed)
    assert reply.status in ({told, 504} if status == 408 else {told})
    assert b"told to say" not in reply.raw
    assert reply.headers["content-type"] == "application/json"


@pytest.mark.parametrize("status", [400, 401, 403, 422, 500, 503])
def test_a_provider_that_quotes_secrets_is_not_quoted(house: House, key: Key, status: int) -> None:
    ask = hello(f"leak-{status}", messages=[{"role": "user", "content": "hush-hush-hush"}])
    reply = post(house.address, key.text, ask)
    whole = repr(dict(reply.headers)).encode() + reply.raw
    assert not [secret for secret in (*SECRETS, b"hush-hush-hush") if secret in whole]


@pytest.mark.parametrize(
    "model",
    ["garbage", "nochoice", "null", "redirect", "gzip", "bomb-64", "short", "reset", "headers-80"],
)
def test_an_answer_that_is_none_is_a_free_502(house: House, model: str) -> None:
    key = house.key(credit_usd="1")
    before = house.resident_bytes()
    reply = asked(house, key, model, streamed=False)
    assert reply.status == 502, reply.fields
    assert reply.error["code"] == "upstream_error"
    assert house.posted(key) == 10**9
    assert house.resident_bytes() < before + (60 << 20)


def test_a_redirect_is_not_followed(house: House, key: Key) -> None:
    house.twin.forget()
    assert asked(house, key, "redirect", streamed=False).status == 502
    assert [one.path for one in house.twin.seen() if one.path.startswith("/__red")] == []


@pytest.mark.parametrize("model", ["endless", "claude-endless"])
def test_an_answer_that_never_ends_is_bounded(house: House, key: Key, model: str) -> None:
    before = house.resident_bytes()
    assert asked(house, key, model, streamed=False).status == 502
    assert house.resident_bytes() < before + (160 << 20)


def test_a_stream_that_never_ends_stops_with_the_money(house: House) -> None:
    key = house.key(credit_usd="0.02")
    reply = asked(house, key, "endless", streamed=True)
    told = events(reply)
    assert told[-1] != "[DONE]"
    assert isinstance(told[-1], dict)
    assert "error" in told[-1]
    assert 0 <= house.posted(key) < 5_000_000


BROKEN = ("cut-0", "cut-4", "stop-4", "overload-4", "bigevent-5000")


@pytest.mark.parametrize("model", [*BROKEN, *(f"claude-{name}" for name in BROKEN)])
def test_a_cut_stream_never_looks_whole(house: House, model: str) -> None:
    key = house.key(credit_usd="1")
    reply = asked(house, key, model, streamed=True)
    if reply.status != 200:
        assert reply.status in {502, 503}  # it broke before its first event
    else:
        told = events(reply)
        assert "[DONE]" not in told
        kinds = [one.get("type") for one in told if isinstance(one, dict)]
        assert "message_stop" not in kinds
        assert isinstance(told[-1], dict)
        assert told[-1]["error"]
    charged = 10**9 - house.posted(key)
    assert 0 <= charged < 100 * OUTPUT_NUSD


@pytest.mark.parametrize("model", ["cut-4", "claude-cut-4"])
def test_a_cut_stream_never_looks_whole_in_the_other_dialect(
    house: House, key: Key, model: str
) -> None:
    if model.startswith("claude"):
        reply = post(house.address, key.text, hello(model, stream=True))
        assert b"[DONE]" not in reply.body
    else:
        ask = hello_claude(model, stream=True)
        reply = post(house.address, key.text, ask, "/v1/messages")
        assert b"message_stop" not in reply.body
    last = events(reply)[-1]
    assert isinstance(last, dict)
    assert last["error"]


def test_a_stream_that_lacks_only_its_last_event_is_whole(house: House, key: Key) -> None:
    assert events(asked(house, key, "undone", streamed=True))[-1] == "[DONE]"


@pytest.mark.parametrize("bend", ["negative", "absurd", "text", "float"])
def test_a_bent_account_is_replaced_by_our_own_count(house: House, bend: str) -> None:
    key = house.key(credit_usd="1")
    reply = asked(house, key, f"usage-{bend}", streamed=False)
    cost = int(reply.headers["x-troth-cost-nusd"])
    assert 0 < cost < 60 * OUTPUT_NUSD
    assert house.posted(key) == 10**9 - cost


def test_a_missing_account_is_never_free(house: House, key: Key) -> None:
    for streamed in (False, True):
        reply = asked(house, key, "nousage", streamed=streamed)
        assert reply.status == 200
        request = reply.headers["x-request-id"]
        assert house.receipt(key, request)["usage_source"] == "estimated"


def test_a_slow_provider_holds_nobody_else_up(house: House, key: Key) -> None:
    house.twin.forget()
    with connect(house.address) as way:
        data = msgspec.json.encode(hello("slow-30000"))
        way.sendall(head("/v1/chat/completions", key.text, f"content-length: {len(data)}") + data)
        wait_until(lambda: house.twin.seen("slow-30000") != [], 20, "the call is under way")
        for _ in range(20):
            assert post(house.address, key.text, hello()).status == 200
        assert house.twin.seen("slow-30000")[-1].ended == "running"


def test_a_client_that_leaves_ends_the_call_within_two_seconds(house: House, key: Key) -> None:
    house.twin.forget()
    data = msgspec.json.encode(hello("endless", stream=True))
    with connect(house.address) as way:
        way.sendall(head("/v1/chat/completions", key.text, f"content-length: {len(data)}") + data)
        assert way.recv(1 << 12)
    wait_until(lambda: house.twin.seen("endless")[-1].ended == "left", 2, "the call ends")


def test_a_call_that_is_billed_in_full_is_read_to_its_end(house: House) -> None:
    key = house.key(credit_usd="1")
    house.twin.forget()
    data = msgspec.json.encode(hello("bills-full", stream=True))
    with connect(house.address) as way:
        way.sendall(head("/v1/chat/completions", key.text, f"content-length: {len(data)}") + data)
        assert way.recv(1 << 12)
    wait_until(lambda: house.twin.seen()[-1].ended == "whole", 5, "the answer is read")
    wait_until(lambda: len(house.receipts(key)) == 1, 5, "it is charged")
    assert next(iter(house.receipts(key).values())) > 50 * OUTPUT_NUSD


def test_an_operator_hears_who_refuses_them(house: House, key: Key) -> None:
    assert asked(house, key, "err-403+bare", streamed=False).status == 502
    shown = 'troth_upstream_refuses{model="err-403+bare",upstream="twin"} 1.0'
    wait_until(lambda: shown in house.metrics(), 5, "the metric is there")
    state = house.manage("GET", "/state")
    assert isinstance(state, dict)
    told = state["refusing"]
    assert isinstance(told, list)
    assert ["twin", "err-403+bare"] in told
    assert b'"event":"UpstreamRefuses"' in house.shown()["log"]


@pytest.mark.parametrize("model", ["cut-4", "claude-cut-4", "claude-overload-4", "stop-4", "cut-0"])
def test_the_bill_of_a_broken_stream_is_that_of_its_receipt(
    house: House, key: Key, model: str
) -> None:
    for ask, path in ((hello, "/v1/chat/completions"), (hello_claude, "/v1/messages")):
        reply = post(house.address, key.text, ask(model, stream=True), path)
        if reply.status != 200:  # it broke before it began: nothing to bill
            assert model == "cut-0"
            continue
        last = events(reply)[-1]
        assert isinstance(last, dict)
        error = last["error"]
        assert isinstance(error, dict)
        receipt = reply.headers["x-request-id"]
        charged = house.receipt(key, receipt)["charged_nusd"]
        assert error["x_troth"] == {"receipt": receipt, "cost_nusd": charged}
        assert charged != 0
