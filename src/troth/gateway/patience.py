"""Waiting for something on behalf of a client, as long as there is one."""

import asyncio
from collections.abc import Awaitable, Generator
from typing import Final, Generic, TypeVar

from typing_extensions import override

from troth.gateway.world import Memory
from troth.kernel.content import Content
from troth.kernel.errors import Overloaded
from troth.wire import Arrival, ClientLeft

Found = TypeVar("Found")
_UNTOLD_BYTES: Final = 1 << 20
"""What a body without a length is taken for."""


async def large_body(arrival: Arrival, memory: Memory) -> Content:
    """Return a body that does not come with its head, if there is room for it.

    Raises:
        Overloaded: too much memory is in use, or will be once all that was let in is here.
        BodyRefused, ClientLeft: as `Arrival.body` does.
    """
    size = arrival.head.content_length or _UNTOLD_BYTES
    if not memory.takes(size):
        raise Overloaded
    try:
        return await arrival.body()
    finally:
        memory.came(size)


class WhileThere(Awaitable[Found], Generic[Found]):
    """What is waited for; when the client hangs up, what it waits for is cancelled.

    It begins in the step in which it is awaited, as a task would not.

    Raises, when it is awaited:
        ClientLeft: the client hung up before it came.
    """

    __slots__ = ("_arrival", "_step", "_waiting")

    def __init__(self, arrival: Arrival, waiting: Awaitable[Found]) -> None:
        self._arrival = arrival
        self._waiting = waiting
        self._step: asyncio.Future[None] | None = None

    @override
    def __await__(self) -> Generator[asyncio.Future[None], None, Found]:
        steps = self._waiting.__await__()
        try:
            step = steps.send(None)
            self._arrival.on_client_left(self._leave)
            while True:
                self._step = step
                if self._arrival.client_left:
                    step.cancel()
                yield step
                step = steps.send(None)
        except StopIteration as ended:
            found: Found = ended.value
            return found
        except asyncio.CancelledError:
            raise ClientLeft from None
        finally:
            self._step = None
            steps.close()

    def _leave(self) -> None:
        if self._step is not None:
            self._step.cancel()
