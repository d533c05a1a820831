"""Alerts: what was told, and to whom."""

from typing import Annotated, Final, Literal

from fastapi import APIRouter, Query, Response

from troth.control import accounts, budgets
from troth.server.management.forms import LIST_MAX, Body, By, Here, answer

ROUTER: Final = APIRouter()


class NewContact(Body):
    """Where alerts go, in which language; an empty address for nowhere."""

    address: str
    language: Literal["en", "de", "fr"] = "en"


@ROUTER.get("/alerts")
def list_alerts(
    office: Here,
    organization: str = "",
    limit: Annotated[int, Query(ge=1, le=LIST_MAX)] = 20,
) -> Response:
    """List the newest alerts, of one organization or of all."""
    with office.store.read() as tx:
        raw = accounts.narrowed(tx, organization)
        return answer(list(budgets.on_list(tx, limit, raw)))


@ROUTER.get("/organizations/{name:path}/contact")
def show_contact(name: str, office: Here) -> Response:
    """Show where an organization's alerts go."""
    with office.store.read() as tx:
        return answer(budgets.contact(tx, accounts.named(tx, name), office.sealer))


@ROUTER.post("/organizations/{name:path}/contact")
def set_contact(name: str, body: NewContact, office: Here, by: By) -> Response:
    """Say where an organization's alerts go."""
    with office.store.write() as tx:
        owner = accounts.named(tx, name)
        wanted = (body.address, body.language)
        return answer(budgets.set_contact(tx, by, owner, wanted, sealer=office.sealer))
