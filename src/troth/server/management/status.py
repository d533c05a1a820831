"""Status: uptime as it was measured, maintenance as it is announced, credit as it is owed."""

from typing import Final

from fastapi import APIRouter, Response

from troth.control import availability
from troth.server import status_page, uptime_credits
from troth.server.management.forms import Body, By, Here, answer
from troth.server.shown import ShownStatus

ROUTER: Final = APIRouter()


class NewMaintenance(Body):
    """When it is; an emergency needs no notice and always counts as downtime."""

    starts_at_ms: int
    ends_at_ms: int
    is_emergency: bool = False


@ROUTER.get("/status")
def show_status(office: Here) -> Response:
    """Show the public page and, beside it, what the last month owes for its downtime."""
    with office.store.read() as tx:
        page = status_page.status_page(tx, office.alerts.availability, office.clock.now_ms())
        due = uptime_credits.due(tx, office)
    if due is None:
        return answer(ShownStatus(page))
    waiting = [each for each in due.owed if not each.is_credited]
    shown = ShownStatus(
        page,
        due.month.name,
        due.downtime_ms,
        len(waiting),
        sum(each.amount_nusd for each in waiting),
    )
    return answer(shown)


@ROUTER.post("/maintenance")
def announce_maintenance(body: NewMaintenance, office: Here, by: By) -> Response:
    """Announce maintenance."""
    notice_ms = None if body.is_emergency else office.alerts.availability.maintenance_notice_ms
    with office.store.write() as tx:
        made = availability.announce(
            tx,
            by,
            office.maker.raw(),
            (body.starts_at_ms, body.ends_at_ms),
            notice_ms=notice_ms,
        )
    return answer(status_page.shown_window(made), 201)


@ROUTER.post("/maintenance/{ref}/cancel")
def cancel_maintenance(ref: str, office: Here, by: By) -> Response:
    """Take back an announcement whose time has not come."""
    with office.store.write() as tx:
        return answer(status_page.shown_window(availability.cancel(tx, by, ref)))
