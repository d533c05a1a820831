"""The API's outside: keys of the merchant, idempotency keys, the envelope of an answer."""

from typing import Final

import msgspec

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
from troth.proof.twin.fake_stripe.world import World
from troth.proof.twin.values import Fields, encoded, text_of

_OK: Final = 200
_BROKEN: Final = 500
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


class Api:
    """Answers requests over a world, as reliably as the terms say."""

    def __init__(self, world: World) -> None:
        self.world = world
        self._keys: dict[str, Remembered] = {}
        self._draw = world.draw.part("api")

    def call(self, ask: Ask) -> Reply:
        """Answer one request.

        Raises:
            NoAnswer: the seed lets the answer be lost, before or after the deed.
        """
        faults = self.world.terms.api_faults
        if self._draw.happens(faults.deaf_permille):
            raise NoAnswer
        if self._draw.happens(faults.broken_permille):
            return _told(_BROKEN, {"type": "api_error", "message": "An unknown error occurred"})
        reply = self._answer(ask)
        if self._draw.happens(faults.lost_permille):
            raise NoAnswer
        return reply

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
        if told.get("object") == "list":
            told["url"] = ask.path
        headers = (("request-id", request), ("stripe-version", API_VERSION))
        return Reply(_OK, encoded(told), headers)


def _fingerprint(ask: Ask) -> tuple[str, str, str]:
    return ask.method, ask.path, ask.form


def _told(status: int, error: Fields, request: str = "req_refused") -> Reply:
    return Reply(status, encoded({"error": error}), (("request-id", request),))


def _key_refused(message: str) -> Reply:
    return _told(BAD_REQUEST, {"type": "idempotency_error", "message": message})
