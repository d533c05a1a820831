from msgspec.structs import replace

from troth.gateway.counters import BUCKETS_MS
from troth.server.messages import Counters, SeriesCount
from troth.server.metrics import Metrics, Pulse

REPORT = Counters(
    requests=[
        SeriesCount("chat", "m", "p", 200, "done", 3),
        SeriesCount("chat", "m", "p", 201, "done", 1),
        SeriesCount("chat", "m", "p", 502, "upstream_failed", 2),
    ],
    first_byte=[1] + [0] * (len(BUCKETS_MS) - 1) + [2],
    first_byte_sum_ms=250_001,
    events={"invalid_api_key": 5},
    tokens=70,
    charged_nusd=900,
    in_flight=4,
    connections=6,
    upstream_connections=5,
    reservations=4,
    unposted=1,
)


def lines(metrics: Metrics) -> dict[str, float]:
    text = metrics.render().decode()
    rows = [line.rpartition(" ") for line in text.splitlines() if not line.startswith("#")]
    return {name: float(value) for name, _, value in rows}


def test_reports_of_all_slots_are_summed_by_class_of_status() -> None:
    metrics = Metrics()
    metrics.take(0, b"a", REPORT)
    metrics.take(1, b"b", replace(REPORT, in_flight=1))
    shown = lines(metrics)
    labels = 'endpoint="chat",model="m",provider="p"'
    assert shown[f'troth_requests_total{{{labels},reason="done",status="2xx"}}'] == 8
    assert shown[f'troth_requests_total{{{labels},reason="upstream_failed",status="5xx"}}'] == 4
    assert shown['troth_events_total{code="invalid_api_key"}'] == 10
    assert shown['troth_requests_in_flight{slot="0"}'] == 4
    assert shown['troth_requests_in_flight{slot="1"}'] == 1
    assert shown["troth_tokens_total"] == 140


def test_a_pulse_beats_with_each_report_of_a_ready_gateway_and_never_falls_back() -> None:
    metrics = Metrics()
    assert metrics.pulse() == Pulse(0, {})
    metrics.take(0, b"a", REPORT)
    metrics.take(1, b"b", replace(REPORT, is_ready=False))
    assert metrics.pulse() == Pulse(1, {"chat": (12, 4)})
    metrics.left(b"a")
    metrics.take(0, b"c", REPORT)
    assert metrics.pulse() == Pulse(2, {"chat": (18, 6)})


def test_the_histogram_is_cumulative_and_in_seconds() -> None:
    metrics = Metrics()
    metrics.take(0, b"a", REPORT)
    shown = lines(metrics)
    assert shown['troth_first_byte_seconds_bucket{le="0.001"}'] == 1
    assert shown['troth_first_byte_seconds_bucket{le="60.0"}'] == 1
    assert shown['troth_first_byte_seconds_bucket{le="+Inf"}'] == 3
    assert shown["troth_first_byte_seconds_count"] == 3
    assert shown["troth_first_byte_seconds_sum"] == 250.001


def test_a_replaced_process_never_lowers_a_total() -> None:
    metrics = Metrics()
    metrics.take(0, b"a", REPORT)
    metrics.take(0, b"a", replace(REPORT, tokens=80))
    metrics.take(0, b"b", replace(REPORT, tokens=1))
    shown = lines(metrics)
    assert shown["troth_tokens_total"] == 81
    assert shown["troth_gateway_restarts_total"] == 1


def test_two_processes_of_a_place_are_one_in_gauges_until_the_old_one_leaves() -> None:
    metrics = Metrics()
    metrics.take(0, b"a", REPORT)
    metrics.take(0, b"b", replace(REPORT, in_flight=1))
    assert lines(metrics)['troth_requests_in_flight{slot="0"}'] == 5
    metrics.left(b"a")
    assert lines(metrics)['troth_requests_in_flight{slot="0"}'] == 1
    assert lines(metrics)["troth_tokens_total"] == 140
    metrics.take(0, b"a", REPORT)  # its link was away for a moment
    assert lines(metrics)['troth_requests_in_flight{slot="0"}'] == 5
    assert lines(metrics)["troth_tokens_total"] == 140
    assert lines(metrics)["troth_gateway_restarts_total"] == 1


def test_processes_that_ended_long_ago_are_kept_as_sums() -> None:
    metrics = Metrics()
    for number in range(200):
        metrics.take(0, b"%d" % number, REPORT)
        metrics.left(b"%d" % number)
    assert lines(metrics)["troth_tokens_total"] == 200 * 70
    assert len(metrics._lives) <= 65


def test_the_most_tokens_above_a_bound_are_kept_by_model() -> None:
    metrics = Metrics()
    metrics.take(0, b"a", replace(REPORT, above_bound={"m": 7, "n": 1}))
    metrics.take(0, b"b", replace(REPORT, above_bound={"m": 5}))
    metrics.take(1, b"c", replace(REPORT, above_bound={"n": 3}))
    shown = lines(metrics)
    assert shown['troth_bound_exceeded_tokens{model="m"}'] == 7
    assert shown['troth_bound_exceeded_tokens{model="n"}'] == 3


def test_who_refuses_us_is_told_once_and_shown_until_they_answer() -> None:
    told: list[int] = []
    metrics = Metrics(told.append)
    refused = replace(REPORT, refusing=[("u1", "m")])
    metrics.take(1, b"a", refused)
    metrics.take(1, b"a", refused)
    metrics.take(0, b"b", REPORT)
    assert told == [1]
    assert metrics.refusing() == [("u1", "m")]
    assert lines(metrics)['troth_upstream_refuses{model="m",upstream="u1"}'] == 1
    metrics.take(1, b"a", replace(REPORT, refusing=[("u1", "m"), ("u2", "m")]))
    assert told == [1, 1]
    metrics.take(1, b"a", REPORT)
    assert metrics.refusing() == []
    metrics.take(1, b"a", refused)
    assert told == [1, 1, 1]
    metrics.left(b"a")
    assert metrics.refusing() == []
