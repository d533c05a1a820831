"""`FakeStripe`: the whole double as one object without sockets."""

import threading
from collections.abc import Callable
from typing import Final

import msgspec

from troth.kernel.clock import Clock
from troth.proof.twin.fake_stripe import balance, disputes, refunds, sessions
from troth.proof.twin.fake_stripe.books import Books, books_of
from troth.proof.twin.fake_stripe.cards import BY_TOKEN
from troth.proof.twin.fake_stripe.params import Params, nested
from troth.proof.twin.fake_stripe.refusals import (
    BAD_REQUEST,
    NOT_FOUND,
    UNAUTHORIZED,
    NoAnswer,
    Refusal,
)
from troth.proof.twin.fake_stripe.routes import route
from troth.proof.twin.fake_stripe.shown import API_VERSION
from troth.proof.twin.fake_stripe.terms import Terms
from troth.proof.twin.fake_stripe.webhooks import Mailbag, Post
from troth.proof.twin.fake_stripe.world import World
from troth.proof.twin.values import Fields, encoded, text_of

_OK: Final = 200
_BROKEN: Final = 500
_TAKEN: Final = range(200, 300)
_MS: Final = 1_000
_KEYS: Final = ("sk_test_", "rk_test_")
_KEY_MAX: Final = 255
_KEY_LASTS_S: Final = 86_400


class Ask(msgspec.Struct, frozen=True):
    """A request to the API: `form` is the body of a POST or the query of a GET."""

    method: str
    path: str
    form: str = ""
    api_key: str = ""
    idempotency_key: str = ""


class Reply(msgspec.Struct, frozen=True):
    """An answer of the API."""

    status: int
    body: bytes
    headers: tuple[tuple[str, str], ...] = ()


class Remembered(msgspec.Struct, frozen=True):
    """What an idempotency key stands for."""

    ask: tuple[str, str, str]
    reply: Reply
    at_s: int


class FakeStripe:
    """Answers the API, runs the pay page's deeds, posts webhooks, shows its books.

    Everything happens at the clock's moment: what is due by then happens first, at its own.
    """

    def __init__(self, terms: Terms, clock: Clock) -> None:
        self.world = World(terms, clock)
        self.seen: list[Ask] = []
        self._keys: dict[str, Remembered] = {}
        self._mailbag = Mailbag(terms, self.world.draw)
        self._draw = self.world.draw.part("api")
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
            faults = self.world.terms.api_faults
            if self._draw.happens(faults.deaf_permille):
                raise NoAnswer
            if self._draw.happens(faults.broken_permille):
                message = "An unknown error occurred"
                return _told(_BROKEN, {"type": "api_error", "message": message})
            reply = self._answer(ask)
            if self._draw.happens(faults.lost_permille):
                raise NoAnswer
            return reply

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
            status = post(self._mailbag.post_of(delivery, now_ms // _MS))
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

    def _answer(self, ask: Ask) -> Reply:
        if not ask.api_key.startswith(_KEYS):
            message = "Invalid API Key provided. The double takes test keys only: sk_test_..."
            return _told(UNAUTHORIZED, {"type": "invalid_request_error", "message": message})
        if ask.method != "POST" or not ask.idempotency_key:
            return self._execute(ask)
        return self._once(ask)

    def _once(self, ask: Ask) -> Reply:
        """Execute a request once for its key; refuse the key for any other request."""
        key = ask.idempotency_key
        if len(key) > _KEY_MAX:
            return _key_refused("Idempotency keys may be at most 255 characters long.")
        kept = self._keys.get(key)
        if kept is not None and self.world.now_s - kept.at_s < _KEY_LASTS_S:
            if kept.ask != _fingerprint(ask):
                return _key_refused(
                    "Keys for idempotent requests can only be used with the same parameters they "
                    "were first used with. Try using a key other than the one you used before if "
                    "you meant to execute a different request."
                )
            replayed = ("idempotent-replayed", "true")
            return Reply(kept.reply.status, kept.reply.body, (*kept.reply.headers, replayed))
        reply = self._execute(ask)
        if reply.status != BAD_REQUEST:  # what was never begun is not remembered
            self._keys[key] = Remembered(_fingerprint(ask), reply, self.world.now_s)
        return reply

    def _execute(self, ask: Ask) -> Reply:
        found = route(ask.method, ask.path)
        request = self.world.new_id("req")
        self.world.caller = (request, ask.idempotency_key)
        if found is None:
            message = f"Unrecognized request URL ({ask.method}: {ask.path})."
            return _told(NOT_FOUND, {"type": "invalid_request_error", "message": message}, request)
        act, ref = found
        fields = nested(ask.form)
        wanted = fields.pop("expand", {})
        try:
            told = act(self.world, ref, Params(fields))
        except Refusal as refusal:
            return _told(refusal.status, refusal.told, request)
        for path in wanted.values() if isinstance(wanted, dict) else ():
            self.world.expand(told, text_of(path))
        headers = (("request-id", request), ("stripe-version", API_VERSION))
        return Reply(_OK, encoded(told), headers)


def _fingerprint(ask: Ask) -> tuple[str, str, str]:
    return ask.method, ask.path, ask.form


def _told(status: int, error: Fields, request: str = "req_refused") -> Reply:
    return Reply(status, encoded({"error": error}), (("request-id", request),))


def _key_refused(message: str) -> Reply:
    return _told(BAD_REQUEST, {"type": "idempotency_error", "message": message})
