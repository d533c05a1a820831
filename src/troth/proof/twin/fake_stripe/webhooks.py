"""Webhooks: signed by Stripe's scheme, tried again until taken, and led astray by the seed."""

import hmac
from hashlib import sha256
from typing import Final, Literal

import msgspec

from troth.proof.twin.fake_stripe.draw import Draw
from troth.proof.twin.fake_stripe.records import Event
from troth.proof.twin.fake_stripe.shown import shown_event
from troth.proof.twin.fake_stripe.terms import Terms, WebhookFaults
from troth.proof.twin.values import encoded

Forgery = Literal["", "wrong_secret", "changed_body", "too_old", "no_v1", "no_header"]
FORGERIES: Final[tuple[Forgery, ...]] = (
    "wrong_secret",
    "changed_body",
    "too_old",
    "no_v1",
    "no_header",
)
_MS: Final = 1_000
_TRIES_S: Final = (5, 60, 300, 3_600, 6 * 3_600, 12 * 3_600, 24 * 3_600, 24 * 3_600)
"""How long until the next try, about three days in all."""

_OLD_S: Final = 3_600
_WRONG: Final = "whsec_of_somebody_else"


class Post(msgspec.Struct, frozen=True):
    """One webhook on its way. `forgery` says what is wrong with it; empty for a true one."""

    body: bytes
    signature: str
    event: str
    kind: str
    about: str
    forgery: Forgery = ""


class Delivery(msgspec.Struct):
    """A webhook that waits for its moment."""

    at_ms: int
    event: Event
    forgery: Forgery = ""
    tries: int = 0


def sign(body: bytes, secrets: tuple[str, ...], at_s: int) -> str:
    """Return the header of a body that is sent at `at_s`: one v1 for each secret in force."""
    sealed = str(at_s).encode() + b"." + body
    marks = [hmac.new(secret.encode(), sealed, sha256).hexdigest() for secret in secrets]
    return ",".join([f"t={at_s}", *(f"v1={mark}" for mark in marks)])


def body_of(event: Event) -> bytes:
    """Return what is posted of an event."""
    shown = shown_event(event)
    whole = encoded(shown)
    return whole[:-1] + b',"data":{"object":' + bytes(event.shown) + b"}}"


def plan(event: Event, faults: WebhookFaults, draw: Draw) -> list[Delivery]:
    """Return the deliveries of an event: none where it is dropped, several, late, forged."""
    at_ms = event.created * _MS
    planned = []
    if draw.happens(faults.forged_permille):
        forgery = FORGERIES[draw.below(len(FORGERIES))]
        planned.append(Delivery(at_ms + draw.below(faults.delay_ms_max + 1), event, forgery))
    if draw.happens(faults.dropped_permille):
        return planned
    copies = 1
    if draw.happens(faults.doubled_permille):
        copies += 1 + draw.below(faults.copies_max)
    for copy in range(copies):
        is_late = copy or draw.happens(faults.delayed_permille)
        wait_ms = draw.below(faults.delay_ms_max + 1) if is_late else 0
        planned.append(Delivery(at_ms + wait_ms, event))
    return planned


class Mailbag:
    """The deliveries that wait, in the order of their moments."""

    def __init__(self, terms: Terms, draw: Draw) -> None:
        self._terms = terms
        self._draw = draw.part("webhooks")
        self._planned = 0
        self._waiting: list[Delivery] = []

    @property
    def waiting(self) -> int:
        """How many deliveries wait."""
        return len(self._waiting)

    def fill(self, events: list[Event]) -> None:
        """Plan the deliveries of the events that are new."""
        for event in events[self._planned :]:
            self._waiting += plan(event, self._terms.webhook_faults, self._draw)
        self._planned = len(events)

    def take(self, now_ms: int) -> list[Delivery]:
        """Take out what is due, the earliest first."""
        due = [each for each in self._waiting if each.at_ms <= now_ms]
        self._waiting = [each for each in self._waiting if each.at_ms > now_ms]
        return sorted(due, key=lambda each: each.at_ms)

    def post_of(self, delivery: Delivery, now_s: int) -> Post:
        """Return what is sent: sealed now, or sealed wrongly."""
        event, secrets = delivery.event, self._terms.webhook_secrets
        forgery, body = delivery.forgery, body_of(event)
        if forgery == "wrong_secret":
            secrets = (_WRONG,)
        if forgery == "too_old":
            now_s -= _OLD_S
        signature = "" if forgery == "no_header" else sign(body, secrets, now_s)
        if forgery == "no_v1":
            signature = signature.replace("v1=", "v0=")
        if forgery == "changed_body":
            body = body.replace(b'"livemode":false', b'"livemode":true', 1)
        return Post(body, signature, event.id, event.kind, event.about, forgery)

    def again(self, delivery: Delivery, now_ms: int) -> None:
        """Plan another try of what was not taken; a forged one is not tried again."""
        if not delivery.forgery and delivery.tries < len(_TRIES_S):
            delivery.at_ms = now_ms + _TRIES_S[delivery.tries] * _MS
            delivery.tries += 1
            self._waiting.append(delivery)
