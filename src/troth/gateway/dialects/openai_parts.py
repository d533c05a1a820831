"""The messages of a chat request: each turn and part checked, counted, and rid of unknown fields.

The plain turn, a role and a string, costs one look; everything else goes part by part.
"""

from collections.abc import Callable
from typing import Final

from troth.gateway.dialects.checks import (
    required_list,
    required_mapping,
    required_text,
    utf8_bytes,
)
from troth.gateway.dialects.strict_json import MAX_DEPTH, check_depth, encode
from troth.gateway.dialects.tally import Tally, without_unknown
from troth.gateway.exchange import Fields, Json
from troth.kernel.errors import InvalidValue, MissingParameter, RefusedByPolicy
from troth.policy.strict import CONTENT_AT_REST

MAX_MESSAGES: Final = 10_000
MAX_PARTS: Final = 10_000
MAX_CALLS: Final = 10_000

_LEVELS_LEFT: Final = MAX_DEPTH - 3
_PLAIN_ROLES: Final = frozenset({"system", "developer", "user", "assistant"})
_FIELDS: Final = {
    "system": frozenset({"role", "content", "name", "cache_control"}),
    "developer": frozenset({"role", "content", "name", "cache_control"}),
    "user": frozenset({"role", "content", "name", "cache_control"}),
    "assistant": frozenset(
        {
            "role",
            "content",
            "name",
            "refusal",
            "tool_calls",
            "function_call",
            "audio",
            "reasoning",
            "reasoning_content",
            "reasoning_details",
            "cache_control",
        }
    ),
    "tool": frozenset({"role", "content", "tool_call_id", "name", "cache_control"}),
    "function": frozenset({"role", "content", "name"}),
}
_TEXT_ONLY: Final = frozenset({"text"})
_PARTS: Final = {
    "system": _TEXT_ONLY,
    "developer": _TEXT_ONLY,
    "user": frozenset({"text", "image_url", "input_audio", "file"}),
    "assistant": frozenset({"text", "refusal"}),
    "tool": frozenset({"text", "image_url", "file"}),
    "function": _TEXT_ONLY,
}
_PART_FIELDS: Final = {
    "text": frozenset({"type", "text", "cache_control"}),
    "refusal": frozenset({"type", "refusal"}),
    "image_url": frozenset({"type", "image_url", "cache_control"}),
    "input_audio": frozenset({"type", "input_audio", "cache_control"}),
    "file": frozenset({"type", "file", "cache_control"}),
}


def read_messages(value: Json, tally: Tally) -> list[Json]:
    """Return the messages without unknown fields; the same list when there were none.

    Raises:
        BadRequest: a turn or part is not what the published document says.
        RefusedByPolicy: a part names a stored file.
    """
    messages = required_list("messages", value, MAX_MESSAGES)
    size = 0
    changed: list[tuple[int, Json]] = []
    for at, message in enumerate(messages):
        if type(message) is dict and len(message) == 2:  # noqa: PLR2004 - role and content
            content, role = message.get("content"), message.get("role")
            if type(content) is str and type(role) is str and role in _PLAIN_ROLES:
                size += len(content) if content.isascii() else utf8_bytes(content)
                continue
        clean = _message(f"messages[{at}]", message, tally)
        if clean is not message:
            changed.append((at, clean))
    tally.text_bytes += size
    tally.messages = len(messages)
    if not changed:
        return messages
    cleaned = list(messages)
    for at, turn in changed:
        cleaned[at] = turn
    return cleaned


def _message(path: str, value: Json, tally: Tally) -> Fields:
    message = required_mapping(path, value)
    check_depth(message, _LEVELS_LEFT)
    role = required_text(f"{path}.role", message, "role")
    known = _FIELDS.get(role)
    if known is None:
        raise InvalidValue(f"{path}.role", f"This must be one of: {', '.join(_FIELDS)}.")
    clean = without_unknown(message, known, tally)
    if clean.get("cache_control") is not None:
        tally.asks_cache = True
    if role == "tool":
        tally.add_text(required_text(f"{path}.tool_call_id", clean, "tool_call_id"))
    for name in ("name", "refusal", "reasoning", "reasoning_content"):
        extra = clean.get(name)
        if extra is not None:
            tally.add_text(required_text(f"{path}.{name}", clean, name))
    if role == "assistant":
        _calls(path, clean, tally)
    return _with_content(path, role, clean, tally)


def _with_content(path: str, role: str, message: Fields, tally: Tally) -> Fields:
    content = message.get("content")
    if content is None:
        if role != "assistant":
            raise MissingParameter(f"{path}.content")
        return message
    if type(content) is str:
        tally.add_text(content)
        return message
    parts = required_list(f"{path}.content", content, MAX_PARTS)
    allowed = _PARTS[role]
    clean = [_part(f"{path}.content[{at}]", part, allowed, tally) for at, part in enumerate(parts)]
    if all(new is old for new, old in zip(clean, parts, strict=True)):
        return message
    return {**message, "content": clean}


def _part(path: str, value: Json, allowed: frozenset[str], tally: Tally) -> Json:
    part = required_mapping(path, value)
    kind = required_text(f"{path}.type", part, "type")
    if kind not in allowed:
        raise InvalidValue(f"{path}.type", f"This must be one of: {', '.join(sorted(allowed))}.")
    clean = without_unknown(part, _PART_FIELDS[kind], tally)
    if clean.get("cache_control") is not None:
        tally.asks_cache = True
    _READERS[kind](f"{path}.{kind}", clean, tally)
    return clean


def _text(path: str, part: Fields, tally: Tally) -> None:
    tally.add_text(required_text(path, part, "text"))


def _refusal(path: str, part: Fields, tally: Tally) -> None:
    tally.add_text(required_text(path, part, "refusal"))


def _image(path: str, part: Fields, tally: Tally) -> None:
    image = required_mapping(path, part.get("image_url"))
    required_text(f"{path}.url", image, "url")
    tally.add_image()


def _audio(path: str, part: Fields, tally: Tally) -> None:
    audio = required_mapping(path, part.get("input_audio"))
    required_text(f"{path}.format", audio, "format")
    tally.add_audio(len(required_text(f"{path}.data", audio, "data")))


def _file(path: str, part: Fields, tally: Tally) -> None:
    file = required_mapping(path, part.get("file"))
    if file.get("file_id") is not None:
        raise RefusedByPolicy(f"{path}.file_id", CONTENT_AT_REST)
    required_text(f"{path}.file_data", file, "file_data")
    tally.add_file()


_READERS: Final[dict[str, Callable[[str, Fields, Tally], None]]] = {
    "text": _text,
    "refusal": _refusal,
    "image_url": _image,
    "input_audio": _audio,
    "file": _file,
}


def _calls(path: str, message: Fields, tally: Tally) -> None:
    """Check the tool calls of an assistant turn and count what the model will read of them."""
    calls = message.get("tool_calls")
    if calls is not None:
        for at, item in enumerate(required_list(f"{path}.tool_calls", calls, MAX_CALLS)):
            _call(f"{path}.tool_calls[{at}]", item, tally)
    for name in ("function_call", "reasoning_details"):
        old = message.get(name)
        if old is not None:
            tally.text_bytes += len(encode(old))


def _call(path: str, value: Json, tally: Tally) -> None:
    call = required_mapping(path, value)
    tally.add_text(required_text(f"{path}.id", call, "id"))
    kind = required_text(f"{path}.type", call, "type")
    if kind not in {"function", "custom"}:
        raise InvalidValue(f"{path}.type", "This must be one of: function, custom.")
    inner = required_mapping(f"{path}.{kind}", call.get(kind))
    tally.add_text(required_text(f"{path}.{kind}.name", inner, "name"))
    said = "arguments" if kind == "function" else "input"
    tally.add_text(required_text(f"{path}.{kind}.{said}", inner, said))
