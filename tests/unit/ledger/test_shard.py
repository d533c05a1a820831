"""What a shard answers when it cannot serve, and what it ignores."""

from pathlib import Path

import pytest

from troth.kernel.clock import ManualClock
from troth.kernel.errors import InvariantBroken
from troth.kernel.mapped_file import Disk
from troth.ledger.shard import Journal, Shard, ShardTerms, Short, ShortKind, records, recover
from troth.ledger.shard.messages import (
    Ack,
    Lease,
    LeaseAsk,
    LeaseReturn,
    Orphan,
    Recall,
    Returned,
    SeatClosed,
    SeatOpened,
)

SEAT = bytes(range(16))
WALLET = b"w" + SEAT
KEY = b"k" + SEAT


def reservation(number: int) -> bytes:
    return number.to_bytes(16, "big")


class Desk:
    """A shard over a small journal, and leases given by hand."""

    def __init__(self, folder: Path, size: int = 64 * 1024) -> None:
        self.clock = ManualClock()
        self.journal = Journal(folder, bytes(16), SEAT, size, disk=Disk())
        self.shard = Shard(SEAT, self.journal, self.clock, ShardTerms())
        self.shard.beat(self.clock.monotonic_ns())

    def lend(self, amount: int, epoch: int = 1, *purses: bytes) -> None:
        """Answer what the shard asks for."""
        for ask in self.shard.wanted():
            assert not purses or ask.purse in purses
            self.shard.apply(
                Lease(
                    op=ask.op, purse=ask.purse, epoch=epoch, granted=amount, is_direct=False,
                    is_short=False, available=0, held=0, ends_at_ms=0,
                )
            )  # fmt: skip

    def ready(self, amount: int = 10_000) -> Shard:
        assert isinstance(self.shard.admit(reservation(0), (WALLET, KEY), 10, 1), Short)
        self.lend(amount)
        return self.shard


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def test_a_reservation_holds_from_every_purse(desk: Desk) -> None:
    shard = desk.ready()
    assert shard.admit(reservation(1), (WALLET, KEY), 4_000, 1) == 4_000
    assert shard.is_open(reservation(1))
    assert shard.open_count == 1
    short = shard.admit(reservation(2), (KEY,), 7_000, 1)
    assert isinstance(short, Short)
    assert (short.kind, short.available) == (ShortKind.DRY, 6_000)


def test_nothing_is_reserved_that_the_journal_cannot_hold(tmp_path: Path) -> None:
    desk = Desk(tmp_path, size=4 * 1024)
    shard = desk.ready()
    made = 0
    while isinstance(found := shard.admit(reservation(made + 1), (WALLET, KEY), 10, 1), int):
        made += 1
    assert found == Short(ShortKind.UNWRITABLE)
    assert made == 3
    assert shard.extend(reservation(1), 10) == Short(ShortKind.UNWRITABLE)


def test_a_reservation_is_made_once(desk: Desk) -> None:
    shard = desk.ready()
    shard.admit(reservation(1), (WALLET, KEY), 10, 1)
    with pytest.raises(InvariantBroken):
        shard.admit(reservation(1), (WALLET, KEY), 10, 1)


@pytest.mark.parametrize(
    "purses", [(), (WALLET, WALLET), tuple(bytes((n,)) * 17 for n in range(8))]
)
def test_a_request_has_one_to_seven_purses(desk: Desk, purses: tuple[bytes, ...]) -> None:
    with pytest.raises(InvariantBroken):
        desk.shard.admit(reservation(1), purses, 10, 1)


def test_a_charge_above_what_is_covered_is_refused(desk: Desk) -> None:
    shard = desk.ready(1_000)
    shard.admit(reservation(1), (WALLET, KEY), 400, 1)
    assert shard.cover(reservation(1), 300) == 300
    assert shard.cover(reservation(1), 900) == 900
    assert shard.cover(reservation(1), 1_900) == 1_000
    with pytest.raises(InvariantBroken):
        shard.settle(reservation(1), 1_001, b"")
    with pytest.raises(InvariantBroken):
        shard.settle(reservation(1), -1, b"")
    shard.settle(reservation(1), 1_000, b"")


def test_a_reservation_of_an_ended_lease_covers_itself_and_frees_nothing(desk: Desk) -> None:
    shard = desk.ready(1_000)
    shard.admit(reservation(1), (WALLET, KEY), 400, 1)
    assert isinstance(shard.admit(reservation(2), (KEY,), 5_000, 1), Short)
    desk.lend(800, 2, KEY)
    assert shard.cover(reservation(1), 900) == 400
    shard.settle(reservation(1), 100, b"")
    assert shard.admit(reservation(3), (KEY,), 800, 800) == 800
    posting = shard.unposted(10)
    assert posting is not None
    assert records.settlement(posting.settlements[0]).purses == ((WALLET, 1), (KEY, 1))


def test_settlements_stay_until_they_are_acknowledged(desk: Desk) -> None:
    shard = desk.ready()
    for number in (1, 2, 3):
        shard.admit(reservation(number), (WALLET, KEY), 10, 1)
        shard.settle(reservation(number), 5, b"")
    first = shard.unposted(2)
    assert first is not None
    assert (first.first, first.upto) == (1, 2)
    assert shard.is_unposted(reservation(1))
    shard.apply(Ack(bytes(16), 3))
    assert shard.unposted_count == 3
    shard.lost()
    again = shard.unposted(10)
    assert again is not None
    assert (again.first, again.upto) == (1, 3)
    shard.apply(Ack(SEAT, 3))
    assert shard.unposted_count == 0
    assert not shard.is_unposted(reservation(1))
    assert shard.unposted(10) is None


def test_a_closed_seat_serves_no_more(desk: Desk) -> None:
    shard = desk.ready()
    shard.apply(SeatClosed(bytes(16)))
    assert not shard.is_over
    shard.apply(SeatClosed(SEAT))
    assert shard.admit(reservation(1), (WALLET, KEY), 10, 1) == Short(ShortKind.STALE)


def test_words_that_are_not_for_a_purse_change_nothing(desk: Desk) -> None:
    shard = desk.ready()
    unasked = Lease(99, WALLET, 9, 10**9, False, False, 0, 0, 0)  # noqa: FBT003
    assert shard.apply(unasked) == b""
    assert shard.apply(Returned(7, b"x" * 17, 0, 0)) == b""
    assert shard.apply(Recall(b"x" * 17, 1)) == b""
    assert shard.apply(Recall(WALLET, 8)) == b""
    assert shard.apply(SeatOpened(SEAT, 0)) == b""
    assert shard.idle() == []


def test_a_recall_is_answered_even_with_nothing(desk: Desk) -> None:
    shard = desk.ready(1_000)
    shard.admit(reservation(1), (WALLET, KEY), 1_000, 1)
    shard._leases._wanting.clear()
    shard.apply(Recall(WALLET, 1))
    (answer,) = shard.idle()
    assert answer == LeaseReturn(answer.op, WALLET, 1, 0)


def test_a_purse_that_runs_low_is_filled_before_it_is_dry(desk: Desk) -> None:
    shard = desk.ready(1_000)
    shard.admit(reservation(1), (WALLET, KEY), 800, 1)
    asks = shard.wanted()
    assert [(ask.purse, ask.offer, ask.need) for ask in asks] == [(WALLET, 0, 800), (KEY, 0, 800)]
    assert shard.wanted() == []


def test_a_lost_answer_is_asked_for(desk: Desk) -> None:
    shard = desk.ready(1_000)
    shard.admit(reservation(1), (WALLET, KEY), 800, 1)
    first = shard.wanted()
    shard.lost()
    again = shard.wanted()
    assert [(ask.purse, ask.epoch, ask.need) for ask in again] == [(WALLET, 1, 0), (KEY, 1, 0)]
    assert min(ask.op for ask in again) > max(ask.op for ask in first)
    assert isinstance(again[0], LeaseAsk)


def test_promises_are_carried_into_the_next_segment(tmp_path: Path) -> None:
    desk = Desk(tmp_path, size=8 * 1024)
    shard = desk.ready(10**9)
    assert shard.admit(reservation(1), (WALLET, KEY), 77, 1) == 77
    for number in range(2, 100):
        desk.journal.keep()
        assert shard.admit(reservation(number), (WALLET, KEY), 10, 1) == 10
        shard.settle(reservation(number), 5, bytes(300))
        shard.acknowledged(number - 1)
    desk.journal.keep()
    desk.journal.close()
    (old,) = recover(tmp_path, bytes(16), now_ms=0).seats
    assert old.orphans == (Orphan(reservation(1), 77),)


def test_what_all_purses_have_is_what_the_poorest_has(desk: Desk) -> None:
    shard = desk.shard
    assert (shard.free((WALLET, KEY)), shard.reach((WALLET, KEY))) == (0, 0)
    for purse, granted, available in ((WALLET, 900, 50), (KEY, 700, 4_000)):
        assert isinstance(shard.admit(reservation(1), (purse,), 10, 1), Short)
        (ask,) = shard.wanted()
        shard.apply(
            Lease(
                op=ask.op, purse=purse, epoch=1, granted=granted, is_direct=False,
                is_short=False, available=available, held=0, ends_at_ms=0,
            )
        )  # fmt: skip
    assert (shard.free((WALLET, KEY)), shard.reach((WALLET, KEY))) == (700, 950)
    assert shard.admit(reservation(2), (WALLET,), 300, 1) == 300
    assert (shard.free((WALLET, KEY)), shard.reach((WALLET, KEY))) == (600, 650)


def told(
    desk: Desk,
    purse: bytes,
    granted: int,
    *,
    held: int = 0,
    short: bool = False,
    direct: bool = False,
) -> None:
    """Answer what is outstanding for one purse."""
    (ask,) = [each for each in desk.shard.wanted() if each.purse == purse]
    desk.shard.apply(
        Lease(
            op=ask.op, purse=purse, epoch=1, granted=granted, is_direct=direct,
            is_short=short, available=0, held=held, ends_at_ms=0,
        )
    )  # fmt: skip


def test_a_request_draws_on_at_least_one_and_at_most_so_many_purses(desk: Desk) -> None:
    most = tuple(bytes([65 + number]) * 17 for number in range(records.PURSES_MAX))
    assert isinstance(desk.shard.admit(reservation(1), most, 10, 1), Short)
    for wrong in ((), (*most, WALLET), (WALLET, WALLET)):
        with pytest.raises(InvariantBroken):
            desk.shard.admit(reservation(1), wrong, 10, 1)


def test_the_purse_that_lacks_most_is_named(desk: Desk) -> None:
    for purse, amount in ((WALLET, 900), (KEY, 700)):
        assert isinstance(desk.shard.admit(reservation(1), (purse,), 1_000, 1_000), Short)
        told(desk, purse, amount, short=True)
    found = desk.shard.admit(reservation(1), (WALLET, KEY), 2_000, 1_000)
    assert found == Short(ShortKind.BROKE, KEY, 1_000, 700, 0)


@pytest.mark.parametrize(
    ("least", "enough", "expected"),
    [(1, 0, 450), (450, 0, 450), (451, 0, 900), (1, 450, 450), (1, 451, 900), (900, 0, 900)],
)
def test_half_is_left_to_others_unless_it_is_too_little(
    desk: Desk, least: int, enough: int, expected: int
) -> None:
    assert isinstance(desk.shard.admit(reservation(1), (WALLET,), 1_000, 1_000), Short)
    told(desk, WALLET, 900, held=70, short=True)
    found = desk.shard.admit(reservation(1), (WALLET,), 5_000, least, enough=enough)
    assert found == expected


def test_a_settlement_says_what_was_reserved_for_it(desk: Desk) -> None:
    shard = desk.ready()
    for number, charge, overrun in ((1, 300, 0), (2, 1_000, 0), (3, 1_200, 60)):
        assert shard.admit(reservation(number), (WALLET, KEY), 1_000, 1) == 1_000
        shard.settle(reservation(number), charge, b"", overrun)
    posting = shard.unposted(9)
    assert posting is not None
    found = [records.settlement(body) for body in posting.settlements]
    assert [(each.charge, each.reserved, each.overrun) for each in found] == [
        (300, 1_000, 0),
        (1_000, 1_000, 0),
        (1_200, 1_200, 60),
    ]


def test_a_purse_that_kept_its_epoch_counts_what_another_made_late(desk: Desk) -> None:
    shard = desk.ready(10_000)
    assert shard.admit(reservation(1), (WALLET, KEY), 1_000, 1) == 1_000
    assert isinstance(shard.admit(reservation(2), (KEY,), 20_000, 20_000), Short)
    (ask,) = [each for each in shard.wanted() if each.purse == KEY]
    shard.apply(
        Lease(
            op=ask.op, purse=KEY, epoch=2, granted=500, is_direct=False,
            is_short=True, available=0, held=0, ends_at_ms=0,
        )
    )  # fmt: skip
    shard.settle(reservation(1), 400, b"")
    assert (shard.free((WALLET,)), shard.free((KEY,))) == (9_600, 500)
    assert isinstance(shard.admit(reservation(3), (WALLET,), 20_000, 20_000), Short)
    told(desk, WALLET, 10_000 - 9_600 + 400, short=True)
    found = shard.admit(reservation(3), (WALLET,), 20_000, 20_000)
    assert isinstance(found, Short)
    assert found.in_flight == 0


@pytest.mark.parametrize("rest", [0, 1, 70])
def test_a_small_wallet_gets_back_what_a_settlement_left(desk: Desk, rest: int) -> None:
    assert isinstance(desk.shard.admit(reservation(1), (WALLET,), 1_000, 1_000), Short)
    told(desk, WALLET, 1_000, direct=True)
    assert desk.shard.admit(reservation(1), (WALLET,), 1_000, 1_000) == 1_000
    desk.shard.settle(reservation(1), 1_000 - rest, b"")
    returned = [each.amount for each in desk.shard.idle()]
    assert returned == ([rest] if rest else [])


@pytest.mark.parametrize("set_ms", [0, -86_400_000, 86_400_000])
def test_an_idle_lease_goes_back_after_ten_seconds_and_not_before(desk: Desk, set_ms: int) -> None:
    shard = desk.ready(10_000)
    assert shard.idle() == []
    desk.clock.step(set_ms)  # somebody sets the clock of the wall
    shard.admit(reservation(1), (WALLET, KEY), 10, 1)
    shard.settle(reservation(1), 10, b"")
    for _ in range(3):
        desk.clock.advance(1_000)
        shard.beat(desk.clock.monotonic_ns())
        assert shard.idle() == []
    used_ms = 0
    while not (returned := shard.idle()):
        desk.clock.advance(1_000)
        used_ms += 1_000
        shard.beat(desk.clock.monotonic_ns())
        assert used_ms < 20_000
    assert used_ms == 8_000  # ten seconds after it was last seen in use
    assert {each.purse: each.amount for each in returned} == {WALLET: 9_990, KEY: 9_990}


def test_only_what_is_lent_is_looked_at_and_a_new_lease_has_its_ten_seconds(desk: Desk) -> None:
    shard = desk.ready(10_000)

    def given_after(seconds: int) -> list[tuple[bytes, int]]:
        found: list[tuple[bytes, int]] = []
        for _ in range(seconds):
            desk.clock.advance(1_000)
            shard.beat(desk.clock.monotonic_ns())
            returns = shard.idle()
            for each in returns:
                left = shard._leases.purse(each.purse).granted
                shard.apply(Returned(each.op, each.purse, each.epoch, left))
            found += [(each.purse, each.amount) for each in returns]
        return found

    assert sorted(given_after(12)) == [(KEY, 10_000), (WALLET, 10_000)]
    assert shard._leases._lent == {}
    assert isinstance(shard.admit(reservation(1), (WALLET,), 500, 500), Short)
    told(desk, WALLET, 2_000)
    assert shard.admit(reservation(1), (WALLET,), 500, 500) == 500
    assert given_after(10) == []
    assert given_after(1) == [(WALLET, 1_500)]
    assert given_after(30) == []
    shard.settle(reservation(1), 200, b"")
    assert given_after(10) == []
    assert given_after(1) == [(WALLET, 300)]


def test_more_is_asked_for_before_a_lease_runs_dry(desk: Desk) -> None:
    shard = desk.ready(10_000)
    assert shard.admit(reservation(1), (WALLET,), 7_500, 1) == 7_500
    assert shard.wanted() == []  # a quarter is left, not less
    assert shard.admit(reservation(2), (WALLET,), 1, 1) == 1
    (ask,) = shard.wanted()
    assert (ask.purse, ask.need, ask.least, ask.bound, ask.offer) == (WALLET, 1, 0, 1, 0)
    shard.apply(
        Lease(
            op=ask.op, purse=WALLET, epoch=1, granted=14_000, is_direct=False,
            is_short=False, available=0, held=0, ends_at_ms=0,
        )
    )  # fmt: skip
    assert shard.free((WALLET,)) == 6_499
    assert shard.admit(reservation(3), (WALLET,), 5_499, 1) == 5_499
    assert shard.wanted() == []  # of the last grant a quarter is left
    assert shard.admit(reservation(4), (WALLET,), 1, 1) == 1
    assert [each.purse for each in shard.wanted()] == [WALLET]


def test_an_ask_says_what_all_who_wait_need(desk: Desk) -> None:
    for number, want, least in ((1, 300, 50), (2, 700, 10), (3, 200, 90)):
        assert isinstance(desk.shard.admit(reservation(number), (WALLET,), want, least), Short)
    (ask,) = desk.shard.wanted()
    assert (ask.need, ask.least, ask.bound) == (1_200, 10, 700)


def test_a_settlement_is_unposted_until_the_books_have_it(desk: Desk) -> None:
    shard = desk.ready()
    for number in (1, 2):
        assert shard.admit(reservation(number), (WALLET, KEY), 100, 1) == 100
    shard.settle(reservation(1), 50, b"")
    told = [shard.is_unposted(reservation(number)) for number in (1, 2, 3)]
    assert told == [True, True, False]
    shard.settle(reservation(2), 50, b"")
    assert shard.unposted(1) is not None
    shard.acknowledged(1)
    assert [shard.is_unposted(reservation(number)) for number in (1, 2)] == [False, True]
