"""OpenAI's chat requests to the neutral conversation and back. Pure functions on checked fields."""

from collections.abc import Iterator, Sequence
from typing import Final

from troth.providers.conversation import (
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
    fields_of,
    image_of_url,
    items,
    marked,
    merged,
    number,
    string,
    url_of_image,
)
from troth.providers.json_values import Fields, Json

_SYSTEM: Final = frozenset({"system", "developer"})
_EFFORTS: Final[dict[str, Effort]] = {
    "none": "none",
    "minimal": "low",
    "low": "low",
    "medium": "medium",
    "high": "high",
    "xhigh": "high",
    "max": "high",
}
_CHOICES: Final[dict[str, Choice]] = {
    "none": Choice("none"),
    "auto": Choice("auto"),
    "required": Choice("any"),
}
_CHOICE_WORDS: Final = {"none": "none", "auto": "auto", "any": "required"}
_ALLOWED: Final = "allowed_tools"
_PDF: Final = "application/pdf"


def conversation_of(fields: Fields) -> Conversation:
    """Return what a checked chat request says."""
    system: list[Text] = []
    turns: list[Turn] = []
    for item in items(fields.get("messages")):
        message = fields_of(item)
        if message.get("role") in _SYSTEM:
            system.extend(part for part in _parts(message) if isinstance(part, Text))
        else:
            turns.append(_turn(message))
    stop = fields.get("stop")
    top_k = fields.get("top_k")
    parallel = fields.get("parallel_tool_calls")
    return Conversation(
        system=tuple(system),
        turns=merged(turns),
        tools=_tools(fields),
        choice=_choice(fields.get("tool_choice")),
        is_parallel=parallel if type(parallel) is bool else None,
        temperature=number(fields.get("temperature")),
        top_p=number(fields.get("top_p")),
        top_k=top_k if type(top_k) is int else None,
        stop=(stop,) if type(stop) is str else tuple(map(string, items(stop))),
        form=_form(fields_of(fields.get("response_format"))),
        effort=_EFFORTS.get(string(fields.get("reasoning_effort"))),
    )


def fields_from(conversation: Conversation) -> Fields:
    """Return the chat fields that say the same."""
    messages: list[Json] = [
        {"role": "system", "content": _text_content((text,))} for text in conversation.system
    ]
    for turn in conversation.turns:
        messages.extend(_messages(turn))
    fields: Fields = {"messages": messages}
    if conversation.tools:
        fields["tools"] = [_tool_fields(tool) for tool in conversation.tools]
    if conversation.choice is not None:
        fields["tool_choice"] = _choice_fields(conversation.choice)
    if conversation.stop:
        fields["stop"] = [*conversation.stop]
    if conversation.form is not None:
        fields["response_format"] = _form_fields(conversation.form)
    for name, value in (
        ("parallel_tool_calls", conversation.is_parallel),
        ("temperature", conversation.temperature),
        ("top_p", conversation.top_p),
        ("top_k", conversation.top_k),
        ("reasoning_effort", conversation.effort),
    ):
        if value is not None:
            fields[name] = value
    return fields


def _turn(message: Fields) -> Turn:
    """Return one message as a turn; a tool's answer belongs to the user's side."""
    role = message.get("role")
    if role == "tool":
        content: Fields = {"content": message.get("content")}
        said = tuple(part for part in _parts(content) if isinstance(part, Text | Image))
        call_id = string(message.get("tool_call_id"))
        return Turn("user", (Result(call_id, said, cache=message.get("cache_control")),))
    parts = list(_parts(message))
    if role == "assistant":
        parts[:0] = map(_thinking, items(message.get("reasoning_details")))
        parts.extend(map(_call, items(message.get("tool_calls"))))
    side: Role = "assistant" if role == "assistant" else "user"
    return Turn(side, tuple(parts))


def _parts(message: Fields) -> Iterator[Part]:
    content = message.get("content")
    if type(content) is str:
        if content:
            yield Text(content, message.get("cache_control"))
        return
    for item in items(content):
        part = fields_of(item)
        cache = part.get("cache_control")
        match part.get("type"):
            case "image_url":
                image = fields_of(part.get("image_url"))
                yield image_of_url(string(image.get("url")), cache)
            case "file":
                yield _document(fields_of(part.get("file")), cache)
            case "refusal":
                yield Text(string(part.get("refusal")))
            case _:
                yield Text(string(part.get("text")), cache)


def _document(file: Fields, cache: Json) -> Document:
    given = image_of_url(string(file.get("file_data")))
    kind, data = (given.media_type, given.data) if given.data else (_PDF, given.url)
    return Document(kind, data, string(file.get("filename")), cache)


def _thinking(item: Json) -> Thinking:
    detail = fields_of(item)
    if detail.get("type") == "reasoning.encrypted":
        return Thinking(redacted=string(detail.get("data")))
    return Thinking(string(detail.get("text")), string(detail.get("signature")))


def _call(item: Json) -> Call:
    call = fields_of(item)
    function = fields_of(call.get("function"))
    return Call(
        string(call.get("id")), string(function.get("name")), string(function.get("arguments"))
    )


def _tools(fields: Fields) -> tuple[Tool, ...]:
    """Return the tools that may be called: all, or those that the choice allows."""
    tools = tuple(map(_tool, items(fields.get("tools"))))
    wanted = fields_of(fields.get("tool_choice"))
    if wanted.get("type") != _ALLOWED:
        return tools
    listed = items(fields_of(wanted.get(_ALLOWED)).get("tools"))
    names = {_tool(item).name for item in listed}
    return tuple(tool for tool in tools if tool.name in names)


def _tool(item: Json) -> Tool:
    tool = fields_of(item)
    function = fields_of(tool.get("function"))
    told, strict = function.get("description"), function.get("strict")
    return Tool(
        string(function.get("name")),
        told if type(told) is str else None,
        function.get("parameters"),
        strict if type(strict) is bool else None,
        tool.get("cache_control"),
    )


def _choice(value: Json) -> Choice | None:
    if type(value) is str:
        return _CHOICES.get(value)
    wanted = fields_of(value)
    if wanted.get("type") == _ALLOWED:
        return _CHOICES.get(string(fields_of(wanted.get(_ALLOWED)).get("mode")))
    name = string(fields_of(wanted.get("function")).get("name"))
    return Choice("tool", name) if name else None


def _form(wanted: Fields) -> Form | None:
    match wanted.get("type"):
        case "json_schema":
            inner = fields_of(wanted.get("json_schema"))
            return Form(inner.get("schema"), string(inner.get("name")))
        case "json_object":
            return Form(None)
        case _:
            return None


def _messages(turn: Turn) -> Iterator[Fields]:
    """Yield the messages of a turn: tools' answers first, each its own message.

    A tool answers in text alone here: the images that it gave are the user's, behind all answers.
    """
    said: list[Text | Image | Document] = []
    for part in turn.parts:
        if isinstance(part, Result):
            texts = tuple(piece for piece in part.parts if isinstance(piece, Text))
            said.extend(piece for piece in part.parts if isinstance(piece, Image))
            message: Fields = {"role": "tool", "tool_call_id": part.call_id}
            yield marked(message | {"content": _text_content(texts)}, part.cache)
    said.extend(part for part in turn.parts if isinstance(part, Text | Image | Document))
    if turn.role == "assistant":
        yield _assistant(turn.parts, said)
    elif said:
        yield {"role": "user", "content": _content(said)}


def _assistant(parts: Sequence[Part], said: list[Text | Image | Document]) -> Fields:
    message: Fields = {"role": "assistant", "content": _content(said) if said else None}
    thoughts: list[Json] = [_detail(part) for part in parts if isinstance(part, Thinking)]
    if thoughts:
        message["reasoning_details"] = thoughts
    calls: list[Json] = [_call_fields(part) for part in parts if isinstance(part, Call)]
    if calls:
        message["tool_calls"] = calls
    return message


def _detail(thought: Thinking) -> Fields:
    if thought.redacted:
        return {"type": "reasoning.encrypted", "data": thought.redacted}
    return {"type": "reasoning.text", "text": thought.text, "signature": thought.signature}


def _call_fields(call: Call) -> Fields:
    function: Fields = {"name": call.name, "arguments": call.arguments}
    return {"id": call.id, "type": "function", "function": function}


def _content(parts: Sequence[Text | Image | Document]) -> Json:
    """Return one plain text as a string, anything else as parts."""
    if len(parts) == 1 and isinstance(parts[0], Text) and parts[0].cache is None:
        return parts[0].text
    return [_part_fields(part) for part in parts]


def _text_content(parts: tuple[Text, ...]) -> Json:
    return _content(parts) if parts else ""


def _part_fields(part: Text | Image | Document) -> Json:
    match part:
        case Text():
            return marked({"type": "text", "text": part.text}, part.cache)
        case Image():
            image: Fields = {"url": url_of_image(part)}
            return marked({"type": "image_url", "image_url": image}, part.cache)
        case _:
            file: Fields = {"file_data": f"data:{part.media_type};base64,{part.data}"}
            if part.title:
                file["filename"] = part.title
            return marked({"type": "file", "file": file}, part.cache)


def _tool_fields(tool: Tool) -> Fields:
    function: Fields = {"name": tool.name}
    for name, value in (
        ("description", tool.description),
        ("parameters", tool.schema),
        ("strict", tool.strict),
    ):
        if value is not None:
            function[name] = value
    return marked({"type": "function", "function": function}, tool.cache)


def _choice_fields(choice: Choice) -> Json:
    if choice.kind == "tool":
        return {"type": "function", "function": {"name": choice.name}}
    return _CHOICE_WORDS[choice.kind]


def _form_fields(form: Form) -> Fields:
    if form.schema is None:
        return {"type": "json_object"}
    schema: Fields = {"name": form.name, "schema": form.schema, "strict": True}
    return {"type": "json_schema", "json_schema": schema}
