"""Names of requests at the desk: one thread takes what waits, and one commit serves it.

The keys that hash what is asked live here and in gateways, in memory only: a new one each day, the
one before for as long as a name may need it. After a restart nothing can be compared with before.
"""

from collections import deque
from collections.abc import Callable, Sequence
from queue import SimpleQueue
from threading import Thread
from typing import Final

from troth.control import usage
from troth.kernel.clock import Clock
from troth.kernel.ids import Entropy
from troth.kernel.sealer import Sealer
from troth.server.desk_link import DeskLink
from troth.server.messages import FormKey, NameAnswer, NameAsk, NameFreed, Verdict
from troth.store.engine import Store
from troth.store.transaction import Locked, Transaction

_WAITING_MAX: Final = 1_024
_IN_ONE: Final = 64
_KEY_BYTES: Final = 32
_ID_BYTES: Final = 8
_STOP_SECONDS: Final = 5

Word = tuple[DeskLink, NameAsk | NameFreed]
Answer = Callable[[], None]


class FormKeys:
    """Today's key and yesterday's."""

    def __init__(self, clock: Clock, entropy: Entropy) -> None:
        self._clock = clock
        self._entropy = entropy
        self._keys: deque[FormKey] = deque(maxlen=2)
        self._until_ms = 0

    def current(self) -> list[FormKey]:
        """Return the keys, the one to hash with first."""
        now_ms = self._clock.now_ms()
        if now_ms >= self._until_ms:
            if now_ms >= self._until_ms + usage.NAME_KEPT_MS:
                self._keys.clear()
            self._keys.appendleft(FormKey(self._entropy(_ID_BYTES), self._entropy(_KEY_BYTES)))
            self._until_ms = now_ms + usage.NAME_KEPT_MS
        return list(self._keys)


class DeskNames:
    """Judges names until `stop`."""

    def __init__(self, store: Store, clock: Clock, sealer: Sealer, entropy: Entropy) -> None:
        """`sealer` hashes names; it is the installation's own and outlives a start."""
        self._store = store
        self._clock = clock
        self._sealer = sealer
        self._keys = FormKeys(clock, entropy)
        self._words: SimpleQueue[Word | None] = SimpleQueue()
        self._thread = Thread(target=self._run, name="desk-names", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End after what was asked before."""
        self._words.put(None)
        self._thread.join(_STOP_SECONDS)

    def ask(self, link: DeskLink, word: NameAsk | NameFreed) -> None:
        """Let the thread judge; refuse a claim when it has too much to do."""
        if isinstance(word, NameAsk) and self._words.qsize() >= _WAITING_MAX:
            link.send([NameAnswer(word.ask, Verdict.FAILED)])
        else:
            self._words.put((link, word))

    def _run(self) -> None:
        word = self._words.get()
        while word is not None:
            taken = [word]
            while len(taken) < _IN_ONE and not self._words.empty():
                following = self._words.get()
                if following is None:
                    self._words.put(None)
                    break
                taken.append(following)
            self._judge(taken)
            word = self._words.get()

    def _judge(self, words: Sequence[Word]) -> None:
        """Judge in order and in one transaction; answers leave once it is committed."""
        try:
            with self._store.write() as tx:
                answers = [self._one(tx, link, word) for link, word in words]
        except Locked:
            answers = [_failed(link, word) for link, word in words]
        for answer in answers:
            answer()

    def _one(self, tx: Transaction, link: DeskLink, word: NameAsk | NameFreed) -> Answer:
        naming = word.naming
        mark = self._sealer.mark(f"request {naming.org} {naming.name}")
        if isinstance(word, NameFreed):
            usage.give_back(tx, mark, naming.request)
            return _nothing
        keys = self._keys.current()
        forms = dict(word.forms)
        found = NameAnswer(word.ask, Verdict.STALE, keys=keys)
        if forms.keys() == {each.id for each in keys}:
            wish = usage.Claim(mark, naming.request, forms, keys[0].id)
            found = _answer(word.ask, usage.claim(tx, wish, self._clock.now_ms()))
        return lambda: link.send([found])


def _answer(
    ask: int, found: usage.Free | usage.Running | usage.Reused | usage.Charged
) -> NameAnswer:
    match found:
        case usage.Free():
            return NameAnswer(ask, Verdict.CLAIMED)
        case usage.Running():
            return NameAnswer(ask, Verdict.RUNNING)
        case usage.Reused():
            return NameAnswer(ask, Verdict.REUSED)
        case usage.Charged(request, charged):
            return NameAnswer(ask, Verdict.CHARGED, request, charged)


def _failed(link: DeskLink, word: NameAsk | NameFreed) -> Answer:
    """Say that the database did not take it; a name that could not be given back stays taken."""
    if isinstance(word, NameFreed):
        return _nothing
    failed = NameAnswer(word.ask, Verdict.FAILED)
    return lambda: link.send([failed])


def _nothing() -> None:
    """Nobody waits for this."""
