"""The journal of one seat: what was promised and what is owed, before anybody is told.

Append-only segments of mapped, preallocated files: a record is a copy into shared memory, so it
survives `kill -9` without a system call; `keep` writes the pages to disk: another thread calls it
each few milliseconds, which bounds what a power cut can take. Space is set aside for the
settlement of every open reservation before it is made.
"""

from collections import deque
from collections.abc import Callable, Iterable
from errno import EDQUOT, EFBIG, ENOSPC
from pathlib import Path
from typing import Final
from zlib import crc32

from troth.kernel.mapped_file import Disk, MappedFile
from troth.kernel.presence import present
from troth.ledger.shard import records

SEGMENT_BYTES: Final = 16 * 1024 * 1024
JOURNAL_SUFFIX: Final = ".journal"
BACKLOG_BYTES_MAX: Final = 256 * 1024 * 1024
_ROUNDS_WITHOUT_SPACE: Final = 100
_NO_SPACE: Final = (ENOSPC, EDQUOT, EFBIG)

_short = records.SHORT.pack
_settle = records.SETTLE.pack
_prefix = records.PREFIX.pack
_SHORT_SIZE: Final = records.SHORT.size
_SHORT_BYTES: Final = records.SHORT_BYTES
_ASIDE: Final = records.SETTLE_BYTES_MAX + _SHORT_BYTES
"""For each open reservation: its settlement, and its promise again in the next segment."""


Promised = Callable[[], Iterable[tuple[bytes, int]]]
"""Tells what is promised and not settled, with its amounts."""


class _Segment(MappedFile):
    """One file. `last` is the highest settlement in it; a full one is synced once more."""

    __slots__ = ("is_synced", "last")

    def __init__(self, path: Path, head: bytes, size: int, disk: Disk) -> None:
        super().__init__(path, head, size, disk)
        self.last = 0
        self.is_synced = False


class Journal:
    """Appends records for one seat. One thread appends, one keeps."""

    def __init__(
        self,
        folder: Path,
        deployment: bytes,
        seat: bytes,
        segment_bytes: int = SEGMENT_BYTES,
        *,
        disk: Disk | None = None,
    ) -> None:
        self._disk = disk or Disk()
        self._promised: Promised = tuple
        self._folder = folder
        self._deployment = deployment
        self._seat = seat
        self._size = segment_bytes
        self._seed = crc32(seat)
        self._made = 0
        self._full: deque[_Segment] = deque()
        self._gone: deque[_Segment] = deque()
        self._next: _Segment | None = None
        self._rounds = 0
        self._current = self._make()
        self._memory = self._current.memory
        self._at = records.HEADER.size
        self._aside = 0
        self.has_failed = False
        """A write to disk failed: nothing new is promised until the process is replaced."""

    def _make(self) -> _Segment:
        self._made += 1
        path = self._folder / f"{self._seat.hex()}-{self._made:06d}{JOURNAL_SUFFIX}"
        head = records.header(self._deployment, self._seat, self._made)
        return _Segment(path, head, self._size, self._disk)

    def carry(self, promised: Promised) -> None:
        """Let each new segment begin with what is then promised."""
        self._promised = promised

    @property
    def unposted_bytes(self) -> int:
        """Return the size of all segments but the spare one."""
        return (1 + len(self._full)) * self._size

    def has_room(self, count: int = 1) -> bool:
        """Tell whether `count` reservations and all settlements to come can be written."""
        if self.has_failed or self.unposted_bytes > BACKLOG_BYTES_MAX:
            return False
        need = self._aside + count * (_SHORT_BYTES + _ASIDE)
        if self._at + need <= self._size:
            return True
        return self._next is not None and need + records.HEADER.size <= self._size

    def reserve(self, reservation: bytes, amount: int) -> bool:
        """Note a promise; False when it cannot be written, then nothing is noted."""
        aside = self._aside
        at = self._at
        end = at + _SHORT_BYTES
        if self.has_failed or end + aside + _ASIDE > self._size:
            if not self.has_room():
                return False
            self._turn()
            at = self._at
            end = at + _SHORT_BYTES
        body = _short(_SHORT_SIZE, records.RESERVE_KIND, reservation, amount)
        self._memory[at:end] = _prefix(crc32(body, self._seed)) + body
        self._at = end
        self._aside = aside + _ASIDE
        return True

    def extend(self, reservation: bytes, amount: int) -> bool:
        """Note that a reservation is now `amount`; False when it cannot be written."""
        if not self.has_room():
            return False
        self._append(_short(_SHORT_SIZE, records.EXTEND_KIND, reservation, amount))
        return True

    def release(self, reservation: bytes) -> None:
        """Note that nothing is owed for a reservation."""
        self._append(_short(_SHORT_SIZE, records.RELEASE_KIND, reservation, 0))
        self._aside -= _ASIDE

    def settle(
        self, fields: tuple[int, bytes, int, int, int], block: bytes, record: bytes
    ) -> bytes:
        """Note what is owed: number, reservation, charge, overrun, reserved; return the record.

        The room was set aside, so this cannot fail for want of space.
        """
        size = records.SETTLE.size + len(block) + len(record)
        body = (
            _settle(size, records.SETTLE_KIND, *fields, len(block) // records.EPOCH.size)
            + block
            + record
        )
        self._append(body)
        self._aside -= _ASIDE
        self._current.last = fields[0]
        return body

    def acknowledged(self, upto: int) -> None:
        """Note what the books hold; segments with nothing else are given to `keep` to remove."""
        if self._at + records.PREFIX.size + records.ACK.size + self._aside <= self._size:
            self._append(records.ACK.pack(records.ACK.size, records.ACK_KIND, upto))
        while self._full and self._full[0].last <= upto:
            self._gone.append(self._full.popleft())

    def _append(self, body: bytes) -> None:
        size = len(body) + records.PREFIX.size
        if self._at + size > self._size:
            self._turn()
        end = self._at + size
        self._memory[self._at : end] = _prefix(crc32(body, self._seed)) + body
        self._at = end

    def _turn(self) -> None:
        """Go on in the spare segment, which `has_room` has found large enough."""
        spare = present(self._next, "room in the journal was set aside")
        self._full.append(self._current)
        self._current, self._next = spare, None
        self._memory = spare.memory
        self._at = records.HEADER.size
        for reservation, amount in self._promised():
            self._append(_short(_SHORT_SIZE, records.RESERVE_KIND, reservation, amount))

    def keep(self) -> None:
        """Write to disk what was appended, lay out the next segment, remove what is posted.

        Called by one thread other than the appending one.
        """
        current = self._current
        try:
            for segment in tuple(self._full):
                if not segment.is_synced:
                    segment.sync()
                    segment.is_synced = True
            current.sync()
        except OSError:
            self.has_failed = True
        while self._gone:
            self._gone.popleft().remove()
        self._lay_out()

    def _lay_out(self) -> None:
        """Make the spare segment; without space, try again a second later."""
        if self._next is not None or self._rounds > 0:
            self._rounds -= 1
            return
        try:
            self._next = self._make()
        except OSError as error:
            self._rounds = _ROUNDS_WITHOUT_SPACE
            self.has_failed = self.has_failed or error.errno not in _NO_SPACE

    def close(self) -> None:
        """Stop; the files stay for the next seat of this slot, but an unused spare goes."""
        if self._next is not None:
            self._next.remove()
            self._next = None
        for segment in (*self._gone, *self._full, self._current):
            segment.close()
