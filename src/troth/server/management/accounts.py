"""Organizations and their keys."""

from typing import Final

from fastapi import APIRouter, Response
from pydantic import Field

from troth.control import accounts, keys
from troth.server.management.forms import Body, By, Here, answer, dollars
from troth.server.office import Office
from troth.server.shown import Changed, shown_key

ROUTER: Final = APIRouter()


class NewOrganization(Body):
    """What it is called."""

    name: str


class NewKey(Body):
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
    return _changed(office, ref, (), (ref,))


@ROUTER.post("/organizations/{name:path}/thaw")
def thaw_organization(name: str, office: Here, by: By) -> Response:
    """Let an organization make requests again."""
    with office.store.write() as tx:
        ref = accounts.thaw(tx, by, accounts.named(tx, name).ref).ref
    return _changed(office, ref, (), (ref,))


def _changed(
    office: Office, ref: str, public_ids: tuple[str, ...], orgs: tuple[str, ...]
) -> Response:
    told = office.gateways.refresh(public_ids, orgs)
    return answer(Changed(ref, not told.silent, told.confirmed, told.silent, told.until_ms))


@ROUTER.get("/keys")
def list_keys(office: Here, organization: str = "") -> Response:
    """List keys, of one organization or of all."""
    now_ms = office.clock.now_ms()
    with office.store.read() as tx:
        owners = [accounts.named(tx, organization)] if organization else accounts.on_list(tx)
        found = [key for owner in owners for key in keys.of_organization(tx, owner.raw)]
    return answer([shown_key(key, now_ms) for key in found])


@ROUTER.post("/organizations/{name:path}/keys")
def create_key(name: str, body: NewKey, office: Here, by: By) -> Response:
    """Issue a key; this answer is the only place that ever holds it."""
    minted = keys.mint(office.maker, office.entropy)
    with office.store.write() as tx:
        issued = keys.issue(tx, by, minted, (accounts.named(tx, name), _terms(body, office)))
    office.gateways.refresh((issued.key.public_id,), ())
    return answer(shown_key(issued.key, by.at_ms, issued.text.reveal()), 201)


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
        day_limit_nusd=dollars("day_limit_usd", body.day_limit_usd),
        month_limit_nusd=dollars("month_limit_usd", body.month_limit_usd),
        may_read_wallet=body.may_read_wallet,
    )


@ROUTER.post("/keys/{reference}/rotate")
def rotate_key(reference: str, body: Rotation, office: Here, by: By) -> Response:
    """Issue a key with the same terms; the old one ends after the overlap."""
    minted = keys.mint(office.maker, office.entropy)
    with office.store.write() as tx:
        old = keys.find(tx, reference)
        issued = keys.rotate(tx, by, minted, (old.ref, body.overlap_ms))
    office.gateways.refresh((old.public_id, issued.key.public_id), ())
    return answer(shown_key(issued.key, by.at_ms, issued.text.reveal()), 201)


@ROUTER.post("/keys/{reference}/revoke")
def revoke_key(reference: str, office: Here, by: By) -> Response:
    """End a key; answered when every gateway has confirmed, or with those that did not."""
    with office.store.write() as tx:
        key = keys.revoke(tx, by, reference)
    return _changed(office, key.ref, (key.public_id,), ())
