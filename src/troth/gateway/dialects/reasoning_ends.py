"""When words that an upstream calls reasoning are the answer."""

from collections.abc import Iterable
from typing import Final

from troth.catalog.offering import Offering
from troth.gateway.dialects.chat_shapes import Choice
from troth.gateway.exchange import Ask, Fields
from troth.providers.quirks import row_of

_NEVER: Final = frozenset[str]()
_STOPPED: Final = frozenset({"stop"})
_STOPPED_OR_CUT: Final = frozenset({"stop", "length"})
_SWITCHES: Final = ("enable_thinking", "thinking")
_TEMPLATE: Final = "chat_template_kwargs"


def ends_of_answers(ask: Ask, offering: Offering) -> frozenset[str]:
    """Return the finish reasons at which reasoning without any content is the answer.

    None if the upstream keeps both apart or the caller asked for reasoning. An answer that was
    cut may have been thinking still, unless the caller turned that off.
    """
    if not row_of(offering).answers_in_reasoning:
        return _NEVER
    if ask.plain is not None:
        return _STOPPED
    if _is_thinking_off(ask.fields, offering):
        return _STOPPED_OR_CUT
    return _NEVER if ask.asks_reasoning else _STOPPED


def put_right(choices: Iterable[Choice], ends: frozenset[str]) -> int:
    """Move whole answers from their choices' reasoning to the content; tell how many."""
    return sum(_is_moved(choice, ends) for choice in choices)


def _is_moved(choice: Choice, ends: frozenset[str]) -> bool:
    message = choice.message
    answer = message.reasoning_content or message.reasoning
    if not answer or choice.finish_reason not in ends:
        return False
    if message.content or message.tool_calls or message.refusal or message.function_call:
        return False
    message.content = answer
    message.reasoning_content = message.reasoning = message.reasoning_details = None
    return True


def _is_thinking_off(fields: Fields, offering: Offering) -> bool:
    """Tell whether the caller turned thinking off in words that reach the upstream."""
    if fields.get("reasoning_effort") == "none":
        return True
    thinking, template = fields.get("thinking"), fields.get(_TEMPLATE)
    if type(thinking) is dict:
        return thinking.get("type") == "disabled"
    if type(template) is dict and _TEMPLATE in offering.extra_fields:
        return any(template.get(name) is False for name in _SWITCHES)
    return False
