"""Minutes of a day as bits: in which an endpoint answered, and in which its upstreams did not.

A minute that nobody noted is one without an answer: who is away cannot write it down.
"""

from collections import defaultdict
from collections.abc import Iterable
from enum import Enum
from typing import Final

import msgspec

from troth.store.transaction import Transaction

MS_OF_MINUTE: Final = 60_000
MINUTES_OF_DAY: Final = 1_440
_BYTES: Final = MINUTES_OF_DAY // 8


class State(Enum):
    """What is noted of a minute: an answer, or answers of which most were upstream's failures."""

    UP = "up"
    UPSTREAM = "upstream"


class Bits(msgspec.Struct, frozen=True):
    """A day's minutes, the first the lowest bit."""

    up: int = 0
    upstream: int = 0


Day = dict[str, Bits]
"""By endpoint."""


def note(tx: Transaction, minutes: Iterable[tuple[int, str, State]]) -> None:
    """Note minutes since 1970 by endpoint; that upstreams failed outweighs that somebody answered.

    To note the same again changes nothing.
    """
    found: defaultdict[tuple[int, str], list[tuple[int, State]]] = defaultdict(list)
    for minute, endpoint, state in minutes:
        day, place = divmod(minute, MINUTES_OF_DAY)
        found[day, endpoint].append((1 << place, state))
    for (day, endpoint), noted in found.items():
        old = days(tx, day, day + 1).get(day, {}).get(endpoint, Bits())
        up, upstream = old.up, old.upstream
        for bit, state in noted:
            up |= bit if state is State.UP else 0
            upstream |= bit if state is State.UPSTREAM else 0
        tx.execute(
            "INSERT INTO availability (day, endpoint, up, upstream) VALUES (?, ?, ?, ?)"
            " ON CONFLICT (day, endpoint) DO UPDATE"
            " SET up = excluded.up, upstream = excluded.upstream",
            (day, endpoint, _stored(up & ~upstream), _stored(upstream)),
        )


def days(tx: Transaction, first: int, end: int) -> dict[int, Day]:
    """Return what was noted of days from `first` up to but not including `end`."""
    rows = tx.rows(
        "SELECT day, endpoint, up, upstream FROM availability WHERE day >= ? AND day < ?"
        " ORDER BY day, endpoint",
        (first, end),
        tuple[int, str, bytes, bytes],
    )
    found: dict[int, Day] = {}
    for day, endpoint, up, upstream in rows:
        found.setdefault(day, {})[endpoint] = Bits(
            int.from_bytes(up, "little"), int.from_bytes(upstream, "little")
        )
    return found


def since(tx: Transaction) -> int | None:
    """Return the first minute since 1970 that was ever noted; None before there is one."""
    first = tx.row("SELECT min(day) FROM availability", (), tuple[int | None])
    if first is None or first[0] is None:
        return None
    day = first[0]
    noted = 0
    for bits in days(tx, day, day + 1)[day].values():
        noted |= bits.up | bits.upstream
    return day * MINUTES_OF_DAY + (noted & -noted).bit_length() - 1


def span(first: int, end: int) -> int:
    """Return the bits of minutes from `first` up to but not including `end`, within a day."""
    first, end = max(0, first), min(MINUTES_OF_DAY, end)
    return (1 << end) - (1 << first) if end > first else 0


def _stored(bits: int) -> bytes:
    return bits.to_bytes(_BYTES, "little")
