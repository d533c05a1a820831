"""The thread beside a gateway's loop that writes its journal to disk."""

from threading import Event, Thread
from typing import Final

from troth.ledger.shard import Journal

_KEEP_SECONDS: Final = 0.01


class Keeper:
    """Runs `keep` of a journal each few milliseconds, which bounds what a power cut can take."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._ended = Event()
        self._thread = Thread(target=self._run, name="journal", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._journal.keep()
        self._thread.start()

    def _run(self) -> None:
        while not self._ended.wait(_KEEP_SECONDS):
            self._journal.keep()

    def stop(self) -> None:
        """Keep once more and end."""
        self._ended.set()
        self._thread.join()
        self._journal.keep()
