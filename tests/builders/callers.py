"""Callers who go on asking while something happens to the installation."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPException
from threading import Event

from tests.builders.installation import Installed, Told
from tests.journeys.patience import wait_until


class Load:
    """Callers who ask again and again, each time on a new connection, beside something."""

    def __init__(self, house: Installed, key: str, callers: int = 8) -> None:
        self.told: list[Told] = []
        self.broken = 0
        self._house = house
        self._key = key
        self._is_over = Event()
        self._callers = callers

    def beside(self, trouble: Callable[[], None]) -> None:
        """Ask before, while and after it happens."""
        with ThreadPoolExecutor(self._callers) as pool:
            running = [pool.submit(self._call) for _ in range(self._callers)]
            self.wait_for_more()
            trouble()
            self.wait_for_more()
            self._is_over.set()
        for each in running:
            each.result()

    def wait_for_more(self) -> None:
        """Wait until fifty more were answered."""
        enough = len(self.told) + 50
        wait_until(lambda: len(self.told) >= enough, 20, "answers come")

    def _call(self) -> None:
        while not self._is_over.is_set():
            try:
                self.told.append(self._house.ask(self._key, max_tokens=5))
            except (OSError, HTTPException):
                self.broken += 1

    @property
    def costs(self) -> dict[str, int]:
        """Return what whole answers said they cost."""
        return {one.request: one.cost_nusd for one in self.told if one.status == 200}
