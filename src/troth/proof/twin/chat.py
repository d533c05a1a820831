"""The mock provider's chat completions, buffered and streamed, as the OpenAI document says."""

from collections.abc import Iterator

from troth.proof.twin.accounts import count, openai_usage
from troth.proof.twin.answer import (
    Answer,
    Request,
    Said,
    Tool,
    Wish,
    event,
    last_text,
    refusal,
    say,
)
from troth.proof.twin.values import (
    Fields,
    Json,
    encoded,
    fields_of,
    items_of,
    text_of,
    tokens_of,
    whole_of,
)

_ROLES = frozenset({"system", "developer", "user", "assistant", "tool", "function"})
_NO_LIMIT = 1 << 40


def chat(request: Request) -> Answer:
    """Answer `POST /chat/completions`."""
    fields = request.fields
    messages = items_of(fields.get("messages"))
    if not messages:
        return refusal(400, "Missing required parameter: 'messages'.", anthropic=False)
    if not all(text_of(fields_of(turn).get("role")) in _ROLES for turn in messages):
        return refusal(400, "Invalid value for 'messages[0].role'.", anthropic=False)
    said = _said(request, messages)
    if fields.get("stream") is True:
        return Answer(events=_events(request, said), content_type="text/event-stream")
    return Answer(body=_whole(request, said))


def _said(request: Request, messages: list[Json]) -> Said:
    fields = request.fields
    answered = text_of(fields_of(messages[-1]).get("role")) == "tool"
    functions = [
        fields_of(fields_of(tool).get("function")) for tool in items_of(fields.get("tools"))
    ]
    tools = [Tool(text_of(one.get("name")), one.get("parameters")) for one in functions if one]
    choice = fields.get("tool_choice")
    named = text_of(fields_of(fields_of(choice).get("function")).get("name"))
    wanted = fields_of(fields.get("response_format"))
    schema: Json = None
    if wanted.get("type") == "json_schema":
        schema = fields_of(wanted.get("json_schema")).get("schema", {})
    elif wanted.get("type") == "json_object":
        schema = {}
    limit = whole_of(fields.get("max_completion_tokens"), 0)
    limit = limit or whole_of(fields.get("max_tokens"), _NO_LIMIT)
    offered = [] if answered else tools
    chosen = named or text_of(choice)
    return say(request, Wish(offered, chosen, schema, limit, last_text(messages)))


def _usage(request: Request, said: Said) -> Json:
    choices = max(1, whole_of(request.fields.get("n"), 1))
    output = choices * (tokens_of(said.arguments) if said.tool else len(said.pieces))
    return openai_usage(request, count(request, tokens_of(request.fields.get("messages")), output))


def _head(request: Request, kind: str) -> Fields:
    return {
        "id": request.id("chatcmpl-twin"),
        "object": kind,
        "created": request.now,
        "model": request.fields.get("model"),
        "service_tier": "default",
        "system_fingerprint": "fp_twin",
    }


def _logprobs(request: Request, pieces: tuple[str, ...]) -> Json:
    if request.fields.get("logprobs") is not True:
        return None
    told: list[Json] = []
    for piece in pieces:
        one: Fields = {"token": piece, "logprob": -0.5, "bytes": list(piece.encode())}
        told.append({**one, "top_logprobs": [one]})
    return {"content": told, "refusal": None}


def _whole(request: Request, said: Said) -> bytes:
    message: Fields = {"role": "assistant", "content": None if said.tool else "".join(said.pieces)}
    if said.tool:
        function: Fields = {"name": said.tool, "arguments": said.arguments}
        message["tool_calls"] = [
            {"id": request.id("call_"), "type": "function", "function": function}
        ]
    bare = "bare" in request.faults
    if not bare:
        message["refusal"] = None
        message["annotations"] = []
    choices: list[Json] = []
    for index in range(max(1, whole_of(request.fields.get("n"), 1))):
        choice: Fields = {"index": index, "message": message, "finish_reason": said.finish}
        if not bare:
            choice["logprobs"] = _logprobs(request, said.pieces)
        choices.append(choice)
    answer = _head(request, "chat.completion")
    answer["choices"] = [] if "nochoice" in request.faults else choices
    if "nousage" not in request.faults:
        answer["usage"] = _usage(request, said)
    return encoded(answer)


def _chunk(request: Request, index: int, delta: Fields, finish: str | None = None) -> Fields:
    choice: Fields = {"index": index, "delta": delta, "finish_reason": finish}
    if "bare" not in request.faults:
        text = text_of(delta.get("content"))
        choice["logprobs"] = _logprobs(request, (text,)) if text else None
    elif finish is None:
        del choice["finish_reason"]
    chunk: Fields = {**_head(request, "chat.completion.chunk"), "choices": [choice]}
    if _tells_usage(request) and "bare" not in request.faults:
        chunk["usage"] = None
    return chunk


def _tells_usage(request: Request) -> bool:
    asked = fields_of(request.fields.get("stream_options")).get("include_usage") is True
    return asked and "nousage" not in request.faults


def _deltas(request: Request, said: Said) -> Iterator[Fields]:
    """Yield the deltas of one choice."""
    if said.tool:
        function: Fields = {"name": said.tool, "arguments": ""}
        call: Fields = {"id": request.id("call_"), "type": "function", "function": function}
        yield {"role": "assistant", "content": None, "tool_calls": [{"index": 0, **call}]}
        for at in range(0, len(said.arguments), 6):
            part: Fields = {"arguments": said.arguments[at : at + 6]}
            yield {"tool_calls": [{"index": 0, "function": part}]}
        return
    yield {"role": "assistant", "content": "", "refusal": None}
    if "bigevent" in request.faults:
        yield {"content": "a" * (request.faults["bigevent"] << 10)}
    for piece in said.pieces:
        yield {"content": piece}
    while "endless" in request.faults:
        yield {"content": " and on"}


def _events(request: Request, said: Said) -> Iterator[bytes]:
    """Yield the stream, event by event."""
    faults = request.faults
    sent = 0
    for index in range(max(1, whole_of(request.fields.get("n"), 1))):
        for delta in _deltas(request, said):
            if "overload" in faults and sent == faults["overload"]:
                inner: Fields = {"message": "Overloaded", "type": "server_error", "code": None}
                yield event({"error": inner})
                return
            if "stop" in faults and sent == faults["stop"]:
                return
            sent += 1
            yield event(_chunk(request, index, delta))
        yield event(_chunk(request, index, {}, said.finish))
    if _tells_usage(request):
        last: Fields = {"choices": [], "usage": _usage(request, said)}
        yield event({**_head(request, "chat.completion.chunk"), **last})
    if "undone" not in faults:
        yield b"data: [DONE]\n\n"
