"""What of a tool's definition goes on, in either dialect; what nobody knows is taken out, counted.

The schema of a tool's arguments is its caller's own, whatever stands in it. The list around it is
closed, as everywhere in a request: what a provider may give a meaning or a price tomorrow does not
pass today. Fields that belong to tools which a provider runs itself go the same way.
"""

import re
from typing import Final

from troth.gateway.dialects.checks import mapping, required_mapping, required_text
from troth.gateway.dialects.tally import Tally, without_unknown
from troth.gateway.exchange import Fields, Json
from troth.kernel.errors import InvalidValue

_CHAT: Final = {
    "function": frozenset({"name", "description", "parameters", "strict"}),
    "custom": frozenset({"name", "description", "format"}),
}
_ANY: Final = frozenset({"cache_control", "input_examples", "name", "strict", "type"})
_MESSAGES: Final = {
    "custom": _ANY | {"description", "eager_input_streaming", "input_schema"},
    "bash": _ANY,
    "computer": _ANY | {"display_height_px", "display_number", "display_width_px", "enable_zoom"},
    "memory": _ANY,
    "text_editor": _ANY | {"max_characters"},
}
_DATED: Final = re.compile(r"([a-z_]+)_[0-9]{8}")


def chat_tool(path: str, kind: str, tool: Fields, tally: Tally) -> Fields:
    """Return a tool of a chat request; itself when nothing is to go.

    Raises:
        BadRequest: its kind is none of ours, or a field of it is wrong.
    """
    if kind not in _CHAT:
        raise InvalidValue(f"{path}.type", "This must be one of: function, custom.")
    if tool.get("cache_control") is not None:
        tally.asks_cache = True
    clean = without_unknown(tool, frozenset({"type", kind, "cache_control"}), tally)
    given = clean.get(kind)
    inner = chat_function(f"{path}.{kind}", given, tally, kind)
    return clean if inner is given else {**clean, kind: inner}


def chat_function(path: str, value: Json, tally: Tally, kind: str = "function") -> Fields:
    """Return what a tool of a chat request is, within its kind; itself when nothing is to go.

    Raises:
        BadRequest: a field of it is wrong.
    """
    inner = required_mapping(path, value)
    required_text(f"{path}.name", inner, "name")
    if inner.get("parameters") is not None:
        mapping(f"{path}.parameters", inner["parameters"])
    return without_unknown(inner, _CHAT[kind], tally)


def messages_tool(path: str, kind: str, tool: Fields, tally: Tally) -> Fields:
    """Return a tool of a messages request, the caller's own or one that callers run.

    Raises:
        BadRequest: its kind is none of these, or a field of it is wrong.
    """
    dated = _DATED.fullmatch(kind)
    known = _MESSAGES.get(dated[1] if dated else kind if kind == "custom" else "")
    if known is None:
        raise InvalidValue(
            f"{path}.type",
            "This must be custom, or a dated kind of: bash, computer, memory, text_editor.",
        )
    required_text(f"{path}.name", tool, "name")
    if kind == "custom":
        required_mapping(f"{path}.input_schema", tool.get("input_schema"))
    if tool.get("cache_control") is not None:
        tally.asks_cache = True
    return without_unknown(tool, known, tally)
