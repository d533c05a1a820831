"""The simulated provider: the model of a fresh install, inside the gateway process.

It has the wire's face, so that everything before and behind it is the real path. Nothing of a
request stays in it or comes back out of it.
"""

import asyncio
from collections.abc import Iterator, Sequence
from typing import Final

import msgspec

from troth.catalog.offering import Upstream
from troth.providers.json_values import Fields, Json
from troth.providers.simulated_answers import (
    embeddings_answer,
    streamed_answer,
    wanted_of,
    whole_answer,
)
from troth.wire import Deadlines, Receiver

TOKEN_MS: Final = 15

_STREAM: Final = {b"content-type": b"text/event-stream"}
_JSON: Final = {b"content-type": b"application/json"}
_OK: Final = 200

_decode: Final = msgspec.json.Decoder().decode


class SimulatedCall:
    """One answer on its way. The caller may pause, resume or close it at any time."""

    __slots__ = (
        "_is_paused",
        "_is_streamed",
        "_loop",
        "_pieces",
        "_receiver",
        "_seconds",
        "_timer",
    )

    def __init__(
        self, receiver: Receiver, pieces: Iterator[bytes], seconds: float, *, is_streamed: bool
    ) -> None:
        """Take the pieces of the answer and the time between two of them."""
        self._loop = asyncio.get_running_loop()
        self._receiver: Receiver | None = receiver
        self._pieces = pieces
        self._seconds = seconds
        self._is_paused = False
        self._is_streamed = is_streamed
        self._timer: asyncio.Handle | None = self._loop.call_soon(self._begin)

    def close(self) -> None:
        """Give the answer up; the receiver hears nothing more."""
        self._receiver = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def pause(self) -> None:
        """Say no more for now."""
        self._is_paused = True

    def resume(self) -> None:
        """Go on."""
        self._is_paused = False
        if self._timer is None and self._receiver is not None:
            self._timer = self._loop.call_soon(self._next)

    def _begin(self) -> None:
        if self._receiver is not None:
            self._receiver.head(_OK, dict(_STREAM if self._is_streamed else _JSON))
            self._next()

    def _next(self) -> None:
        """Say one piece, or all that is left when there is no pace."""
        self._timer = None
        while self._receiver is not None and not self._is_paused:
            piece = next(self._pieces, None)
            if piece is None:
                receiver, self._receiver = self._receiver, None
                receiver.ended()
                return
            self._receiver.piece(piece)
            if self._seconds:
                self._timer = self._loop.call_later(self._seconds, self._next)
                return


class Simulated:
    """Answers chat and embeddings requests in OpenAI's dialect."""

    __slots__ = ("_seconds",)

    def __init__(self, token_ms: int = TOKEN_MS) -> None:
        """`token_ms` is the time between two streamed tokens; 0 for all at once."""
        self._seconds = token_ms / 1_000

    def send(
        self,
        _upstream: Upstream,
        head: bytes,
        body: Sequence[bytes],
        receiver: Receiver,
        _deadlines: Deadlines,
    ) -> SimulatedCall:
        """Answer one request; `head` and `body` are those that a real upstream would get."""
        text = b"".join(body)
        fields = _fields(text)
        if head.partition(b"\r\n")[0].split(b" ")[1].endswith(b"/embeddings"):
            answer = iter((embeddings_answer(fields, len(text)),))
            return SimulatedCall(receiver, answer, 0, is_streamed=False)
        wanted = wanted_of(fields)
        if wanted.is_streamed:
            events = streamed_answer(wanted)
            return SimulatedCall(receiver, events, self._seconds, is_streamed=True)
        return SimulatedCall(receiver, iter((whole_answer(wanted),)), 0, is_streamed=False)


def _fields(body: bytes) -> Fields:
    """Return the request's fields. The gateway wrote them itself, so they are an object."""
    fields: Json = _decode(body)
    return fields if type(fields) is dict else {}
