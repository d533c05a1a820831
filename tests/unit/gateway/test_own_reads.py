"""What a key asks about itself becomes one closed question to the desk."""

import msgspec
import pytest

from tests.builders.gateway_world import (
    KEY,
    ORG,
    Reply,
    Scene,
    TestOfferings,
    key_row,
    offering,
    scene,
)
from troth.catalog.price import PriceLine, compile_sheet
from troth.gateway.ports import Question, Reading

pytestmark = pytest.mark.anyio

DIGITS = "0123456789abcdef" * 2
REQUEST = f"req_{DIGITS}"


async def read(stage: Scene, path: str, query: str = "") -> Reply:
    return await stage.ask(b"", path, method="GET", query=query)


@pytest.mark.parametrize(
    ("path", "query", "question"),
    [
        (f"/v1/receipts/{REQUEST}", "", Question(Reading.RECEIPT, ORG, KEY, REQUEST)),
        ("/v1/receipts", "", Question(Reading.RECEIPTS, ORG, KEY, "", 20)),
        (
            "/v1/receipts",
            f"limit=7&after={REQUEST}",
            Question(Reading.RECEIPTS, ORG, KEY, REQUEST, 7),
        ),
        ("/v1/generation", f"id={REQUEST}", Question(Reading.GENERATION, ORG, KEY, REQUEST)),
        (
            "/v1/generation",
            f"id=chatcmpl-{DIGITS}",
            Question(Reading.GENERATION, ORG, KEY, REQUEST),
        ),
        ("/api/v1/generation", f"id=msg_{DIGITS}", Question(Reading.GENERATION, ORG, KEY, REQUEST)),
        ("/v1/key", "", Question(Reading.KEY, ORG, KEY)),
        ("/api/v1/auth/key", "", Question(Reading.KEY, ORG, KEY)),
        ("/v1/credits", "", Question(Reading.CREDITS, ORG, KEY)),
    ],
)
async def test_each_path_asks_its_own(path: str, query: str, question: Question) -> None:
    stage = scene()
    stage.reads.receipts = {REQUEST: b'{"a":1}', "": b'{"b":2}'}
    reply = await read(stage, path, query)
    assert (reply.status, reply.body) == (200, stage.reads.receipts[question.subject])
    assert stage.reads.asked == [question]


@pytest.mark.parametrize(
    ("path", "query", "status", "code"),
    [
        ("/v1/generation", "", 400, "missing_required_parameter"),
        ("/v1/generation", "id=7", 404, "not_found"),
        ("/v1/generation", "id=req_../../x", 404, "not_found"),
        ("/v1/receipts/nonsense", "", 404, "not_found"),
        ("/v1/receipts", "after=key_1", 404, "not_found"),
        ("/v1/receipts", "limit=0", 400, "invalid_value"),
        ("/v1/receipts", "limit=101", 400, "invalid_value"),
        ("/v1/receipts", "limit=99999999999999999999", 400, "invalid_value"),
        ("/v1/receipts", "limit=-1", 400, "invalid_value"),
        ("/v1/receipts", "limit=%31", 400, "invalid_value"),
    ],
)
async def test_a_wrong_query_is_refused_here(path: str, query: str, status: int, code: str) -> None:
    stage = scene()
    reply = await read(stage, path, query)
    assert (reply.status, reply.error["code"]) == (status, code)
    assert stage.reads.asked == []


async def test_credits_are_for_keys_that_may_read_the_wallet() -> None:
    stage = scene(row=key_row(may_read_wallet=False))
    reply = await read(stage, "/v1/credits")
    assert (reply.status, reply.error["code"]) == (403, "permission_denied")
    assert stage.reads.asked == []


async def test_a_post_is_no_read() -> None:
    reply = await scene().ask(b"", "/v1/credits", method="POST")
    assert reply.status == 405


async def test_models_are_shown_at_the_prices_that_the_organization_is_pinned_to() -> None:
    stage = scene()
    offered = offering()
    pinned = compile_sheet("old", [PriceLine("input", 5), PriceLine("output", 7 * 10**6)])
    sold = stage.world.offerings
    assert isinstance(sold, TestOfferings)
    sold.pinned["old"] = [msgspec.structs.replace(offered, sale=pinned)]
    for path in ("/v1/models", "/v1/models/m"):
        today = (await read(stage, path)).body
        stage.keys.price_set = "old"
        shown = (await read(stage, path)).body
        assert b'"completion":"0.000002"' in today
        assert b'"completion":"0.000000007"' in shown
        stage.keys.price_set = "unknown"
        assert (await read(stage, path)).body == today
        stage.keys.price_set = ""


async def test_what_a_pinned_set_does_not_sell_is_not_listed() -> None:
    stage = scene()
    sold = stage.world.offerings
    assert isinstance(sold, TestOfferings)
    sold.pinned["old"] = []
    stage.keys.price_set = "old"
    assert msgspec.json.decode((await read(stage, "/v1/models")).body)["data"] == []
    assert (await read(stage, "/v1/models/m")).status == 404


@pytest.mark.parametrize("headers", [{}, {b"anthropic-version": b"2023-06-01"}])
async def test_a_receipt_whose_time_is_over_is_gone(headers: dict[bytes, bytes]) -> None:
    stage = scene()
    stage.reads.is_over = True
    shown = await stage.ask(b"", f"/v1/receipts/{REQUEST}", method="GET", headers=headers)
    assert shown.status == 410
    assert shown.headers["x-should-retry"] == "false"
    assert shown.error.get("code", "receipt_expired") == "receipt_expired"
    assert shown.error["type"] in {"invalid_request_error", "not_found_error"}
