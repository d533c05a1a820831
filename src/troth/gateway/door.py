"""Where a request comes in: path to purpose, errors to answers.

Whatever is refused on the way is raised as a leaf of the error tree and answered here, once.
"""

from typing import Final

from troth.gateway.count import count
from troth.gateway.endpoints import Purpose, find
from troth.gateway.endpoints.table import Match
from troth.gateway.pipeline import serve
from troth.gateway.rate_headers import limits_of
from troth.gateway.reading import model, models, own
from troth.gateway.receive import check_head
from troth.gateway.refuse import framing_error, refuse
from troth.gateway.world import World
from troth.kernel.errors import Overloaded, TrothError
from troth.kernel.ids import text
from troth.wire import Arrival, BodyRefused, ClientLeft, Sink

_OWN: Final = frozenset(
    {
        Purpose.RECEIPT,
        Purpose.RECEIPTS,
        Purpose.GENERATION,
        Purpose.KEY,
        Purpose.CREDITS,
    }
)
_WORD: Final = [
    (b"content-type", b"text/plain"),
    (b"cache-control", b"no-store"),
    (b"x-content-type-options", b"nosniff"),
]


async def handle(arrival: Arrival, sink: Sink, world: World) -> None:
    """Answer one request of whatever kind."""
    raw = world.ids.raw()
    head = arrival.head
    try:
        found = find(head.method, head.path, is_anthropic=b"anthropic-version" in head.headers)
        if isinstance(found, TrothError):
            raise found
        if found.endpoint is not None:
            if world.is_shedding:
                raise Overloaded
            check_head(head)
            await serve(arrival, sink, world, raw=raw, endpoint=found.endpoint)
        else:
            await _read(found, arrival, sink, world, raw=raw)
    except TrothError as error:
        _answer(error, arrival, sink, world, raw=raw)
    except BodyRefused as refused:
        _answer(framing_error(refused.status), arrival, sink, world, raw=raw)
    except ClientLeft:
        pass


async def _read(found: Match, arrival: Arrival, sink: Sink, world: World, *, raw: bytes) -> None:
    purpose = found.purpose
    if purpose is Purpose.COUNT:
        if world.is_shedding:
            raise Overloaded
        await count(arrival, sink, text("req", raw).encode(), world)
        return
    if purpose is Purpose.MODELS:
        await models(found, arrival, sink, world)
    elif purpose is Purpose.MODEL:
        await model(found, arrival, sink, world)
    elif purpose in _OWN:
        await own(found, arrival, sink, world)
    elif purpose is Purpose.READY and not (world.is_ready and world.keys.is_fresh):
        _say(503, b"not ready\n", sink, world)
    else:
        _say(200, b"ok\n", sink, world)


def _say(status: int, word: bytes, sink: Sink, world: World) -> None:
    """Answer a health check in one word."""
    shown = text("req", world.ids.raw()).encode()
    sink.answer(status, [*_WORD, (b"x-request-id", shown)], word)


def _answer(error: TrothError, arrival: Arrival, sink: Sink, world: World, *, raw: bytes) -> None:
    """Refuse, and let go of the frames that an error's traceback refers to: they hold content."""
    error.__traceback__ = None
    error.__context__ = None
    if sink.begun:
        sink.abort()
    else:
        refuse(error, arrival.head, text("req", raw), sink, more=limits_of(arrival.head, world))
    world.counters.event(error.code)
