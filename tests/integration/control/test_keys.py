"""Keys: issued once, found by their public id, bound by their terms, ended for good."""

import msgspec
import pytest

from tests.builders.issued_keys import issued
from troth.control import keys
from troth.control.accounts import Organization
from troth.control.audit import Actor
from troth.control.keys import Terms
from troth.kernel import api_keys
from troth.kernel.clock import ManualClock
from troth.kernel.errors import InvalidValue, Missing
from troth.kernel.secret import Secret
from troth.server.office import Office

DAY_MS = 86_400_000


def test_a_key_is_kept_as_its_bcrypt_hash_only(
    office: Office, actor: Actor, ada: Organization
) -> None:
    made = issued(office, actor, ada, Terms(name="notebook"))
    text = made.text.reveal()
    assert api_keys.public_id_of(text) == made.key.public_id
    with office.store.read() as tx:
        (row,) = tx.rows("SELECT * FROM api_key")
        kept = keys.hash_of(tx, made.key.public_id, actor.at_ms)
    assert not any(isinstance(value, str) and text[21:64] in value for value in row)
    assert kept is not None
    assert kept.startswith(b"$2b$08$")
    assert keys.is_match(kept, made.text)
    assert not keys.is_match(kept, Secret(text[:-1] + "x"))


@pytest.mark.parametrize(
    ("terms", "field"),
    [
        (Terms(name=""), "name"),
        (Terms(name="a\nb"), "name"),
        (Terms(name="a", networks=("10.0.0.1/8",)), "networks"),
        (Terms(name="a", networks=("here",)), "networks"),
        (Terms(name="a", models=("",)), "models"),
        (Terms(name="a", tokens_per_minute=-1), "tokens_per_minute"),
        (Terms(name="a", expires_at_ms=1), "expires_at_ms"),
    ],
)
def test_terms_that_cannot_be_kept_are_refused_by_field(
    office: Office, actor: Actor, ada: Organization, *, terms: Terms, field: str
) -> None:
    with pytest.raises(InvalidValue) as caught:
        issued(office, actor, ada, terms)
    assert caught.value.param == field


def test_a_revoked_key_is_gone_from_the_live_ones(
    office: Office, actor: Actor, ada: Organization
) -> None:
    made = issued(office, actor, ada, Terms(name="lost")).key
    with office.store.write() as tx:
        assert keys.revoke(tx, actor, made.ref).revoked_at_ms == actor.at_ms
        again = keys.revoke(tx, msgspec.structs.replace(actor, at_ms=actor.at_ms + 9), made.ref)
        assert again.revoked_at_ms == actor.at_ms
        assert keys.live(tx, actor.at_ms) == []
        assert keys.hash_of(tx, made.public_id, actor.at_ms) is None
        assert [key.ref for key in keys.of_organization(tx, ada.raw)] == [made.ref]


def test_a_row_of_rates_is_given_to_the_next_key(
    office: Office, actor: Actor, ada: Organization
) -> None:
    first, second, third = (issued(office, actor, ada, Terms(name=name)).key for name in "abc")
    assert [first.rate_slot, second.rate_slot, third.rate_slot] == [0, 1, 2]
    with office.store.write() as tx:
        keys.revoke(tx, actor, second.ref)
    assert issued(office, actor, ada, Terms(name="d")).key.rate_slot == 1
    assert issued(office, actor, ada, Terms(name="e")).key.rate_slot == 3


def test_both_keys_of_a_rotation_live_through_the_overlap(
    office: Office, clock: ManualClock, actor: Actor, ada: Organization
) -> None:
    old = issued(office, actor, ada, Terms(name="old", concurrency=5, models=("m",))).key
    minted = keys.mint(office.maker, office.entropy)
    with office.store.write() as tx:
        new = keys.rotate(tx, actor, minted, (old.ref, DAY_MS)).key
    assert new.terms == old.terms
    assert new.public_id != old.public_id
    with office.store.read() as tx:
        assert len(keys.live(tx, clock.now_ms())) == 2
        assert keys.live_count(tx, clock.now_ms()) == 2
        assert [keys.are_more_than(tx, count) for count in (1, 2)] == [True, False]
        assert keys.find(tx, old.ref).replaced_by == new.ref
        assert [key.ref for key in keys.live(tx, clock.now_ms() + DAY_MS)] == [new.ref]


def test_an_ended_key_is_not_rotated(office: Office, actor: Actor, ada: Organization) -> None:
    old = issued(office, actor, ada, Terms(name="old")).key
    minted = keys.mint(office.maker, office.entropy)
    with office.store.write() as tx:
        keys.revoke(tx, actor, old.ref)
        with pytest.raises(InvalidValue):
            keys.rotate(tx, actor, minted, (old.ref, DAY_MS))
        with pytest.raises(Missing):
            keys.rotate(tx, actor, minted, ("key_" + "0" * 32, DAY_MS))
