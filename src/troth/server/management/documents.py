"""Documents: who stands on them, what was frozen, in which form, and what must be kept."""

from typing import Annotated, Final, Literal

from fastapi import APIRouter, Query, Response
from pydantic import Field

from troth.control import accounts, audit, budgets, documents
from troth.kernel.errors import InvalidValue, Missing
from troth.server.document_duties import issue_months, issue_receipts
from troth.server.management.forms import JSON, LIST_MAX, Body, By, Here, answer, dollars
from troth.server.shown import CheckedDocuments, Erased, ShownRate, ShownRates

Form = Literal["json", "html", "pdf"]
Language = Literal["", "en", "de", "fr"]
_NUSD_PER_CENT: Final = 10_000_000
_REFERENCE_MAX: Final = 64
ROUTER: Final = APIRouter()


class NewDetails(Body):
    """What stands on an organization's documents from now on."""

    name: str
    address: list[str] = Field(default_factory=list)
    country: str = ""
    vat_id: str = ""
    language: str = ""


class NewReturn(Body):
    """What went back of a document; the same reference is credited once."""

    amount_usd: str
    reference: str


class NewEnd(Body):
    """Where a series ended when it was kept."""

    series: str
    n: int = Field(ge=1, le=10**9)
    sha256: str


class NewCheck(Body):
    """What was kept elsewhere of earlier checks."""

    kept: list[NewEnd] = Field(default_factory=list, max_length=1_000)


class NewLegalHold(Body):
    """What must be kept: an organization's documents, or all of them where none is named."""

    reference: str
    organization: str = ""


@ROUTER.get("/organizations/{name:path}/details")
def show_details(name: str, office: Here) -> Response:
    """Show who an organization is on its documents."""
    with office.store.read() as tx:
        return answer(documents.details(tx, accounts.named(tx, name), office.sealer))


@ROUTER.post("/organizations/{name:path}/details/erase")
def erase_details(name: str, office: Here, by: By) -> Response:
    """Forget who an organization is and whom it tells; documents that the law keeps stay."""
    with office.store.write() as tx:
        owner = accounts.named(tx, name)
        is_erased = documents.erase(tx, by, owner)
        is_erased = budgets.forget_contact(tx, by, owner.raw) or is_erased
        kept = len(documents.listed(tx, owner.raw, LIST_MAX))
    return answer(Erased(owner.ref, is_erased, kept))


@ROUTER.post("/organizations/{name:path}/details")
def change_details(name: str, body: NewDetails, office: Here, by: By) -> Response:
    """Keep who an organization is, for documents from now on."""
    wanted = documents.Details(
        body.name, tuple(body.address), body.country, body.vat_id, body.language
    )
    with office.store.write() as tx:
        owner = accounts.named(tx, name)
        return answer(documents.change(tx, by, owner, wanted, sealer=office.sealer))


@ROUTER.get("/vat-rates")
def list_rates(office: Here, country: str = "") -> Response:
    """List the VAT rates that documents are made with, and who said so of each."""
    table = office.documents.rates
    shown = [
        ShownRate(
            each.country,
            f"{each.rate_bp // 100}.{each.rate_bp % 100:02d}",
            documents.date_of(each.since),
            each.source,
        )
        for each in table.rates
        if country in {"", each.country}
    ]
    if country and not shown:
        raise InvalidValue("country", "the table of VAT rates has none for it")
    return answer(ShownRates(table.source, table.checked_on, shown))


@ROUTER.get("/documents")
def list_documents(
    office: Here,
    organization: str = "",
    limit: Annotated[int, Query(ge=1, le=LIST_MAX)] = 20,
) -> Response:
    """List the newest documents, of one organization or of all."""
    with office.store.read() as tx:
        raw = accounts.narrowed(tx, organization)
        return answer(list(documents.listed(tx, raw, limit)))


@ROUTER.post("/documents/check")
def check_documents(office: Here, body: NewCheck | None = None) -> Response:
    """Read every series from its start: no gap, no changed byte, and every end that was kept."""
    kept = [documents.End(**each.model_dump()) for each in body.kept] if body else []
    with office.store.read() as tx:
        found = documents.check(tx, office.sealer, kept)
    shown = CheckedDocuments(found.series, found.documents, found.ends, found.problems)
    return answer(shown)


@ROUTER.post("/documents/issue")
def issue_due_documents(office: Here) -> Response:
    """Write what is due now, as the desk does by itself."""
    issue_receipts(office)
    issue_months(office)
    return list_documents(office)


@ROUTER.get("/documents/{number}")
def show_document(
    number: str, office: Here, form: Form = "json", language: Language = ""
) -> Response:
    """Give a document: its JSON as it was frozen, or a page made of it."""
    with office.store.read() as tx:
        frozen = documents.numbered(tx, number, office.sealer)
    if frozen is None:
        raise Missing("document")
    if form == "json":
        return Response(frozen.body, media_type=JSON)
    document = frozen.document
    view = documents.view_of(document, frozen.sha256, language)
    if form == "html":
        return Response(documents.page_of(view), media_type="text/html; charset=utf-8")
    made = documents.pdf_of(document, view, office.documents.fonts)
    return Response(made, media_type="application/pdf")


@ROUTER.post("/documents/{number}/credit")
def credit_document(number: str, body: NewReturn, office: Here, by: By) -> Response:
    """Freeze a credit note: the mirror of a document, for what went back of it."""
    amount = dollars("amount_usd", body.amount_usd)
    if not amount or amount % _NUSD_PER_CENT:
        raise InvalidValue("amount_usd", "give whole cents, more than 0")
    reference = body.reference.strip()
    if not 0 < len(reference) <= _REFERENCE_MAX or not reference.isprintable():
        reason = f"give what the movement is called: 1 to {_REFERENCE_MAX} printable characters"
        raise InvalidValue("reference", reason)
    returned = documents.Returned(number, amount // _NUSD_PER_CENT, reference)
    with office.store.write() as tx:
        before = documents.of_subject(tx, returned.subject, office.sealer)
        made = documents.credit_note(tx, office.documents, returned, by.at_ms, sealer=office.sealer)
        if before is None:
            action = audit.Action.DOCUMENT_CREDIT
            audit.append(tx, by, action, number, other=made.number, amount_nusd=amount)
    return Response(made.body, 201, media_type=JSON)


@ROUTER.get("/legal-holds")
def list_legal_holds(office: Here) -> Response:
    """List what must be kept, and what had to be."""
    with office.store.read() as tx:
        return answer(list(documents.legal_holds(tx)))


@ROUTER.post("/legal-holds")
def place_legal_hold(body: NewLegalHold, office: Here, by: By) -> Response:
    """Refuse to delete documents from now on."""
    with office.store.write() as tx:
        owner = accounts.named(tx, body.organization) if body.organization else None
        raw = office.maker.raw()
        return answer(documents.place(tx, by, raw, owner, reference=body.reference), 201)


@ROUTER.post("/legal-holds/{reference}/lift")
def lift_legal_hold(reference: str, office: Here, by: By) -> Response:
    """End a legal hold."""
    with office.store.write() as tx:
        documents.lift(tx, by, reference)
    return list_legal_holds(office)
