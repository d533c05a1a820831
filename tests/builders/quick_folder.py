"""A new folder in memory where the machine has some to spare, else on disk.

For what nobody pulls the plug of: a disk would only make it wait.
"""

import os
from pathlib import Path
from tempfile import mkdtemp  # noqa: TID251 - databases of tests, no content

_MEMORY = Path("/dev/shm")  # noqa: S108 - a folder of our own within it
_BYTES_LEAST = 2**30


def quick_folder() -> Path:
    """Return the folder; whoever asked removes it."""
    return Path(mkdtemp(prefix="troth-", dir=_MEMORY if _is_roomy(_MEMORY) else None))


def _is_roomy(folder: Path) -> bool:
    if not os.access(folder, os.W_OK):
        return False
    found = os.statvfs(folder)
    return found.f_bavail * found.f_frsize >= _BYTES_LEAST
