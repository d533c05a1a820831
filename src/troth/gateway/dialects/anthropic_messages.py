"""The messages dialect of Anthropic: reads `POST /v1/messages`."""

from typing import Final

from troth.gateway.dialects.anthropic_parts import read_system, read_turns
from troth.gateway.dialects.checks import (
    Check,
    any_value,
    at_list_price,
    boolean,
    integer,
    listing,
    mapping,
    number,
    one_of,
    required_mapping,
    required_text,
    texts,
)
from troth.gateway.dialects.known_fields import MESSAGES
from troth.gateway.dialects.sift import sift
from troth.gateway.dialects.strict_json import check_numbers, encode, read_object
from troth.gateway.dialects.tally import Tally
from troth.gateway.dialects.tool_fields import messages_tool
from troth.gateway.exchange import Ask, Fields, Json
from troth.kernel.errors import InvalidValue, MissingParameter, RefusedByPolicy
from troth.policy.strict import CONTENT_AT_REST

MAX_STOPS: Final = 64
MAX_TOKENS: Final = 2**31 - 1
MAX_TOOLS: Final = 1_024
LEAST_THOUGHT: Final = 1_024

_ASKS_REASONING: Final = frozenset({"output_config", "thinking"})
_CHECKS: Final[dict[str, Check]] = {
    "cache_control": mapping,
    "max_tokens": integer(1, MAX_TOKENS),
    "messages": any_value,
    "model": any_value,
    "output_config": mapping,
    "output_format": mapping,
    "service_tier": at_list_price("auto", "standard_only"),
    "speed": at_list_price("standard"),
    "stop_sequences": texts(MAX_STOPS),
    "stream": boolean,
    "system": any_value,
    "temperature": number(0, 1),
    "thinking": mapping,
    "tool_choice": mapping,
    "tools": listing,
    "top_k": integer(0, MAX_TOKENS),
    "top_p": number(0, 1),
}
_BUDGET: Final = integer(LEAST_THOUGHT, MAX_TOKENS)
_FREE_FORM: Final = frozenset({"tools", "output_config", "output_format"})
_HOSTED: Final = ("web_search", "web_fetch", "tool_search")
_AT_REST: Final = ("code_execution", "mcp")


def read(body: bytes) -> Ask:
    """Return the request, checked and cut down to the fields that may be forwarded.

    Raises:
        BadRequest: malformed JSON, a missing or wrong field.
        RefusedByPolicy: a field that needs content at rest.
    """
    ask = read_to_count(body)
    if not ask.max_tokens:
        raise MissingParameter("max_tokens")
    return ask


def read_to_count(body: bytes) -> Ask:
    """Return a request whose tokens shall be counted: no answer is wanted, so none is bounded.

    Raises:
        BadRequest: malformed JSON, a missing or wrong field.
        RefusedByPolicy: a field that needs content at rest.
    """
    fields, pieces = read_object(body)
    tally = Tally()
    kept = sift(fields, MESSAGES, _CHECKS, tally)
    model = required_text("model", fields, "model")
    most = kept.get("max_tokens")
    for name in kept.keys() & _FREE_FORM:
        check_numbers(pieces[name])
    _read_content(kept, pieces, tally)
    _read_tools(kept, pieces, tally)
    _read_output(kept, pieces, tally)
    return Ask(
        endpoint="messages",
        model=model,
        streamed=kept.get("stream") is True,
        wants_usage=True,
        max_tokens=most if type(most) is int else 0,
        choices=1,
        needs=frozenset(tally.needs),
        size=tally.size(),
        dropped=tuple(tally.dropped),
        unknown_count=tally.unknown,
        encoded=pieces,
        asks_reasoning=not kept.keys().isdisjoint(_ASKS_REASONING),
        kept=kept,
        terms=frozenset(tally.terms),
    )


def _read_content(fields: Fields, pieces: dict[str, bytes], tally: Tally) -> None:
    """Read system prompt and turns; write them anew if unknown fields were taken out."""
    if "cache_control" in fields:
        tally.asks_cache = True
    if "system" in fields:
        fields["system"] = read_system(fields["system"], tally)
    fields["messages"] = read_turns(fields.get("messages"), tally)
    if tally.unknown_nested:
        for name in ("system", "messages"):
            if name in fields:
                pieces[name] = encode(fields[name])


def _read_tools(fields: Fields, pieces: dict[str, bytes], tally: Tally) -> None:
    """Check tools and their choice; hosted tools have no effect and are named."""
    tools = fields.get("tools")
    if type(tools) is list:
        if len(tools) > MAX_TOOLS:
            raise InvalidValue("tools", f"This must be a list of at most {MAX_TOOLS} items.")
        read = [_tool(f"tools[{at}]", tool, tally) for at, tool in enumerate(tools)]
        kept: list[Json] = [tool for tool in read if tool is not None]
        if kept != tools:
            fields["tools"] = kept
            pieces["tools"] = encode(kept)
        if kept:
            tally.needs.add("tools")
            tally.tool_bytes += len(pieces["tools"])
        else:
            del fields["tools"]
    if "tool_choice" in fields:
        _read_choice(required_mapping("tool_choice", fields["tool_choice"]), fields)


def _tool(path: str, value: Json, tally: Tally) -> Fields | None:
    """Return a tool as it goes on; None for a hosted one."""
    tool = required_mapping(path, value)
    kind = "custom" if tool.get("type") is None else tool["type"]
    if type(kind) is not str:
        raise InvalidValue(f"{path}.type", "This must be a string.")
    if kind.startswith(_AT_REST):
        raise RefusedByPolicy(f"{path}.type", CONTENT_AT_REST)
    for name in _HOSTED:
        if kind.startswith(name):
            tally.dropped.append(name)
            return None
    return messages_tool(path, kind, tool, tally)


def _read_choice(choice: Fields, fields: Fields) -> None:
    kind = required_text("tool_choice.type", choice, "type")
    one_of("auto", "any", "tool", "none")("tool_choice.type", kind)
    if kind == "tool":
        required_text("tool_choice.name", choice, "name")
    if choice.get("disable_parallel_tool_use") is not None:
        boolean("tool_choice.disable_parallel_tool_use", choice["disable_parallel_tool_use"])
    if "tools" not in fields:
        if kind in {"any", "tool"}:
            raise InvalidValue("tool_choice", "This forces a tool, but there is none.")
        del fields["tool_choice"]


def _read_output(fields: Fields, pieces: dict[str, bytes], tally: Tally) -> None:
    """Check thinking and the form of the answer."""
    if "thinking" in fields:
        thinking = required_mapping("thinking", fields["thinking"])
        kind = required_text("thinking.type", thinking, "type")
        if kind == "enabled":
            integer(LEAST_THOUGHT, MAX_TOKENS)(
                "thinking.budget_tokens", thinking.get("budget_tokens")
            )
    for path, form in (
        ("output_config.format", _format_of(fields.get("output_config"))),
        ("output_format", fields.get("output_format")),
    ):
        if form is not None:
            wanted = required_mapping(path, form)
            one_of("json_schema")(f"{path}.type", required_text(f"{path}.type", wanted, "type"))
            required_mapping(f"{path}.schema", wanted.get("schema"))
            tally.needs.add("json_schema")
            tally.tool_bytes += len(pieces[path.partition(".")[0]])


def _format_of(config: Json) -> Json:
    return config.get("format") if type(config) is dict else None
