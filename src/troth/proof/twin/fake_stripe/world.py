"""The double's whole state: objects by id, what is to happen when, and what it has told."""

import heapq
from collections.abc import Callable
from typing import Final

import msgspec

from troth.kernel.clock import Clock
from troth.proof.twin.fake_stripe.draw import Draw
from troth.proof.twin.fake_stripe.records import (
    Card,
    Charge,
    Dispute,
    Event,
    Intent,
    Movement,
    Payer,
    Payout,
    Record,
    Refund,
    Session,
)
from troth.proof.twin.fake_stripe.shown import shown
from troth.proof.twin.fake_stripe.terms import Terms
from troth.proof.twin.values import Fields, encoded

_MS: Final = 1_000
_ID_LETTERS: Final = 24


class World:
    """State and time. `now_s` is the moment that is being worked on, in unix seconds."""

    def __init__(self, terms: Terms, clock: Clock) -> None:
        self.terms = terms
        self.draw = Draw(terms.seed)
        self.base_url = "http://stripe.invalid"
        self.payers: dict[str, Payer] = {}
        self.cards: dict[str, Card] = {}
        self.intents: dict[str, Intent] = {}
        self.charges: dict[str, Charge] = {}
        self.sessions: dict[str, Session] = {}
        self.refunds: dict[str, Refund] = {}
        self.disputes: dict[str, Dispute] = {}
        self.movements: dict[str, Movement] = {}
        self.payouts: dict[str, Payout] = {}
        self.events: list[Event] = []
        self.caller = ("", "")
        self._clock = clock
        self._now_ms = clock.now_ms()
        self._due: list[tuple[int, int, Callable[[], None]]] = []
        self._number = 0
        self._ids = self.draw.part("ids")

    @property
    def now_ms(self) -> int:
        """The moment in unix milliseconds."""
        return self._now_ms

    @property
    def now_s(self) -> int:
        """The moment in unix seconds."""
        return self._now_ms // _MS

    def new_id(self, prefix: str) -> str:
        """Return an id like Stripe's."""
        return f"{prefix}_{self._ids.text(_ID_LETTERS)}"

    def later(self, after_s: int, action: Callable[[], None]) -> None:
        """Let something happen after so many seconds."""
        self._number += 1
        heapq.heappush(self._due, (self._now_ms + after_s * _MS, self._number, action))

    def run(self) -> None:
        """Let everything happen that is due by now, each at its own moment."""
        now_ms = self._clock.now_ms()
        while self._due and self._due[0][0] <= now_ms:
            at_ms, _, action = heapq.heappop(self._due)
            self._now_ms = max(self._now_ms, at_ms)
            self.caller = ("", "")
            action()
        self._now_ms = max(self._now_ms, now_ms)

    def tell(self, kind: str, record: Record) -> None:
        """Note that something happened, with the object as it is now."""
        request, key = self.caller
        event = Event(
            id=self.new_id("evt"),
            created=self.now_s,
            kind=kind,
            about=record.id,
            shown=msgspec.Raw(encoded(shown(record))),
            request=request,
            key=key,
        )
        self.events.append(event)

    def find(self, ref: str) -> Record | None:
        """Return an object by its id, of whatever kind."""
        tables = (
            *(self.payers, self.cards, self.intents, self.charges, self.sessions),
            *(self.refunds, self.disputes, self.movements, self.payouts),
        )
        return next((table[ref] for table in tables if ref in table), None)

    def expand(self, told: Fields, path: str) -> None:
        """Put the object in the place of its id, at a dotted path; `data` walks a list."""
        head, _, rest = path.partition(".")
        value = told.get(head)
        if isinstance(value, str):
            record = self.find(value)
            if record is not None:
                value = told[head] = shown(record)
        if rest and isinstance(value, dict):
            self.expand(value, rest)
        elif rest and isinstance(value, list):
            for item in value:
                if isinstance(item, dict):
                    self.expand(item, rest)
