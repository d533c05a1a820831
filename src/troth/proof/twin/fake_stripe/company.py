"""`FakeStripe`: the whole double as one object without sockets."""

import threading
from collections.abc import Callable
from typing import Final

from troth.kernel.clock import Clock
from troth.proof.twin.fake_stripe import balance, disputes, refunds, sessions
from troth.proof.twin.fake_stripe.api import Api, Ask, Reply
from troth.proof.twin.fake_stripe.books import Books, books_of
from troth.proof.twin.fake_stripe.cards import BY_TOKEN
from troth.proof.twin.fake_stripe.terms import Terms
from troth.proof.twin.fake_stripe.webhooks import Mailbag, Post
from troth.proof.twin.fake_stripe.world import World

_TAKEN: Final = range(200, 300)
_MS: Final = 1_000
_KEYS: Final = ("sk_test_", "rk_test_")
_KEY_MAX: Final = 255
_KEY_LASTS_S: Final = 86_400


class FakeStripe:
    """Answers the API, runs the pay page's deeds, posts webhooks, shows its books.

    Everything happens at the clock's moment: what is due by then happens first, at its own.
    """

    def __init__(self, terms: Terms, clock: Clock, seal_clock: Clock | None = None) -> None:
        """Live by `clock`; seal webhooks by `seal_clock`, where who hears them lives by another."""
        self.world = World(terms, clock)
        self._seal_clock = seal_clock or clock
        self.seen: list[Ask] = []
        self._api = Api(self.world)
        self._mailbag = Mailbag(terms, self.world.draw)
        self._lock = threading.RLock()
        balance.begin_payouts(self.world)

    def call(self, ask: Ask) -> Reply:
        """Answer one request.

        Raises:
            NoAnswer: the seed lets the answer be lost, before or after the deed.
        """
        with self._lock:
            self.world.run()
            self.seen.append(ask)
            return self._api.call(ask)

    def deliver(self, post: Callable[[Post], int]) -> int:
        """Post the webhooks that are due; `post` returns a status. Return how many were sent.

        What is not answered by 2xx is tried again later, for about three days.
        """
        with self._lock:
            self.world.run()
            self._mailbag.fill(self.world.events)
            now_ms = self.world.now_ms
            due = self._mailbag.take(now_ms)
        for delivery in due:
            status = post(self._mailbag.post_of(delivery, self._seal_clock.now_ms() // _MS))
            if status not in _TAKEN:
                with self._lock:
                    self._mailbag.again(delivery, now_ms)
        return len(due)

    @property
    def waiting(self) -> int:
        """How many webhooks are still to be posted."""
        with self._lock:
            self.world.run()
            self._mailbag.fill(self.world.events)
            return self._mailbag.waiting

    def look(self) -> None:
        """Let what is due by now happen."""
        with self._lock:
            self.world.run()

    def pay(self, session: str, card: str = "pm_card_visa") -> str:
        """Pay on a page as a person would; return the payment's status.

        Raises:
            KeyError: there is no such page.
        """
        with self._lock:
            self.world.run()
            found = self.world.sessions[session]
            if found.status == "open":
                sessions.pay(self.world, found, card)
            return self.status_of(session)

    def authenticate(self, session: str, *, is_confirmed: bool) -> str:
        """Answer the bank's question as a person would; return the payment's status."""
        with self._lock:
            self.world.run()
            found = self.world.sessions[session]
            if self.status_of(session) == "requires_action":
                sessions.authenticate(self.world, found, is_confirmed=is_confirmed)
            return self.status_of(session)

    def status_of(self, session: str) -> str:
        """Return the status of a page's payment, empty before the first try."""
        intent = self.world.intents.get(self.world.sessions[session].intent)
        return "" if intent is None else intent.status

    def dispute(self, intent: str, *, is_inquiry: bool = False) -> str:
        """Let the payer's bank ask for a payment's money now; return the dispute."""
        with self._lock:
            self.world.run()
            charge = self.world.charges[self.world.intents[intent].charge]
            return disputes.open_now(self.world, charge, "fraudulent", is_inquiry=is_inquiry).id

    def decide(self, dispute: str, *, is_won: bool) -> None:
        """Let the bank decide a dispute now."""
        with self._lock:
            self.world.run()
            disputes.decide(self.world, self.world.disputes[dispute], is_won=is_won)

    def fail_refund(self, refund: str) -> None:
        """Let a refund come back now."""
        with self._lock:
            self.world.run()
            refunds.fail(self.world, self.world.refunds[refund], "lost_or_stolen_card")

    def fail_payout(self, payout: str) -> None:
        """Let the merchant's bank send a payout back now."""
        with self._lock:
            self.world.run()
            balance.fail_payout(self.world, self.world.payouts[payout])

    def change_card(self, card: str, token: str) -> None:
        """Let a saved card behave like another test card from now on."""
        with self._lock:
            self.world.cards[card].kind = BY_TOKEN[token]

    def close_card(self, card: str) -> None:
        """Let a card be gone: it pays no more, and refunds to it come back."""
        with self._lock:
            self.world.cards[card].is_closed = True

    def books(self) -> Books:
        """Return what every payment came to, and the sums."""
        with self._lock:
            self.world.run()
            return books_of(self.world)
