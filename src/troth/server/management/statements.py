"""Statements: an organization's month."""

from typing import Final, Literal

from fastapi import APIRouter, Response

from troth.control import accounts, usage
from troth.server.management.forms import Here, answer

ROUTER: Final = APIRouter()


@ROUTER.get("/organizations/{name:path}/statements/{month}")
def show_statement(
    name: str, month: str, office: Here, form: Literal["json", "csv"] = "json"
) -> Response:
    """Show a month of an organization's wallet, as JSON or CSV."""
    wanted = usage.month_of(month, office.clock.now_ms())
    with office.store.read() as tx:
        found = usage.statement(tx, accounts.named(tx, name).raw, wanted)
    if form == "csv":
        return Response(usage.as_csv(found), media_type="text/csv")
    return answer(found)
