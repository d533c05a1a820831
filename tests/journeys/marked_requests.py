"""Requests with a canary in every place that can hold content, well-formed and not.

Each maker takes a text and returns what to send. `leaves` hangs up before the answer's end.
"""

from base64 import b64encode
from collections.abc import Callable
from urllib.parse import quote

import msgspec

from tests.journeys.raw_http import hello, hello_claude
from troth.gateway.exchange import Fields, Json

CHAT = "/v1/chat/completions"
MESSAGES = "/v1/messages"
EMBEDDINGS = "/v1/embeddings"


class Sent(msgspec.Struct, frozen=True):
    """One request: a body, its path, more header lines, whether to hang up early, a wrong key."""

    body: bytes
    path: str = CHAT
    lines: tuple[str, ...] = ()
    leaves: bool = False
    key: str = ""


Maker = Callable[[str], Sent]


def _chat(**fields: Json) -> Sent:
    return Sent(msgspec.json.encode({**hello(), **fields}))


def _claude(**fields: Json) -> Sent:
    return Sent(msgspec.json.encode({**hello_claude(), **fields}), MESSAGES)


def _user(content: Json) -> list[Json]:
    return [{"role": "user", "content": content}]


def _tool(name: str, text: str) -> Json:
    inner: Fields = {"type": "string", "description": text, "enum": [text]}
    schema: Fields = {"type": "object", "properties": {name: inner}}
    function: Fields = {"name": name, "description": text, "parameters": schema}
    return {"type": "function", "function": function}


def _called(text: str) -> list[Json]:
    arguments = msgspec.json.encode({"q": text}).decode()
    function: Fields = {"name": "find", "arguments": arguments}
    call: Fields = {"id": "call_1", "type": "function", "function": function}
    return [
        {"role": "user", "content": "go"},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "call_1", "content": text},
    ]


def _claude_called(text: str) -> list[Json]:
    use: Fields = {"type": "tool_use", "id": "toolu_1", "name": "find", "input": {"q": text}}
    result: Fields = {"type": "tool_result", "tool_use_id": "toolu_1", "content": text}
    return [
        {"role": "user", "content": "go"},
        {"role": "assistant", "content": [use]},
        {"role": "user", "content": [result]},
    ]


def _packed(text: str) -> str:
    return b64encode(text.encode()).decode()


def _image(text: str) -> list[Json]:
    url = "data:image/png;base64," + _packed(text)
    return [{"type": "image_url", "image_url": {"url": url}}]


def _schema(text: str) -> Json:
    inner: Fields = {"type": "object", "properties": {"a": {"const": text}}}
    return {"type": "json_schema", "json_schema": {"name": "s", "schema": inner}}


def _claude_image(text: str) -> list[Json]:
    source: Fields = {"type": "base64", "media_type": "image/png", "data": _packed(text)}
    return [{"type": "image", "source": source}]


def _echo(model: str, *, streamed: bool = False, leaves: bool = False) -> Maker:
    def maker(text: str) -> Sent:
        body = msgspec.json.encode(hello(model, messages=_user(text), stream=streamed))
        return Sent(body, leaves=leaves)

    return maker


def _claude_echo(model: str, *, streamed: bool = False, leaves: bool = False) -> Maker:
    def maker(text: str) -> Sent:
        body = msgspec.json.encode(hello_claude(model, messages=_user(text), stream=streamed))
        return Sent(body, MESSAGES, leaves=leaves)

    return maker


def _header(name: str) -> Maker:
    return lambda text: Sent(msgspec.json.encode(hello()), lines=(f"{name}: {text}",))


IN_CHAT: dict[str, Maker] = {
    "user": lambda text: _chat(messages=_user(text)),
    "user in parts": lambda text: _chat(messages=_user([{"type": "text", "text": text}])),
    "system": lambda text: _chat(messages=[{"role": "system", "content": text}, *_user("hi")]),
    "developer": lambda text: _chat(messages=[{"role": "developer", "content": text}]),
    "assistant": lambda text: _chat(messages=[{"role": "assistant", "content": text}]),
    "name": lambda text: _chat(messages=[{"role": "user", "content": "a", "name": text[:60]}]),
    "tools": lambda text: _chat(tools=[_tool("find", text)]),
    "a tool's name": lambda text: _chat(tools=[_tool(text[:24], "x")]),
    "tool arguments and result": lambda text: _chat(messages=_called(text)),
    "an image": lambda text: _chat(messages=_user(_image(text))),
    "a schema": lambda text: _chat(response_format=_schema(text)),
    "stop": lambda text: _chat(stop=[text[:200]]),
    "user field": lambda text: _chat(user=text),
    "metadata": lambda text: _chat(metadata={"note": text[:500], text[:60]: "x"}),
    "safety identifier": lambda text: _chat(safety_identifier=text),
    "cache key": lambda text: _chat(prompt_cache_key=text),
    "an unknown field": lambda text: _chat(unheard_of={"a": [text]}),
    "an unknown field's name": lambda text: _chat(**{text[:100]: 1}),
    "an unknown field in a turn": lambda text: _chat(
        messages=[{"role": "user", "content": "a", "extra": text}]
    ),
    "logit bias": lambda text: _chat(logit_bias={text[:40]: 1}),
    "a prediction": lambda text: _chat(prediction={"type": "content", "content": text}),
    "store": lambda text: _chat(store=True, messages=_user(text)),
}
IN_MESSAGES: dict[str, Maker] = {
    "message": lambda text: _claude(messages=_user(text)),
    "message system": lambda text: _claude(system=[{"type": "text", "text": text}]),
    "message system text": lambda text: _claude(system=text),
    "message tools": lambda text: _claude(
        tools=[{"name": "find", "description": text, "input_schema": {"type": "object"}}]
    ),
    "message tool use": lambda text: _claude(messages=_claude_called(text)),
    "message image": lambda text: _claude(messages=_user(_claude_image(text))),
    "message stop": lambda text: _claude(stop_sequences=[text[:100]]),
    "message metadata": lambda text: _claude(metadata={"user_id": text[:200]}),
    "message to chat": lambda text: _claude(model="chat", messages=_user(text)),
    "chat to message": lambda text: _chat(model="claude", messages=_user(text)),
}
REFUSED: dict[str, Maker] = {
    "a model's name": lambda text: _chat(model=text),
    "a wrong type": lambda text: _chat(temperature=text),
    "a wrong role": lambda text: _chat(messages=[{"role": text, "content": text}]),
    "a wrong part": lambda text: _chat(messages=_user([{"type": text, "text": text}])),
    "a stateful field": lambda text: _chat(previous_response_id=text),
    "bad JSON": lambda text: Sent(f'{{"model":"chat","messages":[{{"content":"{text}'.encode()),
    "bad UTF-8": lambda text: Sent(b'{"a":"' + text.encode() + b'\xff"}'),
    "a surrogate": lambda text: Sent(b'{"a":"' + text.encode() + b'\\ud800"}'),
    "a doubled key": lambda text: Sent(f'{{"model":"{text}","model":"{text}"}}'.encode()),
    "no object": lambda text: Sent(msgspec.json.encode([text])),
    "a wrong key": lambda text: Sent(msgspec.json.encode(hello()), key=text[:70]),
    "message wrong": lambda text: _claude(max_tokens=text),
    "message bad block": lambda text: _claude(messages=_user([{"type": text}])),
    "a wrong path": lambda text: Sent(b"{}", f"/v1/{quote(text[:100])}"),
    "wrong embedding": lambda text: Sent(
        msgspec.json.encode({"model": "embed", "input": {"a": text}}), EMBEDDINGS
    ),
}
AROUND: dict[str, Maker] = {
    "user agent": _header("user-agent"),
    "cookie": _header("cookie"),
    "referer": _header("referer"),
    "own header": _header("x-anything"),
    "request id": _header("x-request-id"),
    "beta": _header("anthropic-beta"),
    "query": lambda text: Sent(msgspec.json.encode(hello()), f"{CHAT}?q={quote(text[:500])}"),
    "embedding": lambda text: Sent(
        msgspec.json.encode({"model": "embed", "input": [text, "b"]}), EMBEDDINGS
    ),
    "embedding error": lambda text: Sent(
        msgspec.json.encode({"model": "embed-echo", "input": text}), EMBEDDINGS
    ),
}
ECHOED: dict[str, Maker] = {
    "echo": _echo("echo"),
    "echo streamed": _echo("echo", streamed=True),
    "echo cut": _echo("echo+cut-4", streamed=True),
    "echo uncounted": _echo("echo+nousage", streamed=True),
    "echo abandoned": _echo("echo+drip-50", streamed=True, leaves=True),
    "whole abandoned": _echo("echo+slow-1000", leaves=True),
    "message echo": _claude_echo("claude-echo"),
    "message echo streamed": _claude_echo("claude-echo", streamed=True),
    "message echo translated": _claude_echo("echo", streamed=True),
    "echo translated": _echo("claude-echo", streamed=True),
    "message abandoned": _claude_echo("claude-echo+drip-50", streamed=True, leaves=True),
    **{f"leak {status}": _echo(f"leak-{status}") for status in (400, 401, 403, 422, 500, 503)},
    "message leak": _claude_echo("claude-leak-400"),
    "garbage": _echo("garbage"),
    "bad arguments": lambda text: _chat(model="badjson", tools=[_tool("find", text)]),
}
EVERYWHERE: dict[str, Maker] = {**IN_CHAT, **IN_MESSAGES, **REFUSED, **AROUND, **ECHOED}
