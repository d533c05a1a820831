"""Log lines are closed types of the seven scalar kinds: there is nowhere to put a sentence.

A line is one JSON object: time, event, fields. No line end can split it, for no field holds text.
"""

from collections.abc import Callable

import msgspec

from troth.kernel.clock import Clock


class Event(msgspec.Struct, frozen=True, tag_field="event"):
    """The root of all log lines. A subclass's fields are of the kinds in `fields`."""


Sink = Callable[[bytes], None]
"""Takes one line with its end."""


class Log:
    """Writes events to a sink as JSON lines."""

    __slots__ = ("_clock", "_encoder", "_process", "_sink")

    def __init__(self, sink: Sink, clock: Clock, process: str) -> None:
        """`process` is the role and slot, such as `gateway-0`."""
        self._sink = sink
        self._clock = clock
        self._process = msgspec.json.encode(process)
        self._encoder = msgspec.json.Encoder()

    def write(self, event: Event) -> None:
        """Write one line."""
        head = b'{"at_ms":%d,"process":%s,' % (self._clock.now_ms(), self._process)
        self._sink(head + self._encoder.encode(event)[1:] + b"\n")
