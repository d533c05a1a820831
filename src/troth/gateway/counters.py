"""What a gateway counts for its operator. Label sets are closed: no key, no organization."""

from bisect import bisect_left
from typing import Final

import msgspec

BUCKETS_MS: Final = (
    1,
    2,
    5,
    10,
    25,
    50,
    100,
    250,
    500,
    1_000,
    2_500,
    5_000,
    10_000,
    30_000,
    60_000,
)


Series = tuple[str, str, str, int, str]
"""The labels of one count: endpoint, model, provider, status, reason."""


class Histogram(msgspec.Struct, gc=False):
    """Counts by upper bound in milliseconds, the last for what is above all; and their sum."""

    counts: list[int] = msgspec.field(default_factory=lambda: [0] * (len(BUCKETS_MS) + 1))
    sum_ms: int = 0

    def add(self, value_ms: int) -> None:
        """Count one value."""
        self.counts[bisect_left(BUCKETS_MS, value_ms)] += 1
        self.sum_ms += value_ms


class Counters:
    """Running totals since the start of the process; the desk adds them up."""

    __slots__ = (
        "above_bound",
        "charged_nusd",
        "events",
        "first_byte",
        "refusing",
        "requests",
        "tokens",
    )

    def __init__(self) -> None:
        self.requests: dict[Series, int] = {}
        self.first_byte = Histogram()
        self.tokens = 0
        self.charged_nusd = 0
        self.events: dict[str, int] = {}
        self.above_bound: dict[str, int] = {}
        """By model, the most tokens that an upstream counted above the request's bound."""
        self.refusing: set[tuple[str, str]] = set()
        """Upstreams and models whose last word was that they refuse us, not the caller."""

    def request(self, series: Series) -> None:
        """Count one answered request."""
        self.requests[series] = self.requests.get(series, 0) + 1

    def beyond(self, model: str, tokens: int) -> None:
        """Keep the most tokens above a bound: one that is too low is the operator's loss."""
        self.above_bound[model] = max(tokens, self.above_bound.get(model, 0))

    def event(self, code: str) -> None:
        """Count something an operator may want to be alarmed by; `code` is one of ours."""
        self.events[code] = self.events.get(code, 0) + 1
