"""The bench judges what it found, and says so where it found nothing."""

from bench.harness import tables
from bench.harness.accounting import Memory, Usage, spent_ns
from bench.harness.campaign import Trial
from bench.harness.cases import CASES
from bench.harness.gates import GATES, judge
from bench.harness.measure import Measurement
from bench.harness.programs import LoadReport, Spread
from bench.systems.system import Facts


def found(system: str, case: str, cpu_us: float, *, delivered: int = 100) -> Measurement:
    report = LoadReport("compiled", 1, 10, 0, {}, 10, Spread(), 100, delivered, Spread())
    return Measurement(
        system,
        case,
        "request",
        10,
        cpu_us,
        cpu_us,
        Memory(50, 60),
        report,
        64,
        0.0,
        0.5,
        is_behind=False,
    )


def verdict(what: str, unit: str, *measurements: Measurement) -> str:
    trials: dict[str, Trial] = {}
    for one in measurements:
        trials.setdefault(one.system, Trial(Facts(one.system, "1"))).measurements.append(one)
    return next(one.verdict for one in judge(trials) if (one.what, one.unit) == (what, unit))


def test_nothing_measured_fails_nothing() -> None:
    judged = judge({})
    assert {one.verdict for one in judged} == {"not measured"}
    assert not any(one.fails for one in judged)
    assert len(judged) == len(GATES)


def test_a_figure_is_judged_by_goal_bound_and_a_quarter_above() -> None:
    request = "us CPU/request"
    assert verdict("64 connections", request, found("troth", "many", 30)) == "goal reached"
    assert verdict("64 connections", request, found("troth", "many", 35)) == "held"
    assert verdict("64 connections", request, found("troth", "many", 43.75)) == "near"
    assert verdict("64 connections", request, found("troth", "many", 43.76)) == "missed"


def test_the_lowest_of_several_runs_counts() -> None:
    runs = (found("troth", "many", 90), found("troth", "many", 29), found("troth", "many", 70))
    assert verdict("64 connections", "us CPU/request", *runs) == "goal reached"


def test_another_gateway_must_cost_many_times_ours() -> None:
    ours = found("troth", "many", 10)
    assert verdict("LiteLLM takes", "x", ours, found("litellm", "many", 1_500)) == "held"
    assert verdict("LiteLLM takes", "x", ours, found("litellm", "many", 1_200)) == "near"
    assert verdict("LiteLLM takes", "x", ours, found("litellm", "many", 1_199)) == "missed"


def test_one_lost_event_is_a_miss() -> None:
    whole, torn = (found("troth", "streams-2000", 9, delivered=count) for count in (100, 99))
    assert verdict("2,000 streams, events delivered", "%", whole) == "held"
    assert verdict("2,000 streams, events delivered", "%", torn) == "missed"


def test_cpu_is_the_difference_between_two_readings() -> None:
    before, after = Usage({1: 10, 2: 5}, 0, 0), Usage({1: 30, 2: 6, 3: 4}, 0, 0)
    assert spent_ns(before, after) == 25
    assert spent_ns(before, after, [1, 9]) == 20


def test_tables_have_as_many_cells_in_each_row() -> None:
    trials = {"troth": Trial(Facts("Troth", "1"), [0.4], [found("troth", "many", 30)])}
    made = [tables.costs(trials, "request"), tables.requests(trials), tables.memory(trials)]
    made += [tables.shares(trials), tables.gates(judge(trials))]
    for table in made:
        assert len({len(row) for row in table.rows}) == 1, table.title
        assert len(table.rows) > 1
        assert table.markdown().count("\n") == len(table.rows)


def test_each_case_has_a_name_of_its_own() -> None:
    assert len({case.name for case in CASES}) == len(CASES)
