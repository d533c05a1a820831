"""Reports: the ledger for an auditor."""

from typing import Annotated, Final

from fastapi import APIRouter, Query, Response

from troth.control import reports
from troth.server.management.forms import Here, answer

LINES: Final = "application/x-ndjson"
_BATCHES: Final = 2_000
_DAYS: Final = 31
ROUTER: Final = APIRouter()


@ROUTER.get("/ledger/export")
def export_opening(office: Here) -> Response:
    """Give the first lines of the ledger: how far it goes, books and lots as they stand."""
    with office.store.read() as tx:
        return Response(reports.opening(tx, office.clock.now_ms()), media_type=LINES)


@ROUTER.get("/ledger/export/closes")
def export_closes(office: Here, after_day: int, until_day: int) -> Response:
    """Give some closed days; empty when there are no more."""
    with office.store.read() as tx:
        return Response(reports.closes(tx, after_day, until_day, _DAYS), media_type=LINES)


@ROUTER.get("/ledger/export/batches")
def export_batches(
    office: Here,
    desk: int,
    after: Annotated[int, Query(ge=0)],
    until: Annotated[int, Query(ge=0)],
) -> Response:
    """Give some batches of a desk with their rows; empty when there are no more."""
    with office.store.read() as tx:
        return Response(
            reports.batches(tx, desk, after, min(until, after + _BATCHES)), media_type=LINES
        )


@ROUTER.get("/ledger/batches/{desk}/{number}")
def show_batch(desk: int, number: int, office: Here) -> Response:
    """Give number and hash of one batch in a list; an empty list where there is none."""
    with office.store.read() as tx:
        return answer(list(reports.batch(tx, desk, number)))
