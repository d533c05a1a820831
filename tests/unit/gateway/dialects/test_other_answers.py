from base64 import b64encode
from datetime import UTC, datetime
from struct import pack

import msgspec
import pytest
from anthropic.types import ModelInfo
from openai.types import CreateEmbeddingResponse, Model

from tests.builders.dialect_world import at, shown
from troth.catalog.load import PER
from troth.catalog.price import PriceLine, compile_sheet
from troth.gateway.dialects import (
    ANTHROPIC_MESSAGES,
    OPENAI_CHAT,
    OPENAI_EMBEDDINGS,
    model_body,
    models_body,
)
from troth.gateway.exchange import Ask
from troth.kernel.errors import CreditsExhausted, InvalidValue, RateLimited, RefusedByPolicy
from troth.kernel.money import nusd_of
from troth.kernel.quantities import Quantities

PACKED = b64encode(pack("<2f", 1.0, 0.5)).decode()


def embeddings(form: str) -> Ask:
    body = {"model": "m", "input": ["a", "b"], "encoding_format": form}
    return OPENAI_EMBEDDINGS.read(msgspec.json.encode(body))


@pytest.mark.parametrize("vector", [[1.0, 0.5], PACKED])
@pytest.mark.parametrize(("form", "want"), [("float", [1.0, 0.5]), ("base64", PACKED)])
def test_vectors_come_in_the_form_that_was_asked(vector: object, form: str, want: object) -> None:
    rows = [{"embedding": vector, "index": 1}, {"embedding": vector, "index": 0}]
    answer = shown(embeddings(form), at("openai"))
    answer.piece(msgspec.json.encode({"data": rows, "usage": {"prompt_tokens": 4}}))
    assert answer.ended()
    assert answer.reported == Quantities(input=4)
    found = msgspec.json.decode(answer.whole(9, Quantities(input=4)))
    assert [row["index"] for row in found["data"]] == [0, 1]
    assert found["data"][0]["embedding"] == want
    assert found["usage"] == {"prompt_tokens": 4, "total_tokens": 4, "cost": 9e-09}
    if form == "float":
        CreateEmbeddingResponse.model_validate(found)


@pytest.mark.parametrize(
    "data",
    [
        [],
        [{"embedding": [1.0]}],
        [{"embedding": [1.0], "index": 0}, {"embedding": [1.0], "index": 0}],
        [{"embedding": "?"}, {"embedding": "?"}],
        [{"embedding": "AAA="}, {"embedding": "AAA="}],
        [{"embedding": "AADAfwAAwH8="}, {"embedding": "AACAfwAAgH8="}],
        [{"embedding": ["a"]}, {}],
    ],
)
def test_vectors_that_do_not_match_the_inputs_fail(data: object) -> None:
    answer = shown(embeddings("float"), at("openai"))
    answer.piece(msgspec.json.encode({"data": data}))
    assert not answer.ended()


def test_vectors_without_a_number_keep_their_order_and_need_no_usage() -> None:
    answer = shown(embeddings("base64"), at("openai"))
    answer.piece(msgspec.json.encode({"data": [{"embedding": [1.0]}, {"embedding": [2e300]}]}))
    assert not answer.ended()
    assert answer.failure is not None
    answer = shown(embeddings("float"), at("openai"))
    answer.piece(msgspec.json.encode({"data": [{"embedding": [1.0]}, {"embedding": [2.0]}]}))
    assert answer.ended()
    assert answer.reported is None


def test_both_envelopes_have_their_form() -> None:
    error = InvalidValue("temperature", "This must be a number.")
    found = msgspec.json.decode(OPENAI_CHAT.error_body(error, 400, "req_1"))
    assert found == {
        "error": {
            "message": "'temperature': This must be a number.",
            "type": "invalid_request_error",
            "param": "temperature",
            "code": "invalid_value",
        }
    }
    found = msgspec.json.decode(ANTHROPIC_MESSAGES.error_body(error, 400, "req_1"))
    assert found == {
        "type": "error",
        "error": {
            "type": "invalid_request_error",
            "message": "'temperature': This must be a number.",
        },
        "request_id": "req_1",
    }


@pytest.mark.parametrize(
    ("status", "openai", "anthropic"),
    [
        (401, "invalid_request_error", "authentication_error"),
        (402, "insufficient_quota", "billing_error"),
        (403, "permission_error", "permission_error"),
        (404, "invalid_request_error", "not_found_error"),
        (409, "conflict", "conflict_error"),
        (413, "invalid_request_error", "request_too_large"),
        (429, "rate_limit_error", "rate_limit_error"),
        (500, "server_error", "api_error"),
        (504, "server_error", "timeout_error"),
        (529, "server_error", "overloaded_error"),
    ],
)
def test_each_status_has_its_type_in_both_dialects(
    status: int, openai: str, anthropic: str
) -> None:
    error = RateLimited("requests", 1_000)
    told = msgspec.json.decode(OPENAI_CHAT.error_body(error, status, "r"))
    assert told["error"]["type"] == openai
    told = msgspec.json.decode(ANTHROPIC_MESSAGES.error_body(error, status, "r"))
    assert told["error"]["type"] == anthropic


def test_an_empty_wallet_is_explained_to_those_who_may_know() -> None:
    error = CreditsExhausted(10, 3, 1, "wallet")
    for dialect in (OPENAI_CHAT, OPENAI_EMBEDDINGS, ANTHROPIC_MESSAGES):
        told = msgspec.json.decode(dialect.error_body(error, 402, "r"))["error"]["x_troth"]
        assert told == {"needed_nusd": 10, "limit_source": "wallet", "remedy": error.remedy}
        told = msgspec.json.decode(dialect.error_body(error, 402, "r", shows_wallet=True))
        assert told["error"]["x_troth"]["available_nusd"] == 3


def test_a_refusal_names_its_clause() -> None:
    error = RefusedByPolicy("conversation", "P-1")
    assert b'"x_troth":{"clause":"P-1"}' in OPENAI_CHAT.error_body(error, 400, "r")
    assert {OPENAI_CHAT.name, OPENAI_EMBEDDINGS.name, ANTHROPIC_MESSAGES.name} == {
        "openai_chat",
        "openai_embeddings",
        "anthropic_messages",
    }


def test_models_are_listed_in_both_dialects() -> None:
    offered = at("openai")
    found = msgspec.json.decode(models_body("openai", [[offered]]))
    assert found["object"] == "list"
    Model.model_validate(found["data"][0])
    assert found["data"][0]["pricing"] == {"prompt": "0.000001", "completion": "0.000002"}
    assert found["data"][0] == msgspec.json.decode(model_body("openai", [offered]))
    found = msgspec.json.decode(models_body("anthropic", [[offered]]))
    assert (found["first_id"], found["last_id"], found["has_more"]) == ("m", "m", False)
    one = ModelInfo.model_validate(msgspec.json.decode(model_body("anthropic", [offered])))
    assert one.created_at == datetime(1970, 1, 1, 0, 0, 1, tzinfo=UTC)
    assert one.capabilities is not None
    assert one.capabilities.image_input.supported
    assert msgspec.json.decode(models_body("anthropic", []))["first_id"] is None


def test_every_price_that_can_be_charged_is_shown_as_it_is_charged() -> None:
    """Tiers, classes and dearer offerings behind the first: nothing is charged that is not here."""
    units = ["input", "output", "cache_read", "cache_write_1h", "output_audio", "audio_ms"]
    low = [
        PriceLine(unit, number * 1_000_000_000, PER.get(unit, 10**6))
        for number, unit in enumerate(units)
    ]
    calls = PriceLine("requests", 9, 1, 0, 2)
    high = [PriceLine("input", 7_000_000_000, tier_start=200_001), calls]
    first = msgspec.structs.replace(at("openai"), sale=compile_sheet("set", [*low, *high]))
    marginal = compile_sheet("set", [low[1], PriceLine("output", 5, tier_start=9)], "marginal")
    second = msgspec.structs.replace(at("anthropic", "anthropic"), sale=marginal)
    found = msgspec.json.decode(model_body("openai", [first, second]))
    assert found["pricing"] == {
        "prompt": "0",
        "completion": "0.000001",
        "input_cache_read": "0.000002",
        "input_cache_write_1h": "0.000003",
        "audio_output": "0.000004",
        "request": "0.000000009",
        "overrides": [{"min_prompt_tokens": 200_001, "prompt": "0.000007"}],
    }
    told = found["x_troth"]["offerings"]
    assert [(each["provider"], each["tier_mode"], each["price_set"]) for each in told] == [
        ("openai", "whole", "set"),
        ("anthropic", "marginal", "set"),
    ]
    for offered, one in zip((first, second), told, strict=True):
        lines = [
            PriceLine(
                line["unit"],
                nusd_of(line["usd"]) or 0,
                line["per"],
                line["tier_start"],
                line["min_quantity"],
            )
            for line in one["prices"]
        ]
        assert compile_sheet("set", lines, one["tier_mode"]) == offered.sale


def test_prices_that_do_not_end_are_cut() -> None:
    offered = at("openai")
    line = msgspec.structs.replace(offered.sale.lines[0], amount_nusd=1, per=3)
    sale = msgspec.structs.replace(offered.sale, lines=(line,))
    embedding = msgspec.structs.replace(offered.model, endpoints=frozenset({"embeddings"}))
    changed = msgspec.structs.replace(offered, sale=sale, model=embedding)
    found = msgspec.json.decode(model_body("openai", [changed]))
    assert found["pricing"]["prompt"] == "0.000000000333333333333333"
    assert found["architecture"]["output_modalities"] == ["embeddings"]
    line = msgspec.structs.replace(line, amount_nusd=2_000_000_000, per=1)
    sale = msgspec.structs.replace(sale, lines=(line, msgspec.structs.replace(line, unit="images")))
    found = msgspec.json.decode(model_body("openai", [msgspec.structs.replace(offered, sale=sale)]))
    assert found["pricing"] == {"prompt": "2", "completion": "0", "image": "2"}
