"""Metrics of all gateways in the Prometheus format. Label sets are closed: no key, no organization.

Gateways report totals since they started. When one is replaced, what its former life counted is
kept, so a total never falls.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from itertools import accumulate
from threading import Lock
from typing import Final

import msgspec
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector
from typing_extensions import override

from troth.gateway.counters import BUCKETS_MS
from troth.server.messages import Counters

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
_LABELS: Final = ("endpoint", "model", "provider", "status", "reason")
_GAUGES: Final = (
    ("troth_requests_in_flight", "Requests under way.", "in_flight"),
    ("troth_connections", "Connections of clients.", "connections"),
    ("troth_upstream_connections", "Connections to upstreams.", "upstream_connections"),
    ("troth_reservations", "Open reservations.", "reservations"),
    ("troth_unposted_settlements", "Settlements not yet in the books.", "unposted"),
)
_KEPT_LIVES: Final = 64

Labels = tuple[str, str, str, str, str]


class Pulse(msgspec.Struct, frozen=True):
    """How often gateways said that they are ready, and by endpoint their calls and failures.

    Each only grows; whoever wants to know of a time compares two.
    """

    beats: int
    calls: dict[str, tuple[int, int]]


class Totals:
    """Sums over processes that live or lived."""

    def __init__(self) -> None:
        self.requests: Counter[Labels] = Counter()
        self.events: Counter[str] = Counter()
        self.first_byte = [0] * (len(BUCKETS_MS) + 1)
        self.first_byte_sum_ms = 0
        self.tokens = 0
        self.charged_nusd = 0
        self.above_bound: dict[str, int] = {}

    def add(self, report: Counters) -> None:
        """Add what one process has counted."""
        for series in report.requests:
            status = f"{series.status // 100}xx"
            labels = (series.endpoint, series.model, series.provider, status, series.reason)
            self.requests[labels] += series.count
        self.events.update(report.events)
        for at, count in enumerate(report.first_byte[: len(self.first_byte)]):
            self.first_byte[at] += count
        self.first_byte_sum_ms += report.first_byte_sum_ms
        self.tokens += report.tokens
        self.charged_nusd += report.charged_nusd
        self.raise_bounds(report.above_bound)

    def raise_bounds(self, above: Mapping[str, int]) -> None:
        """Keep the most that any process saw of each model."""
        for model, tokens in above.items():
            self.above_bound[model] = max(tokens, self.above_bound.get(model, 0))


class Life:
    """One process: its place, what it last reported, whether it still does."""

    def __init__(self, slot: int, report: Counters) -> None:
        self.slot = slot
        self.report = report
        self.is_linked = True


def _untold(_slot: int) -> None:
    """Tell nobody."""


class Metrics(Collector):
    """Takes the gateways' reports; shows them as one. A place may have two for a while."""

    def __init__(self, on_refused: Callable[[int], None] = _untold) -> None:
        """`on_refused` is called with a slot where an upstream has begun to refuse us."""
        self._on_refused = on_refused
        self._lock = Lock()
        self._past = Totals()
        self._lives: dict[bytes, Life] = {}
        self._slots: set[int] = set()
        self._restarts = 0
        self._beats = 0
        self._registry = CollectorRegistry(auto_describe=False)
        self._registry.register(self)

    def take(self, slot: int, life: bytes, report: Counters) -> None:
        """Take the report of a process at a place; another `life` is another process."""
        with self._lock:
            self._beats += report.is_ready
            known = self._lives.get(life)
            before = known.report.refusing if known is not None else []
            if known is not None:
                known.report, known.is_linked = report, True
            else:
                self._restarts += slot in self._slots
                self._slots.add(slot)
                self._lives[life] = Life(slot, report)
                self._forget_oldest()
        if not set(report.refusing) <= set(before):
            self._on_refused(slot)

    def refusing(self) -> list[tuple[str, str]]:
        """Return the upstreams, with the models, whose last word to some gateway was a refusal."""
        with self._lock:
            return self._refusing()

    def _refusing(self) -> list[tuple[str, str]]:
        present = (life.report.refusing for life in self._lives.values() if life.is_linked)
        return sorted({each for some in present for each in some})

    def left(self, life: bytes) -> None:
        """Take note that a process is gone, perhaps for a moment: its totals stay."""
        with self._lock:
            known = self._lives.get(life)
            if known is not None:
                known.is_linked = False

    def pulse(self) -> Pulse:
        """Return how gateways are, as far as they have said."""
        with self._lock:
            totals = self._totals()
            beats = self._beats
        calls: dict[str, tuple[int, int]] = {}
        for (endpoint, _, _, status, _), count in totals.requests.items():
            whole, failed = calls.get(endpoint, (0, 0))
            calls[endpoint] = (whole + count, failed + count * (status == "5xx"))
        return Pulse(beats, calls)

    def _totals(self) -> Totals:
        """Return the sums of all gateways that ever reported."""
        totals = Totals()
        _merge(totals, self._past)
        for life in self._lives.values():
            totals.add(life.report)
        return totals

    def _forget_oldest(self) -> None:
        """Keep only the sums of processes that ended long ago."""
        gone = [name for name, life in self._lives.items() if not life.is_linked]
        for name in gone[:-_KEPT_LIVES]:
            self._past.add(self._lives.pop(name).report)

    def render(self) -> bytes:
        """Return everything in the text format."""
        return generate_latest(self._registry)

    @override
    def collect(self) -> Iterator[Metric]:
        """Yield the families, each summed over all gateways that ever reported."""
        with self._lock:
            totals = self._totals()
            present = [(life.slot, life.report) for life in self._lives.values() if life.is_linked]
            restarts = self._restarts
            refusing = self._refusing()
        yield from _counted(totals)
        refused = GaugeMetricFamily(
            "troth_upstream_refuses",
            "1 where an upstream refuses our key, our account or its model's name; unset is right.",
            labels=("upstream", "model"),
        )
        for labels in refusing:
            refused.add_metric(labels, 1)
        yield refused
        lives = CounterMetricFamily("troth_gateway_restarts", "Gateway processes replaced.")
        lives.add_metric((), restarts)
        yield lives
        for name, text, field in _GAUGES:
            gauge = GaugeMetricFamily(name, text, labels=("slot",))
            sums: Counter[int] = Counter()
            for slot, report in present:
                sums[slot] += _gauge(report, field)
            for slot in sorted(sums):
                gauge.add_metric((str(slot),), sums[slot])
            yield gauge


def _gauge(report: Counters, field: str) -> int:
    value = getattr(report, field)
    assert isinstance(value, int)
    return value


def _merge(into: Totals, other: Totals) -> None:
    into.requests.update(other.requests)
    into.events.update(other.events)
    into.first_byte = [a + b for a, b in zip(into.first_byte, other.first_byte, strict=True)]
    into.first_byte_sum_ms += other.first_byte_sum_ms
    into.tokens += other.tokens
    into.charged_nusd += other.charged_nusd
    into.raise_bounds(other.above_bound)


def _counted(totals: Totals) -> Iterator[Metric]:
    requests = CounterMetricFamily("troth_requests", "Requests answered.", labels=_LABELS)
    for labels, count in sorted(totals.requests.items()):
        requests.add_metric(labels, count)
    yield requests
    events = CounterMetricFamily("troth_events", "Refusals and oddities.", labels=("code",))
    for code, count in sorted(totals.events.items()):
        events.add_metric((code,), count)
    yield events
    first_byte = HistogramMetricFamily(
        "troth_first_byte_seconds", "From the request's arrival to the answer's first byte."
    )
    bounds = [str(ms / 1_000) for ms in BUCKETS_MS] + ["+Inf"]
    sums = accumulate(totals.first_byte)
    first_byte.add_metric(
        (), list(zip(bounds, sums, strict=True)), totals.first_byte_sum_ms / 1_000
    )
    yield first_byte
    tokens = CounterMetricFamily("troth_tokens", "Tokens read and written.")
    tokens.add_metric((), totals.tokens)
    yield tokens
    charged = CounterMetricFamily("troth_charged_nusd", "Nano-USD charged.")
    charged.add_metric((), totals.charged_nusd)
    yield charged
    above = GaugeMetricFamily(
        "troth_bound_exceeded_tokens",
        "The most tokens that an upstream counted above a request's bound; 0 is right.",
        labels=("model",),
    )
    for model, most in sorted(totals.above_bound.items()):
        above.add_metric((model,), most)
    yield above
