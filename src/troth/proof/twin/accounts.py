"""The usage that the mock provider tells, in either dialect; wrong on demand."""

import msgspec

from troth.proof.twin.answer import Request
from troth.proof.twin.values import Fields, Json

_ABSURD = 10**15


class Counted(msgspec.Struct, frozen=True):
    """True counts in tokens; `cached` and `wrote` are a part of `prompt`, `reason` of `output`."""

    prompt: int
    output: int
    cached: int = 0
    wrote: int = 0
    reason: int = 0


def count(request: Request, prompt: int, output: int) -> Counted:
    """Return the counts of an answer, with the parts that the model's name asks for."""
    faults = request.faults
    cached = min(faults.get("cached", 0), prompt)
    wrote = min(faults.get("wrote", 0), prompt - cached)
    reason = faults.get("reason", 0)
    return Counted(prompt, output + reason, cached, wrote, reason)


def openai_usage(request: Request, counted: Counted) -> Json:
    """Return a chat completion's usage; the prompt's count includes what was cached."""
    prompt, output = counted.prompt, counted.output
    usage: Fields = {
        "prompt_tokens": _bent(request, prompt),
        "completion_tokens": _bent(request, output),
        "total_tokens": prompt + output,
    }
    if "bare" in request.faults:
        return usage
    usage["prompt_tokens_details"] = {
        "cached_tokens": counted.cached,
        "cache_write_tokens": counted.wrote,
        "audio_tokens": 0,
    }
    usage["completion_tokens_details"] = {
        "reasoning_tokens": counted.reason,
        "audio_tokens": 0,
        "accepted_prediction_tokens": 0,
        "rejected_prediction_tokens": 0,
    }
    usage["cost"] = usage["estimated_cost"] = (prompt + 3 * output) / 2_000_000
    return usage


def anthropic_usage(request: Request, counted: Counted) -> Fields:
    """Return a message's usage; the input's count excludes what was cached or written."""
    return {
        "input_tokens": _bent(request, counted.prompt - counted.cached - counted.wrote),
        "cache_creation_input_tokens": counted.wrote,
        "cache_read_input_tokens": counted.cached,
        "cache_creation": {
            "ephemeral_5m_input_tokens": counted.wrote,
            "ephemeral_1h_input_tokens": 0,
        },
        "output_tokens": _bent(request, counted.output),
        "output_tokens_details": {"thinking_tokens": counted.reason},
        "service_tier": "standard",
        "server_tool_use": None,
        "inference_geo": "not_available",
    }


def _bent(request: Request, true: int) -> Json:
    faults = request.faults
    if "usage-negative" in faults:
        return -true
    if "usage-absurd" in faults:
        return _ABSURD
    if "usage-text" in faults:
        return str(true)
    if "usage-float" in faults:
        return true + 0.5
    return true
