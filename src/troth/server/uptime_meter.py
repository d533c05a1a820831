"""Measures in which minutes the service answered, from what gateways report of themselves.

A minute is up when a gateway said in it that it is ready. It is not, when of ten calls or more of
an endpoint at least half failed behind us. What could not be written yet is kept for later.
"""

from collections.abc import Callable
from typing import Final

from troth.control import availability
from troth.control.availability import MS_OF_MINUTE, State
from troth.server.metrics import Pulse
from troth.server.office import Office
from troth.server.status_page import page_of

EVERY_MS: Final = 5_000
"""Many looks a minute, so that one that is lost decides nothing, and a start is seen soon."""
_CALLS_MIN: Final = 10
_KEPT: Final = 3 * 1_440

Noted = tuple[int, str, State]


class UptimeMeter:
    """Looks, notes, and keeps the public page of it. One thread calls `turn`."""

    def __init__(self, pulse: Callable[[], Pulse]) -> None:
        self._pulse = pulse
        self._seen = Pulse(0, {})
        self._minute = 0
        self._is_up = False
        self._start: Pulse | None = None
        self._unwritten: list[Noted] = []
        self._page = b""
        self._shown = 0

    @property
    def page(self) -> bytes:
        """The public page as JSON; empty until the first turn."""
        return self._page

    def turn(self, office: Office) -> None:
        """Look once, and write what is new.

        Raises:
            TrothError, Locked: the database did not take it; the next turn tries again.
        """
        now_ms = office.clock.now_ms()
        pulse = self._pulse()
        self._look(now_ms // MS_OF_MINUTE, pulse, _endpoints(office))
        if self._unwritten:
            with office.store.write() as tx:
                availability.note(tx, self._unwritten)
            self._unwritten.clear()
            self._shown = 0
        if self._shown == self._minute:
            return
        with office.store.read() as tx:
            self._page = page_of(tx, office.alerts.availability, now_ms)
        self._shown = self._minute

    def _look(self, minute: int, pulse: Pulse, endpoints: list[str]) -> None:
        if minute != self._minute:
            self._end_minute(pulse, endpoints)
            self._minute, self._is_up, self._start = minute, False, pulse
        if pulse.beats > self._seen.beats and not self._is_up:
            self._is_up = True
            self._unwritten += [(minute, endpoint, State.UP) for endpoint in endpoints]
        self._seen = pulse
        del self._unwritten[:-_KEPT]

    def _end_minute(self, pulse: Pulse, endpoints: list[str]) -> None:
        """Take back a minute's answer for endpoints whose calls mostly failed in it."""
        if self._start is None or not self._is_up:
            return
        for endpoint in endpoints:
            calls, failed = pulse.calls.get(endpoint, (0, 0))
            former = self._start.calls.get(endpoint, (0, 0))
            calls, failed = calls - former[0], failed - former[1]
            if calls >= _CALLS_MIN and 2 * failed >= calls:
                self._unwritten.append((self._minute, endpoint, State.UPSTREAM))


def _endpoints(office: Office) -> list[str]:
    offered = office.catalog.offerings.values()
    return sorted({name for each in offered for one in each for name in one.model.endpoints})
