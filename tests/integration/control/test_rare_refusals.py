"""Refusals of control that need an odd state: a full table, an end before an end, no such thing."""

import sys

import pytest

from tests.builders.issued_keys import issued
from troth.control import billing, keys
from troth.control.accounts import Organization
from troth.control.audit import Actor
from troth.control.keys import Terms, issue
from troth.kernel.errors import InvalidValue, Missing
from troth.server.office import Office

DAY_MS = 86_400_000


def test_a_full_table_of_rates_takes_no_key_until_one_has_ended(
    office: Office, actor: Actor, ada: Organization, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.modules[issue.__module__], "LIVE_KEYS_MAX", 2)
    issued(office, actor, ada, Terms(name="lasting"))
    issued(office, actor, ada, Terms(name="ending", expires_at_ms=actor.at_ms + DAY_MS))
    with pytest.raises(InvalidValue) as refused:
        issued(office, actor, ada, Terms(name="third"))
    assert refused.value.param == "key"
    later = Actor(actor.uid, actor.at_ms + 2 * DAY_MS)
    assert issued(office, later, ada, Terms(name="third")).key.rate_slot == 1


@pytest.mark.parametrize("overlap_ms", [-1, 91 * DAY_MS])
def test_an_overlap_out_of_range_rotates_nothing(
    office: Office, actor: Actor, ada: Organization, overlap_ms: int
) -> None:
    old = issued(office, actor, ada, Terms(name="old")).key
    minted = keys.mint(office.maker, office.entropy)
    with office.store.write() as tx, pytest.raises(InvalidValue) as refused:
        keys.rotate(tx, actor, minted, (old.ref, overlap_ms))
    assert refused.value.param == "overlap_ms"
    with office.store.read() as tx:
        assert [key.ref for key in keys.live(tx, actor.at_ms)] == [old.ref]


def test_a_rotation_does_not_lengthen_an_old_key_s_life(
    office: Office, actor: Actor, ada: Organization
) -> None:
    ends_at_ms = actor.at_ms + DAY_MS
    old = issued(office, actor, ada, Terms(name="old", expires_at_ms=ends_at_ms)).key
    minted = keys.mint(office.maker, office.entropy)
    with office.store.write() as tx:
        keys.rotate(tx, actor, minted, (old.ref, 30 * DAY_MS))
        assert keys.find(tx, old.ref).terms.expires_at_ms == ends_at_ms


@pytest.mark.parametrize("ref", ["rfd_" + "0" * 32, "top_" + "0" * 32, "rfd_", "", "x" * 500])
def test_a_refund_that_is_not_there_is_missing(office: Office, ref: str) -> None:
    with office.store.read() as tx, pytest.raises(Missing):
        billing.find_refund(tx, ref)
