"""Whether a process has so much memory in use that new requests must wait elsewhere.

The limit is the process's own, where one is set, and four fifths of what its control group may use,
where the system sets that. A few requests are served in any case: who has nothing to do would else
stay shut for good.
"""

import ctypes
import mmap
from contextlib import suppress
from pathlib import Path
from typing import Final

_SERVED_ANYWAY: Final = 8
_STATM: Final = Path("/proc/self/statm")
_GROUPS: Final = Path("/sys/fs/cgroup")
_MEMBERSHIP: Final = Path("/proc/self/cgroup")
_PERCENT_OF_GROUP: Final = 80
_PERCENT_TO_RECOVER: Final = 95
_TIMES_A_BODY: Final = 3


class Shedding:
    """Looks at the memory in use; `is_on` is what it saw last."""

    def __init__(self, most_bytes: int, group: Path | None = None) -> None:
        """`most_bytes` is the process's limit, 0 for none; `group` its control group's folder."""
        self._most_bytes = most_bytes
        self._group = group or _own_group()
        self._group_most_bytes = _number(self._group / "memory.max") * _PERCENT_OF_GROUP // 100
        self._trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
        self._coming_bytes = 0
        self._may_take_one = True
        self.is_on = False

    def takes(self, size: int) -> bool:
        """Tell whether a body may come: with all that comes already, it fits what is left.

        Read and written anew for the provider, a body takes three times its size for a moment.
        """
        self._coming_bytes += size
        if not self._is_over(_TIMES_A_BODY * self._coming_bytes):
            return True
        if self._may_take_one:
            self._may_take_one = False
            return True
        self._coming_bytes -= size
        return False

    def came(self, size: int) -> None:
        """A body that was taken is here, or will not come."""
        self._coming_bytes -= size

    def look(self, in_flight: int) -> bool:
        """Return whether new requests must be refused while `in_flight` are under way."""
        self._may_take_one = in_flight <= _SERVED_ANYWAY
        is_over = in_flight > _SERVED_ANYWAY and self._is_over()
        if is_over and self._trim is not None:
            self._trim(0)  # what was freed may lie between what is used
        self.is_on = is_over
        return is_over

    def _is_over(self, more: int = 0) -> bool:
        """Tell whether what is used and `more` is above the limit."""
        percent = _PERCENT_TO_RECOVER if self.is_on else 100
        most_bytes = self._most_bytes
        if most_bytes and (_resident_bytes() + more) * 100 > most_bytes * percent:
            return True
        most_bytes = self._group_most_bytes
        return bool(most_bytes) and (self._group_bytes() + more) * 100 > most_bytes * percent

    def _group_bytes(self) -> int:
        """Return what the control group uses, without what the system would give up at once."""
        used = _number(self._group / "memory.current")
        with suppress(OSError):
            for line in (self._group / "memory.stat").read_text("ascii").splitlines():
                name, _, value = line.partition(" ")
                if name == "inactive_file":
                    return used - int(value)
        return used


def _resident_bytes() -> int:
    try:
        pages = _STATM.read_text("ascii").split()[1]
    except OSError:
        return 0
    return int(pages) * mmap.PAGESIZE


def _own_group() -> Path:
    """Return the folder of this process's control group; the topmost one where nobody tells."""
    with suppress(OSError):
        for line in _MEMBERSHIP.read_text("ascii").splitlines():
            if line.startswith("0::/"):
                group = _GROUPS / line.removeprefix("0::/")
                if (group / "memory.max").exists():
                    return group
    return _GROUPS


def _number(file: Path) -> int:
    """Return the number in a file; 0 when there is none, or it is no limit."""
    try:
        text = file.read_text("ascii").strip()
    except OSError:
        return 0
    return int(text) if text.isdecimal() else 0
