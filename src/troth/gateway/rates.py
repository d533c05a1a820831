"""Rate limits by the generic cell rate algorithm, in memory that a machine's gateways share.

A key has one row of 64-bit cells: the theoretical arrival times of requests and of tokens, and
one count of running requests for each gateway slot. A cell is written in one store, so gateways
need no lock; two that write at once may let one request too many pass, never fewer for long.
"""

import struct
from collections.abc import Iterable
from typing import Final

import msgspec

from troth.gateway.ports import KeyRow

MINUTE_NS: Final = 60_000_000_000
SLOTS: Final = 30
ROW_CELLS: Final = 2 + SLOTS
CELL_BYTES: Final = 8
_counts: Final = struct.Struct(f"{SLOTS}q").unpack_from


class Standing(msgspec.Struct, frozen=True, gc=False):
    """Where a key stands after an admission: limits, what remains, when all is back in ms."""

    requests_limit: int
    requests_left: int
    requests_reset_ms: int
    tokens_limit: int
    tokens_left: int
    tokens_reset_ms: int


class Exceeded(msgspec.Struct, frozen=True, gc=False):
    """Which limit stopped a request, and after how many milliseconds it may come again."""

    limit: str
    retry_after_ms: int


class Rates:
    """The table. `cells` is a memoryview of signed 64-bit numbers, shared or the process's own."""

    __slots__ = ("_bytes", "_cells", "_rows", "_slot")

    def __init__(
        self, cells: memoryview, slot: int, written: Iterable[range] | None = None
    ) -> None:
        """Take the table and this gateway's slot; what a former life of the slot counted is 0.

        `written` are the rows that may hold something; without it that is all of them.
        """
        self._bytes = cells.cast("B")
        self._cells = cells
        self._rows = len(cells) // ROW_CELLS
        self._slot = slot % SLOTS
        for rows in (range(self._rows),) if written is None else written:
            for row in rows:
                cells[row * ROW_CELLS + 2 + self._slot] = 0

    def _row(self, key: KeyRow) -> int:
        return (key.rate_slot % self._rows) * ROW_CELLS

    def enter(self, key: KeyRow, tokens: int, now_ns: int) -> Standing | Exceeded:
        """Count a request of about `tokens` tokens in, or say which limit it would pass."""
        cells = self._cells
        at = self._row(key)
        most = key.concurrency
        if most and sum(_counts(self._bytes, (at + 2) * CELL_BYTES)) >= most:
            return Exceeded("concurrent requests", 1_000)
        by_request, by_token = cells[at], cells[at + 1]
        request_cost = MINUTE_NS // key.requests_per_minute if key.requests_per_minute else 0
        token_cost = MINUTE_NS // key.tokens_per_minute if key.tokens_per_minute else 0
        after_request = (by_request if by_request > now_ns else now_ns) + request_cost
        if request_cost and after_request > now_ns + MINUTE_NS:
            return Exceeded("requests per minute", _wait_ms(after_request - MINUTE_NS, now_ns))
        before_token = by_token if by_token > now_ns else now_ns
        if token_cost and before_token >= now_ns + MINUTE_NS:
            return Exceeded("tokens per minute", _wait_ms(before_token - MINUTE_NS, now_ns))
        after_token = before_token + tokens * token_cost
        cells[at] = after_request
        cells[at + 1] = after_token
        cells[at + 2 + self._slot] += 1
        return _standing(key, after_request - now_ns, after_token - now_ns)

    def standing(self, key: KeyRow, now_ns: int) -> Standing:
        """Return where a key stands without counting anything."""
        at = self._row(key)
        by_request, by_token = self._cells[at], self._cells[at + 1]
        return _standing(key, max(by_request - now_ns, 0), max(by_token - now_ns, 0))

    def leave(self, key: KeyRow, guessed_tokens: int, used_tokens: int) -> None:
        """Count a request out and put right what was guessed about its tokens."""
        cells = self._cells
        at = self._row(key)
        running = cells[at + 2 + self._slot]
        if running > 0:
            cells[at + 2 + self._slot] = running - 1
        if key.tokens_per_minute:
            cost = MINUTE_NS // key.tokens_per_minute
            cells[at + 1] += (used_tokens - guessed_tokens) * cost


def _wait_ms(free_at_ns: int, now_ns: int) -> int:
    return max(1, -(-(free_at_ns - now_ns) // 1_000_000))


def _standing(key: KeyRow, requests_ns: int, tokens_ns: int) -> Standing:
    requests = key.requests_per_minute
    tokens = key.tokens_per_minute
    free_requests_ns, free_tokens_ns = MINUTE_NS - requests_ns, MINUTE_NS - tokens_ns
    return Standing(
        requests,
        free_requests_ns * requests // MINUTE_NS if free_requests_ns > 0 else 0,
        requests_ns // 1_000_000,
        tokens,
        free_tokens_ns * tokens // MINUTE_NS if free_tokens_ns > 0 else 0,
        tokens_ns // 1_000_000,
    )
