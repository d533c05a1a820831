"""Names of requests in the books, on both databases: one name is charged once."""

import msgspec
import pytest

from troth.control import usage
from troth.control.usage import Charged, Claim, Free, Reused, Running
from troth.kernel.quantities import Quantities
from troth.kernel.usage_record import Outcome, UsageRecord, UsageSource
from troth.server.day_duties import forget_names
from troth.server.office import Office
from troth.store.engine import Store

MARK = b"m" * 16
KEY = b"k" * 8
RECORD = UsageRecord(
    "req_" + "0" * 31 + "1", "org_" + "0" * 31 + "1", "key_" + "0" * 31 + "1", "chat", "m", "m",
    "p", "u", "", "set", 5, 1, 2, 200, Outcome.DONE, False, UsageSource.REPORTED,  # noqa: FBT003
    Quantities(1), 10, 7, 3, 0, (),
)  # fmt: skip


def request(number: int) -> bytes:
    return number.to_bytes(16, "big")


def wish(number: int = 1, form: bytes = b"a", key: bytes = KEY, mark: bytes = MARK) -> Claim:
    return Claim(mark, request(number), {key: form}, key)


def claim(store: Store, asked: Claim, now_ms: int = 1) -> Free | Running | Reused | Charged:
    with store.write() as tx:
        return usage.claim(tx, asked, now_ms)


def end(store: Store, **changes: object) -> None:
    """Post request 1."""
    with store.write() as tx:
        usage.write(tx, [msgspec.structs.replace(RECORD, **changes)])


def test_a_name_is_taken_until_its_request_ends(office: Office) -> None:
    store = office.store
    assert claim(store, wish()) == Free()
    assert claim(store, wish(2)) == Running()
    assert claim(store, wish(2, mark=b"n" * 16)) == Free()
    end(store)
    assert claim(store, wish(3)) == Charged(request(1), 7)


def test_another_body_is_another_request(office: Office) -> None:
    store = office.store
    claim(store, wish())
    assert claim(store, wish(2, form=b"b")) == Reused()
    end(store)
    assert claim(store, wish(2, form=b"b")) == Reused()


def test_what_cannot_be_compared_any_more_runs_no_second_time(office: Office) -> None:
    store = office.store
    claim(store, wish())
    for form in (b"a", b"b"):
        assert claim(store, wish(2, form=form, key=b"new key!")) == Running()
    end(store)
    for form in (b"a", b"b"):
        assert claim(store, wish(2, form=form, key=b"new key!")) == Charged(request(1), 7)


def test_yesterdays_key_still_compares(office: Office) -> None:
    store = office.store
    claim(store, wish())
    both = Claim(MARK, request(2), {b"new key!": b"x", KEY: b"b"}, b"new key!")
    assert claim(store, both) == Reused()
    same = Claim(MARK, request(2), {b"new key!": b"x", KEY: b"a"}, b"new key!")
    assert claim(store, same) == Running()


@pytest.mark.parametrize("outcome", [Outcome.UPSTREAM_FAILED, Outcome.CLIENT_LEFT])
def test_what_failed_and_cost_nothing_runs_again(office: Office, outcome: Outcome) -> None:
    store = office.store
    claim(store, wish())
    end(store, outcome=outcome, charged_nusd=0)
    assert claim(store, wish(2)) == Free()
    assert claim(store, wish(3)) == Running(), "the name is request 2's now"


@pytest.mark.parametrize("outcome", [Outcome.CLIENT_LEFT, Outcome.UPSTREAM_CUT, Outcome.DONE])
def test_what_was_charged_or_answered_does_not(office: Office, outcome: Outcome) -> None:
    store = office.store
    claim(store, wish())
    charged = 0 if outcome is Outcome.DONE else 5
    end(store, outcome=outcome, charged_nusd=charged)
    assert claim(store, wish(2)) == Charged(request(1), charged)


def test_an_orphan_was_charged_to_nobody(office: Office) -> None:
    store = office.store
    claim(store, wish())
    with store.write() as tx:
        tx.execute("INSERT INTO orphan VALUES (?, ?, 5, 1)", (request(1), bytes(16)))
    assert claim(store, wish(2)) == Free()


def test_only_who_has_a_name_gives_it_back(office: Office) -> None:
    store = office.store
    claim(store, wish())
    for number, found in ((2, Running()), (1, Free())):
        with store.write() as tx:
            usage.give_back(tx, MARK, request(number))
        assert claim(store, wish(3)) == found


def test_a_name_lasts_a_day(office: Office) -> None:
    store = office.store
    now_ms = office.clock.now_ms()
    claim(store, wish(), now_ms)
    end(store)
    assert isinstance(claim(store, wish(2), now_ms + usage.NAME_KEPT_MS - 1), Charged)
    assert claim(store, wish(2, form=b"b"), now_ms + usage.NAME_KEPT_MS) == Free()


def test_names_of_yesterday_are_swept(office: Office) -> None:
    store = office.store
    now_ms = office.clock.now_ms()
    claim(store, wish(), now_ms - usage.NAME_KEPT_MS)
    claim(store, wish(2, mark=b"n" * 16), now_ms - 1)
    forget_names(office)
    with store.read() as tx:
        assert tx.rows("SELECT mark FROM request_name", (), tuple[bytes]) == [(b"n" * 16,)]
