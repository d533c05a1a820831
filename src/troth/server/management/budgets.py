"""Budgets of organizations, projects and keys."""

from collections.abc import Sequence
from typing import Final, Literal

from fastapi import APIRouter, Response

from troth.control import accounts, budgets, keys
from troth.control.budgets import Mode, Owner, OwnerKind
from troth.kernel.periods import Period
from troth.server.management.forms import Body, By, Here, answer, dollars
from troth.server.management.telling import changed
from troth.store.transaction import Transaction

ROUTER: Final = APIRouter()


class OwnedBudget(Body):
    """Which budget: of the organization, or of the one project or key of it that is named."""

    period: Literal["day", "week", "month", "total"]
    project: str = ""
    key: str = ""


class NewBudget(OwnedBudget):
    """How much in US dollars, and whether it stops requests (`hard`) or only tells (`alert`)."""

    limit_usd: str
    mode: Literal["hard", "alert"] = "hard"


@ROUTER.get("/budgets")
def list_budgets(office: Here, organization: str = "") -> Response:
    """List budgets with their running periods, of one organization or of all."""
    with office.store.read() as tx:
        raw = accounts.narrowed(tx, organization)
        return answer(list(budgets.listed(tx, office.clock.now_ms(), raw)))


@ROUTER.post("/organizations/{name:path}/budgets")
def set_budget(name: str, body: NewBudget, office: Here, by: By) -> Response:
    """Set or change a budget; answered when every gateway draws on it, or with those that do not.

    What a gateway has on loan of a budget that shrinks is called back at once.
    """
    limit = dollars("limit_usd", body.limit_usd)
    wanted = budgets.Wanted(Period(body.period), Mode(body.mode), limit)
    with office.store.write() as tx:
        whose = budgets.owner(tx, accounts.named(tx, name), body.project, body.key)
        purse = budgets.set_budget(tx, by, whose, wanted, raw=office.maker.raw())
        public_ids = _drawing(tx, whose)
    office.gateways.call_back(purse)
    return changed(office, whose.ref, public_ids)


@ROUTER.post("/organizations/{name:path}/budgets/drop")
def drop_budget(name: str, body: OwnedBudget, office: Here, by: By) -> Response:
    """End a budget."""
    with office.store.write() as tx:
        whose = budgets.owner(tx, accounts.named(tx, name), body.project, body.key)
        budgets.drop(tx, by, whose, Period(body.period))
        public_ids = _drawing(tx, whose)
    return changed(office, whose.ref, public_ids)


def _drawing(tx: Transaction, whose: Owner) -> Sequence[str]:
    """Return the public ids of the keys whose requests draw on an owner's budgets."""
    if whose.kind is OwnerKind.ORGANIZATION:
        found = keys.of_organization(tx, whose.raw)
    elif whose.kind is OwnerKind.PROJECT:
        found = keys.of_project(tx, whose.raw)
    else:
        found = [keys.find(tx, whose.ref)]
    return [key.public_id for key in found if not key.revoked_at_ms]
