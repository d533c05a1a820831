"""A shard to the nano-dollar and the nanosecond: the edges of what it promises."""

from pathlib import Path

import pytest
from msgspec import structs

from troth.kernel.clock import ManualClock
from troth.kernel.errors import InvariantBroken
from troth.ledger.shard import Journal, Shard, ShardTerms, Short, ShortKind, records
from troth.ledger.shard.messages import Ack, Lease, LeaseAsk, Recall

SEAT = bytes(range(16))
WALLET = b"w" + SEAT
KEY = b"k" + SEAT
TERMS = ShardTerms()


def reservation(number: int) -> bytes:
    return number.to_bytes(16, "big")


def lease(ask: LeaseAsk, granted: int, **said: int | bool) -> Lease:
    plain = Lease(ask.op, ask.purse, 1, granted, False, False, 0, 0, 0)  # noqa: FBT003
    return structs.replace(plain, **said)


class Desk:
    """A shard, and a desk whose answers are written by hand."""

    def __init__(self, folder: Path, monotonic_ns: int = 1_000_000_000) -> None:
        self.clock = ManualClock(monotonic_ns=monotonic_ns)
        self.shard = Shard(SEAT, Journal(folder, bytes(16), SEAT, 64 * 1024), self.clock, TERMS)

    def lent(self, **amounts: int) -> Shard:
        """Beat, and lend to the wallet and the key what they are given by name."""
        self.shard.beat(self.clock.monotonic_ns())
        self.shard.admit(reservation(0), (WALLET, KEY), 1, 1)
        for ask in self.shard.wanted():
            granted = amounts["wallet" if ask.purse == WALLET else "key"]
            assert self.shard.apply(lease(ask, granted)) == ask.purse
        return self.shard


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def test_nothing_is_reserved_before_the_desk_was_heard(tmp_path: Path) -> None:
    desk = Desk(tmp_path, monotonic_ns=1)
    assert desk.shard.admit(reservation(1), (WALLET,), 1, 1) == Short(ShortKind.STALE)


def test_a_lease_may_be_spent_until_its_time_is_over_and_not_after(desk: Desk) -> None:
    shard = desk.lent(wallet=1_000, key=1_000)
    desk.clock.advance(TERMS.valid_ms - TERMS.skew_ms)
    assert shard.admit(reservation(1), (WALLET, KEY), 10, 1) == 10
    assert shard.extend(reservation(1), 10) is None
    desk.clock.advance(1)
    assert shard.admit(reservation(2), (WALLET, KEY), 10, 1) == Short(ShortKind.STALE)
    assert shard.extend(reservation(1), 10) == Short(ShortKind.STALE)


def test_settlements_are_counted_from_one(desk: Desk) -> None:
    shard = desk.lent(wallet=1_000, key=1_000)
    for number in (1, 2):
        shard.admit(reservation(number), (WALLET, KEY), 10, 1)
        shard.settle(reservation(number), 5, b"")
    posting = shard.unposted(10)
    assert posting is not None
    assert (posting.first, posting.upto) == (1, 2)
    assert shard.apply(Ack(SEAT, 2)) == b""
    assert shard.apply(Ack(bytes(16), 9)) == b""


def test_what_is_covered_is_what_the_poorest_purse_has(desk: Desk) -> None:
    shard = desk.lent(wallet=1_000, key=600)
    shard.admit(reservation(1), (WALLET, KEY), 400, 1)
    assert shard.cover(reservation(1), 400) == 400
    assert shard.cover(reservation(1), 5_000) == 600
    assert shard.free((WALLET, KEY)) == 200


def test_a_record_fills_the_room_that_is_set_aside_for_it_and_no_more(desk: Desk) -> None:
    shard = desk.lent(wallet=1_000, key=1_000)
    for number in (1, 2):
        shard.admit(reservation(number), (WALLET, KEY), 10, 1)
    shard.settle(reservation(1), 0, bytes(records.RECORD_BYTES_MAX))
    with pytest.raises(InvariantBroken):
        shard.settle(reservation(2), 0, bytes(records.RECORD_BYTES_MAX + 1))


def test_an_extension_asks_for_the_purse_alone_that_lacks_it(desk: Desk) -> None:
    shard = desk.lent(wallet=1_000, key=500)
    shard.admit(reservation(1), (KEY,), 100, 1)
    shard.admit(reservation(2), (WALLET, KEY), 200, 1)
    assert shard.extend(reservation(2), 800) == Short(ShortKind.DRY, KEY, 800, 200, 0)
    (ask,) = shard.wanted()
    assert (ask.purse, ask.need, ask.least, ask.offer) == (KEY, 800, 800, 200)


def test_an_ask_tells_what_was_spent_in_this_second_and_the_one_before(desk: Desk) -> None:
    shard = desk.lent(wallet=10_000, key=10_000)
    for number, charge in ((1, 300), (2, 40)):
        shard.admit(reservation(number), (WALLET,), 500, 1)
        shard.settle(reservation(number), charge, b"")
        if number == 1:
            shard.beat(desk.clock.monotonic_ns())
    assert isinstance(shard.admit(reservation(3), (WALLET,), 20_000, 20_000), Short)
    (ask,) = shard.wanted()
    assert (ask.recent, ask.offer, ask.bound) == (340, 9_660, 20_000)


def test_the_desks_word_that_there_is_no_more_is_believed_for_its_time(desk: Desk) -> None:
    shard = desk.shard
    shard.beat(desk.clock.monotonic_ns())
    assert isinstance(shard.admit(reservation(1), (WALLET,), 900, 900), Short)
    (ask,) = shard.wanted()
    shard.apply(lease(ask, 500, is_short=True, held=70))
    broke = Short(ShortKind.BROKE, WALLET, 900, 500, 70)
    assert shard.admit(reservation(1), (WALLET,), 900, 900) == broke
    shard.admit(reservation(2), (WALLET,), 100, 100)
    assert shard.extend(reservation(2), 800) == Short(ShortKind.BROKE, WALLET, 800, 400, 70)
    assert shard.wanted() == []
    desk.clock.advance(TERMS.short_ms)
    found = shard.extend(reservation(2), 800)
    assert found is not None
    assert found.kind is ShortKind.DRY
    assert shard.admit(reservation(3), (WALLET,), 900, 900) == Short(
        ShortKind.DRY, WALLET, 900, 400
    )


def told(desk: Desk, purse: bytes, granted: int) -> None:
    """Let the desk lend what it has of a purse, and say that there is no more."""
    desk.shard.beat(desk.clock.monotonic_ns())
    assert isinstance(desk.shard.admit(reservation(0), (purse,), 9_000, 9_000), Short)
    (ask,) = desk.shard.wanted()
    assert desk.shard.apply(lease(ask, granted, is_short=True)) == purse


def test_one_purse_that_has_too_little_is_a_no_and_the_others_are_not_asked(desk: Desk) -> None:
    told(desk, WALLET, 499)
    broke = Short(ShortKind.BROKE, WALLET, 500, 499)
    assert desk.shard.admit(reservation(1), (WALLET, KEY), 900, 500) == broke
    assert desk.shard.wanted() == []


def test_of_the_others_only_what_the_short_purse_has_is_asked(desk: Desk) -> None:
    told(desk, WALLET, 500)
    dry = Short(ShortKind.DRY, KEY, 500, 0)
    assert desk.shard.admit(reservation(1), (WALLET, KEY), 900, 500) == dry
    (ask,) = desk.shard.wanted()
    assert (ask.purse, ask.need, ask.least) == (KEY, 500, 500)
    desk.shard.apply(lease(ask, 500))
    assert desk.shard.admit(reservation(1), (WALLET, KEY), 900, 500) == 500


def test_two_short_purses_decide_though_only_one_word_is_still_believed(desk: Desk) -> None:
    told(desk, WALLET, 500)
    desk.clock.advance(TERMS.short_ms - 1)
    told(desk, KEY, 300)
    desk.clock.advance(1)
    assert desk.shard.admit(reservation(1), (WALLET, KEY), 900, 100) == 300


def test_an_extension_that_one_purse_cannot_pay_asks_no_other(desk: Desk) -> None:
    told(desk, WALLET, 300)
    desk.clock.advance(TERMS.short_ms)
    told(desk, KEY, 300)
    assert desk.shard.admit(reservation(1), (WALLET, KEY), 100, 100) == 100
    broke = Short(ShortKind.BROKE, KEY, 800, 200)
    assert desk.shard.extend(reservation(1), 800) == broke
    assert desk.shard.wanted() == []


def test_what_running_requests_have_is_in_flight_as_far_as_it_goes(desk: Desk) -> None:
    told(desk, WALLET, 500)
    assert desk.shard.admit(reservation(1), (WALLET,), 300, 300) == 300
    for least, kind in ((500, ShortKind.IN_FLIGHT), (501, ShortKind.BROKE)):
        found = desk.shard.admit(reservation(2), (WALLET,), least, least)
        assert found == Short(kind, WALLET, least, 200, 300)


def test_a_lease_may_have_ended_when_its_answer_comes(desk: Desk) -> None:
    shard = desk.lent(wallet=500, key=500)
    assert isinstance(shard.admit(reservation(1), (WALLET,), 900, 900), Short)
    (ask,) = shard.wanted()
    assert shard.apply(lease(ask, 0, epoch=0, is_short=True)) == WALLET
    assert shard.free((WALLET,)) == 0


def test_a_need_that_was_met_may_be_followed_by_another_at_once(desk: Desk) -> None:
    shard = desk.lent(wallet=500, key=500)
    found = shard.admit(reservation(1), (WALLET,), 900, 900)
    assert found == Short(ShortKind.DRY, WALLET, 900, 500)


def test_a_purse_that_is_lent_exactly_what_is_needed_does_not_ask_for_more(desk: Desk) -> None:
    shard = desk.shard
    shard.beat(desk.clock.monotonic_ns())
    shard.admit(reservation(1), (WALLET,), 500, 500)
    (ask,) = shard.wanted()
    shard.apply(lease(ask, 500, is_direct=True))
    assert shard.admit(reservation(1), (WALLET,), 500, 500) == 500
    assert shard.wanted() == []
    shard.settle(reservation(1), 200, b"")
    (given,) = shard.idle()
    assert (given.purse, given.epoch, given.amount) == (WALLET, 1, 300)


def test_a_purse_asks_before_it_is_dry_once_and_then_when_it_was_filled(desk: Desk) -> None:
    shard = desk.shard
    shard.beat(desk.clock.monotonic_ns())
    shard.admit(reservation(1), (WALLET,), 100, 100)
    (ask,) = shard.wanted()
    shard.apply(lease(ask, 1_000))
    shard.admit(reservation(1), (WALLET,), 750, 100)
    assert shard.wanted() == []
    shard.admit(reservation(2), (WALLET,), 1, 1)
    (ask,) = shard.wanted()
    assert (ask.need, ask.bound, ask.offer) == (1, 1, 0)
    shard.admit(reservation(3), (WALLET,), 1, 1)
    shard.apply(lease(ask, 1_400))
    assert shard.wanted() == []


@pytest.mark.parametrize("is_recalled", [True, False])
def test_what_went_back_to_the_desk_is_still_within_reach(desk: Desk, *, is_recalled: bool) -> None:
    shard = desk.shard
    shard.beat(desk.clock.monotonic_ns())
    shard.admit(reservation(1), (WALLET,), 100, 100)
    (ask,) = shard.wanted()
    shard.apply(lease(ask, 1_000, available=5_000))
    if is_recalled:
        shard.apply(Recall(WALLET, 1))
        assert [given.amount for given in shard.idle()] == [1_000]
    else:
        assert isinstance(shard.admit(reservation(2), (WALLET,), 2_000, 2_000), Short)
        assert [ask.offer for ask in shard.wanted()] == [1_000]
    assert (shard.free((WALLET,)), shard.reach((WALLET,))) == (0, 6_000)


def test_a_budget_goes_back_when_its_period_is_over_and_once(desk: Desk) -> None:
    shard = desk.shard
    shard.beat(desk.clock.monotonic_ns())
    shard.admit(reservation(1), (KEY,), 100, 100)
    (ask,) = shard.wanted()
    shard.apply(lease(ask, 1_000, ends_at_ms=desk.clock.now_ms() + 500))
    desk.clock.advance(499)
    shard.beat(desk.clock.monotonic_ns())
    assert shard.idle() == []
    desk.clock.advance(1)
    shard.beat(desk.clock.monotonic_ns())
    (given,) = shard.idle()
    assert (given.purse, given.amount) == (KEY, 1_000)
    shard.beat(desk.clock.monotonic_ns())
    assert shard.idle() == []
