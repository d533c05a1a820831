"""Writes the events of a chat stream as the published document has them.

Per choice: the role, then pieces, then an empty delta with the finish reason. One id, one time,
one model. The usual event, one piece of content of the first choice, is three joined parts.
"""

from typing import Final

import msgspec

from troth.gateway.dialects.beside_words import logprobs_of
from troth.gateway.dialects.chat_shapes import Delta, Function, StreamChoice, ToolCall
from troth.gateway.dialects.usage_objects import openai_usage
from troth.kernel.quantities import Quantities

END: Final = b"data: [DONE]\n\n"
COMMENT: Final = b": waiting for more\n\n"
"""No event: clients skip it, and what stands between sees that the stream lives."""

_NOTHING: Final = b"{}"
_ROLE: Final = b'{"role":"assistant","content":"","refusal":null}'
_ROLE_OF_CALLS: Final = b'{"role":"assistant","content":null,"refusal":null}'

_encode: Final = msgspec.json.Encoder().encode


class ChatWriter:
    """One stream's writer; remembers which choices began and which tool calls are open."""

    __slots__ = (
        "_begun",
        "_calls",
        "_head",
        "_plain_head",
        "_plain_tail",
        "_shows_reasoning",
        "_tail",
        "_wants_usage",
        "is_named",
    )

    def __init__(self, *, wants_usage: bool, shows_reasoning: bool) -> None:
        self._begun: set[int] = set()
        self._calls: dict[int, list[ToolCall]] = {}
        self._wants_usage = wants_usage
        self._shows_reasoning = shows_reasoning
        self._tail = b'],"usage":null}\n\n' if wants_usage else b"]}\n\n"
        self._head = b""
        self._plain_head = b""
        self._plain_tail = b'},"logprobs":null,"finish_reason":null}' + self._tail
        self.is_named = False

    def name(self, answer_id: str, created_at: int, model: str) -> None:
        """Fix id, time (unix seconds) and model of all events of this stream."""
        self._head = (
            b'data: {"id":%b,"object":"chat.completion.chunk","created":%d,"model":%b,"choices":['
        ) % (_encode(answer_id), created_at, _encode(model))
        self._plain_head = self._head + b'{"index":0,"delta":{"content":'
        self.is_named = True

    def write(self, choice: StreamChoice) -> bytes:
        """Return the events of one choice's step; b"" when it adds nothing."""
        delta = choice.delta or Delta()
        index = choice.index
        if index in self._begun:
            begin = b""
            content = delta.content
            if content and index == 0 and choice.finish_reason is None and _is_plain(choice, delta):
                return self._plain_head + _encode(content) + self._plain_tail
        else:
            self._begun.add(index)
            begin = self._chunk(index, _ROLE_OF_CALLS if delta.tool_calls else _ROLE)
        return begin + self._rest(choice, delta)

    def around_content(self) -> tuple[bytes, bytes]:
        """Return what is around a piece of content of the first choice, between its quotes."""
        return self._plain_head + b'"', b'"' + self._plain_tail

    def end(self, cost_nusd: int, used: Quantities) -> bytes:
        """Return the usage event, if it was asked for, and the end of the stream."""
        if not self._wants_usage:
            return END
        return b'%b],"usage":%b}\n\n%b' % (self._head, openai_usage(used, cost_nusd), END)

    def has_calls(self, index: int) -> bool:
        """Tell whether a choice has called a tool."""
        return index in self._calls

    def _rest(self, choice: StreamChoice, delta: Delta) -> bytes:
        index = choice.index
        delta.role = None
        delta.content = delta.content or None
        if not self._shows_reasoning:
            delta.reasoning = delta.reasoning_content = delta.reasoning_details = None
        if delta.tool_calls:
            self._fit_calls(index, delta.tool_calls)
        said = _encode(delta)
        logprobs = None if choice.logprobs is None else logprobs_of(choice.logprobs)
        piece = b""
        if said != _NOTHING or logprobs is not None:
            piece = self._chunk(index, said, _encode(logprobs))
        if choice.finish_reason is None:
            return piece
        return piece + self._chunk(index, _NOTHING, finish=_encode(choice.finish_reason))

    def _chunk(
        self, index: int, delta: bytes, logprobs: bytes = b"null", *, finish: bytes = b"null"
    ) -> bytes:
        return b'%b{"index":%d,"delta":%b,"logprobs":%b,"finish_reason":%b}%b' % (
            self._head,
            index,
            delta,
            logprobs,
            finish,
            self._tail,
        )

    def _fit_calls(self, index: int, pieces: list[ToolCall]) -> None:
        """Give each call an index, and its first piece the fields that a first piece has."""
        known = self._calls.setdefault(index, [])
        for piece in pieces:
            if piece.index is None:
                piece.index = len(known) if piece.id or not known else len(known) - 1
            if piece.index < len(known):
                continue
            piece.index = len(known)
            known.append(piece)
            piece.id = piece.id or f"call_{index}_{piece.index}"
            piece.type = piece.type or "function"
            if piece.type == "function":
                function = piece.function or Function()
                piece.function = Function(function.name or "", function.arguments or "")


def _is_plain(choice: StreamChoice, delta: Delta) -> bool:
    """Tell whether a step holds content and nothing else."""
    return (
        choice.logprobs is None
        and delta.tool_calls is None
        and delta.reasoning_content is None
        and delta.reasoning is None
        and delta.reasoning_details is None
        and delta.refusal is None
        and delta.function_call is None
        and delta.audio is None
    )
