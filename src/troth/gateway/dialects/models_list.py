"""The list of models and one model, in both dialects. Prices are those that are charged.

`pricing` has OpenRouter's names and is that of the offering that is tried first; `x_troth` has the
whole price list of each, as exact as it is charged.
"""

from collections.abc import Sequence
from typing import Final, Literal

from troth.catalog.offering import Offering
from troth.catalog.price import PriceLine, Sheet
from troth.gateway.dialects.strict_json import encode
from troth.gateway.exchange import Fields, Json
from troth.kernel.clock import iso
from troth.kernel.money import NANO, usd

DialectName = Literal["openai", "anthropic"]

_PRICE_NAMES: Final = {
    "input": "prompt",
    "output": "completion",
    "cache_read": "input_cache_read",
    "cache_write_5m": "input_cache_write",
    "cache_write_1h": "input_cache_write_1h",
    "reasoning": "internal_reasoning",
    "input_audio": "audio",
    "output_audio": "audio_output",
    "input_image": "image_token",
    "requests": "request",
    "images": "image",
    "searches": "web_search",
}
_MOST_DECIMALS: Final = 24


def models_body(
    dialect: DialectName, offered: Sequence[Sequence[Offering]], *, has_more: bool = False
) -> bytes:
    """Return the list of models by their offerings; `has_more` where it is a page of them."""
    if dialect == "openai":
        rows: list[Json] = [_openai_model(offerings) for offerings in offered]
        return encode({"object": "list", "data": rows})
    names = [offerings[0].model.name for offerings in offered]
    return encode(
        {
            "data": [_anthropic_model(offerings[0]) for offerings in offered],
            "has_more": has_more,
            "first_id": names[0] if names else None,
            "last_id": names[-1] if names else None,
        }
    )


def model_body(dialect: DialectName, offerings: Sequence[Offering]) -> bytes:
    """Return one model by its offerings, in the order in which they are tried."""
    if dialect == "openai":
        return encode(_openai_model(offerings))
    return encode(_anthropic_model(offerings[0]))


def _openai_model(offerings: Sequence[Offering]) -> Fields:
    offering = offerings[0]
    model = offering.model
    inputs: list[Json] = ["text"]
    for feature, modality in (("image_input", "image"), ("audio_input", "audio")):
        if feature in model.features - offering.lacks:
            inputs.append(modality)
    supported: list[Json] = [*sorted(model.features - offering.lacks)]
    return {
        "id": model.name,
        "object": "model",
        "created": model.created_at,
        "owned_by": model.owner,
        "name": model.title or model.name,
        "context_length": model.context_length,
        "architecture": {
            "input_modalities": inputs,
            "output_modalities": ["embeddings" if "embeddings" in model.endpoints else "text"],
        },
        "pricing": _pricing(offering.sale),
        "top_provider": {
            "context_length": model.context_length,
            "max_completion_tokens": model.max_output or None,
        },
        "supported_parameters": supported,
        "x_troth": {"offerings": [_sold(each) for each in offerings]},
    }


def _pricing(sheet: Sheet) -> Fields:
    """Return USD a unit as exact decimal strings; beyond a size of the prompt, what differs."""
    prices: Fields = {"prompt": "0", "completion": "0", **_named(sheet, 0)}
    if sheet.mode == "whole":
        starts = [tier.start for tier in sheet.tiers[1:]]
        over: list[Json] = [{"min_prompt_tokens": at, **_named(sheet, at)} for at in starts]
        if over:
            prices["overrides"] = over
    return prices


def _named(sheet: Sheet, start: int) -> Fields:
    named: Fields = {}
    for line in sheet.lines:
        name = _PRICE_NAMES.get(line.unit)
        if name is not None and line.tier_start == start:
            named[name] = _decimal(line.amount_nusd, line.per * NANO)
    return named


def _sold(offering: Offering) -> Fields:
    """Return who answers, and the price list that its answers are charged by."""
    return {
        "provider": offering.upstream.provider,
        "region": offering.upstream.region or None,
        "price_set": offering.sale.id,
        "tier_mode": offering.sale.mode,
        "prices": [_shown(line) for line in offering.sale.lines],
    }


def _shown(line: PriceLine) -> Fields:
    return {
        "unit": line.unit,
        "usd": usd(line.amount_nusd),
        "per": line.per,
        "tier_start": line.tier_start,
        "min_quantity": line.min_quantity,
    }


def _decimal(over: int, under: int) -> str:
    """Return a fraction as a decimal string, cut behind 24 places if it does not end."""
    whole, rest = divmod(over, under)
    digits = ""
    while rest and len(digits) < _MOST_DECIMALS:
        digit, rest = divmod(rest * 10, under)
        digits += str(digit)
    return f"{whole}.{digits}" if digits else str(whole)


def _anthropic_model(offering: Offering) -> Fields:
    model = offering.model
    created = iso(model.created_at * 1_000)
    features = model.features - offering.lacks
    return {
        "type": "model",
        "id": model.name,
        "display_name": model.title or model.name,
        "created_at": created,
        "lifecycle": "active",
        "deprecated_at": None,
        "retires_at": None,
        "line": None,
        "max_input_tokens": model.context_length,
        "max_tokens": model.max_output or None,
        "capabilities": _capabilities(features),
    }


def _capabilities(features: frozenset[str]) -> Fields:
    """Return every known capability with whether it is there, as the published type wants."""
    yes: Final[Fields] = {"supported": True}
    no: Final[Fields] = {"supported": False}

    def flag(name: str) -> Fields:
        return yes if name in features else no

    thinks = flag("reasoning")
    levels: Fields = dict.fromkeys(("high", "low", "max", "medium", "xhigh"), no)
    return {
        "batch": no,
        "citations": no,
        "code_execution": no,
        "context_management": no
        | {"clear_thinking_20251015": None, "clear_tool_uses_20250919": None}
        | {"compact_20260112": None},
        "effort": no | levels,
        "image_input": flag("image_input"),
        "pdf_input": flag("file_input"),
        "server_tools": no | {"code_execution": no, "web_search": no},
        "structured_outputs": flag("json_schema"),
        "thinking": thinks
        | {"types": {"adaptive": no, "between_tools": no, "disabled": yes, "enabled": thinks}},
    }
