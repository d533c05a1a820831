"""Answers that an upstream put where its reasoning belongs.

Some upstreams look for the end of the thinking in what their model says. With thinking off there
is none, and the whole answer stands in the field for reasoning while the content is empty. Where
the caller did not ask for reasoning and nothing else was said, it is the answer. In a stream this
shows at the end only: such words wait until content comes or the choice finishes.
"""

from typing import Final

from typing_extensions import override

from troth.catalog.offering import Offering
from troth.gateway.dialects.chat_shapes import Chunk, Delta, StreamChoice
from troth.gateway.dialects.chat_stream import ChatStream
from troth.gateway.dialects.chat_writer import ChatWriter
from troth.gateway.dialects.messages_from_chat import MessagesFromChat
from troth.gateway.dialects.progress import Progress
from troth.gateway.dialects.reasoning_ends import ends_of_answers
from troth.gateway.exchange import Ask

MAX_WAITING: Final = 1_048_576
"""Characters that wait at most; reasoning beyond that is no short answer that lost its way."""


class Waiting:
    """What was said as reasoning by choices that have said nothing else."""

    __slots__ = ("_ends", "_settled", "_size", "_words")

    def __init__(self, ends: frozenset[str]) -> None:
        """`ends` are the finish reasons at which such words are the answer."""
        self._ends = ends
        self._settled: set[int] = set()
        self._size = 0
        self._words: dict[int, list[str]] = {}

    def __bool__(self) -> bool:
        """Tell whether words wait."""
        return bool(self._words)

    def settle(self, index: int) -> None:
        """Note that a choice said something else: what it called reasoning is just that."""
        self._settled.add(index)
        self._words.pop(index, None)

    def take(self, choice: StreamChoice, progress: Progress) -> bool:
        """Note a step, or give it the words that waited; tell whether it must be written anew.

        The words were counted when they came, as reasoning.
        """
        delta, index = choice.delta, choice.index
        if index in self._settled:
            return False
        thought = None if delta is None else delta.reasoning_content or delta.reasoning
        if delta is not None and _says(delta):
            self.settle(index)
            return False
        waited = "".join(self._words.get(index, ()))
        if thought:
            self._keep(index, thought)
        if choice.finish_reason is None:
            return bool(thought)
        answer = waited + (thought or "")
        self.settle(index)
        if answer and choice.finish_reason in self._ends:
            progress.delivered_bytes -= len(waited.encode())
            choice.delta = Delta(content=answer)
        return bool(answer)

    def _keep(self, index: int, thought: str) -> None:
        self._words.setdefault(index, []).append(thought)
        self._size += len(thought)
        if self._size > MAX_WAITING:
            self.settle(index)


class WaitingChatStream(ChatStream):
    """Streams to chat clients from upstreams that misplace answers."""

    __slots__ = ("_waiting",)

    def __init__(self, ask: Ask, offering: Offering, answer_id: str, created_at: int) -> None:
        """`answer_id` and `created_at` (unix seconds) are used where the events are ours."""
        super().__init__(ask, offering, answer_id, created_at)
        self._waiting = Waiting(ends_of_answers(ask, offering))
        self._writer = ChatWriter(wants_usage=ask.wants_usage, shows_reasoning=False)

    @override
    def _straight(self, data: bytes) -> bytes:
        if self._waiting or self._expected > 1:
            return b""
        shown = super()._straight(data)
        if shown:
            self._waiting.settle(0)
        return shown

    @override
    def _shown(self, chunk: Chunk, choices: list[StreamChoice], relayed: bytes) -> bytes:
        for choice in choices:
            if self._waiting.take(choice, self):
                relayed = b""
        return super()._shown(chunk, choices, relayed)


class WaitingMessagesFromChat(MessagesFromChat):
    """Streams to messages clients from upstreams that misplace answers."""

    __slots__ = ("_misplaced",)

    def __init__(self, ask: Ask, offering: Offering, answer_id: str, request_id: str) -> None:
        """`answer_id` is the message's id."""
        super().__init__(ask, offering, answer_id, request_id)
        self._misplaced = Waiting(ends_of_answers(ask, offering))
        self._shows_thinking = False

    @override
    def _straight(self, data: bytes) -> bytes:
        return b"" if self._misplaced else super()._straight(data)

    @override
    def _step(self, choice: StreamChoice) -> list[bytes]:
        self._misplaced.take(choice, self)
        return super()._step(choice)


def chat_stream_kind(ask: Ask, offering: Offering) -> type[ChatStream]:
    """Return what renders an OpenAI-style stream for a chat client."""
    return WaitingChatStream if ends_of_answers(ask, offering) else ChatStream


def messages_stream_kind(ask: Ask, offering: Offering) -> type[MessagesFromChat]:
    """Return what renders an OpenAI-style stream for a messages client."""
    return WaitingMessagesFromChat if ends_of_answers(ask, offering) else MessagesFromChat


def _says(delta: Delta) -> bool:
    """Tell whether a step says anything but reasoning."""
    return bool(delta.content or delta.tool_calls or delta.refusal or delta.function_call)
