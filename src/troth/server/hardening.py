"""What keeps content out of reach of whoever reads memory: no dumps, freed memory overwritten.

The C library overwrites what is freed when it is told so at the start of a process, but for the few
small blocks that each thread keeps at hand: `SmallBlocks` overwrites those, again and again. To do
without them instead would cost every request a fifth more. What calls into C left on the stack
stays until others go as deep: `UsedStack` overwrites that. Nobody notices when any of this does not
work, so `residue` looks, and looks in a process without it too: a check that cannot find anything
there proves nothing.
"""

import ctypes
import resource
from collections.abc import Mapping
from contextlib import suppress
from typing import Final

from troth.kernel.ids import Entropy

_BLOCKS: Final = "glibc.malloc.mmap_threshold=262144:glibc.malloc.trim_threshold=16777216"
STEADY: Final[Mapping[str, str]] = {"GLIBC_TUNABLES": _BLOCKS}
"""The environment of a process that frees and takes much memory all the time.

Large blocks are given back to the system when they are freed. By itself the library would raise
that bound to the largest block it has seen, and keep what large bodies and answers took. Up to
16 MiB of what smaller ones leave at the end of its memory stays: giving back 64 kB bodies one by
one, and asking for them again, had each request pay for sixty pages.
"""

ERASING: Final[Mapping[str, str]] = {
    "PYTHONMALLOC": "malloc",
    "GLIBC_TUNABLES": f"{_BLOCKS}:glibc.malloc.perturb=165:glibc.malloc.tcache_count=32",
}
"""The same for a process whose freed memory is overwritten.

Of each small size 32 blocks are kept at hand: with the usual seven, a request frees and takes so
many that others are filled twice for nothing.
"""

_PR_SET_DUMPABLE: Final = 4
_SIZES: Final = (200, 4_096, 40_000)
_WINDOW: Final = 16
_BYTES_HEADER: Final = bytes.__basicsize__ - 1
_KEPT_SIZES: Final = range(24, 1_040, 16)
_KEPT_OF_A_SIZE: Final = 32
_ZERO: Final = b"\0"
_FILLINGS: Final = tuple(
    size - bytes.__basicsize__ for size in _KEPT_SIZES if size > bytes.__basicsize__
)
"""The lengths of `bytes` that take just these blocks."""


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


class SmallBlocks:
    """The freed blocks that the C library keeps for the thread that freed them.

    So many of each size up to 1,032 bytes: it hands those out first, so whoever takes as many has
    them all. Python's own `bytes` take them, and fill them from end to end with zeros and a header;
    the smallest ones, which no `bytes` fits into, are asked for from the library.
    """

    __slots__ = ("_allocate", "_fill", "_free", "_taken")

    def __init__(self) -> None:
        library = ctypes.PyDLL(None)
        self._allocate = library.malloc
        self._allocate.restype = ctypes.c_void_p
        self._allocate.argtypes = (ctypes.c_size_t,)
        self._fill = library.memset
        self._fill.restype = ctypes.c_void_p
        self._fill.argtypes = (ctypes.c_void_p, ctypes.c_int, ctypes.c_size_t)
        self._free = library.free
        self._free.restype = None
        self._free.argtypes = (ctypes.c_void_p,)
        # Made once: a list that grows would itself take blocks, and overwrite no more of them
        # than it uses.
        self._taken: list[int | bytes | None] = [None] * _KEPT_OF_A_SIZE

    def overwrite(self) -> None:
        """Overwrite this thread's. Takes about a tenth of a millisecond."""
        taken = self._taken
        for filling in _FILLINGS:
            for at in range(_KEPT_OF_A_SIZE):
                taken[at] = _ZERO * filling
        smallest = _KEPT_SIZES.start
        for at in range(_KEPT_OF_A_SIZE):
            taken[at] = self._allocate(smallest)
        for at, block in enumerate(taken):
            self._fill(block, 0, smallest)
            self._free(block)
            taken[at] = None


class _Zeros(ctypes.Structure):
    _fields_ = (("zeros", ctypes.c_char * 65_536),)  # type: ignore[mutable-override]


class UsedStack:
    """What has returned used so much of this thread's stack, and left there what it worked on.

    Python writes what a format makes of up to 512 bytes there first. On x86-64 a large argument is
    put on the stack as a whole, for whoever is called; nobody looks at it. Where such arguments are
    passed by their address, this overwrites no more than its own call uses.
    """

    __slots__ = ("_call", "_zeros")

    def __init__(self) -> None:
        self._call = ctypes.PyDLL(None).getpid
        self._call.argtypes = (_Zeros,)
        self._zeros = _Zeros()

    def overwrite(self) -> None:
        """Overwrite 64 KiB below the caller: some microseconds."""
        self._call(self._zeros)


def erases(entropy: Entropy) -> bool:
    """Tell whether freed memory is overwritten, at each of several sizes."""
    blocks = SmallBlocks()
    return not any(residue(size, entropy, blocks) for size in _SIZES)


def residue(size: int, entropy: Entropy, blocks: SmallBlocks) -> bool:
    """Tell whether the middle of a freed block of `size` bytes still holds what it held.

    A small one is looked at once `blocks` are overwritten, a large one at once: it may not wait.

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
    if size < _KEPT_SIZES.stop:
        blocks.overwrite()
    ctypes.memmove(seen, middle, _WINDOW)
    return seen.raw == mark
