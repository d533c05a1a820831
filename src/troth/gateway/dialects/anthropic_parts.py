"""The turns of a messages request: each block checked, counted, and rid of unknown fields."""

from collections.abc import Callable
from typing import Final

from troth.gateway.dialects.checks import (
    boolean,
    one_of,
    required_list,
    required_mapping,
    required_text,
    utf8_bytes,
)
from troth.gateway.dialects.strict_json import MAX_DEPTH, check_depth, check_numbers, encode
from troth.gateway.dialects.tally import Tally, without_unknown
from troth.gateway.exchange import Fields, Json
from troth.kernel.errors import InvalidValue, RefusedByPolicy
from troth.policy.strict import CONTENT_AT_REST

MAX_MESSAGES: Final = 10_000
MAX_BLOCKS: Final = 10_000

_LEVELS_LEFT: Final = MAX_DEPTH - 5
_ROLES: Final = ("user", "assistant", "system")
_TURN: Final = frozenset({"role", "content"})
_BLOCKS: Final = {
    "user": frozenset({"text", "image", "document", "tool_result", "search_result"}),
    "assistant": frozenset({"text", "thinking", "redacted_thinking", "tool_use"}),
    "system": frozenset({"text"}),
    "result": frozenset({"text", "image", "document", "search_result"}),
}
_FIELDS: Final = {
    "text": frozenset({"type", "text", "cache_control", "citations"}),
    "image": frozenset({"type", "source", "cache_control"}),
    "document": frozenset({"type", "source", "cache_control", "title", "context", "citations"}),
    "search_result": frozenset(
        {"type", "source", "title", "content", "cache_control", "citations"}
    ),
    "tool_use": frozenset({"type", "id", "name", "input", "cache_control", "caller"}),
    "tool_result": frozenset({"type", "tool_use_id", "content", "is_error", "cache_control"}),
    "thinking": frozenset({"type", "thinking", "signature"}),
    "redacted_thinking": frozenset({"type", "data"}),
}


def read_turns(value: Json, tally: Tally) -> list[Json]:
    """Return the turns without unknown fields; the same list when there were none.

    Raises:
        BadRequest: a turn or block is not what the published types say.
        RefusedByPolicy: a block names a stored file.
    """
    turns = required_list("messages", value, MAX_MESSAGES)
    tally.messages += len(turns)
    clean: list[Json] = [_turn(f"messages[{at}]", turn, tally) for at, turn in enumerate(turns)]
    return clean


def read_system(value: Json, tally: Tally) -> Json:
    """Return the system prompt, a string or text blocks, without unknown fields."""
    tally.messages += 1
    if type(value) is str:
        tally.add_text(value)
        return value
    return _blocks("system", value, "system", tally)


def _turn(path: str, value: Json, tally: Tally) -> Json:
    turn = required_mapping(path, value)
    role = required_text(f"{path}.role", turn, "role")
    if role not in _ROLES:
        raise InvalidValue(f"{path}.role", f"This must be one of: {', '.join(_ROLES)}.")
    content = turn.get("content")
    if type(content) is str:
        tally.text_bytes += utf8_bytes(content)
        return without_unknown(turn, _TURN, tally)
    blocks = _blocks(f"{path}.content", content, role, tally)
    turn = without_unknown(turn, _TURN, tally)
    return turn if blocks is content else {**turn, "content": blocks}


def _blocks(path: str, value: Json, kind: str, tally: Tally) -> list[Json]:
    """Return blocks without unknown fields; the same list when there were none."""
    if value == []:
        return []
    blocks = required_list(path, value, MAX_BLOCKS)
    allowed = _BLOCKS[kind]
    clean = [_block(f"{path}[{at}]", block, allowed, tally) for at, block in enumerate(blocks)]
    return blocks if all(new is old for new, old in zip(clean, blocks, strict=True)) else clean


def _block(path: str, value: Json, allowed: frozenset[str], tally: Tally) -> Json:
    block = required_mapping(path, value)
    check_depth(block, _LEVELS_LEFT)
    kind = required_text(f"{path}.type", block, "type")
    if kind not in allowed:
        raise InvalidValue(f"{path}.type", f"This must be one of: {', '.join(sorted(allowed))}.")
    clean = without_unknown(block, _FIELDS[kind], tally)
    if clean.get("cache_control") is not None:
        tally.asks_cache = True
    return _READERS[kind](path, clean, tally)


def _text(path: str, block: Fields, tally: Tally) -> Fields:
    tally.add_text(required_text(f"{path}.text", block, "text"))
    return block


def _image(path: str, block: Fields, tally: Tally) -> Fields:
    _source(f"{path}.source", block, ("base64", "url"))
    tally.add_image()
    return block


def _document(path: str, block: Fields, tally: Tally) -> Fields:
    source = _source(f"{path}.source", block, ("base64", "url", "text", "content"))
    for name in ("title", "context"):
        if block.get(name) is not None:
            tally.add_text(required_text(f"{path}.{name}", block, name))
    if source["type"] == "text":
        tally.add_text(required_text(f"{path}.source.data", source, "data"))
    else:
        tally.add_file()
    return block


def _source(path: str, block: Fields, kinds: tuple[str, ...]) -> Fields:
    """Return the source of an image or document: in the request, or an address for the provider."""
    source = required_mapping(path, block.get("source"))
    kind = required_text(f"{path}.type", source, "type")
    if kind == "file":
        raise RefusedByPolicy(f"{path}.type", CONTENT_AT_REST)
    one_of(*kinds)(f"{path}.type", kind)
    if kind == "base64":
        required_text(f"{path}.media_type", source, "media_type")
        required_text(f"{path}.data", source, "data")
    elif kind == "url":
        required_text(f"{path}.url", source, "url")
    return source


def _counted(_path: str, block: Fields, tally: Tally) -> Fields:
    """Count a block that passes as a whole by its size."""
    tally.text_bytes += len(encode(block))
    return block


def _tool_use(path: str, block: Fields, tally: Tally) -> Fields:
    required_text(f"{path}.id", block, "id")
    tally.add_text(required_text(f"{path}.name", block, "name"))
    written = encode(required_mapping(f"{path}.input", block.get("input")))
    check_numbers(written)
    tally.text_bytes += len(written)
    return block


def _tool_result(path: str, block: Fields, tally: Tally) -> Fields:
    required_text(f"{path}.tool_use_id", block, "tool_use_id")
    if block.get("is_error") is not None:
        boolean(f"{path}.is_error", block["is_error"])
    content = block.get("content")
    if content is None:
        return block
    if type(content) is str:
        tally.add_text(content)
        return block
    blocks = _blocks(f"{path}.content", content, "result", tally)
    return block if blocks is content else {**block, "content": blocks}


_READERS: Final[dict[str, Callable[[str, Fields, Tally], Fields]]] = {
    "text": _text,
    "image": _image,
    "document": _document,
    "search_result": _counted,
    "tool_use": _tool_use,
    "tool_result": _tool_result,
    "thinking": _counted,
    "redacted_thinking": _counted,
}
