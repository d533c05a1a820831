"""What a person does on the pay page, as HTTP: look, choose, confirm, leave."""

import re
from typing import Final
from urllib.parse import parse_qs

from troth.proof.twin.fake_stripe.api import Reply
from troth.proof.twin.fake_stripe.cards import BY_TOKEN
from troth.proof.twin.fake_stripe.company import FakeStripe
from troth.proof.twin.fake_stripe.pay_page import (
    HEADERS,
    back_page,
    end_page,
    no_page,
    pay_page,
    secure_page,
)
from troth.proof.twin.fake_stripe.records import Session
from troth.proof.twin.fake_stripe.sessions import success_url

_PATH: Final = re.compile(r"/pay/(\w+)")
_OK: Final = 200
_SEE_OTHER: Final = 303
_BAD: Final = 400
_NOT_FOUND: Final = 404


def pages(company: FakeStripe, method: str, path: str, form: str) -> Reply:
    """Answer a request of a browser."""
    if path == "/back":
        return _html(_OK, back_page())
    match = _PATH.fullmatch(path)
    session = company.world.sessions.get(match[1]) if match else None
    if session is None:
        return _html(_NOT_FOUND, no_page())
    company.look()
    if method == "POST" and session.status == "open":
        return _deed(company, session, form)
    return _shown(company, session)


def _deed(company: FakeStripe, session: Session, form: str) -> Reply:
    fields = parse_qs(form)
    deed = fields.get("deed", [""])[0]
    card = fields.get("card", [""])[0]
    if deed == "leave":
        return _go(session.cancel_url or session.url)
    if deed == "pay" and card in BY_TOKEN:
        company.pay(session.id, card)
    elif deed in {"confirm", "refuse"}:
        company.authenticate(session.id, is_confirmed=deed == "confirm")
    else:
        return _html(_BAD, pay_page(session, "Choose one of the cards."))
    if session.is_paid:
        return _go(success_url(session))
    return _go(session.url)


def _shown(company: FakeStripe, session: Session) -> Reply:
    if session.status != "open":
        back = success_url(session) if session.is_paid else session.cancel_url
        return _html(_OK, end_page(session, back))
    if company.status_of(session.id) == "requires_action":
        return _html(_OK, secure_page(session))
    intent = company.world.intents.get(session.intent)
    failure = None if intent is None else intent.failure
    return _html(_OK, pay_page(session, "" if failure is None else failure.message))


def _html(status: int, text: str) -> Reply:
    return Reply(status, text.encode(), HEADERS)


def _go(url: str) -> Reply:
    return Reply(_SEE_OTHER, b"", (("location", url), ("cache-control", "no-store")))
