"""Of the shared memory of rates only what was written is real; a new life looks at no more."""

import os

from tests.builders.gateway_world import key_row
from troth.gateway.rates import CELL_BYTES, ROW_CELLS, Rates
from troth.server import rates_memory

PAGE_ROWS = os.sysconf("SC_PAGE_SIZE") // (ROW_CELLS * CELL_BYTES)


def real_bytes(memory: int) -> int:
    return os.fstat(memory).st_blocks * 512


def test_a_new_life_forgets_what_ran_and_makes_no_other_row_real() -> None:
    memory = rates_memory.make()
    try:
        cells = rates_memory.cells(memory)
        assert list(rates_memory.written_rows(memory)) == []
        first = Rates(cells, 1, rates_memory.written_rows(memory))
        keys = [key_row(rate_slot=slot, concurrency=1) for slot in (3, 40_000)]
        for key in keys:
            first.enter(key, 0, 0)
        before = real_bytes(memory)
        assert before == 2 * os.sysconf("SC_PAGE_SIZE")
        written = list(rates_memory.written_rows(memory))
        assert [len(rows) for rows in written] == [PAGE_ROWS, PAGE_ROWS]
        assert 3 in written[0]
        assert 40_000 in written[1]
        second = Rates(cells, 1, rates_memory.written_rows(memory))
        assert real_bytes(memory) == before
        for key in keys:
            assert not hasattr(second.enter(key, 0, 0), "retry_after_ms")
    finally:
        os.close(memory)


def test_a_million_keys_count_apart() -> None:
    memory = rates_memory.make()
    try:
        rates = Rates(rates_memory.cells(memory), 0, rates_memory.written_rows(memory))
        busy, quiet = (key_row(rate_slot=slot, concurrency=1) for slot in (7, 7 + 65_536))
        rates.enter(busy, 0, 0)
        assert hasattr(rates.enter(busy, 0, 0), "retry_after_ms")
        assert not hasattr(rates.enter(quiet, 0, 0), "retry_after_ms")
        last = key_row(rate_slot=1_000_000, concurrency=1)
        assert not hasattr(rates.enter(last, 0, 0), "retry_after_ms")
        assert real_bytes(memory) <= 3 * os.sysconf("SC_PAGE_SIZE")
    finally:
        os.close(memory)
