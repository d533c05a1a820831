"""Streams that have nothing to say for a while tell their clients, and all between, that they live.

What an event costs must not grow by this: nothing is noted while pieces pass. Now and then all
streams under way are looked at, and those that delivered nothing since the last looks speak.
"""

from typing import Final, Protocol

import msgspec

LOOK_NS: Final = 3_000_000_000
LOOKS: Final = 5
"""Looks at which nothing had come until a stream speaks: after 15 seconds, and before 18."""


class Running(Protocol):
    """A stream whose client waits for the rest."""

    def delivered(self) -> int:
        """Return a number that grows with what the client was sent."""
        ...

    def say_alive(self) -> None:
        """Send what a client skips."""
        ...


class _Seen(msgspec.Struct, gc=False):
    delivered: int
    looks: int = 0


class Silences:
    """The streams under way in this process."""

    __slots__ = ("_looked_ns", "_seen")

    def __init__(self) -> None:
        self._looked_ns = 0
        self._seen: dict[Running, _Seen] = {}

    def __len__(self) -> int:
        """How many are under way."""
        return len(self._seen)

    def begins(self, stream: Running) -> None:
        """Look at a stream from now on."""
        self._seen[stream] = _Seen(stream.delivered())

    def ends(self, stream: Running) -> None:
        """Look no more: the stream is over."""
        self._seen.pop(stream, None)

    def look(self, now_ns: int) -> None:
        """Let speak what was silent for so many looks; called often, looks seldom."""
        if now_ns - self._looked_ns < LOOK_NS:
            return
        self._looked_ns = now_ns
        for stream, seen in self._seen.items():
            delivered = stream.delivered()
            seen.looks = 0 if delivered != seen.delivered else seen.looks + 1
            seen.delivered = delivered
            if seen.looks >= LOOKS:
                seen.looks = 0
                stream.say_alive()
