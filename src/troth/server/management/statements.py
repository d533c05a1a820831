"""Statements: an organization's month, and the receipts that it sums."""

from typing import Annotated, Final, Literal

from fastapi import APIRouter, Query, Response

from troth.control import accounts, usage
from troth.kernel.receipt_errors import ReceiptExpired
from troth.server.management.forms import LIST_MAX, Here, answer

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


@ROUTER.get("/organizations/{name:path}/receipts/{days}")
def list_posted(
    name: str,
    days: str,
    office: Here,
    *,
    after: str = "",
    limit: Annotated[int, Query(ge=1, le=LIST_MAX)] = LIST_MAX,
) -> Response:
    """List the receipts that were posted in a month or on a day, those after one that is named."""
    now_ms = office.clock.now_ms()
    wanted = usage.days_of(days, now_ms)
    if usage.has_ended(wanted, office.usage_days, now_ms):
        raise ReceiptExpired
    with office.store.read() as tx:
        owner = accounts.named(tx, name)
        return answer(list(usage.posted(tx, owner.raw, wanted, after, limit=limit)))
