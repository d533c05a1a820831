"""A buffered chat answer for a chat client, as the published document has it, with its cost."""

from typing import Final

import msgspec
from msgspec import UNSET
from typing_extensions import override

from troth.catalog.offering import Offering
from troth.gateway.dialects.beside_words import annotations_of, logprobs_of
from troth.gateway.dialects.chat_shapes import (
    FINISH_REASONS,
    Choice,
    ChoiceOut,
    Completion,
    Custom,
    Function,
    Message,
    MessageOut,
    ToolCall,
    size_of_message,
)
from troth.gateway.dialects.progress import Progress
from troth.gateway.dialects.reasoning_ends import ends_of_answers, put_right
from troth.gateway.dialects.usage_objects import openai_usage
from troth.gateway.exchange import Ask
from troth.kernel.ids import made_at_ms
from troth.kernel.quantities import Quantities
from troth.providers.counting import openai_quantities

_USAGE: Final = b'"usage":'
_FAULTS: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)

_decode: Final = msgspec.json.Decoder(Completion).decode
_encode: Final = msgspec.json.Encoder().encode


class ChatWhole(Progress):
    """Buffered answers from OpenAI-style upstreams to chat clients."""

    __slots__ = (
        "_answer",
        "_body",
        "_ends",
        "_expected",
        "_is_exact",
        "_model",
        "_parts",
        "_raw",
        "_reasoning_inside",
        "_shows_reasoning",
    )

    def __init__(self, ask: Ask, offering: Offering, raw: bytes) -> None:
        """Where the answer is rewritten, it is named and dated by the request's sixteen bytes."""
        Progress.__init__(self)
        self._parts: list[bytes] = []
        self._answer: Completion | None = None
        self._body = b""
        self._ends = ends_of_answers(ask, offering)
        self._expected = ask.choices
        self._is_exact = offering.exact and offering.upstream.dialect == "openai"
        self._model = offering.model.name
        self._raw = raw
        self._reasoning_inside = offering.reasoning_inside
        self._shows_reasoning = ask.asks_reasoning

    @override
    def piece(self, data: bytes) -> bytes:
        """Keep the bytes until the answer is whole."""
        self._parts.append(data)
        return b""

    @override
    def ended(self) -> bool:
        """Read the answer; tell whether it is one, with all its choices finished."""
        body = b"".join(self._parts)
        self._parts.clear()
        try:
            answer = _decode(body)
        except _FAULTS:
            self.fail()
            return False
        if len(answer.choices) != self._expected:
            self.fail()
            return False
        is_right = not self._ends or not put_right(answer.choices, self._ends)
        if self._is_exact and is_right and _is_whole(answer):
            self._body = body
            for choice in answer.choices:
                self._count(choice.message, choice.finish_reason)
        else:
            for choice in answer.choices:
                self._read(choice)
        if answer.usage:
            self.reported = openai_quantities(
                bytes(answer.usage), reasoning_inside=self._reasoning_inside
            )
        self._answer = answer
        return True

    @override
    def whole(self, cost_nusd: int, used: Quantities) -> bytes:
        """Return the answer with its cost; an exact one as it came, but for its usage."""
        if self._body and self._answer is not None:
            told = b'"usage":%b}' % self._answer.usage
            if self._body.endswith(told):  # as the published document has it
                before = self._body[: -len(told)]
                return b"".join((before, _USAGE, openai_usage(used, cost_nusd), b"}"))
            before, found, behind = self._body.rpartition(told[:-1])
            if found:
                return b"".join((before, _USAGE, openai_usage(used, cost_nusd), behind))
        identity = (f"chatcmpl-{self._raw.hex()}", made_at_ms(self._raw) // 1000, self._model)
        if self._is_exact and self._answer is not None:
            identity = (self._answer.id, self._answer.created, self._answer.model)
        choices = [self._written(choice) for choice in self.choices()]
        return completion(identity, choices, used, cost_nusd)

    def choices(self) -> list[Choice]:
        """Return the choices that were read; none before the end."""
        return [] if self._answer is None else self._answer.choices

    def _count(self, message: Message, reason: str | None) -> None:
        self.delivered_bytes += size_of_message(message)
        if reason == "length":
            self.hit_length = True

    def _read(self, choice: Choice) -> None:
        """Count a choice, and give it a reason that the published document knows."""
        message = choice.message
        reason = choice.finish_reason
        if reason not in FINISH_REASONS:
            self.alarms += 1
            reason = "stop"
        if reason == "stop" and message.tool_calls:
            reason = "tool_calls"
        choice.finish_reason = reason
        if message.tool_calls and not message.content:
            message.content = None
        self._count(message, reason)

    def _written(self, choice: Choice) -> ChoiceOut:
        message = choice.message
        shown = self._shows_reasoning
        return ChoiceOut(
            choice.index,
            MessageOut(
                "assistant",
                message.content,
                None if message.refusal is UNSET else message.refusal,
                _whole_calls(message.tool_calls),
                _whole_function(message.function_call),
                annotations_of(message.annotations),
                message.audio,
                message.reasoning_content if shown else None,
                message.reasoning if shown else None,
                message.reasoning_details if shown else None,
            ),
            logprobs_of(choice.logprobs),
            choice.finish_reason or "stop",
        )


def _is_whole(answer: Completion) -> bool:
    """Tell whether an answer may go out as it came: every field there, every reason known."""
    for choice in answer.choices:
        message = choice.message
        if choice.finish_reason not in FINISH_REASONS or message.tool_calls:
            return False
        if message.refusal is UNSET or choice.logprobs is UNSET:
            return False
    return answer.object == "chat.completion"


def completion(
    identity: tuple[str, int, str], choices: list[ChoiceOut], used: Quantities, cost_nusd: int
) -> bytes:
    """Return a completion: `identity` is id, unix seconds and model."""
    answer_id, created_at, model = identity
    return (
        b'{"id":%b,"object":"chat.completion","created":%d,"model":%b,"choices":%b,"usage":%b}'
    ) % (
        _encode(answer_id),
        created_at,
        _encode(model),
        _encode(choices),
        openai_usage(used, cost_nusd),
    )


def _whole_calls(calls: list[ToolCall] | None) -> list[ToolCall] | None:
    """Return the calls with the fields that a whole call has; None when there is none."""
    if not calls:
        return None
    for at, call in enumerate(calls):
        call.index = None
        call.id = call.id or f"call_0_{at}"
        if call.type == "custom":
            custom = call.custom or Custom()
            call.custom = Custom(custom.name or "", custom.input or "")
            call.function = None
        else:
            call.type = "function"
            call.function = _whole_function(call.function or Function())
            call.custom = None
    return calls


def _whole_function(function: Function | None) -> Function | None:
    """Return a call's function with both of its fields."""
    if function is None:
        return None
    return Function(function.name or "", function.arguments or "")
