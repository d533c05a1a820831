"""Reports: what is earned and lost, what providers ask for, the ledger for an auditor."""

from typing import Annotated, Final

import msgspec
from fastapi import APIRouter, Query, Response
from pydantic import Field

from troth.control import accounts, reports
from troth.server.management.forms import Body, Here, answer

LINES: Final = "application/x-ndjson"
_BATCHES: Final = 2_000
_DAYS: Final = 31
_MS_OF_DAY: Final = 86_400_000
ROUTER: Final = APIRouter()


class NewTold(Body):
    """What a provider says of a model on a day since 1970, as a form of its export was read."""

    day: int = Field(ge=0, le=100_000)
    model: str = Field(min_length=1, max_length=200)
    cost_nusd: int = Field(ge=-(10**18), le=10**18)
    requests: int = Field(default=0, ge=0, le=10**18)


class NewExport(Body):
    """A provider's export: its text whole, or what was read of it elsewhere.

    `form` is one of the shipped forms, else its provider's. A difference is told above
    `tolerance_bp`, in hundredths of a percent.
    """

    provider: str
    export: str = ""
    told: list[NewTold] = Field(default_factory=list)
    form: str = ""
    tolerance_bp: int = Field(default=50, ge=0, le=10_000)


@ROUTER.get("/reports/margin")
def show_margins(
    office: Here, by: reports.By = "model", days: Annotated[int, Query(ge=1, le=400)] = 30
) -> Response:
    """Show charges less cost of the last days, the lowest first."""
    last = office.clock.now_ms() // _MS_OF_DAY
    with office.store.read() as tx:
        found = reports.margins(tx, by, last - days + 1, last)
        if by == "organization":
            names = {each.ref: each.name for each in accounts.on_list(tx)}
            found = [
                msgspec.structs.replace(each, group=names.get(each.group, each.group))
                for each in found
            ]
    return answer(list(found))


@ROUTER.post("/reports/reconcile")
def reconcile_provider(body: NewExport, office: Here) -> Response:
    """Compare a provider's export with the cost that was counted here; nothing is posted."""
    offered = [
        each
        for offerings in office.catalog.offerings.values()
        for each in offerings
        if body.provider in {each.upstream.id, each.upstream.provider}
    ]
    form = reports.form_of(reports.form_for(body.provider, body.form))
    told = [reports.Told(**each.model_dump()) for each in body.told]
    if not told or body.export:
        told += reports.read_export(form, body.export.encode())
    names = {each.upstream_model: each.model.name for each in offered}
    whose = reports.Whose(body.provider, names, body.tolerance_bp, form.is_monthly)
    with office.store.read() as tx:
        return answer(reports.reconcile(tx, whose, told))


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
