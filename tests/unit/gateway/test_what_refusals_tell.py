"""What a caller learns from the head and the words of an answer, whatever became of the request."""

import msgspec
import pytest

from tests.builders.gateway_world import MINTED, Step, answers, key_row, offering, scene, streams
from troth.gateway.endpoints.table import PATHS, dialect_of
from troth.gateway.refuse import framing_error, status_of
from troth.kernel.errors import MethodNotAllowed
from troth.wire import Failure

pytestmark = pytest.mark.anyio

ASK = b'{"model":"m","messages":[{"role":"user","content":"hi"}],"max_tokens":5}'
STREAM = ASK[:-1] + b',"stream":true}'
ANTHROPIC = {b"anthropic-version": b"2023-06-01"}


def event(delta: bytes) -> bytes:
    return (
        b'data: {"id":"x","object":"chat.completion.chunk","created":1,"model":"m","choices":'
        b'[{"index":0,"delta":' + delta + b',"finish_reason":null}]}\n\n'
    )


ROLE = event(b'{"role":"assistant","content":""}')
WORD = event(b'{"content":"word"}')


# --- paths and queries ------------------------------------------------------------------


@pytest.mark.parametrize("path", ["org/name:v1", "org%2Fname:v1", "org%2fname%3Av1"])
@pytest.mark.parametrize("headers", [{}, ANTHROPIC])
async def test_a_model_with_a_slash_is_found_as_clients_write_it(
    path: str, headers: dict[bytes, bytes]
) -> None:
    stage = scene(offerings=[offering("org/name:v1")])
    reply = await stage.ask(b"", f"/v1/models/{path}", method="GET", headers=headers)
    assert reply.status == 200
    assert b'"org/name:v1"' in reply.body


@pytest.mark.parametrize("path", ["%00", "%ff", "%", "..%2fm", "m%0d%0a"])
async def test_an_odd_id_is_just_no_model(path: str) -> None:
    reply = await scene().ask(b"", f"/v1/models/{path}", method="GET")
    assert (reply.status, reply.error["code"]) == (404, "model_not_found")


@pytest.mark.parametrize("query", ["monkey=1", "beta=true&public_key=", "after=key"])
async def test_a_parameter_that_is_no_key_has_no_effect(query: str) -> None:
    assert (await scene().ask(b"", "/v1/models", method="GET", query=query)).status == 200


@pytest.mark.parametrize("query", ["a=b&key=x", "API_KEY=x", "%6bey=x", "access_token", "apikey="])
async def test_a_parameter_that_is_for_a_key_is_refused_however_it_is_written(query: str) -> None:
    assert (await scene().ask(b"", "/v1/models", method="GET", query=query)).status == 401


@pytest.mark.parametrize(
    ("path", "sends_version", "dialect"),
    [
        ("/v1/chat/completions", True, "openai"),
        ("/openai/v1/chat/completions", True, "openai"),
        ("/v1/chat/completions/x/messages", False, "openai"),
        ("/v1/embeddings", True, "openai"),
        ("/v1/receipts/x", True, "openai"),
        ("/v1/models", True, "anthropic"),
        ("/v1/models", False, "openai"),
        ("/v1/unknown", True, "anthropic"),
        ("/v1/messages", False, "anthropic"),
        ("/v1/messages/batches", False, "anthropic"),
        ("/messages", False, "anthropic"),
    ],
)
async def test_an_error_speaks_the_dialect_of_its_endpoint(
    path: str, dialect: str, *, sends_version: bool
) -> None:
    assert dialect_of(path, is_anthropic=sends_version) == dialect


async def test_a_method_that_the_wire_refuses_is_told_with_those_that_are_served() -> None:
    error = framing_error(405)
    assert isinstance(error, MethodNotAllowed)
    assert (status_of(error), error.allow) == (405, "GET, HEAD, POST")


# --- heads ------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/v1/models", "/v1/models/m", "/nowhere"])
async def test_every_answer_has_an_id_and_is_not_stored(path: str) -> None:
    reply = await scene().ask(b"", path, method="GET")
    assert reply.headers["x-request-id"].startswith("req_")
    assert reply.headers["cache-control"] == "no-store"
    assert reply.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize("path", ["/v1/models", "/v1/models/m", "/v1/models/none"])
async def test_what_answers_as_anthropic_names_its_request_as_anthropic_does(path: str) -> None:
    reply = await scene().ask(b"", path, method="GET", headers=ANTHROPIC)
    assert reply.headers["request-id"] == reply.headers["x-request-id"]


@pytest.mark.parametrize("body", [b"{", ASK, ASK.replace(b'"m"', b'"other"')])
async def test_a_refused_request_tells_where_its_key_stands(body: bytes) -> None:
    stage = scene(answers(500, b"{}"))
    reply = await stage.ask(body)
    left = 599 if b'"m"' in body else 600 if body == b"{" else 599
    assert reply.status >= 400
    assert reply.headers["x-ratelimit-limit-requests"] == "600"
    assert reply.headers["x-ratelimit-remaining-requests"] == str(left)
    assert reply.headers["x-ratelimit-limit-tokens"] == "100000"


async def test_a_limited_key_is_told_its_limits_in_either_dialect() -> None:
    stage = scene(answers(500, b"{}"), row=key_row(requests_per_minute=1))
    await stage.ask(ASK)
    reply = await stage.ask(ASK)
    assert reply.status == 429
    assert reply.headers["x-ratelimit-remaining-requests"] == "0"
    assert reply.headers["x-ratelimit-reset-requests"] == "1m0s"
    other = await stage.ask(ASK, "/v1/messages")
    assert other.status == 429
    assert other.headers["anthropic-ratelimit-requests-remaining"] == "0"
    assert other.headers["anthropic-ratelimit-requests-reset"].endswith("Z")


async def test_nobody_is_told_of_the_limits_of_a_key_that_is_not_theirs() -> None:
    stage = scene()
    await stage.ask(b"{")
    forged = b"Bearer " + MINTED.text.reveal().encode()[:-1] + b"!"
    reply = await stage.ask(b"{", headers={b"authorization": forged})
    assert reply.status == 401
    assert not [name for name in reply.headers if "ratelimit" in name]


# --- addresses behind a proxy -----------------------------------------------------------


@pytest.mark.parametrize(
    ("peer", "told", "status"),
    [
        ("192.0.2.1", b"10.1.2.3", 502),
        ("::ffff:192.0.2.1", b"10.1.2.3:4711", 502),
        ("192.0.2.1", b"203.0.113.9, 10.1.2.3, 192.0.2.2", 502),
        ("192.0.2.1", b"10.1.2.3, 203.0.113.9", 403),
        ("192.0.2.1", b"[2001:db8::7]:443", 502),
        ("192.0.2.1", b"nonsense", 403),
        ("192.0.2.1", b"", 403),
        ("203.0.113.9", b"10.1.2.3", 403),
        ("10.1.2.3", b"203.0.113.9", 502),
    ],
)
async def test_behind_a_trusted_proxy_the_clients_own_address_counts(
    peer: str, told: bytes, status: int
) -> None:
    stage = scene(answers(500, b"{}"), row=key_row(networks=("10.0.0.0/8", "2001:db8::/32")))
    stage.world.proxies = frozenset({"192.0.2.1", "192.0.2.2"})
    stage.peer = peer
    reply = await stage.ask(ASK, headers={b"x-forwarded-for": told})
    assert reply.status == status


# --- what upstreams do ------------------------------------------------------------------


def limited(seconds: int) -> list[Step]:
    """An upstream that limits our rate and says for how long."""
    return [
        ("head", 429, {b"content-type": b"application/json", b"retry-after": b"%d" % seconds}),
        ("piece", b"{}"),
        ("ended",),
    ]


async def test_while_all_offerings_limit_our_rate_it_is_429_with_the_soonest_wait() -> None:
    stage = scene(limited(30), limited(20), offerings=[offering(), offering(upstream="u2")])
    first = await stage.ask(ASK)
    assert (first.status, first.error["code"]) == (429, "rate_limit_exceeded")
    stage.clock.advance(1_000)
    again = await stage.ask(ASK)
    assert (again.status, again.error["type"]) == (429, "rate_limit_error")
    assert again.headers["retry-after"] == "19"
    assert len(stage.upstreams.calls) == 2
    assert (await stage.ask(ASK, "/v1/messages")).status == 429


async def test_where_one_rests_for_another_reason_it_is_503() -> None:
    stage = scene(limited(30), answers(401, b"{}"), offerings=[offering(), offering(upstream="u2")])
    await stage.ask(ASK)
    again = await stage.ask(ASK)
    assert (again.status, again.error["code"]) == (503, "overloaded")
    assert again.headers["retry-after"] == "30"


@pytest.mark.parametrize("failure", [Failure.CUT, Failure.MALFORMED])
@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/messages"])
async def test_a_cut_stream_that_is_charged_never_says_that_nothing_was(
    failure: Failure, path: str
) -> None:
    stage = scene([*streams(ROLE, WORD)[:-1], ("failed", failure)])
    reply = await stage.ask(STREAM, path)
    assert reply.status == 200
    assert b"What was delivered is charged, nothing more." in reply.body
    assert b"nothing was charged" not in reply.body
    assert stage.wallet.charges[0] > 0


async def test_a_stream_that_is_cut_before_any_content_is_free() -> None:
    stage = scene(streams(ROLE, ends=False))
    reply = await stage.ask(STREAM)
    assert reply.status == 200
    assert b'"error"' in reply.body
    assert stage.wallet.charges == [0]
    assert stage.wallet.open == {}


# --- what everybody gets ----------------------------------------------------------------

SERVED = (
    ("POST", "/v1/chat/completions"),
    ("POST", "/v1/embeddings"),
    ("POST", "/v1/messages"),
    ("POST", "/v1/messages/count_tokens"),
    ("GET", "/v1/models"),
    ("GET", "/v1/models/m"),
    ("GET", "/v1/receipts"),
    ("GET", "/v1/receipts/req_" + "0" * 32),
    ("GET", "/v1/generation"),
    ("GET", "/v1/key"),
    ("GET", "/v1/auth/key"),
    ("GET", "/v1/credits"),
)


def test_each_whole_path_that_is_served_is_walked_here() -> None:
    assert {path for _, path in SERVED} | {"/healthz", "/readyz"} >= PATHS


@pytest.mark.parametrize(("method", "path"), SERVED)
async def test_nothing_is_served_without_a_key(method: str, path: str) -> None:
    wrong = MINTED.text.reveal().encode()[:-1] + b"!"
    for credential in (b"", b"Bearer ", b"Bearer x", b"Basic " + wrong, b"Bearer " + wrong):
        reply = await scene().ask(
            ASK if method == "POST" else b"",
            path,
            method=method,
            headers={b"authorization": credential},
        )
        assert reply.status == 401
        assert reply.headers["x-should-retry"] == "false"


@pytest.mark.parametrize(("method", "path"), SERVED)
async def test_no_answer_opens_the_door_to_other_sites(method: str, path: str) -> None:
    origin = {b"origin": b"https://evil.example", b"access-control-request-method": b"POST"}
    for verb in (method, "OPTIONS"):
        body = ASK if verb == "POST" else b""
        reply = await scene(answers(500, b"{}")).ask(body, path, method=verb, headers=origin)
        assert not [name for name in reply.headers if name.startswith("access-control")]
        if verb == "OPTIONS":
            assert reply.status == 405
            assert method in reply.headers["allow"]


@pytest.mark.parametrize(("method", "path"), SERVED)
async def test_a_key_with_an_address_list_does_nothing_from_elsewhere(
    method: str, path: str
) -> None:
    stage = scene(answers(500, b"{}"), row=key_row(networks=("10.0.0.0/8",)))
    for _ in range(2):  # its first use, and when it is known
        reply = await stage.ask(b"{" if method == "POST" else b"", path, method=method)
        assert reply.status == 403
        assert "list" in reply.body.decode()
        assert not [name for name in reply.headers if "ratelimit" in name]
    stage.peer = "10.1.2.3"
    assert (await stage.ask(b"{" if method == "POST" else b"", path, method=method)).status != 403


# --- pages of models --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("query", "names", "has_more"),
    [
        ("", ["a", "b/c", "d", "e"], False),
        ("limit=2", ["a", "b/c"], True),
        ("limit=2&after_id=b%2Fc", ["d", "e"], False),
        ("limit=1&after_id=b/c", ["d"], True),
        ("limit=2&before_id=e", ["b/c", "d"], True),
        ("limit=1000", ["a", "b/c", "d", "e"], False),
        ("after_id=zzz", [], False),
    ],
)
async def test_models_come_in_pages_to_who_asks_for_pages(
    query: str, names: list[str], *, has_more: bool
) -> None:
    stage = scene(offerings=[offering(name) for name in ("a", "b/c", "d", "e")])
    reply = await stage.ask(b"", "/v1/models", method="GET", headers=ANTHROPIC, query=query)
    page = msgspec.json.decode(reply.body)
    assert [row["id"] for row in page["data"]] == names
    assert page["has_more"] is has_more
    assert page["last_id"] == (names[-1] if names else None)


@pytest.mark.parametrize("limit", ["0", "1001", "-1", "x", "9" * 5_000])
async def test_a_page_of_no_size_is_refused(limit: str) -> None:
    reply = await scene().ask(
        b"", "/v1/models", method="GET", headers=ANTHROPIC, query=f"limit={limit}"
    )
    assert reply.status == 400
    assert "x-request-id" in reply.headers
