from pathlib import Path

from tests.unit.server.test_tables import offering
from troth.catalog.load import Catalog
from troth.control import accounts, budgets, keys
from troth.control.audit import Actor
from troth.control.budgets import Mode
from troth.control.keys import Terms
from troth.gateway.ports import OrgRow
from troth.kernel.clock import ManualClock
from troth.kernel.ids import IdMaker, system_entropy
from troth.kernel.periods import Period
from troth.ledger.books import wallet_purse
from troth.server import snapshot
from troth.server.messages import opened
from troth.server.tables import Tables
from troth.store import engine
from troth.store.transaction import Transaction


def _limit(tx: Transaction, actor: Actor, owner: budgets.Owner, maker: IdMaker) -> None:
    for period in (Period.DAY, Period.MONTH):
        wanted = budgets.Wanted(period, Mode.HARD, 5)
        budgets.set_budget(tx, actor, owner, wanted, raw=maker.raw())


def test_gateways_are_told_of_live_keys_their_purses_and_frozen_organizations(
    tmp_path: Path,
) -> None:
    clock = ManualClock()
    maker = IdMaker(clock)
    store = engine.open(f"sqlite:///{tmp_path / 'troth.db'}")
    actor = Actor(0, clock.now_ms())
    raw = maker.raw()
    minted = [keys.mint(maker, system_entropy) for _ in range(3)]
    with store.write() as tx:
        organization = accounts.create(tx, actor, raw, "acme")
        project = accounts.create_project(tx, actor, maker.raw(), (organization, "lab"))
        limited = Terms("limited", models=("m",), project=project.ref)
        short = Terms("short", expires_at_ms=actor.at_ms + 1_000)
        for one, terms in zip(minted, (limited, short, Terms("gone")), strict=True):
            keys.issue(tx, actor, one, (organization, terms))
        for named in ({"key": minted[0].public_id}, {"project": "lab"}, {}):
            _limit(tx, actor, budgets.owner(tx, organization, **named), maker)
        keys.revoke(tx, actor, minted[2].public_id)
        accounts.freeze(tx, actor, organization.ref)
    clock.advance(2_000)
    tables = Tables(clock, 30)
    with store.read() as tx:
        for part in snapshot.key_parts(tx, 4, clock.now_ms()):
            tables.take_keys(part)
        ids = [one.public_id for one in minted]
        orgs = [organization.ref]
        change = snapshot.delta(tx, [*ids, "unknown"], orgs, generation=5, now_ms=clock.now_ms())
    store.close()
    row = tables.find(minted[0].public_id)
    assert row
    assert row.purses[0] == wallet_purse(raw)
    assert [purse[:1] for purse in row.purses] == [b"w", *(b"o", b"o", b"p", b"p", b"k", b"k")]
    assert row.project == project.ref
    assert row.models == {"m"}
    assert tables.find(minted[1].public_id) is None
    assert tables.find(minted[2].public_id) is None
    assert tables.org(organization.ref) == OrgRow(organization.ref, is_frozen=True)
    assert [opened(each.row) for each in change.keys] == [row]
    assert change.gone == [*ids[1:], "unknown"]
    assert [org.is_frozen for org in change.orgs] == [True]


def test_a_large_catalog_is_cut_into_parts() -> None:
    names = [f"model-{number}" for number in range(250)]
    catalog = Catalog({name: (offering(name),) for name in names}, (), "ps")
    parts = snapshot.catalog_parts(catalog, {"u": "secret"}, 1)
    assert [len(part.offerings) for part in parts] == [100, 100, 50, 0]
    tables = Tables(ManualClock(), 30)
    for part in parts:
        assert tables.names() == ()
        tables.take_catalog(part)
    assert tables.names() == tuple(sorted(names))
