"""Organizations and the list of what administrators changed."""

import pytest

from troth.control import accounts, audit
from troth.control.audit import Action, Actor
from troth.kernel.errors import InvalidValue, InvariantBroken, Missing
from troth.ledger import books
from troth.server.office import Office
from troth.store.transaction import Conflict


def test_a_new_organization_has_an_empty_wallet(office: Office, actor: Actor) -> None:
    with office.store.write() as tx:
        made = accounts.create(tx, actor, office.maker.raw(), "  Ada's lab ")
        assert made.name == "Ada's lab"
        assert books.wallet(tx, made.raw) == books.Wallet(0, 0)
        assert accounts.named(tx, "Ada's lab") == accounts.named(tx, made.ref) == made


@pytest.mark.parametrize("name", ["", " ", "x" * 101, "a\x00b"])
def test_a_name_must_be_printable(office: Office, actor: Actor, name: str) -> None:
    with office.store.write() as tx, pytest.raises(InvalidValue):
        accounts.create(tx, actor, office.maker.raw(), name)


def test_a_name_is_taken_once(office: Office, actor: Actor) -> None:
    with office.store.write() as tx:
        accounts.create(tx, actor, office.maker.raw(), "Ada")
    with pytest.raises(InvalidValue, match="invalid_value"), office.store.write() as tx:
        accounts.create(tx, actor, office.maker.raw(), "Ada")


def test_a_frozen_organization_can_be_thawed(office: Office, actor: Actor) -> None:
    with office.store.write() as tx:
        made = accounts.create(tx, actor, office.maker.raw(), "Ada")
        assert accounts.freeze(tx, actor, made.ref).frozen_at_ms == actor.at_ms
        assert accounts.thaw(tx, actor, made.ref).frozen_at_ms == 0
        with pytest.raises(Missing):
            accounts.freeze(tx, actor, "org_" + "0" * 32)
        assert [entry.action for entry in audit.recent(tx, 9)] == [
            Action.ORGANIZATION_THAW,
            Action.ORGANIZATION_FREEZE,
            Action.ORGANIZATION_CREATE,
        ]


def test_the_list_of_changes_is_not_changed(office: Office, actor: Actor) -> None:
    with office.store.write() as tx:
        audit.append(tx, actor, Action.KEY_CREATE, "key_1")
    for statement in ("UPDATE audit_entry SET uid = 0", "DELETE FROM audit_entry"):
        with pytest.raises(Conflict), office.store.write() as tx:
            tx.execute(statement)


@pytest.mark.parametrize("forged", ["the amount", "the order"])
def test_a_forged_entry_breaks_the_chain(office: Office, actor: Actor, forged: str) -> None:
    with office.store.write() as tx:
        for number in range(5):
            audit.append(tx, actor, Action.WALLET_CREDIT, "org_1", amount_nusd=number)
        assert audit.verify(tx) == 5
        n, amount = (6, 9) if forged == "the amount" else (7, 4)
        tx.execute(
            "INSERT INTO audit_entry (n, at, uid, action, subject, other, amount, prev_hash, hash)"
            " SELECT ?, at, uid, action, subject, other, ?, hash, hash FROM audit_entry"
            " WHERE n = 5",
            (n, amount),
        )
        with pytest.raises(InvariantBroken):
            audit.verify(tx)
