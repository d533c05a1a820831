"""What a call into C left on the stack is there until it is overwritten."""

import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from troth.kernel.ids import system_entropy
from troth.server.hardening import UsedStack

LEVELS = 12


def formatted(mark: bytes, levels: int) -> int:
    """Format a mark so many calls of C below the caller's."""
    if levels:
        return next(map(lambda each: formatted(each, levels - 1), (mark,)))  # noqa: C417 - a call of C
    return len(b"<%b>" % mark)


@contextmanager
def open_stack() -> Iterator[tuple[int, int, int]]:
    """Open this process's memory; yields the descriptor, and where the stack begins and its size.

    All is ready before the mark is made: looking for it must not go as deep.
    """
    [line] = [row for row in Path("/proc/self/maps").read_text().splitlines() if "[stack]" in row]
    start, end = (int(edge, 16) for edge in line.split()[0].split("-"))
    memory = os.open("/proc/self/mem", os.O_RDONLY)
    try:
        yield memory, start, end - start
    finally:
        os.close(memory)


@pytest.mark.skipif(platform.machine() != "x86_64", reason="arguments go on the stack there alone")
def test_what_was_formatted_is_gone_from_the_stack() -> None:
    place, mark = UsedStack(), system_entropy(16).hex().encode() * 8
    place.overwrite()  # the stack has its size from now on
    with open_stack() as (memory, start, size):
        formatted(mark, LEVELS)
        assert mark in os.pread(memory, size, start)
        place.overwrite()
        assert mark not in os.pread(memory, size, start)
