"""What keeps content out of reach of whoever reads memory: no dumps, freed memory overwritten.

The C library overwrites what is freed when it is told so at the start of a process. Nobody
notices when it does not, so `residue` looks, and looks in a process without it too: a check that
cannot find anything there proves nothing.
"""

import ctypes
import resource
from collections.abc import Mapping
from contextlib import suppress
from typing import Final

from troth.kernel.ids import Entropy

ERASING: Final[Mapping[str, str]] = {
    "PYTHONMALLOC": "malloc",
    "GLIBC_TUNABLES": "glibc.malloc.perturb=165:glibc.malloc.tcache_count=0",
}
"""The environment of a process whose freed memory is overwritten at once."""

_PR_SET_DUMPABLE: Final = 4
_SIZES: Final = (200, 4_096, 40_000)
_WINDOW: Final = 16
_BYTES_HEADER: Final = bytes.__basicsize__ - 1


def forbid_dumps() -> None:
    """No core file, and no debugger of the same user: for this process, until it ends."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with suppress(AttributeError, OSError):  # only Linux has it
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)


def raise_descriptor_limit() -> None:
    """Let this process and its children open as many descriptors as the system allows."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def erases(entropy: Entropy) -> bool:
    """Tell whether memory is overwritten when it is freed, at each of several sizes."""
    return not any(residue(size, entropy) for size in _SIZES)


def residue(size: int, entropy: Entropy) -> bool:
    """Tell whether the middle of a freed block of `size` bytes still holds what it held.

    Raises:
        RuntimeError: the block cannot be found while it is held, so nothing can be said.
    """
    mark = entropy(_WINDOW // 2) * 2
    seen = ctypes.create_string_buffer(_WINDOW)
    block = mark * (size // _WINDOW)
    middle = id(block) + _BYTES_HEADER + size // _WINDOW // 2 * _WINDOW
    ctypes.memmove(seen, middle, _WINDOW)
    if seen.raw != mark:
        raise RuntimeError("a block in use does not hold what was written to it")
    del block
    ctypes.memmove(seen, middle, _WINDOW)
    return seen.raw == mark
