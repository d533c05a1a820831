"""Codes to redeem, and credit for downtime."""

from typing import Final

from fastapi import APIRouter, Response

from troth.control import accounts, deeds, promotions, usage
from troth.server import uptime_credits
from troth.server.management.forms import Body, By, Here, Key, answer, dollars, once
from troth.server.shown import Redeemed, UptimeCredits

ROUTER: Final = APIRouter()
_CODES: Final = "codes"


class NewCode(Body):
    """What it gives, how often, until when; 0 is no end and no cap."""

    amount_usd: str
    uses_max: int = 1
    expires_at_ms: int = 0
    credit_days: int = 0
    campaign: str = ""
    cap_usd: str = "0"


class GivenCode(Body):
    """A code as somebody typed it."""

    code: str


class Downtime(Body):
    """A month such as 2026-10 and how long the service was away in it; else what was measured.

    Nothing is credited unless `is_applied`.
    """

    month: str
    downtime_ms: int | None = None
    is_applied: bool = False


@ROUTER.get("/codes")
def list_codes(office: Here) -> Response:
    """List all codes, without their texts."""
    with office.store.read() as tx:
        return answer(list(promotions.on_list(tx)))


@ROUTER.post("/codes")
def create_code(body: NewCode, office: Here, by: By, key: Key) -> Response:
    """Make a code; this answer is the only place that ever holds it: a repeat has not its text."""
    terms = promotions.CodeTerms(
        amount_nusd=dollars("amount_usd", body.amount_usd),
        uses_max=body.uses_max,
        expires_at_ms=body.expires_at_ms,
        credit_days=body.credit_days,
        campaign=body.campaign,
        cap_nusd=dollars("cap_usd", body.cap_usd),
    )
    minted = (office.maker.raw(), office.entropy(promotions.CODE_BYTES))
    named = once(key, "codes", body)
    with office.store.write() as tx:
        made = deeds.claim(tx, office.sealer, named, _CODES, now_ms=by.at_ms)
        if made is not None:
            return answer(next(each for each in promotions.on_list(tx) if each.ref in made), 201)
        code = promotions.create(tx, by, minted, terms)
        deeds.note(tx, office.sealer, named, _CODES, made=[code.ref])
    return answer(code, 201)


@ROUTER.post("/codes/{reference}/revoke")
def revoke_code(reference: str, office: Here, by: By) -> Response:
    """End a code."""
    with office.store.write() as tx:
        return answer(promotions.revoke(tx, by, reference))


@ROUTER.post("/organizations/{name:path}/redeem")
def redeem_code(name: str, body: GivenCode, office: Here, by: By, *, key: Key) -> Response:
    """Give an organization what a code is worth; five tries a minute."""
    with office.store.write() as tx:
        owner = accounts.named(tx, name)
        promotions.attempt(tx, owner, by.at_ms)
    named = once(key, "redeem", body)
    with office.store.write() as tx:
        made = deeds.claim(tx, office.sealer, named, owner.ref, now_ms=by.at_ms)
        if made is None:
            made = [str(promotions.redeem(tx, by, owner, promotions.digest_of(body.code)))]
            deeds.note(tx, office.sealer, named, owner.ref, made=made)
    return answer(Redeemed(owner.ref, int(made[0])))


@ROUTER.post("/uptime")
def credit_uptime(body: Downtime, office: Here, by: By) -> Response:
    """Show what is owed for a month's downtime; credit it, once, where that is asked for."""
    month = usage.month_of(body.month, by.at_ms)
    terms, credited = office.alerts.uptime, 0
    with office.store.write() as tx:
        measured = body.downtime_ms is None
        away_ms = uptime_credits.downtime_of(tx, office, month) if measured else body.downtime_ms
        assert away_ms is not None
        due = promotions.owed(tx, month, away_ms, terms)
        if body.is_applied:
            credited = uptime_credits.credit(tx, by, month, (due, away_ms))
            due = promotions.owed(tx, month, away_ms, terms)
    return answer(UptimeCredits(month.name, away_ms, credited, due))
