"""What gateways ask of the desk that moves no money: is this key right, what was that request.

A few threads answer; too many questions at once are sent away.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Final

from troth.control import keys, usage
from troth.kernel.clock import Clock
from troth.kernel.errors import TrothError
from troth.kernel.secret import Secret
from troth.server.desk_link import DeskLink
from troth.server.desk_names import DeskNames
from troth.server.messages import (
    Asked,
    Found,
    KeyAnswer,
    KeyAsk,
    NameAsk,
    NameFreed,
    ReadAnswer,
    ReadAsk,
)
from troth.server.own_reads import answer_to
from troth.store.engine import Store
from troth.store.transaction import Locked

_ASKS_MAX: Final = 256
_THREADS: Final = 2


class DeskReads:
    """Answers until `stop`."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        introduce: Callable[[DeskLink, str], None],
        usage_days: int = 0,
        *,
        names: DeskNames | None = None,
    ) -> None:
        """`introduce` tells a gateway of a key that it has not been told of.

        `usage_days` is how long receipts are kept, 0 for always; `names` judges names of requests.
        """
        self._usage_days = usage_days
        self._names = names
        self._introduce = introduce
        self._store = store
        self._clock = clock
        self._asks = 0
        self._pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="desk")

    def stop(self) -> None:
        """Answer what was begun, and nothing more."""
        self._pool.shutdown(cancel_futures=True)
        if self._names is not None:
            self._names.stop()

    def ask(self, link: DeskLink, ask: Asked) -> None:
        """Let the pool answer; refuse when it has too much to do."""
        if isinstance(ask, NameAsk | NameFreed):
            if self._names is not None:
                self._names.ask(link, ask)
            return
        if self._asks >= _ASKS_MAX:
            busy = isinstance(ask, KeyAsk)
            link.send(
                [
                    KeyAnswer(ask.ask, is_valid=False, is_busy=True)
                    if busy
                    else ReadAnswer(ask.ask, Found.FAILED)
                ]
            )
            return
        self._asks += 1
        with suppress(RuntimeError):  # the desk is closing
            if isinstance(ask, KeyAsk):
                self._pool.submit(self._check_key, link, ask)
            else:
                self._pool.submit(self._read, link, ask)

    def _check_key(self, link: DeskLink, ask: KeyAsk) -> None:
        try:
            with self._store.read() as transaction:
                kept = keys.hash_of(transaction, ask.public_id, self._clock.now_ms())
            is_known = kept is not None
            is_valid = kept is not None and keys.is_match(kept, Secret(ask.text))
            if is_valid and link.is_partial:
                self._introduce(link, ask.public_id)
            link.send([KeyAnswer(ask.ask, is_valid, is_known=is_known)])
        except Locked:
            link.send([KeyAnswer(ask.ask, is_valid=False, is_busy=True)])
        finally:
            self._asks -= 1

    def _read(self, link: DeskLink, ask: ReadAsk) -> None:
        try:
            now_ms = self._clock.now_ms()
            with self._store.read() as transaction:
                document = answer_to(transaction, ask.question, now_ms)
            found = Found.FOUND
            if document is None:
                is_over = usage.is_over(ask.question.subject, self._usage_days, now_ms)
                found = Found.EXPIRED if is_over else Found.MISSING
            link.send([ReadAnswer(ask.ask, found, document or b"")])
        except (Locked, TrothError):
            link.send([ReadAnswer(ask.ask, Found.FAILED)])
        finally:
            self._asks -= 1
