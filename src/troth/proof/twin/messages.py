"""The mock provider's messages, buffered and streamed, as the Anthropic types say."""

from collections.abc import Iterator

import msgspec

from troth.proof.twin.accounts import anthropic_usage, count
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

_STOPS = {"stop": "end_turn", "length": "max_tokens", "tool_calls": "tool_use"}
_LATE = ("input_tokens", "output_tokens", "cache_creation_input_tokens", "cache_read_input_tokens")


def messages(request: Request) -> Answer:
    """Answer `POST /messages`."""
    fields = request.fields
    for name in ("max_tokens", "messages"):
        if not fields.get(name):
            return refusal(400, f"{name}: Field required", anthropic=True)
    said = _said(request, items_of(fields.get("messages")))
    if fields.get("stream") is True:
        return Answer(events=_events(request, said), content_type="text/event-stream")
    return Answer(body=encoded(_whole(request, said)))


def count_tokens(request: Request) -> Answer:
    """Answer `POST /messages/count_tokens`: as many as a message with the same turns is charged."""
    if not request.fields.get("messages"):
        return refusal(400, "messages: Field required", anthropic=True)
    prompt = tokens_of(request.fields.get("messages"))
    return Answer(body=encoded({"input_tokens": prompt}))


def _said(request: Request, turns: list[Json]) -> Said:
    fields = request.fields
    parts = items_of(fields_of(turns[-1]).get("content"))
    answered = any(fields_of(part).get("type") == "tool_result" for part in parts)
    offered = [fields_of(tool) for tool in items_of(fields.get("tools"))]
    tools = [Tool(text_of(one.get("name")), one.get("input_schema")) for one in offered]
    choice = fields_of(fields.get("tool_choice"))
    named = text_of(choice.get("name")) or text_of(choice.get("type"))
    wanted = fields_of(fields_of(fields.get("output_config")).get("format"))
    schema = wanted.get("schema") if wanted.get("type") == "json_schema" else None
    limit = whole_of(fields.get("max_tokens"), 1)
    return say(request, Wish([] if answered else tools, named, schema, limit, last_text(turns)))


def _usage(request: Request, said: Said) -> Fields:
    output = tokens_of(said.arguments) if said.tool else len(said.pieces)
    prompt = tokens_of(request.fields.get("messages"))
    return anthropic_usage(request, count(request, prompt, output))


def _block(request: Request, said: Said) -> Fields:
    if not said.tool:
        return {"type": "text", "text": "".join(said.pieces), "citations": []}
    arguments: Json
    try:
        arguments = msgspec.json.decode(said.arguments)
    except msgspec.DecodeError:
        arguments = said.arguments
    call: Fields = {"type": "tool_use", "id": request.id("toolu_"), "name": said.tool}
    return {**call, "input": arguments, "caller": {"type": "direct"}}


def _whole(request: Request, said: Said) -> Fields:
    answer: Fields = {
        "id": request.id("msg_twin"),
        "type": "message",
        "role": "assistant",
        "model": request.fields.get("model"),
        "content": [] if "nochoice" in request.faults else [_block(request, said)],
        "stop_reason": _STOPS[said.finish],
        "stop_sequence": None,
    }
    if "bare" not in request.faults:
        answer |= {"stop_details": None, "container": None, "diagnostics": None}
    if "nousage" not in request.faults:
        answer["usage"] = _usage(request, said)
    return answer


def _deltas(request: Request, said: Said) -> Iterator[Fields]:
    """Yield the deltas of the one block."""
    if said.tool:
        for at in range(0, len(said.arguments), 6):
            yield {"type": "input_json_delta", "partial_json": said.arguments[at : at + 6]}
        return
    if "bigevent" in request.faults:
        yield {"type": "text_delta", "text": "a" * (request.faults["bigevent"] << 10)}
    for piece in said.pieces:
        yield {"type": "text_delta", "text": piece}
    while "endless" in request.faults:
        yield {"type": "text_delta", "text": " and on"}


def _named(value: Fields) -> bytes:
    return event(value, text_of(value["type"]))


def _opening(request: Request, said: Said) -> Iterator[bytes]:
    begun: Fields = {**_whole(request, said), "content": [], "stop_reason": None}
    if "usage" in begun:
        begun["usage"] = {**_usage(request, said), "output_tokens": 1}
    yield _named({"type": "message_start", "message": begun})
    empty: Fields = {"input": {}} if said.tool else {"text": ""}
    block = {**_block(request, said), **empty}
    yield _named({"type": "content_block_start", "index": 0, "content_block": block})
    yield _named({"type": "ping"})


def _events(request: Request, said: Said) -> Iterator[bytes]:
    """Yield the stream, event by event."""
    faults = request.faults
    yield from _opening(request, said)
    for sent, delta in enumerate(_deltas(request, said)):
        if "overload" in faults and sent == faults["overload"]:
            inner: Fields = {"type": "overloaded_error", "message": "Overloaded"}
            yield _named({"type": "error", "error": inner})
            return
        if "stop" in faults and sent == faults["stop"]:
            return
        yield _named({"type": "content_block_delta", "index": 0, "delta": delta})
    yield _named({"type": "content_block_stop", "index": 0})
    ending: Fields = {"stop_reason": _STOPS[said.finish], "stop_sequence": None}
    last: Fields = {"type": "message_delta", "delta": ending}
    if "nousage" not in faults:
        usage = _usage(request, said)
        last["usage"] = {name: usage[name] for name in _LATE}
    yield _named(last)
    if "undone" not in faults:
        yield _named({"type": "message_stop"})
