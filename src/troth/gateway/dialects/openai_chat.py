"""The chat dialect of OpenAI: reads `POST /v1/chat/completions`."""

from collections.abc import Callable
from typing import Final

from troth.gateway.dialects import large_chat, plain_chat
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
    required_list,
    required_mapping,
    required_text,
    text,
    text_or_texts,
)
from troth.gateway.dialects.known_fields import CHAT, SAMPLING, STATEFUL_TOOLS
from troth.gateway.dialects.openai_parts import read_messages
from troth.gateway.dialects.sift import sift
from troth.gateway.dialects.strict_json import check_numbers, encode, read_object
from troth.gateway.dialects.tally import Tally
from troth.gateway.dialects.tool_fields import chat_function, chat_tool
from troth.gateway.exchange import Ask, Fields, Json
from troth.kernel.errors import RefusedByPolicy
from troth.policy.strict import CONTENT_AT_REST

MAX_CHOICES: Final = 128
MAX_STOPS: Final = 4
MAX_TOKENS: Final = 2**31 - 1
MAX_TOOLS: Final = 1_024

_CHECKS: Final[dict[str, Check]] = {
    "audio": mapping,
    "chat_template_kwargs": mapping,
    "frequency_penalty": number(-2, 2),
    "function_call": any_value,
    "functions": listing,
    "logit_bias": mapping,
    "logprobs": boolean,
    "max_completion_tokens": integer(1, MAX_TOKENS),
    "max_tokens": integer(1, MAX_TOKENS),
    "messages": any_value,
    "min_p": number(0, 1),
    "min_tokens": integer(0, MAX_TOKENS),
    "modalities": listing,
    "model": any_value,
    "n": integer(1, MAX_CHOICES),
    "parallel_tool_calls": boolean,
    "prediction": mapping,
    "presence_penalty": number(-2, 2),
    "prompt_cache_key": text,
    "prompt_cache_options": mapping,
    "prompt_cache_retention": one_of("in_memory", "24h"),
    "reasoning": mapping,
    "reasoning_effort": text,
    "reasoning_format": text,
    "repetition_penalty": number(0, 2),
    "response_format": mapping,
    "seed": integer(-(2**63), 2**63 - 1),
    "service_tier": at_list_price("auto", "default", "standard_only"),
    "stop": text_or_texts(MAX_STOPS),
    "stream": boolean,
    "stream_options": mapping,
    "temperature": number(0, 2),
    "tool_choice": any_value,
    "tools": any_value,
    "top_a": number(0, 1),
    "top_k": integer(-1, MAX_TOKENS),
    "top_logprobs": integer(0, 20),
    "top_p": number(0, 1),
    "typical_p": number(0, 1),
    "verbosity": one_of("low", "medium", "high"),
}
Reader = Callable[[Fields, dict[str, bytes], Tally], None]
_FREE_FORM: Final = frozenset(
    {
        "audio",
        "chat_template_kwargs",
        "functions",
        "logit_bias",
        "prediction",
        "reasoning",
        "response_format",
        "tools",
    }
)
_KNOWN: Final = CHAT | SAMPLING
_ASKS_REASONING: Final = frozenset({"reasoning", "reasoning_effort"})


def read(body: bytes) -> Ask:
    """Return the request, checked and cut down to the fields that may be forwarded.

    The usual form is read in one step; all others, and everything that is wrong, field by field.

    Raises:
        BadRequest: malformed JSON, a missing or wrong field.
        RefusedByPolicy: a field that needs content at rest.
    """
    is_small = len(body) <= plain_chat.LARGEST
    plain = plain_chat.read(body) if is_small else large_chat.read(body)
    if plain is not None:
        return plain
    fields, pieces = read_object(body)
    tally = Tally()
    kept = sift(fields, _KNOWN, _CHECKS, tally)
    model = required_text("model", fields, "model")
    messages = read_messages(fields.get("messages"), tally)
    if tally.unknown_nested:
        kept["messages"] = messages
        pieces["messages"] = encode(messages)
    _read_features(kept, pieces, tally)
    options = kept.get("stream_options")
    return Ask(
        endpoint="chat",
        model=model,
        streamed=kept.get("stream") is True,
        wants_usage=type(options) is dict and options.get("include_usage") is True,
        max_tokens=_max_tokens(kept),
        choices=_choices(kept),
        needs=frozenset(tally.needs),
        size=tally.size(),
        dropped=tuple(tally.dropped),
        unknown_count=tally.unknown,
        encoded=pieces,
        asks_reasoning=not kept.keys().isdisjoint(_ASKS_REASONING),
        kept=kept,
        terms=frozenset(tally.terms),
    )


def _choices(fields: Fields) -> int:
    count = fields.get("n")
    return count if type(count) is int else 1


def _max_tokens(fields: Fields) -> int:
    most = fields.get("max_completion_tokens", fields.get("max_tokens"))
    return most if type(most) is int else 0


def _read_features(fields: Fields, pieces: dict[str, bytes], tally: Tally) -> None:
    """Note what the other fields need of a model, and what of them the model will read."""
    for name in fields.keys() & _FREE_FORM:
        check_numbers(pieces[name])
    for name in fields.keys() & _FEATURES.keys():
        _FEATURES[name](fields, pieces, tally)


def _read_functions(fields: Fields, pieces: dict[str, bytes], tally: Tally) -> None:
    functions = required_list("functions", fields["functions"], MAX_TOOLS)
    clean: list[Json] = [
        chat_function(f"functions[{at}]", item, tally) for at, item in enumerate(functions)
    ]
    _replace("functions", clean, fields, pieces)
    tally.needs.add("tools")
    tally.tool_bytes += len(pieces["functions"])


def _read_call(_fields: Fields, _pieces: dict[str, bytes], tally: Tally) -> None:
    tally.needs.add("tools")


def _read_text(name: str) -> Reader:
    """Return what counts a field's whole value as text that the model reads."""

    def reader(_fields: Fields, pieces: dict[str, bytes], tally: Tally) -> None:
        tally.text_bytes += len(pieces[name])

    return reader


def _read_choices(fields: Fields, _pieces: dict[str, bytes], tally: Tally) -> None:
    if _choices(fields) > 1:
        tally.needs.add("many_choices")


def _read_logprobs(fields: Fields, _pieces: dict[str, bytes], tally: Tally) -> None:
    if fields.get("logprobs") is True or "top_logprobs" in fields:
        tally.needs.add("logprobs")


def _read_audio(fields: Fields, _pieces: dict[str, bytes], tally: Tally) -> None:
    modalities = fields.get("modalities")
    if "audio" in fields or (type(modalities) is list and "audio" in modalities):
        tally.needs.add("audio_output")


def _read_tools(fields: Fields, pieces: dict[str, bytes], tally: Tally) -> None:
    tools = fields["tools"]
    if tools == []:
        del fields["tools"]
        return
    clean: list[Json] = []
    for at, item in enumerate(required_list("tools", tools, MAX_TOOLS)):
        path = f"tools[{at}]"
        tool = required_mapping(path, item)
        kind = required_text(f"{path}.type", tool, "type")
        if kind in STATEFUL_TOOLS:
            raise RefusedByPolicy(f"{path}.type", CONTENT_AT_REST)
        clean.append(chat_tool(path, kind, tool, tally))
    _replace("tools", clean, fields, pieces)
    tally.needs.add("tools")
    tally.tool_bytes += len(pieces["tools"])


def _replace(name: str, clean: list[Json], fields: Fields, pieces: dict[str, bytes]) -> None:
    """Let a list go on as it was cleaned, if it was."""
    if clean != fields[name]:
        fields[name] = clean
        pieces[name] = encode(clean)


def _read_tool_choice(fields: Fields, _pieces: dict[str, bytes], tally: Tally) -> None:
    value = fields["tool_choice"]
    if type(value) is str:
        one_of("none", "auto", "required")("tool_choice", value)
    else:
        _read_named_choice(required_mapping("tool_choice", value))
    if value not in {"none", "auto"} if type(value) is str else True:
        tally.needs.add("tools")


def _read_named_choice(choice: Fields) -> None:
    """Check a choice that names tools: one, or those that may be called."""
    kind = required_text("tool_choice.type", choice, "type")
    one_of("function", "custom", "allowed_tools")("tool_choice.type", kind)
    path = f"tool_choice.{kind}"
    inner = required_mapping(path, choice.get(kind))
    if kind == "allowed_tools":
        one_of("auto", "required")(f"{path}.mode", required_text(f"{path}.mode", inner, "mode"))
        for at, item in enumerate(required_list(f"{path}.tools", inner.get("tools"), MAX_TOOLS)):
            required_mapping(f"{path}.tools[{at}]", item)
    else:
        required_text(f"{path}.name", inner, "name")


def _read_format(fields: Fields, pieces: dict[str, bytes], tally: Tally) -> None:
    wanted = required_mapping("response_format", fields["response_format"])
    tally.tool_bytes += len(pieces["response_format"])
    kind = required_text("response_format.type", wanted, "type")
    one_of("text", "json_object", "json_schema")("response_format.type", kind)
    if kind == "json_schema":
        path = "response_format.json_schema"
        schema = required_mapping(path, wanted.get("json_schema"))
        required_text(f"{path}.name", schema, "name")
        tally.needs.add("json_schema")


def _read_bias(fields: Fields, _pieces: dict[str, bytes], tally: Tally) -> None:
    bias = required_mapping("logit_bias", fields["logit_bias"])
    check = number(-100, 100)
    for value in bias.values():
        check("logit_bias", value)
    if bias:
        tally.needs.add("logit_bias")


def _read_stream_options(fields: Fields, _pieces: dict[str, bytes], _tally: Tally) -> None:
    options = required_mapping("stream_options", fields["stream_options"])
    for name in ("include_usage", "include_obfuscation"):
        if options.get(name) is not None:
            boolean(f"stream_options.{name}", options[name])


_FEATURES: Final[dict[str, Reader]] = {
    "audio": _read_audio,
    "chat_template_kwargs": _read_text("chat_template_kwargs"),
    "function_call": _read_call,
    "functions": _read_functions,
    "logit_bias": _read_bias,
    "logprobs": _read_logprobs,
    "modalities": _read_audio,
    "n": _read_choices,
    "prediction": _read_text("prediction"),
    "response_format": _read_format,
    "stream_options": _read_stream_options,
    "tool_choice": _read_tool_choice,
    "tools": _read_tools,
    "top_logprobs": _read_logprobs,
}
"""What each field needs is read by its own function; a field that is not here needs nothing."""
