"""Metrics of all gateways in the Prometheus format. Label sets are closed: no key, no organization.

Gateways report totals since they started. When one is replaced, what its former life counted is
kept, so a total never falls.
"""

from collections import Counter
from collections.abc import Iterator
from itertools import accumulate
from threading import Lock
from typing import Final

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

Labels = tuple[str, str, str, str, str]


class Totals:
    """Sums over processes that live or lived."""

    def __init__(self) -> None:
        self.requests: Counter[Labels] = Counter()
        self.events: Counter[str] = Counter()
        self.first_byte = [0] * (len(BUCKETS_MS) + 1)
        self.first_byte_sum_ms = 0
        self.tokens = 0
        self.charged_nusd = 0

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


class Metrics(Collector):
    """Takes the gateways' reports; shows them as one."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._past = Totals()
        self._present: dict[int, tuple[bytes, Counters]] = {}
        self._restarts = 0
        self._registry = CollectorRegistry(auto_describe=False)
        self._registry.register(self)

    def take(self, slot: int, life: bytes, report: Counters) -> None:
        """Take the report of a slot; another `life` than before is another process."""
        with self._lock:
            former = self._present.get(slot)
            if former is not None and former[0] != life:
                self._past.add(former[1])
                self._restarts += 1
            self._present[slot] = (life, report)

    def render(self) -> bytes:
        """Return everything in the text format."""
        return generate_latest(self._registry)

    @override
    def collect(self) -> Iterator[Metric]:
        """Yield the families, each summed over all gateways that ever reported."""
        with self._lock:
            totals = Totals()
            _merge(totals, self._past)
            present = {slot: report for slot, (_, report) in sorted(self._present.items())}
            restarts = self._restarts
        for report in present.values():
            totals.add(report)
        yield from _counted(totals)
        lives = CounterMetricFamily("troth_gateway_restarts", "Gateway processes replaced.")
        lives.add_metric((), restarts)
        yield lives
        for name, text, field in _GAUGES:
            gauge = GaugeMetricFamily(name, text, labels=("slot",))
            for slot, report in present.items():
                gauge.add_metric((str(slot),), _gauge(report, field))
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
