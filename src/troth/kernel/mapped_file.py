"""A file of a fixed size in memory: its blocks are set aside, so that writing to it cannot fail."""

import mmap
import os
from pathlib import Path


class Disk:
    """What a mapped file asks of the operating system; a simulation gives one that fails."""

    def allocate(self, fd: int, size: int) -> None:
        """Set blocks aside for a file, so that writing to its memory cannot fail."""
        os.posix_fallocate(fd, 0, size)

    def sync(self, fd: int) -> None:
        """Write a file's data to disk."""
        os.fdatasync(fd)


class MappedFile:
    """A new file, its beginning on disk under its name before anything is written to `memory`.

    What is written there survives `kill -9`; `sync` makes it survive a power cut.
    """

    __slots__ = ("_disk", "fd", "memory", "path")

    def __init__(self, path: Path, head: bytes, size: int, disk: Disk) -> None:
        self.path = path
        self._disk = disk
        self.fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            disk.allocate(self.fd, size)
            self.memory = mmap.mmap(self.fd, size)
            self.memory[: len(head)] = head
            self.sync()
            _sync_folder(path.parent)
        except OSError:
            os.close(self.fd)
            path.unlink()
            raise

    def sync(self) -> None:
        """Write what the memory holds to disk."""
        self._disk.sync(self.fd)

    def close(self) -> None:
        """Unmap; the file stays."""
        if not self.memory.closed:
            self.memory.close()
            os.close(self.fd)

    def remove(self) -> None:
        """Unmap, and remove the file."""
        self.close()
        self.path.unlink()


def _sync_folder(folder: Path) -> None:
    """Make a new name in a folder survive a power cut."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
