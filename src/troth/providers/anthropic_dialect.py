"""Anthropic's messages requests to the neutral conversation and back. Pure functions."""

from collections.abc import Callable, Iterator
from typing import Final, Literal

import msgspec

from troth.providers.conversation import (
    BUDGETS,
    Call,
    Choice,
    Conversation,
    Document,
    Effort,
    Form,
    Image,
    Part,
    Result,
    Role,
    Text,
    Thinking,
    Tool,
    Turn,
    effort_of,
    fields_of,
    items,
    marked,
    merged,
    number,
    plain_id,
    string,
)
from troth.providers.json_values import Fields, Json

_KINDS: Final[dict[str, Literal["none", "auto", "any"]]] = {
    "none": "none",
    "auto": "auto",
    "any": "any",
}
_EFFORTS: Final[dict[str, Effort]] = {
    "low": "low",
    "medium": "medium",
    "high": "high",
    "xhigh": "high",
    "max": "high",
}
_ANY_OBJECT: Final[Fields] = {"type": "object"}
_FORM_NAME: Final = "answer"

_encode: Final = msgspec.json.Encoder().encode
_decode: Final = msgspec.json.Decoder().decode


def conversation_of(fields: Fields) -> Conversation:
    """Return what a checked messages request says; system turns join the system's words."""
    system = [*_parts(fields.get("system"))]
    turns: list[Turn] = []
    for item in items(fields.get("messages")):
        message = fields_of(item)
        said = tuple(_parts(message.get("content")))
        if message.get("role") == "system":
            system.extend(said)
            continue
        role: Role = "assistant" if message.get("role") == "assistant" else "user"
        turns.append(Turn(role, said))
    choice = fields_of(fields.get("tool_choice"))
    single = choice.get("disable_parallel_tool_use")
    top_k = fields.get("top_k")
    return Conversation(
        system=tuple(part for part in system if isinstance(part, Text)),
        turns=merged(turns),
        tools=tuple(map(_tool, items(fields.get("tools")))),
        choice=_choice(choice),
        is_parallel=None if type(single) is not bool else not single,
        temperature=number(fields.get("temperature")),
        top_p=number(fields.get("top_p")),
        top_k=top_k if type(top_k) is int else None,
        stop=tuple(map(string, items(fields.get("stop_sequences")))),
        form=_form(fields),
        effort=_effort(fields),
    )


def fields_from(conversation: Conversation, max_tokens: int) -> Fields:
    """Return the messages fields that say the same; thinking must fit below `max_tokens`."""
    messages: list[Json] = [
        {"role": turn.role, "content": _content(turn.parts)} for turn in conversation.turns
    ]
    fields: Fields = {"messages": messages, "max_tokens": max_tokens}
    if conversation.system:
        fields["system"] = _content(conversation.system)
    if conversation.tools:
        fields["tools"] = [_tool_fields(tool) for tool in conversation.tools]
        _set_choice(fields, conversation)
    if conversation.stop:
        fields["stop_sequences"] = [*conversation.stop]
    if conversation.form is not None:
        schema = conversation.form.schema
        form: Fields = {"type": "json_schema", "schema": _ANY_OBJECT if schema is None else schema}
        fields["output_config"] = {"format": form}
    for name, value in (("top_p", conversation.top_p), ("top_k", conversation.top_k)):
        if value is not None:
            fields[name] = value
    if not _set_thinking(fields, conversation.effort, max_tokens) and (
        conversation.temperature is not None
    ):
        fields["temperature"] = min(conversation.temperature, 1)
    return fields


def _parts(content: Json) -> Iterator[Part]:
    if type(content) is str:
        if content:
            yield Text(content)
        return
    for item in items(content):
        yield _part(fields_of(item))


def _part(block: Fields) -> Part:
    return _READERS.get(string(block.get("type")), _text)(block, block.get("cache_control"))


def _text(block: Fields, cache: Json) -> Part:
    return Text(string(block.get("text")), cache)


def _search_result(block: Fields, cache: Json) -> Part:
    return Text(_encode(block.get("content")).decode(), cache)


def _thinking(block: Fields, _cache: Json) -> Part:
    return Thinking(string(block.get("thinking")), string(block.get("signature")))


def _redacted(block: Fields, _cache: Json) -> Part:
    return Thinking(redacted=string(block.get("data")))


def _call(block: Fields, cache: Json) -> Part:
    arguments = _encode(block.get("input")).decode()
    return Call(string(block.get("id")), string(block.get("name")), arguments, cache)


def _tool_result(block: Fields, cache: Json) -> Part:
    said = tuple(part for part in _parts(block.get("content")) if isinstance(part, Text | Image))
    failed = block.get("is_error") is True
    return Result(string(block.get("tool_use_id")), said, failed, cache)


def _image(block: Fields, cache: Json) -> Part:
    source = fields_of(block.get("source"))
    if source.get("type") == "url":
        return Image(url=string(source.get("url")), cache=cache)
    return Image(string(source.get("media_type")), string(source.get("data")), cache=cache)


def _document(block: Fields, cache: Json) -> Part:
    source = fields_of(block.get("source"))
    match source.get("type"):
        case "text":
            return Text(string(source.get("data")), cache)
        case "base64":
            kind, data = string(source.get("media_type")), string(source.get("data"))
            return Document(kind, data, string(block.get("title")), cache)
        case _:
            return Text(_encode(source).decode(), cache)


_READERS: Final[dict[str, Callable[[Fields, Json], Part]]] = {
    "document": _document,
    "image": _image,
    "redacted_thinking": _redacted,
    "search_result": _search_result,
    "thinking": _thinking,
    "tool_result": _tool_result,
    "tool_use": _call,
}


def _tool(item: Json) -> Tool:
    tool = fields_of(item)
    told, strict = tool.get("description"), tool.get("strict")
    return Tool(
        string(tool.get("name")),
        told if type(told) is str else None,
        tool.get("input_schema"),
        strict if type(strict) is bool else None,
        tool.get("cache_control"),
    )


def _choice(value: Fields) -> Choice | None:
    kind = string(value.get("type"))
    if kind == "tool":
        return Choice("tool", string(value.get("name")))
    return Choice(_KINDS[kind]) if kind in _KINDS else None


def _form(fields: Fields) -> Form | None:
    wanted = fields_of(fields.get("output_config")).get("format") or fields.get("output_format")
    return Form(fields_of(wanted).get("schema"), _FORM_NAME) if wanted is not None else None


def _effort(fields: Fields) -> Effort | None:
    """Return the effort that is asked for: by name, else by the tokens of thinking."""
    named = _EFFORTS.get(string(fields_of(fields.get("output_config")).get("effort")))
    if named is not None:
        return named
    thinking = fields_of(fields.get("thinking"))
    budget = thinking.get("budget_tokens")
    if thinking.get("type") == "disabled":
        return "none"
    return effort_of(budget) if type(budget) is int else None


def _content(parts: tuple[Part, ...] | tuple[Text, ...]) -> Json:
    """Return one plain text as a string, anything else as blocks."""
    if len(parts) == 1 and isinstance(parts[0], Text) and parts[0].cache is None:
        return parts[0].text
    return [_block(part) for part in parts]


def _block(part: Part) -> Fields:
    match part:
        case Text():
            return marked({"type": "text", "text": part.text}, part.cache)
        case Image():
            return marked({"type": "image", "source": _source(part)}, part.cache)
        case Document():
            return _document_block(part)
        case Thinking():
            return _thinking_block(part)
        case Call():
            call: Fields = {"type": "tool_use", "id": plain_id(part.id), "name": part.name}
            return marked(call | {"input": object_of(part.arguments)}, part.cache)
        case _:
            return _result(part)


def _document_block(document: Document) -> Fields:
    source: Fields = {
        "type": "base64",
        "media_type": document.media_type,
        "data": document.data,
    }
    block: Fields = {"type": "document", "source": source}
    if document.title:
        block["title"] = document.title
    return marked(block, document.cache)


def _thinking_block(thought: Thinking) -> Fields:
    if thought.redacted:
        return {"type": "redacted_thinking", "data": thought.redacted}
    return {"type": "thinking", "thinking": thought.text, "signature": thought.signature}


def _result(result: Result) -> Fields:
    block: Fields = {"type": "tool_result", "tool_use_id": plain_id(result.call_id)}
    if result.parts:
        block["content"] = _content(result.parts)
    if result.is_error:
        block["is_error"] = True
    return marked(block, result.cache)


def _source(image: Image) -> Fields:
    if image.url:
        return {"type": "url", "url": image.url}
    return {"type": "base64", "media_type": image.media_type, "data": image.data}


def object_of(arguments: str) -> Fields:
    """Return the object that a call's arguments are; an empty one if they are none."""
    try:
        return fields_of(_decode(arguments))
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return {}


def _tool_fields(tool: Tool) -> Fields:
    fields: Fields = {"name": tool.name}
    if tool.description is not None:
        fields["description"] = tool.description
    fields["input_schema"] = _ANY_OBJECT if tool.schema is None else tool.schema
    if tool.strict is not None:
        fields["strict"] = tool.strict
    return marked(fields, tool.cache)


def _set_choice(fields: Fields, conversation: Conversation) -> None:
    choice, parallel = conversation.choice, conversation.is_parallel
    if choice is None and parallel is None:
        return
    wanted: Fields = {"type": "auto" if choice is None else choice.kind}
    if choice is not None and choice.kind == "tool":
        wanted["name"] = choice.name
    if parallel is not None and wanted["type"] != "none":
        wanted["disable_parallel_tool_use"] = not parallel
    fields["tool_choice"] = wanted


def _set_thinking(fields: Fields, effort: Effort | None, max_tokens: int) -> bool:
    """Ask for thinking as far as it fits; tell whether it is on, for that fixes temperature."""
    if effort is None or effort == "none":
        return False
    budget = BUDGETS[effort]
    while budget >= max_tokens and budget > BUDGETS["low"]:
        budget //= 4
    if budget >= max_tokens:
        return False
    fields["thinking"] = {"type": "enabled", "budget_tokens": budget}
    return True
