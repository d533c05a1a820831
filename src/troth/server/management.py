"""The management API: one FastAPI application on a Unix socket, for the command line.

Plain `def` endpoints; one request is one transaction, opened and committed here. Who may call is
decided by the file system: the socket is its owner's alone, and each change names the caller's uid.
"""

from collections.abc import Mapping
from typing import Annotated, Final

import msgspec
from fastapi import APIRouter, Depends, FastAPI, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict, Field

from troth import __version__
from troth.control import accounts, audit, keys, usage
from troth.kernel.errors import (
    BadRequest,
    InvalidValue,
    InvariantBroken,
    Missing,
    TrothError,
    Unavailable,
)
from troth.kernel.money import nusd_of
from troth.ledger import books
from troth.server.office import DESK, Office
from troth.server.records import receipt_document
from troth.server.shown import Changed, State, Verified, shown_key, shown_models, shown_wallet
from troth.store.transaction import Locked

LIST_MAX: Final = 1_000
MS_OF_DAY: Final = 86_400_000
_JSON: Final = "application/json"
_STATUSES: Final[Mapping[type[TrothError], int]] = {
    Missing: 404,
    BadRequest: 422,
    Unavailable: 503,
    InvariantBroken: 500,
}
_ROUTER: Final = APIRouter()


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class NewOrganization(_Body):
    """What it is called."""

    name: str


class NewKey(_Body):
    """Name and limits; a limit that is absent is the installation's default, 0 is none."""

    name: str
    models: list[str] = Field(default_factory=list)
    networks: list[str] = Field(default_factory=list)
    expires_at_ms: int = 0
    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None
    concurrency: int | None = None
    day_limit_usd: str = "0"
    month_limit_usd: str = "0"
    may_read_wallet: bool = True


class Rotation(_Body):
    """How long the old key goes on."""

    overlap_ms: int = 0


class NewCredit(_Body):
    """US dollars in a string; the same `key` credits once. Demo credit was not paid for."""

    amount_usd: str
    key: str = ""
    is_demo: bool = False


def application(office: Office) -> FastAPI:
    """Return the application over an office."""
    app = FastAPI(title="Troth management", version=__version__, docs_url=None, redoc_url=None)
    app.state.office = office
    app.include_router(_ROUTER)
    app.add_exception_handler(RequestValidationError, _refuse_body)
    app.add_exception_handler(TrothError, _refuse)
    app.add_exception_handler(Locked, _refuse_busy)
    return app


def _office(request: Request) -> Office:
    office = request.app.state.office
    assert isinstance(office, Office)
    return office


def _actor(request: Request, office: Annotated[Office, Depends(_office)]) -> audit.Actor:
    """Return who calls; the socket's server puts the uid where a port would stand."""
    return audit.Actor(request.client.port if request.client else -1, office.clock.now_ms())


Here = Annotated[Office, Depends(_office)]
By = Annotated[audit.Actor, Depends(_actor)]


class _Fault(msgspec.Struct, frozen=True):
    code: str
    message: str
    param: str | None = None


def _answer(document: msgspec.Struct | list[msgspec.Struct], status: int = 200) -> Response:
    return Response(msgspec.json.encode(document), status, media_type=_JSON)


def _refusal(status: int, fault: _Fault) -> Response:
    return Response(msgspec.json.encode({"error": fault}), status, media_type=_JSON)


def _refuse(_: Request, error: Exception) -> Response:
    assert isinstance(error, TrothError)
    status = next((_STATUSES[kind] for kind in type(error).__mro__ if kind in _STATUSES), 500)
    sentence = error.message
    if isinstance(error, Missing) and error.param:
        sentence = f"There is no such {error.param}."
    if isinstance(error, InvariantBroken):
        sentence = f"The books do not agree: {error.rule}."
    return _refusal(status, _Fault(error.code, sentence, error.param))


def _refuse_body(_: Request, error: Exception) -> Response:
    """Name field and reason; the value itself is never repeated."""
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    field = ".".join(str(part) for part in first["loc"][1:])
    return _refusal(422, _Fault("invalid_value", f"'{field}': {first['msg']}", field))


def _refuse_busy(_: Request, error: Exception) -> Response:
    del error
    return _refusal(503, _Fault("busy", "The database is busy. Try again."))


def _dollars(param: str, text: str) -> int:
    amount = nusd_of(text)
    if amount is None:
        reason = "give US dollars in digits with at most nine decimals, such as 12.50"
        raise InvalidValue(param, reason)
    return amount


@_ROUTER.get("/state")
def state(office: Here) -> Response:
    """Say what runs here."""
    with office.store.read() as tx:
        organizations = len(accounts.on_list(tx))
        live = len(keys.live(tx, office.clock.now_ms()))
    catalog = office.catalog
    return _answer(
        State(
            __version__,
            office.is_serving,
            organizations,
            live,
            tuple(catalog.offerings),
            catalog.price_set,
            office.warnings,
        )
    )


@_ROUTER.get("/organizations")
def list_organizations(office: Here) -> Response:
    """List all organizations by name."""
    with office.store.read() as tx:
        return _answer(list(accounts.on_list(tx)))


@_ROUTER.post("/organizations")
def create_organization(body: NewOrganization, office: Here, by: By) -> Response:
    """Create an organization with an empty wallet."""
    with office.store.write() as tx:
        made = accounts.create(tx, by, office.maker.raw(), body.name)
    office.gateways.refresh((), (made.ref,))
    return _answer(made, 201)


@_ROUTER.post("/organizations/{name:path}/freeze")
def freeze_organization(name: str, office: Here, by: By) -> Response:
    """Stop an organization's requests."""
    with office.store.write() as tx:
        ref = accounts.freeze(tx, by, accounts.named(tx, name).ref).ref
    return _changed(office, ref, (), (ref,))


@_ROUTER.post("/organizations/{name:path}/thaw")
def thaw_organization(name: str, office: Here, by: By) -> Response:
    """Let an organization make requests again."""
    with office.store.write() as tx:
        ref = accounts.thaw(tx, by, accounts.named(tx, name).ref).ref
    return _changed(office, ref, (), (ref,))


def _changed(
    office: Office, ref: str, public_ids: tuple[str, ...], orgs: tuple[str, ...]
) -> Response:
    told = office.gateways.refresh(public_ids, orgs)
    return _answer(Changed(ref, not told.silent, told.confirmed, told.silent, told.until_ms))


@_ROUTER.get("/keys")
def list_keys(office: Here, organization: str = "") -> Response:
    """List keys, of one organization or of all."""
    now_ms = office.clock.now_ms()
    with office.store.read() as tx:
        owners = [accounts.named(tx, organization)] if organization else accounts.on_list(tx)
        found = [key for owner in owners for key in keys.of_organization(tx, owner.raw)]
    return _answer([shown_key(key, now_ms) for key in found])


@_ROUTER.post("/organizations/{name:path}/keys")
def create_key(name: str, body: NewKey, office: Here, by: By) -> Response:
    """Issue a key; this answer is the only place that ever holds it."""
    minted = keys.mint(office.maker, office.entropy)
    with office.store.write() as tx:
        issued = keys.issue(tx, by, minted, (accounts.named(tx, name), _terms(body, office)))
    office.gateways.refresh((issued.key.public_id,), ())
    return _answer(shown_key(issued.key, by.at_ms, issued.text.reveal()), 201)


def _terms(body: NewKey, office: Office) -> keys.Terms:
    defaults = office.key_defaults

    def given(value: int | None, otherwise: int) -> int:
        return otherwise if value is None else value

    return keys.Terms(
        name=body.name,
        models=tuple(body.models),
        networks=tuple(body.networks),
        expires_at_ms=body.expires_at_ms,
        requests_per_minute=given(body.requests_per_minute, defaults.requests_per_minute),
        tokens_per_minute=given(body.tokens_per_minute, defaults.tokens_per_minute),
        concurrency=given(body.concurrency, defaults.concurrency),
        day_limit_nusd=_dollars("day_limit_usd", body.day_limit_usd),
        month_limit_nusd=_dollars("month_limit_usd", body.month_limit_usd),
        may_read_wallet=body.may_read_wallet,
    )


@_ROUTER.post("/keys/{reference}/rotate")
def rotate_key(reference: str, body: Rotation, office: Here, by: By) -> Response:
    """Issue a key with the same terms; the old one ends after the overlap."""
    minted = keys.mint(office.maker, office.entropy)
    with office.store.write() as tx:
        old = keys.find(tx, reference)
        issued = keys.rotate(tx, by, minted, (old.ref, body.overlap_ms))
    office.gateways.refresh((old.public_id, issued.key.public_id), ())
    return _answer(shown_key(issued.key, by.at_ms, issued.text.reveal()), 201)


@_ROUTER.post("/keys/{reference}/revoke")
def revoke_key(reference: str, office: Here, by: By) -> Response:
    """End a key; answered when every gateway has confirmed, or with those that did not."""
    with office.store.write() as tx:
        key = keys.revoke(tx, by, reference)
    return _changed(office, key.ref, (key.public_id,), ())


@_ROUTER.get("/organizations/{name:path}/wallet")
def show_wallet(name: str, office: Here) -> Response:
    """Show an organization's wallet."""
    with office.store.read() as tx:
        owner = accounts.named(tx, name)
        wallet = books.wallet(tx, owner.raw) or books.Wallet(0, 0)
    return _answer(shown_wallet(owner.ref, wallet))


@_ROUTER.post("/organizations/{name:path}/credits")
def credit_wallet(name: str, body: NewCredit, office: Here, by: By) -> Response:
    """Put credit into a wallet; the same movement is made once."""
    amount = _dollars("amount_usd", body.amount_usd)
    if not amount:
        raise InvalidValue("amount_usd", "give more than 0")
    kind = books.LotKind.PROMO if body.is_demo else books.LotKind.PAID
    with office.store.write() as tx:
        owner = accounts.named(tx, name)
        movement = body.key or office.maker.raw().hex()
        wanted = books.Credit(f"{owner.ref} {movement}", owner.raw, kind, amount)
        if books.credit(tx, wanted, DESK, by.at_ms):
            action = audit.Action.WALLET_CREDIT
            audit.append(tx, by, action, owner.ref, amount_nusd=amount)
    return show_wallet(owner.ref, office)


@_ROUTER.get("/models")
def list_models(office: Here) -> Response:
    """List what is offered, in the order to try."""
    return _answer(list(shown_models(office.catalog)))


@_ROUTER.get("/usage")
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
        raw = accounts.named(tx, organization).raw if organization else None
        return _answer(list(usage.totals(tx, period, by, raw)))


@_ROUTER.get("/receipts/{request_id}")
def show_receipt(request_id: str, office: Here) -> Response:
    """Show one request's receipt."""
    with office.store.read() as tx:
        document = receipt_document(tx, "", "", request_id)
    if document is None:
        raise Missing("receipt")
    return Response(document, media_type=_JSON)


@_ROUTER.get("/organizations/{name:path}/receipts")
def list_receipts(
    name: str, office: Here, limit: Annotated[int, Query(ge=1, le=LIST_MAX)] = 20
) -> Response:
    """List an organization's newest receipts."""
    with office.store.read() as tx:
        return _answer(list(usage.latest(tx, accounts.named(tx, name).raw, limit)))


@_ROUTER.get("/audit")
def show_audit(office: Here, limit: Annotated[int, Query(ge=1, le=LIST_MAX)] = 20) -> Response:
    """List the newest changes."""
    with office.store.read() as tx:
        return _answer(list(audit.recent(tx, limit)))


@_ROUTER.post("/ledger/verify")
def verify_ledger(office: Here) -> Response:
    """Recompute the books and the list of changes from their start."""
    with office.store.read() as tx:
        report = books.verify(tx)
        entries = audit.verify(tx)
    return _answer(
        Verified(report.batches, report.charges, report.entries, entries, report.problems)
    )
