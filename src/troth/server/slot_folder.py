"""The folder of a slot's journals: one process at a time uses it."""

import fcntl
from pathlib import Path
from typing import BinaryIO, Final

_LOCK: Final = "lock"


def own(folder: Path) -> BinaryIO | None:
    """Return a file that makes the journals ours while it is open; None while another has them.

    A process that still ends its requests goes on writing them, and would have them settled twice.
    """
    lock = (folder / _LOCK).open("ab")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        lock.close()
        return None
    return lock


def discard(folder: Path, seat: bytes) -> None:
    """Remove the journal of a seat: the books hold all of it and have closed it."""
    for file in folder.glob(f"{seat.hex()}-*"):
        file.unlink()
