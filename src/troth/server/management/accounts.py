"""Organizations and their keys."""

from typing import Final

import msgspec
from fastapi import APIRouter, Response
from pydantic import Field

from troth.control import accounts, budgets, keys
from troth.control.budgets import Mode
from troth.kernel.periods import Period
from troth.server.management.forms import Body, By, Here, answer, dollars
from troth.server.management.telling import changed
from troth.server.office import Office
from troth.server.shown import ShownKey, shown_key
from troth.store.transaction import Transaction

ROUTER: Final = APIRouter()


class NewOrganization(Body):
    """What it is called."""

    name: str


class NewZone(Body):
    """A time zone by its name in the tz database."""

    zone: str


class NewKey(Body):
    """Name and limits; a limit that is absent is the installation's default, 0 is none.

    `project` is one of the organization's, by name or reference.
    """

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
    project: str = ""


class Rotation(Body):
    """How long the old key goes on."""

    overlap_ms: int = 0


@ROUTER.get("/organizations")
def list_organizations(office: Here) -> Response:
    """List all organizations by name."""
    with office.store.read() as tx:
        return answer(list(accounts.on_list(tx)))


@ROUTER.post("/organizations")
def create_organization(body: NewOrganization, office: Here, by: By) -> Response:
    """Create an organization with an empty wallet."""
    with office.store.write() as tx:
        made = accounts.create(tx, by, office.maker.raw(), body.name)
    office.gateways.refresh((), (made.ref,))
    return answer(made, 201)


@ROUTER.post("/organizations/{name:path}/freeze")
def freeze_organization(name: str, office: Here, by: By) -> Response:
    """Stop an organization's requests."""
    with office.store.write() as tx:
        ref = accounts.freeze(tx, by, accounts.named(tx, name).ref).ref
    return changed(office, ref, orgs=(ref,))


@ROUTER.post("/organizations/{name:path}/thaw")
def thaw_organization(name: str, office: Here, by: By) -> Response:
    """Let an organization make requests again."""
    with office.store.write() as tx:
        ref = accounts.thaw(tx, by, accounts.named(tx, name).ref).ref
    return changed(office, ref, orgs=(ref,))


@ROUTER.post("/organizations/{name:path}/zone")
def move_organization(name: str, body: NewZone, office: Here, by: By) -> Response:
    """Set the time zone in which its budgets' periods begin."""
    with office.store.write() as tx:
        moved = accounts.set_zone(tx, by, accounts.named(tx, name).ref, body.zone)
        budgets.move_zone(tx, moved, by.at_ms)
        purses = budgets.purses(tx, moved.raw)
    for purse in {purse for found in purses.values() for purse in found}:
        office.gateways.call_back(purse)
    return answer(moved)


@ROUTER.post("/organizations/{name:path}/projects")
def create_project(name: str, body: NewOrganization, office: Here, by: By) -> Response:
    """Create a project of an organization."""
    with office.store.write() as tx:
        owner = accounts.named(tx, name)
        made = accounts.create_project(tx, by, office.maker.raw(), (owner, body.name))
    return answer(made, 201)


@ROUTER.get("/projects")
def list_projects(office: Here, organization: str = "") -> Response:
    """List projects, of one organization or of all."""
    with office.store.read() as tx:
        owners = [accounts.named(tx, organization)] if organization else accounts.on_list(tx)
        found = [each for owner in owners for each in accounts.projects_of(tx, owner.raw)]
    return answer(list(found))


@ROUTER.get("/keys")
def list_keys(office: Here, organization: str = "") -> Response:
    """List keys, of one organization or of all."""
    now_ms = office.clock.now_ms()
    with office.store.read() as tx:
        owners = [accounts.named(tx, organization)] if organization else accounts.on_list(tx)
        limits = budgets.limits(tx)
        found = [key for owner in owners for key in keys.of_organization(tx, owner.raw)]
    return answer([shown_key(key, limits, now_ms) for key in found])


@ROUTER.post("/organizations/{name:path}/keys")
def create_key(name: str, body: NewKey, office: Here, by: By) -> Response:
    """Issue a key; this answer is the only place that ever holds it."""
    minted = keys.mint(office.maker, office.entropy)
    limits = {
        Period.DAY: dollars("day_limit_usd", body.day_limit_usd),
        Period.MONTH: dollars("month_limit_usd", body.month_limit_usd),
    }
    with office.store.write() as tx:
        owner = accounts.named(tx, name)
        project = accounts.project_named(tx, owner.raw, body.project).ref if body.project else ""
        issued = keys.issue(tx, by, minted, (owner, _terms(body, office, project)))
        for period, limit in limits.items():
            if limit:
                whose = budgets.owner(tx, owner, key=issued.key.ref)
                wanted = budgets.Wanted(period, Mode.HARD, limit)
                budgets.set_budget(tx, by, whose, wanted, raw=office.maker.raw())
        shown = _issued(tx, by.at_ms, issued)
    return _told(office, shown, (issued.key.public_id,))


def _told(office: Office, shown: ShownKey, public_ids: tuple[str, ...]) -> Response:
    """Tell the gateways of keys, and answer with the new one and those that did not confirm."""
    told = office.gateways.refresh(public_ids, ())
    found = msgspec.structs.replace(shown, silent=told.silent, until_ms=told.until_ms)
    return answer(found, 201)


def _issued(tx: Transaction, now_ms: int, issued: keys.Issued) -> ShownKey:
    limits = budgets.limits(tx, issued.key.raw)
    return shown_key(issued.key, limits, now_ms, issued.text.reveal())


def _terms(body: NewKey, office: Office, project: str) -> keys.Terms:
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
        may_read_wallet=body.may_read_wallet,
        project=project,
    )


@ROUTER.post("/keys/{reference}/rotate")
def rotate_key(reference: str, body: Rotation, office: Here, by: By) -> Response:
    """Issue a key with the same terms; the old one ends after the overlap."""
    minted = keys.mint(office.maker, office.entropy)
    with office.store.write() as tx:
        old = keys.find(tx, reference)
        issued = keys.rotate(tx, by, minted, (old.ref, body.overlap_ms))
        budgets.inherit(tx, old.raw, issued.key.raw)
        shown = _issued(tx, by.at_ms, issued)
    return _told(office, shown, (old.public_id, issued.key.public_id))


@ROUTER.post("/keys/{reference}/revoke")
def revoke_key(reference: str, office: Here, by: By) -> Response:
    """End a key; answered when every gateway has confirmed, or with those that did not."""
    with office.store.write() as tx:
        key = keys.revoke(tx, by, reference)
    return changed(office, key.ref, (key.public_id,))
