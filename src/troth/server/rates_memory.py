"""The memory of rate limits that all gateway processes of a machine share: one row a key."""

import mmap
import os
from collections.abc import Iterator
from typing import Final

from troth.gateway.rates import CELL_BYTES, ROW_CELLS

ROWS: Final = 4_194_304
"""Keys with their own row of rates: addresses of 1 GiB, of which only what is used is real.

Live keys have numbers of their own, the lowest that are free; two that share a row would count
each other's requests.
"""
_ROW_BYTES: Final = ROW_CELLS * CELL_BYTES


def make() -> int:
    """Return the descriptor of a new memory, all zeros."""
    memory = os.memfd_create("rates")
    os.ftruncate(memory, ROWS * _ROW_BYTES)
    return memory


def cells(memory: int) -> memoryview:
    """Return the memory as signed 64-bit numbers."""
    return memoryview(mmap.mmap(memory, 0)).cast("q")


def written_rows(memory: int) -> Iterator[range]:
    """Yield the rows that somebody has written to. Looking at the others would make them real."""
    at = 0
    while True:
        try:
            start = os.lseek(memory, at, os.SEEK_DATA)
        except OSError:  # nothing more
            return
        at = os.lseek(memory, start, os.SEEK_HOLE)
        yield range(start // _ROW_BYTES, -(-at // _ROW_BYTES))
