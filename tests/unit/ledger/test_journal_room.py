"""What a journal promises there is room for, to the byte."""

import errno
import os
import struct
from pathlib import Path
from zlib import crc32

import pytest
from typing_extensions import override

from troth.kernel.errors import InvariantBroken
from troth.kernel.mapped_file import Disk
from troth.ledger.shard import Journal, records, recover
from troth.ledger.shard.replay import SEGMENT_AGE_MS_MAX

SEAT = bytes(range(16))
DEPLOYMENT = bytes(16)
PROMISE = records.SHORT_BYTES
ASIDE = records.SETTLE_BYTES_MAX + PROMISE
ACK = records.PREFIX.size + records.ACK.size
BLOCK = records.purse_block(((b"w" + SEAT, 3),))


def reservation(number: int) -> bytes:
    return number.to_bytes(16, "big")


def journal_of(folder: Path, inside: int, *, spare: bool = False) -> Journal:
    """Return a journal whose segments have so many bytes after their header."""
    journal = Journal(folder, DEPLOYMENT, SEAT, records.HEADER.size + inside)
    if spare:
        journal.keep()
    return journal


def reserved(journal: Journal) -> int:
    made = 0
    while journal.reserve(reservation(made + 1), 10):
        made += 1
    return made


@pytest.mark.parametrize("count", [1, 2, 3])
def test_a_segment_takes_as_many_promises_as_it_can_settle(tmp_path: Path, count: int) -> None:
    for name, inside, expected in (
        ("whole", count * (PROMISE + ASIDE), count),
        ("less", count * (PROMISE + ASIDE) - 1, count - 1),
    ):
        folder = tmp_path / name
        folder.mkdir()
        journal = journal_of(folder, inside)
        assert journal.has_room(expected)
        assert not journal.has_room(expected + 1)
        assert reserved(journal) == expected
        journal.close()


def test_a_spare_segment_takes_what_does_not_fit_the_first(tmp_path: Path) -> None:
    journal = journal_of(tmp_path, 2 * (PROMISE + ASIDE), spare=True)
    journal.reserve(reservation(1), 10)
    journal.release(reservation(1))
    assert journal.has_room(2)
    assert not journal.has_room(3)
    journal.close()


def test_what_is_released_leaves_its_room_to_others(tmp_path: Path) -> None:
    journal = journal_of(tmp_path, 2 * PROMISE + (PROMISE + ASIDE))
    journal.reserve(reservation(1), 10)
    journal.release(reservation(1))
    assert journal.has_room()
    assert journal.reserve(reservation(2), 10)
    journal.close()


@pytest.mark.parametrize(("inside", "is_noted"), [(0, True), (-1, False)])
def test_an_acknowledgment_never_takes_the_room_of_a_settlement(
    tmp_path: Path,
    inside: int,
    is_noted: bool,  # noqa: FBT001
) -> None:
    size = records.SETTLE.size + records.PREFIX.size + len(BLOCK)
    journal = journal_of(tmp_path, 2 * PROMISE + size + ACK + ASIDE + inside)
    journal.reserve(reservation(1), 10)
    journal.settle((1, reservation(1), 5, 0, 10), BLOCK, b"")
    journal.reserve(reservation(2), 10)
    journal.acknowledged(1)
    journal.close()
    (path,) = tmp_path.iterdir()
    now_ms = path.stat().st_mtime_ns // 1_000_000
    (old,) = recover(tmp_path, DEPLOYMENT, now_ms).seats
    assert len(old.settlements) == int(not is_noted)


def test_a_segment_goes_when_its_last_settlement_is_acknowledged(tmp_path: Path) -> None:
    journal = journal_of(tmp_path, PROMISE + ASIDE, spare=True)
    journal.reserve(reservation(1), 10)
    journal.settle((1, reservation(1), 5, 0, 10), BLOCK, bytes(900))
    journal.reserve(reservation(2), 10)
    first = min(tmp_path.iterdir())
    journal.acknowledged(0)
    journal.keep()
    assert first.exists()
    journal.acknowledged(1)
    journal.keep()
    assert not first.exists()
    journal.close()


def test_a_segment_that_owes_nothing_goes_with_the_first_word_of_the_books(tmp_path: Path) -> None:
    journal = journal_of(tmp_path, 2 * PROMISE + ASIDE, spare=True)
    for number in (1, 2):
        journal.reserve(reservation(number), 10)
        journal.release(reservation(number))
    first = min(tmp_path.iterdir())
    journal.acknowledged(0)
    journal.keep()
    assert not first.exists()
    journal.close()


def test_a_closed_journal_holds_no_memory_and_no_file(tmp_path: Path) -> None:
    before = len(list(Path("/proc/self/fd").iterdir()))
    journal = journal_of(tmp_path, PROMISE + ASIDE, spare=True)
    journal.reserve(reservation(1), 10)
    journal.close()
    journal.close()
    assert len(list(Path("/proc/self/fd").iterdir())) == before
    assert len(list(tmp_path.iterdir())) == 1


class Refusing(Disk):
    """Lays out the first segment and no other."""

    def __init__(self, code: int) -> None:
        self.code = code
        self.made = 0

    @override
    def allocate(self, fd: int, size: int) -> None:
        self.made += 1
        if self.made > 1:
            raise OSError(self.code, "no")
        super().allocate(fd, size)


@pytest.mark.parametrize(("code", "has_failed"), [(errno.ENOSPC, False), (errno.EIO, True)])
def test_a_full_disk_is_waited_for_and_a_broken_one_is_not(
    tmp_path: Path,
    code: int,
    has_failed: bool,  # noqa: FBT001
) -> None:
    journal = Journal(tmp_path, DEPLOYMENT, SEAT, disk=Refusing(code))
    journal.keep()
    assert journal.has_failed == has_failed
    journal.close()


@pytest.mark.parametrize("older_ms", [0, 1])
def test_a_journal_of_seven_days_is_read_and_an_older_one_set_aside(
    tmp_path: Path, older_ms: int
) -> None:
    journal_of(tmp_path, PROMISE + ASIDE).close()
    (path,) = tmp_path.iterdir()
    os.utime(path, ns=(10**18, 10**18))
    found = recover(tmp_path, DEPLOYMENT, 10**12 + SEGMENT_AGE_MS_MAX + older_ms)
    assert (len(found.seats), len(found.set_aside)) == (1 - older_ms, older_ms)


def test_a_record_too_short_to_be_one_ends_the_journal(tmp_path: Path) -> None:
    journal = journal_of(tmp_path, 4 * (PROMISE + ASIDE))
    journal.reserve(reservation(1), 10)
    at = journal._at
    journal.close()
    (path,) = tmp_path.iterdir()
    whole = path.read_bytes()
    body = struct.pack("<HB", 3, records.RELEASE_KIND)
    short = records.PREFIX.pack(crc32(body, crc32(SEAT))) + body
    changed = whole[:at] + short + whole[at + len(short) :]
    assert len(records.bodies(changed, SEAT)) == 1


def test_old_settlements_are_posted_in_numbered_parts(tmp_path: Path) -> None:
    journal = journal_of(tmp_path, 4 * (PROMISE + ASIDE))
    for number in (1, 2, 3):
        journal.reserve(reservation(number), 10)
        journal.settle((number, reservation(number), 5, 0, 10), BLOCK, b"")
    journal.close()
    (path,) = tmp_path.iterdir()
    (old,) = recover(tmp_path, DEPLOYMENT, path.stat().st_mtime_ns // 1_000_000).seats
    assert [(each.first, each.upto) for each in old.postings(2)] == [(1, 2), (3, 3)]


@pytest.mark.parametrize(
    ("size", "kind", "purses"),
    [(1, 0, 1), (0, 1, 1), (0, 0, 2)],
)
def test_a_settlement_of_another_form_is_refused(size: int, kind: int, purses: int) -> None:
    length = records.SETTLE.size + len(BLOCK)
    fields = (length + size, records.SETTLE_KIND + kind, 1, reservation(1), 5, 0, 10, purses)
    with pytest.raises(InvariantBroken):
        records.settlement(records.SETTLE.pack(*fields) + BLOCK)
    sound = (length, records.SETTLE_KIND, 1, reservation(1), 5, 0, 10, 1)
    assert records.settlement(records.SETTLE.pack(*sound) + BLOCK).charge == 5
