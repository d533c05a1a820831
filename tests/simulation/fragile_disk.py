"""A disk that forgets at a power cut what it was not made to keep, and may be full.

Between two writes to disk the machine writes a mapped file's pages when and in what order it likes.
So after a cut each sector holds what was kept, or what was appended since, or both, torn at a byte.
"""

import os
import random as randomness  # noqa: TID251 - the simulation's seeded one
from errno import ENOSPC
from pathlib import Path

from typing_extensions import override

from troth.kernel.mapped_file import Disk

SECTOR = 512


class FragileDisk(Disk):
    """Knows of each file what a power cut leaves."""

    def __init__(self) -> None:
        self.is_full = False
        self._kept: dict[int, bytes] = {}

    @override
    def allocate(self, fd: int, size: int) -> None:
        if self.is_full:
            raise OSError(ENOSPC, "full")
        os.ftruncate(fd, size)

    @override
    def sync(self, fd: int) -> None:
        found = os.fstat(fd)
        self._kept[found.st_ino] = os.pread(fd, found.st_size, 0)

    def cut(self, path: Path, random: randomness.Random) -> bool:
        """Leave of a closed file what a power cut would; tell whether anything is gone."""
        written = path.read_bytes()
        kept = self._kept[path.stat().st_ino]
        left = bytearray(kept)
        for at in range(0, len(written), SECTOR):
            end = at + SECTOR
            if written[at:end] != kept[at:end]:
                torn = random.choice((at, end, random.randrange(at, end)))
                left[at:torn] = written[at:torn]
        path.write_bytes(left)
        return left != written
