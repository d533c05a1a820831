"""Offerings at upstreams of each dialect, requests to them, and answers fed to renderings."""

from collections.abc import Iterable

import msgspec

from tests.builders.gateway_world import offering
from troth.catalog.model import Endpoint, Feature
from troth.catalog.offering import Dialect, Offering, Upstream
from troth.gateway.dialects import (
    ANTHROPIC_MESSAGES,
    OPENAI_CHAT,
    OPENAI_EMBEDDINGS,
    ClientDialect,
    rendering,
)
from troth.gateway.exchange import Ask, Rendering
from troth.gateway.outlet import Outlet, Outlets
from troth.kernel.clock import ManualClock
from troth.kernel.quantities import NOTHING, Quantities
from troth.kernel.secret import Secret
from troth.routing import Health

CREATED_AT = 1_700_000_000
RAW = (CREATED_AT * 1000).to_bytes(6, "big") + b"\xab" * 10
REQUEST_ID = "req_" + RAW.hex()
EVERYTHING: frozenset[Feature] = frozenset(
    {
        "tools",
        "json_schema",
        "logprobs",
        "logit_bias",
        "many_choices",
        "image_input",
        "audio_input",
        "file_input",
        "audio_output",
        "reasoning",
        "token_arrays",
        "dimensions",
    }
)
DIALECTS: dict[Endpoint, ClientDialect] = {
    "chat": OPENAI_CHAT,
    "embeddings": OPENAI_EMBEDDINGS,
    "messages": ANTHROPIC_MESSAGES,
}


def at(dialect: Dialect, provider: str = "openai", *, exact: bool = False) -> Offering:
    """Return an offering of a model that can do everything."""
    upstream = Upstream("u1", provider, dialect, "https", "api.example.com", 443, "/v1")
    made = offering(exact=exact)
    able = msgspec.structs.replace(made.model, features=EVERYTHING)
    return msgspec.structs.replace(made, model=able, upstream=upstream, upstream_model="up/m")


class Credential:
    """The same credential everywhere."""

    def __init__(self, text: str) -> None:
        self.text = text

    def of(self, upstream: Upstream) -> Secret:
        assert upstream.id
        return Secret(self.text)


def outlet(offered: Offering, credential: str = "sk-up") -> Outlet:
    """Return the outlet of an offering."""
    return Outlets(Credential(credential), Health(ManualClock())).of(offered)


def chat(**fields: object) -> Ask:
    """Return a chat request."""
    body = {"model": "m", "messages": [{"role": "user", "content": "hello"}], **fields}
    return OPENAI_CHAT.read(msgspec.json.encode(body))


def messages(**fields: object) -> Ask:
    """Return a messages request."""
    turns = [{"role": "user", "content": "hello"}]
    body = {"model": "m", "max_tokens": 9, "messages": turns, **fields}
    return ANTHROPIC_MESSAGES.read(msgspec.json.encode(body))


def shown(ask: Ask, offered: Offering) -> Rendering:
    """Return the rendering of an answer to the request."""
    return rendering(ask, offered, RAW)


def event(value: object, name: str = "") -> bytes:
    """Return one event as an upstream sends it."""
    line = f"event: {name}\n".encode() if name else b""
    return line + b"data: " + msgspec.json.encode(value) + b"\n\n"


def chunk(delta: object, finish: str | None = None, index: int = 0, **more: object) -> bytes:
    """Return an event of a chat stream."""
    choice = {"index": index, "delta": delta, "logprobs": None, "finish_reason": finish}
    head = {"id": "up-1", "object": "chat.completion.chunk", "created": 5, "model": "up/m"}
    return event({**head, "choices": [choice], **more})


USAGE = {"prompt_tokens": 11, "completion_tokens": 3, "total_tokens": 14}
CHAT_USAGE = event({"id": "up-1", "choices": [], "usage": USAGE})
DONE = b"data: [DONE]\n\n"


def named(value: dict[str, object]) -> bytes:
    """Return an event of a messages stream."""
    return event(value, str(value["type"]))


def message_stream(blocks: Iterable[tuple[object, Iterable[object]]], stop: str) -> bytes:
    """Return a messages stream: each block as it begins, then its deltas."""
    usage = {"input_tokens": 11, "output_tokens": 1, "cache_read_input_tokens": 4}
    start: dict[str, object] = {
        "id": "msg_up",
        "type": "message",
        "role": "assistant",
        "model": "up/m",
        "content": [],
        "stop_reason": None,
        "usage": usage,
    }
    out = [named({"type": "message_start", "message": start}), named({"type": "ping"})]
    for index, (block, deltas) in enumerate(blocks):
        begin = {"type": "content_block_start", "index": index, "content_block": block}
        out.append(named(begin))
        out.extend(
            named({"type": "content_block_delta", "index": index, "delta": delta})
            for delta in deltas
        )
        out.append(named({"type": "content_block_stop", "index": index}))
    delta = {"stop_reason": stop, "stop_sequence": None}
    out.append(named({"type": "message_delta", "delta": delta, "usage": {"output_tokens": 7}}))
    out.append(named({"type": "message_stop"}))
    return b"".join(out)


def ended(answer: Rendering, data: bytes, used: Quantities = NOTHING, cost: int = 123) -> bytes:
    """Feed all bytes and return the whole stream that the client gets; it must be whole."""
    out = answer.piece(data)
    assert answer.ended(), answer.failure
    return out + answer.tail(cost, answer.reported or used)


def events_of(stream: bytes) -> list[dict[str, object]]:
    """Return the JSON of each event, `[DONE]` left out."""
    found: list[dict[str, object]] = []
    for block in stream.removesuffix(b"\n\n").split(b"\n\n"):
        data = block.rpartition(b"data: ")[2]
        if data != b"[DONE]":
            found.append(msgspec.json.decode(data))
    return found
