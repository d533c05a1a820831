"""Where requests enter a gateway: what fails unforeseen is caught here, and nowhere else."""

import asyncio
import ssl
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from troth.gateway.door import handle
from troth.gateway.refuse import framing_error, refusal
from troth.gateway.world import World
from troth.kernel.errors import Misconfigured, TrothError
from troth.kernel.ids import text
from troth.kernel.log import Log
from troth.server.faults import where
from troth.server.handover import Serving
from troth.server.log_lines import RequestFailed
from troth.wire import Arrival, Handler, Head, Header, Sink
from troth.wire.tls import server_context

_OURS: Final = 500
"""A handler that left no answer: a fault of ours, not of the request's framing."""


def guarded(world: World, log: Log) -> Handler:
    """Return the handler of a gateway: a fault of ours ends one request, and is told by its line.

    The wire answers for a handler that left no answer. No text of the fault goes anywhere.
    """

    async def serve(arrival: Arrival, sink: Sink) -> None:
        try:
            await handle(arrival, sink, world)
        except Exception as fault:  # noqa: BLE001 - the one place that catches what is unforeseen
            found = where(fault, fault.__traceback__)
            log.write(RequestFailed(found.plane, found.line, found.kind))
            world.counters.event("internal")
            fault.__traceback__ = None

    return serve


def tell_by_line(log: Log) -> Callable[[asyncio.AbstractEventLoop, Mapping[str, object]], None]:
    """Return what a loop does with a fault in one of its callbacks: it ends one connection.

    By itself a loop would write the fault's text to standard error. The line alone is told.
    """

    def tell(loop: asyncio.AbstractEventLoop, context: Mapping[str, object]) -> None:
        del loop
        fault = context.get("exception")
        error = fault if isinstance(fault, BaseException) else None
        found = where(error, None if error is None else error.__traceback__)
        log.write(RequestFailed(found.plane, found.line, found.kind))
        if error is not None:
            error.__traceback__ = None  # its frames refer to content

    return tell


def refuse(world: World) -> Callable[[int, str, Head | None], tuple[int, Sequence[Header], bytes]]:
    """Return what shapes the answers to requests that the wire itself refuses."""

    def shape(status: int, code: str, head: Head | None) -> tuple[int, Sequence[Header], bytes]:
        del code
        error = TrothError() if status == _OURS else framing_error(status)
        world.counters.event(error.code)
        return refusal(error, head, text("req", world.ids.raw()))

    return shape


def tls_of(serving: Serving) -> ssl.SSLContext | None:
    """Return the context of the API port.

    Raises:
        Misconfigured: certificate or key cannot be read or do not fit.
    """
    files = serving.tls
    if files is None:
        return None
    try:
        return server_context(files.certificate_file, files.key_file, files.floor)
    except OSError:  # what is wrong with a certificate is one too
        raise Misconfigured(
            f"cannot serve TLS with {files.certificate_file} and {files.key_file}: check that "
            "both are PEM files that this user may read, and that they belong together"
        ) from None
