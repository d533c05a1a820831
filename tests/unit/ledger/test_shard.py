"""What a shard answers when it cannot serve, and what it ignores."""

from pathlib import Path

import pytest

from troth.kernel.clock import ManualClock
from troth.kernel.errors import InvariantBroken
from troth.ledger.shard import Journal, Shard, ShardTerms, Short, ShortKind, records, recover
from troth.ledger.shard.journal import Disk
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
