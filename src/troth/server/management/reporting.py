"""Reports: what is earned and lost, what providers ask for, the ledger for an auditor."""

from typing import Annotated, Final

import msgspec
from fastapi import APIRouter, Query, Response
from pydantic import Field

from troth.catalog.offering import Offering
from troth.control import accounts, deeds, reports
from troth.kernel.errors import InvalidValue
from troth.server.management.forms import LIST_MAX, Body, By, Here, Key, answer, once
from troth.server.office import DESK, Office
from troth.store.transaction import Transaction

LINES: Final = "application/x-ndjson"
_BATCHES: Final = 2_000
_DAYS: Final = 31
_MS_OF_DAY: Final = 86_400_000
_CORRECTIONS: Final = "corrections"
Amount = Annotated[int, Field(ge=-reports.AMOUNT_MAX, le=reports.AMOUNT_MAX)]
Count = Annotated[int, Field(ge=0, le=reports.AMOUNT_MAX)]
Day = Annotated[int, Field(ge=-1, le=reports.DAY_MAX)]
Place = Annotated[int, Field(ge=0, le=reports.AMOUNT_MAX)]
ROUTER: Final = APIRouter()


class NewTold(Body):
    """What a provider says of a model on a day since 1970, as a form of its export was read."""

    day: int = Field(ge=0, le=reports.DAY_MAX)
    model: str = Field(min_length=1, max_length=200)
    cost_nusd: Amount
    requests: Count = 0


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


class NewOvercharge(Body):
    """Who gets credit back, as it was proposed."""

    organization: str
    requests: Count
    credit_nusd: Count


class NewCorrection(Body):
    """A row of a proposal; overcharges may be struck out, figures stay."""

    day: int = Field(ge=0, le=reports.DAY_MAX)
    model: str = Field(min_length=1, max_length=200)
    ours_nusd: Amount
    theirs_nusd: Amount
    cost_nusd: Amount
    overcharges: list[NewOvercharge] = Field(default_factory=list, max_length=100_000)


class NewCorrections(Body):
    """A proposal as it was made, less the rows that were struck out."""

    provider: str = Field(min_length=1, max_length=200)
    is_monthly: bool = False
    waiting: Count = 0
    rows: list[NewCorrection] = Field(min_length=1, max_length=10_000)


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
    whose, told = _asked(body, office)
    with office.store.read() as tx:
        _demand_known(tx, body.provider, office)
        return answer(reports.reconcile(tx, whose, told))


@ROUTER.post("/reports/propose")
def propose_corrections(body: NewExport, office: Here) -> Response:
    """Tell which corrections a provider's export asks for; nothing is posted."""
    whose, told = _asked(body, office)
    with office.store.read() as tx:
        _demand_known(tx, body.provider, office)
        return answer(reports.propose(tx, whose, told, office.clock.now_ms()))


def _demand_known(tx: Transaction, provider: str, office: Office) -> None:
    """Refuse a bill of nobody: a slip of the pen must not become a debt.

    Raises:
        InvalidValue: nothing was asked of a provider or upstream of this name, and none is offered.
    """
    if not _offered(provider, office) and not reports.was_asked(tx, provider):
        reason = "give a provider or an upstream by its name in the settings"
        raise InvalidValue("provider", reason)


def _offered(provider: str, office: Office) -> list[Offering]:
    return [
        each
        for offerings in office.catalog.offerings.values()
        for each in offerings
        if provider in {each.upstream.id, each.upstream.provider}
    ]


def _asked(body: NewExport, office: Office) -> tuple[reports.Whose, list[reports.Told]]:
    form = reports.form_of(reports.form_for(body.provider, body.form))
    told = [reports.Told(**each.model_dump()) for each in body.told]
    if not told or body.export:
        told += reports.read_export(form, body.export.encode())
    names = {each.upstream_model: each.model.name for each in _offered(body.provider, office)}
    return reports.Whose(body.provider, names, body.tolerance_bp, form.is_monthly), told


@ROUTER.get("/corrections")
def list_corrections(
    office: Here, limit: Annotated[int, Query(ge=1, le=LIST_MAX)] = 20
) -> Response:
    """List the newest corrections."""
    with office.store.read() as tx:
        return answer(list(reports.listed(tx, limit)))


@ROUTER.post("/corrections")
def accept_corrections(body: NewCorrections, office: Here, by: By, key: Key) -> Response:
    """Post a proposal, all of its rows or none, as long as it is what would be proposed now."""
    form = body.model_dump(mode="json")
    proposal = msgspec.convert({**form, "waiting": 0}, reports.Proposal)
    named = once(key, "corrections", body)
    with office.store.write() as tx:
        made = deeds.claim(tx, office.sealer, named, _CORRECTIONS, now_ms=by.at_ms)
        if made is not None:
            return answer(reports.Accepted(*map(int, made)), 201)
        _demand_known(tx, body.provider, office)
        done = reports.accept(tx, by, proposal, DESK)
        figures = [str(each) for each in msgspec.structs.astuple(done)]
        deeds.note(tx, office.sealer, named, _CORRECTIONS, made=figures)
    return answer(done, 201)


@ROUTER.get("/ledger/export")
def export_opening(office: Here) -> Response:
    """Give the first lines of the ledger: how far it goes, books and lots as they stand."""
    office.exports.note(office.clock)
    with office.store.read() as tx:
        return Response(reports.opening(tx, office.clock.now_ms()), media_type=LINES)


@ROUTER.get("/ledger/export/closes")
def export_closes(office: Here, after_day: Day, until_day: Day) -> Response:
    """Give some closed days; empty when there are no more."""
    office.exports.note(office.clock)
    with office.store.read() as tx:
        return Response(reports.closes(tx, after_day, until_day, _DAYS), media_type=LINES)


@ROUTER.get("/ledger/export/batches")
def export_batches(office: Here, desk: Place, after: Place, until: Place) -> Response:
    """Give some batches of a desk with their rows; empty when there are no more."""
    office.exports.note(office.clock)
    with office.store.read() as tx:
        return Response(
            reports.batches(tx, desk, after, min(until, after + _BATCHES)), media_type=LINES
        )


@ROUTER.get("/ledger/batches/{desk}/{number}")
def show_batch(desk: Place, number: Place, office: Here) -> Response:
    """Give number and hash of one batch in a list; an empty list where there is none."""
    with office.store.read() as tx:
        return answer(list(reports.batch(tx, desk, number)))
