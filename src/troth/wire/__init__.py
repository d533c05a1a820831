"""Bytes, HTTP/1.1, TLS; knows no key, model or price.

Listening side: `server` accepts, `connection` orders requests and answers, `framing` and `chunks`
refuse what is ambiguous, `known_heads` knows what came before, `arrival` is a request on its way
in, `starts` gives it its turn, `sink` is its way back.
Both sides: `departures` lets what is written in one turn of the loop leave together.
Answering side: `pool` keeps connections to origins, `client` is one of them, `call` one request on
it, `dial` and `resolver` open it. Either side over TLS: `handshake` first, then `secured`.
`events` reads and writes server-sent events, `limits` has every number. Read `connection` and
`client` first: all else serves them.
"""

from troth.wire.arrival import Arrival, BodyRefused, ClientLeft
from troth.wire.call import Call
from troth.wire.errand import Errand, Moment
from troth.wire.events import Event, Splitter, StreamTooLarge
from troth.wire.framing import Head, Note
from troth.wire.limits import ClientLimits, ServerLimits
from troth.wire.origin import Deadlines, Failure, Origin, Receiver
from troth.wire.pool import Pool
from troth.wire.server import Handler, Server
from troth.wire.sink import Header, Sink

__all__ = (
    "Arrival",
    "BodyRefused",
    "Call",
    "ClientLeft",
    "ClientLimits",
    "Deadlines",
    "Errand",
    "Event",
    "Failure",
    "Handler",
    "Head",
    "Header",
    "Moment",
    "Note",
    "Origin",
    "Pool",
    "Receiver",
    "Server",
    "ServerLimits",
    "Sink",
    "Splitter",
    "StreamTooLarge",
)
