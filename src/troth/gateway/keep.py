"""Between record and finish, where the operator wants it: the charge is on disk before the end."""

from collections.abc import Awaitable, Callable

from troth.gateway.journey import Journey
from troth.kernel.stream_errors import NotKept


async def keep(journey: Journey, kept: Callable[[], Awaitable[None]]) -> None:
    """Wait until the charge survives a power cut; a begun stream else ends with why it did not.

    Raises:
        NotKept: the answer has not begun, and its charge may not survive.
    """
    flight = journey.flight
    if flight is None or flight.has_client_left:
        return
    try:
        await kept()
    except NotKept as error:
        if not journey.ask.streamed:
            flight.release()
            raise
        flight.error = error
        flight.is_cut = True
