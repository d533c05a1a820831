"""Chat fields as one provider wants them: undoes what it deviates in, before they are sent.

Pure functions on the fields of a chat request that was already checked.
"""

from typing import Final

from troth.catalog.model import Feature
from troth.catalog.offering import Offering
from troth.providers.conversation import fields_of, image_of_url, items, string
from troth.providers.forms import way_of_form
from troth.providers.json_values import Fields, Json
from troth.providers.provider import Provider
from troth.providers.quirks import row_of

LIMITS: Final = frozenset({"max_tokens", "max_completion_tokens"})
BEYOND: Final = frozenset(
    {
        "chat_template_kwargs",
        "min_p",
        "min_tokens",
        "reasoning",
        "reasoning_format",
        "repetition_penalty",
        "top_a",
        "top_k",
        "typical_p",
    }
)
"""Fields that the published document does not know; sent where the catalog adds them."""

_SMALLEST_TEMPERATURE: Final = 1e-8
_PLAIN_FIELDS: Final = 2
_MOST_STOPS: Final = 4
_NOT_IN_MESSAGES: Final[frozenset[Feature]] = frozenset(
    {"logprobs", "logit_bias", "many_choices", "audio_input", "audio_output"}
)
_FIELD_OF: Final[dict[Feature, str]] = {
    "tools": "tools",
    "json_schema": "response_format",
    "logprobs": "logprobs",
    "logit_bias": "logit_bias",
    "many_choices": "n",
    "image_input": "messages",
    "audio_input": "messages",
    "file_input": "messages",
    "audio_output": "modalities",
    "reasoning": "reasoning_effort",
    "token_arrays": "input",
    "dimensions": "dimensions",
}


def lacking(needs: frozenset[Feature], fields: Fields, offering: Offering) -> str | None:
    """Return the field that the offering cannot honor though it changes the answer, or None."""
    row = row_of(offering)
    is_anthropic = offering.upstream.dialect == "anthropic"
    way = way_of_form(fields, offering) if is_anthropic else "none"
    if needs:
        lacks = offering.lacks | row.lacks
        if is_anthropic:
            lacks |= _NOT_IN_MESSAGES
        missing = (needs - offering.model.features) | (needs & lacks)
        if way == "tool":
            missing -= {"json_schema"}
        if missing:
            return _FIELD_OF[min(missing)]
    if way == "lacking":
        return "response_format"
    if not row.has_tool_choice and _forces_a_tool(fields.get("tool_choice")):
        return "tool_choice"
    if not row.takes_image_urls and "image_input" in needs and _names_images(fields):
        return "messages"
    return None


def untranslatable(fields: Fields) -> str | None:
    """Return the field that only the caller's own dialect can say, or None."""
    tools = fields.get("tools")
    if type(tools) is list and not all(_is_function(tool) for tool in tools):
        return "tools"
    if fields_of(fields.get("tool_choice")).get("type") == "custom":
        return "tool_choice"
    for name in ("functions", "function_call"):
        if name in fields:
            return name
    stops = fields.get("stop_sequences")
    if type(stops) is list and len(stops) > _MOST_STOPS:
        return "stop_sequences"
    return None


def _is_function(tool: Json) -> bool:
    """Tell whether a tool is a plain function of the caller's, in either dialect."""
    return type(tool) is dict and ("function" in tool or "input_schema" in tool)


def left_out(fields: Fields, offering: Offering) -> tuple[str, ...]:
    """Return the hints that this offering does not take; they are not sent, and told."""
    row = row_of(offering)
    out = fields.keys() & row.drops
    beyond = fields.keys() & BEYOND
    if beyond:
        out |= beyond - offering.extra_fields
    if not row.has_tool_choice and "tool_choice" in fields:
        out.add("tool_choice")
    return tuple(sorted(out)) if out else ()


def changes(fields: Fields, offering: Offering, *, has_cache_marks: bool) -> Fields:
    """Return those fields that must be sent with another value than the caller's."""
    row = row_of(offering)
    changed: Fields = {}
    if not row.takes_zero_temperature and fields.get("temperature") == 0:
        changed["temperature"] = _SMALLEST_TEMPERATURE
    messages = fields.get("messages")
    if type(messages) is list:
        fitted = _fitted(messages, row)
        if has_cache_marks and not row.takes_cache_control:
            fitted = [without_cache_marks(message) for message in fitted]
        if fitted is not messages:
            changed["messages"] = fitted
    if has_cache_marks and not row.takes_cache_control and "tools" in fields:
        changed["tools"] = [without_cache_marks(tool) for tool in items(fields["tools"])]
    return changed


def without_cache_marks(message: Json) -> Json:
    """Return a turn or a tool that carries no cache marks, nor its parts."""
    if type(message) is not dict:
        return message
    clean = {name: value for name, value in message.items() if name != "cache_control"}
    content = clean.get("content")
    if type(content) is list:
        clean["content"] = [without_cache_marks(part) for part in content]
    return clean


def _fitted(messages: list[Json], row: Provider) -> list[Json]:
    """Return the turns with roles and fields that the provider knows; the same list if so."""
    fitted = messages
    for at, message in enumerate(messages):
        if type(message) is dict and (
            len(message) > _PLAIN_FIELDS or message.get("role") == "developer"
        ):
            turn = _fitted_turn(message, row)
            if turn is not message:
                fitted = list(messages) if fitted is messages else fitted
                fitted[at] = turn
    return fitted


def _fitted_turn(message: Fields, row: Provider) -> Fields:
    turn = message
    if not message.keys().isdisjoint(row.message_drops):
        turn = {name: value for name, value in turn.items() if name not in row.message_drops}
    if not row.has_developer and turn.get("role") == "developer":
        turn = {**turn, "role": "system"}
    return turn


def _names_images(fields: Fields) -> bool:
    """Tell whether a turn of either dialect has a picture by its address: we never fetch one."""
    parts = [
        fields_of(part)
        for message in items(fields.get("messages"))
        for part in items(fields_of(message).get("content"))
    ]
    for part in parts:
        parts.extend(map(fields_of, items(part.get("content"))))
        url = string(fields_of(part.get("image_url")).get("url"))
        if (url and image_of_url(url).url) or fields_of(part.get("source")).get("type") == "url":
            return True
    return False


def _forces_a_tool(choice: Json) -> bool:
    kind = choice.get("type") if type(choice) is dict else choice
    return kind is not None and kind not in ("auto", "none")
