"""Why an answer ended, from one dialect's word to the other's."""

from typing import Final

_STOP_REASONS: Final = {
    "stop": "end_turn",
    "length": "max_tokens",
    "tool_calls": "tool_use",
    "function_call": "tool_use",
    "content_filter": "refusal",
}
_FINISH_REASONS: Final = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "pause_turn": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
    "refusal": "content_filter",
}


def stop_reason_of(finish_reason: str, *, has_calls: bool) -> str:
    """Return Anthropic's word; an answer that calls tools and just stops stopped to call them."""
    reason = _STOP_REASONS.get(finish_reason, "end_turn")
    return "tool_use" if has_calls and reason == "end_turn" else reason


def finish_reason_of(stop_reason: str) -> str:
    """Return OpenAI's word."""
    return _FINISH_REASONS.get(stop_reason, "stop")
