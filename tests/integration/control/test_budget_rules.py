"""Budgets of organizations, projects and keys: who draws on which, and what is refused."""

import pytest

from tests.builders.issued_keys import issued
from troth.control import accounts, audit, budgets, keys
from troth.control.accounts import Organization
from troth.control.audit import Action, Actor
from troth.control.budgets import Budget, Mode, Owner, Wanted
from troth.control.keys import Terms
from troth.kernel.clock import ManualClock
from troth.kernel.errors import InvalidValue, Missing
from troth.kernel.periods import Period
from troth.server.office import Office
from troth.store.transaction import Transaction

DAY_MS = 86_400_000


def put(
    office: Office, actor: Actor, owner: Owner, period: Period = Period.MONTH, *, nusd: int = 7
) -> bytes:
    wanted = Wanted(period, Mode.HARD, nusd)
    with office.store.write() as tx:
        return budgets.set_budget(tx, actor, owner, wanted, raw=office.maker.raw())


def listed(office: Office) -> list[Budget]:
    with office.store.read() as tx:
        return budgets.listed(tx, office.clock.now_ms())


def owned(office: Office, organization: Organization, *, project: str = "", key: str = "") -> Owner:
    with office.store.read() as tx:
        return budgets.owner(tx, organization, project, key)


def test_each_owner_s_budget_is_a_purse_of_its_letter(
    office: Office, actor: Actor, ada: Organization
) -> None:
    with office.store.write() as tx:
        project = accounts.create_project(tx, actor, office.maker.raw(), (ada, "lab"))
    key = issued(office, actor, ada, Terms("k", project=project.ref)).key
    owners = [
        owned(office, ada),
        owned(office, ada, project="lab"),
        owned(office, ada, key=key.public_id),
    ]
    made = [put(office, actor, owner) for owner in owners]
    assert [purse[:1] for purse in made] == [b"o", b"p", b"k"]
    with office.store.read() as tx:
        found = budgets.purses(tx, ada.raw)
    assert found == {o.raw: [purse] for o, purse in zip(owners, made, strict=True)}
    assert {(each.owner_kind, each.owner) for each in listed(office)} == {
        ("organization", ada.ref),
        ("project", project.ref),
        ("key", key.ref),
    }


def test_setting_again_changes_the_same_purse(
    office: Office, actor: Actor, ada: Organization
) -> None:
    owner = owned(office, ada)
    first = put(office, actor, owner, nusd=7)
    assert put(office, actor, owner, nusd=9) == first
    assert [each.limit_nusd for each in listed(office)] == [9]
    with office.store.read() as tx:
        entries = audit.recent(tx, 2)
    assert [(each.action, each.subject, each.other, each.amount_nusd) for each in entries] == [
        (Action.BUDGET_SET, ada.ref, "month", 9),
        (Action.BUDGET_SET, ada.ref, "month", 7),
    ]


def test_a_third_budget_is_refused_until_one_is_dropped(
    office: Office, actor: Actor, ada: Organization
) -> None:
    owner = owned(office, ada)
    put(office, actor, owner, Period.DAY)
    put(office, actor, owner, Period.MONTH)
    with pytest.raises(InvalidValue) as caught:
        put(office, actor, owner, Period.TOTAL)
    assert caught.value.param == "period"
    with office.store.write() as tx:
        budgets.drop(tx, actor, owner, Period.DAY)
        with pytest.raises(Missing):
            budgets.drop(tx, actor, owner, Period.DAY)
    put(office, actor, owner, Period.TOTAL)
    assert [each.period for each in listed(office)] == ["month", "total"]


def test_a_limit_out_of_range_names_its_field(
    office: Office, actor: Actor, ada: Organization
) -> None:
    for nusd in (-1, 90_000_001 * 10**9):
        with pytest.raises(InvalidValue) as caught:
            put(office, actor, owned(office, ada), nusd=nusd)
        assert caught.value.param == "limit_usd"


def test_a_key_that_ended_or_is_another_s_has_no_budget(
    office: Office, actor: Actor, ada: Organization
) -> None:
    with office.store.write() as tx:
        bob = accounts.create(tx, actor, office.maker.raw(), "Bob")
        accounts.create_project(tx, actor, office.maker.raw(), (bob, "lab"))
    key = issued(office, actor, ada, Terms("k")).key
    with pytest.raises(Missing):
        owned(office, bob, key=key.ref)
    with pytest.raises(Missing):
        owned(office, ada, project="lab")
    with pytest.raises(InvalidValue):
        owned(office, ada, project="lab", key=key.ref)
    with office.store.write() as tx:
        keys.revoke(tx, actor, key.ref)
    with pytest.raises(InvalidValue) as caught:
        owned(office, ada, key=key.ref)
    assert caught.value.param == "key"


def test_a_key_inherits_the_budgets_of_the_one_it_replaces(
    office: Office, actor: Actor, ada: Organization
) -> None:
    old = issued(office, actor, ada, Terms("k")).key
    purse = put(office, actor, owned(office, ada, key=old.ref))
    minted = keys.mint(office.maker, office.entropy)
    with office.store.write() as tx:
        new = keys.rotate(tx, actor, minted, (old.ref, DAY_MS)).key
        budgets.inherit(tx, old.raw, new.raw)
        assert budgets.purses(tx) == {old.raw: [purse], new.raw: [purse]}
        budgets.drop(tx, actor, budgets.owner(tx, ada, key=old.ref), Period.MONTH)
        (left,) = budgets.listed(tx, actor.at_ms)
        assert (left.owner, left.mode) == (new.ref, "hard")


def test_periods_follow_the_organization_s_time_zone(
    office: Office, clock: ManualClock, actor: Actor, ada: Organization
) -> None:
    put(office, actor, owned(office, ada), Period.DAY)
    (before,) = listed(office)
    assert before.zone == "UTC"
    assert before.starts_at_ms % DAY_MS == 0
    with office.store.write() as tx:
        moved = accounts.set_zone(tx, actor, ada.ref, "Asia/Kolkata")
        budgets.move_zone(tx, moved, clock.now_ms())
        with pytest.raises(InvalidValue):
            accounts.set_zone(tx, actor, ada.ref, "../../etc/passwd")
        with pytest.raises(InvalidValue):
            accounts.set_zone(tx, actor, ada.ref, "Mars/Olympus")
    (after,) = listed(office)
    assert after.zone == "Asia/Kolkata"
    assert after.starts_at_ms % DAY_MS == DAY_MS - 5 * 3_600_000 - 1_800_000


def test_a_project_has_its_name_once_in_an_organization(
    office: Office, actor: Actor, ada: Organization
) -> None:
    def project(tx: Transaction, name: str) -> str:
        return accounts.create_project(tx, actor, office.maker.raw(), (ada, name)).ref

    with office.store.write() as tx:
        made = project(tx, "lab")
        assert accounts.project_named(tx, ada.raw, made).name == "lab"
        assert [each.ref for each in accounts.projects_of(tx, ada.raw)] == [made]
        with pytest.raises(InvalidValue):
            project(tx, " ")
    with pytest.raises(InvalidValue), office.store.write() as tx:
        project(tx, "lab")
