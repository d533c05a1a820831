"""What runs here, what is sold, what was used, and what administrators changed."""

from typing import Annotated, Final

from fastapi import APIRouter, Query, Response

from troth import __version__
from troth.control import accounts, audit, keys, supply, usage
from troth.kernel.errors import Missing
from troth.kernel.receipt_errors import ReceiptExpired
from troth.server.management.forms import JSON, LIST_MAX, Here, answer
from troth.server.records import receipt_document
from troth.server.shown import State, shown_models

MS_OF_DAY: Final = 86_400_000
ROUTER: Final = APIRouter()


@ROUTER.get("/state")
def state(office: Here) -> Response:
    """Say what runs here."""
    with office.store.read() as tx:
        organizations = len(accounts.on_list(tx))
        now_ms = office.clock.now_ms()
        live = keys.live_count(tx, now_ms)
        catalog = supply.sold(tx, office.catalog, now_ms)
    return answer(
        State(
            __version__,
            office.is_serving,
            organizations,
            live,
            tuple(catalog.offerings),
            catalog.price_set,
            office.warnings,
            tuple(office.refusing()),
        )
    )


@ROUTER.get("/models")
def list_models(office: Here) -> Response:
    """List what is offered, in the order to try."""
    with office.store.read() as tx:
        return answer(list(shown_models(supply.sold(tx, office.catalog, office.clock.now_ms()))))


@ROUTER.get("/usage")
def show_usage(
    office: Here,
    by: usage.Grouping = "day",
    days: Annotated[int, Query(ge=1, le=400)] = 30,
    organization: str = "",
) -> Response:
    """Show the sums of the last days."""
    now_ms = office.clock.now_ms()
    period = usage.Period((now_ms // MS_OF_DAY - days + 1) * MS_OF_DAY, now_ms + 1)
    with office.store.read() as tx:
        raw = accounts.narrowed(tx, organization)
        return answer(list(usage.totals(tx, period, by, raw)))


@ROUTER.get("/receipts/{request_id}")
def show_receipt(request_id: str, office: Here) -> Response:
    """Show one request's receipt."""
    with office.store.read() as tx:
        document = receipt_document(tx, "", "", request_id)
    if document is None:
        is_over = usage.is_over(request_id, office.usage_days, office.clock.now_ms())
        raise ReceiptExpired if is_over else Missing("receipt")
    return Response(document, media_type=JSON)


@ROUTER.get("/organizations/{name:path}/receipts")
def list_receipts(
    name: str, office: Here, limit: Annotated[int, Query(ge=1, le=LIST_MAX)] = 20
) -> Response:
    """List an organization's newest receipts."""
    with office.store.read() as tx:
        return answer(list(usage.latest(tx, accounts.named(tx, name).raw, limit)))


@ROUTER.get("/audit")
def show_audit(office: Here, limit: Annotated[int, Query(ge=1, le=LIST_MAX)] = 20) -> Response:
    """List the newest changes."""
    with office.store.read() as tx:
        return answer(list(audit.recent(tx, limit)))
