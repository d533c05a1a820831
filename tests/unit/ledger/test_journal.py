"""The journal says after a crash what it said before, up to its last whole record."""

import errno
from pathlib import Path

import pytest
from typing_extensions import override

from troth.kernel.errors import InvariantBroken
from troth.kernel.mapped_file import Disk
from troth.ledger.shard import Journal, records, recover
from troth.ledger.shard.messages import Orphan
from troth.ledger.shard.replay import SEGMENT_AGE_MS_MAX
from troth.server.keeper import Keeper

SEAT = bytes(range(16))
DEPLOYMENT = bytes(16)
BLOCK = records.purse_block(((b"w" + SEAT, 3), (b"k" + SEAT, 9)))
SMALL = 8 * 1024


class FullDisk(Disk):
    """Has room for a number of segments, and may fail to write."""

    def __init__(self, segments: int) -> None:
        self.segments = segments
        self.is_broken = False

    @override
    def allocate(self, fd: int, size: int) -> None:
        if self.segments == 0:
            raise OSError(errno.ENOSPC, "full")
        self.segments -= 1
        super().allocate(fd, size)

    @override
    def sync(self, fd: int) -> None:
        if self.is_broken:
            raise OSError(errno.EIO, "broken")
        super().sync(fd)


def reservation(number: int) -> bytes:
    return number.to_bytes(16, "big")


def now_ms(folder: Path) -> int:
    return max(path.stat().st_mtime_ns for path in folder.iterdir()) // 1_000_000


def written(folder: Path, size: int = SMALL) -> Journal:
    journal = Journal(folder, DEPLOYMENT, SEAT, size)
    journal.keep()
    return journal


def fill(journal: Journal) -> None:
    """Two settled, one freed, one extended and open."""
    for number in (1, 2, 3, 4):
        assert journal.reserve(reservation(number), 100 * number)
    journal.settle((1, reservation(1), 50, 0, 100), BLOCK, b"first")
    assert journal.extend(reservation(4), 900)
    journal.release(reservation(3))
    journal.settle((2, reservation(2), 200, 7, 200), BLOCK, b"second")


def test_what_was_promised_and_owed_is_read_back(tmp_path: Path) -> None:
    journal = written(tmp_path)
    fill(journal)
    journal.close()
    (old,) = recover(tmp_path, DEPLOYMENT, now_ms(tmp_path)).seats
    first, second = map(records.settlement, old.settlements)
    assert (first.reservation, first.charge, first.record) == (reservation(1), 50, b"first")
    assert first.purses == ((b"w" + SEAT, 3), (b"k" + SEAT, 9))
    assert (second.charge, second.overrun, second.number) == (200, 7, 2)
    assert old.orphans == (Orphan(reservation(4), 900),)
    assert [len(posting.settlements) for posting in old.postings(1)] == [1, 1]
    assert old.close().orphans == [Orphan(reservation(4), 900)]
    old.discard()
    assert recover(tmp_path, DEPLOYMENT, 0).seats == ()


def test_a_journal_torn_at_any_byte_ends_with_its_last_whole_record(tmp_path: Path) -> None:
    journal = written(tmp_path)
    fill(journal)
    end = journal._at
    journal.close()
    (path,) = tmp_path.iterdir()
    whole = path.read_bytes()
    bodies = records.bodies(whole, SEAT)
    for cut in range(records.HEADER.size, end):
        torn = whole[:cut] + bytes(len(whole) - cut)
        found = records.bodies(torn, SEAT)
        assert found == bodies[: len(found)]
        assert len(found) - len(records.bodies(whole[:cut], SEAT)) in (0, int(whole[cut] == 0))


def test_a_changed_byte_ends_the_journal_there(tmp_path: Path) -> None:
    journal = written(tmp_path)
    fill(journal)
    end = journal._at
    journal.close()
    (path,) = tmp_path.iterdir()
    whole = path.read_bytes()
    bodies = records.bodies(whole, SEAT)
    for at in range(records.HEADER.size, end):
        changed = whole[:at] + bytes((whole[at] ^ 0x40,)) + whole[at + 1 :]
        found = records.bodies(changed, SEAT)
        assert found == bodies[: len(found)]
        assert len(found) < len(bodies)


def test_records_of_another_seat_are_not_read(tmp_path: Path) -> None:
    journal = written(tmp_path)
    fill(journal)
    journal.close()
    (path,) = tmp_path.iterdir()
    assert records.bodies(path.read_bytes(), bytes(16)) == []


def test_a_journal_goes_on_in_the_next_segment_with_what_is_promised(tmp_path: Path) -> None:
    journal = written(tmp_path)
    promised = {reservation(1): 11}
    journal.carry(lambda: list(promised.items()))
    assert journal.reserve(reservation(1), 11)
    for number in range(2, 200):
        assert journal.reserve(reservation(number), 5)
        journal.settle((number - 1, reservation(number), 5, 0, 5), BLOCK, bytes(200))
        journal.keep()
        journal.acknowledged(number - 1)
    journal.keep()
    assert len(list(tmp_path.iterdir())) <= 3
    journal.close()
    (old,) = recover(tmp_path, DEPLOYMENT, now_ms(tmp_path)).seats
    assert old.settlements == ()
    assert old.orphans == (Orphan(reservation(1), 11),)


def test_nothing_is_promised_without_room_for_its_settlement(tmp_path: Path) -> None:
    journal = Journal(tmp_path, DEPLOYMENT, SEAT, SMALL, disk=FullDisk(1))
    journal.keep()
    promised = 0
    while journal.reserve(reservation(promised + 1), 5):
        promised += 1
    assert promised == (SMALL - records.HEADER.size) // (records.SETTLE_BYTES_MAX + 64)
    assert not journal.has_room()
    assert not journal.extend(reservation(1), 9)
    for number in range(1, promised + 1):
        block = BLOCK + BLOCK
        journal.settle(
            (number, reservation(number), 5, 0, 5), block, bytes(records.RECORD_BYTES_MAX)
        )
    journal.close()
    (old,) = recover(tmp_path, DEPLOYMENT, now_ms(tmp_path)).seats
    assert len(old.settlements) == promised


def test_room_comes_back_when_the_disk_has_space_again(tmp_path: Path) -> None:
    disk = FullDisk(1)
    journal = Journal(tmp_path, DEPLOYMENT, SEAT, SMALL, disk=disk)
    journal.keep()
    number = 0
    while journal.reserve(reservation(number + 1), 5):
        number += 1
        journal.settle((number, reservation(number), 5, 0, 5), BLOCK, bytes(300))
    disk.segments = 1
    for _ in range(101):
        assert not journal.reserve(reservation(number + 1), 5)
        journal.keep()
    assert journal.reserve(reservation(number + 1), 5)
    journal.close()


def test_an_acknowledgment_without_room_is_not_noted(tmp_path: Path) -> None:
    journal = Journal(tmp_path, DEPLOYMENT, SEAT, SMALL, disk=FullDisk(1))
    journal._at = SMALL
    journal.acknowledged(5)
    assert journal._at == SMALL
    journal.close()
    journal.close()


def test_a_disk_that_fails_ends_all_promises(tmp_path: Path) -> None:
    disk = FullDisk(2)
    journal = Journal(tmp_path, DEPLOYMENT, SEAT, SMALL, disk=disk)
    assert journal.reserve(reservation(1), 5)
    disk.is_broken = True
    journal.keep()
    assert journal.has_failed
    assert not journal.reserve(reservation(2), 5)
    journal.settle((1, reservation(1), 5, 0, 5), BLOCK, b"")
    journal.close()


def test_a_backlog_that_is_not_posted_ends_all_promises(tmp_path: Path) -> None:
    size = 90 * 1024 * 1024
    journal = Journal(tmp_path, DEPLOYMENT, SEAT, size)
    for _ in range(2):
        journal.keep()
        journal._at = size
        assert journal.reserve(reservation(1), 1)
    assert not journal.has_room()
    assert journal.unposted_bytes == 3 * size
    journal.close()


def test_settlements_never_run_out_of_the_room_set_aside(tmp_path: Path) -> None:
    journal = Journal(tmp_path, DEPLOYMENT, SEAT, SMALL, disk=FullDisk(1))
    journal._at = SMALL
    with pytest.raises(InvariantBroken):
        journal.settle((1, reservation(1), 5, 0, 5), BLOCK, b"")
    journal.close()


def test_foreign_old_and_empty_segments_are_not_read(tmp_path: Path) -> None:
    journal = written(tmp_path)
    fill(journal)
    journal.close()
    (path,) = tmp_path.iterdir()
    (tmp_path / "laid-out.journal").write_bytes(bytes(SMALL))
    (tmp_path / "garbage.journal").write_bytes(b"?" * SMALL)
    now = now_ms(tmp_path)
    found = recover(tmp_path, DEPLOYMENT, now)
    assert [len(old.settlements) for old in found.seats] == [2]
    assert [each.name for each in found.set_aside] == ["garbage.aside"]
    assert recover(tmp_path, b"another-installs", now).set_aside == (path.with_suffix(".aside"),)
    path.with_suffix(".aside").rename(path)
    assert recover(tmp_path, DEPLOYMENT, now + SEGMENT_AGE_MS_MAX + 1_000).seats == ()


def test_a_header_cut_short_is_no_header() -> None:
    assert records.read_header(b"short") is None
    head = records.header(DEPLOYMENT, SEAT, 7)
    assert records.read_header(head) == (DEPLOYMENT, SEAT, 7)
    assert records.read_header(head[:-1] + bytes((head[-1] ^ 1,))) is None


def test_a_thread_keeps_the_journal(tmp_path: Path) -> None:
    journal = Journal(tmp_path, DEPLOYMENT, SEAT, SMALL)
    keeper = Keeper(journal)
    keeper.start()
    for number in range(1, 60):
        while not journal.reserve(reservation(number), 5):
            pass
        journal.settle((number, reservation(number), 5, 0, 5), BLOCK, bytes(300))
    keeper.stop()
    journal.close()
    (old,) = recover(tmp_path, DEPLOYMENT, now_ms(tmp_path)).seats
    assert len(old.settlements) == 59


class CountingDisk(FullDisk):
    """Notes what is written to disk."""

    def __init__(self) -> None:
        super().__init__(9)
        self.synced: list[int] = []

    @override
    def sync(self, fd: int) -> None:
        self.synced.append(fd)
        super().sync(fd)


def test_a_full_segment_is_written_to_disk_once_more(tmp_path: Path) -> None:
    disk = CountingDisk()
    journal = Journal(tmp_path, DEPLOYMENT, SEAT, SMALL, disk=disk)
    journal.keep()
    first = journal._current
    number = 0
    while journal._current is first:
        number += 1
        assert journal.reserve(reservation(number), 5)
        journal.settle((number, reservation(number), 5, 0, 5), BLOCK, bytes(300))
    second = journal._current
    disk.synced.clear()
    journal.keep()
    assert disk.synced[:2] == [first.fd, second.fd]
    disk.synced.clear()
    journal.keep()
    assert disk.synced == [second.fd]
    assert first.path.stat().st_mode & 0o777 == 0o600
    journal.close()


def test_a_record_may_end_where_its_segment_does(tmp_path: Path) -> None:
    journal = written(tmp_path)
    journal.acknowledged(7)
    end = journal._at
    journal.close()
    (path,) = tmp_path.iterdir()
    whole = path.read_bytes()
    assert [records.ACK.unpack(each)[2] for each in records.bodies(whole[:end], SEAT)] == [7]
    assert records.bodies(whole[: end - 1], SEAT) == []
