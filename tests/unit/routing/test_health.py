"""Breakers open on failures, probe once a second, close on a good answer; retries are bounded."""

from troth.kernel.clock import ManualClock
from troth.routing import Breaker, Health, RetryBudget
from troth.routing.health import COOLDOWN_MAX_NS, COOLDOWN_NS, SECOND_NS


def test_five_failures_in_a_row_open_the_breaker() -> None:
    breaker = Breaker()
    for _ in range(4):
        breaker.failed(0)
    assert breaker.allows(0)
    breaker.failed(0)
    assert not breaker.allows(1)
    assert not breaker.is_closed


def test_half_of_ten_calls_within_ten_seconds_open_it() -> None:
    breaker = Breaker()
    for at in range(5):
        breaker.failed(at)
        breaker.succeeded()
    assert breaker.is_closed or not breaker.allows(5)
    for at in range(5, 10):
        breaker.failed(at)
        breaker.succeeded()
    assert breaker.is_closed
    breaker.failed(11)
    assert not breaker.is_closed


def test_an_open_breaker_lets_one_probe_a_second_through_after_its_rest() -> None:
    breaker = Breaker()
    for _ in range(5):
        breaker.failed(0)
    assert not breaker.allows(COOLDOWN_NS - 1)
    assert breaker.allows(COOLDOWN_NS)
    assert not breaker.allows(COOLDOWN_NS + 1)
    assert breaker.retry_at_ns() == COOLDOWN_NS + SECOND_NS
    assert breaker.allows(COOLDOWN_NS + SECOND_NS)


def test_a_good_probe_closes_it() -> None:
    breaker = Breaker()
    breaker.rests(0, SECOND_NS)
    assert breaker.allows(SECOND_NS)
    breaker.succeeded()
    assert breaker.is_closed
    assert breaker.allows(SECOND_NS + 1)


def test_each_failed_probe_doubles_the_rest_up_to_a_minute() -> None:
    breaker = Breaker()
    now = 0
    rests = []
    for _ in range(5):
        breaker.failed(now)
    for _ in range(6):
        now = breaker.retry_at_ns()
        assert breaker.allows(now)
        breaker.failed(now)
        rests.append(breaker.retry_at_ns() - now)
    assert rests == sorted(rests)
    assert rests[-1] == COOLDOWN_MAX_NS


def test_old_failures_are_forgotten() -> None:
    breaker = Breaker()
    for at in range(4):
        breaker.failed(at)
        breaker.succeeded()
    breaker.failed(60 * SECOND_NS)
    assert breaker.is_closed


def test_retries_are_a_tenth_of_calls_but_three_a_second_always_pass() -> None:
    budget = RetryBudget()
    assert [budget.draw(0) for _ in range(4)] == [True, True, True, False]
    assert budget.draw(2 * SECOND_NS)
    for _ in range(100):
        budget.called()
    allowed = sum(budget.draw(2 * SECOND_NS + 1) for _ in range(50))
    assert 10 <= allowed <= 13


def test_health_keeps_one_breaker_an_offering_and_one_budget_a_provider() -> None:
    health = Health(ManualClock())
    assert health.breaker("a", "m") is health.breaker("a", "m")
    assert health.breaker("a", "m") is not health.breaker("a", "n")
    assert health.budget("groq") is health.budget("groq")
