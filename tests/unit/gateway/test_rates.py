"""Rate limits: a minute's allowance at once, then one at a time, in memory that gateways share."""

from tests.builders.gateway_world import key_row
from troth.gateway.estimates import FIRST_RATIO, Ratios
from troth.gateway.rates import CELL_BYTES, MINUTE_NS, ROW_CELLS, Exceeded, Rates, Standing


def table(rows: int = 4) -> memoryview:
    return memoryview(bytearray(CELL_BYTES * ROW_CELLS * rows)).cast("q")


def test_a_minutes_requests_pass_at_once_and_the_next_waits_its_turn() -> None:
    rates = Rates(table(), 0)
    key = key_row(requests_per_minute=3, tokens_per_minute=0)
    for left in (2, 1, 0):
        standing = rates.enter(key, 0, 1_000)
        assert isinstance(standing, Standing)
        assert standing.requests_left == left
    refused = rates.enter(key, 0, 1_000)
    assert refused == Exceeded("requests per minute", 20_000)
    assert isinstance(rates.enter(key, 0, 1_000 + MINUTE_NS // 3), Standing)


def test_tokens_are_counted_as_guessed_and_put_right_afterwards() -> None:
    rates = Rates(table(), 0)
    key = key_row(requests_per_minute=0, tokens_per_minute=100)
    assert isinstance(rates.enter(key, 90, 0), Standing)
    rates.leave(key, 90, 10)
    standing = rates.enter(key, 50, 0)
    assert isinstance(standing, Standing)
    assert standing.tokens_left == 40
    rates.leave(key, 50, 150)
    refused = rates.enter(key, 1, 0)
    assert isinstance(refused, Exceeded)
    assert refused.limit == "tokens per minute"


def test_running_requests_are_counted_across_gateways() -> None:
    cells = table()
    one, two = Rates(cells, 0), Rates(cells, 1)
    key = key_row(concurrency=2)
    one.enter(key, 0, 0)
    two.enter(key, 0, 0)
    assert one.enter(key, 0, 0) == Exceeded("concurrent requests", 1_000)
    two.leave(key, 0, 0)
    assert isinstance(one.enter(key, 0, 0), Standing)


def test_what_a_killed_gateway_had_running_is_forgotten_by_its_next_life() -> None:
    cells = table()
    key = key_row(concurrency=1)
    Rates(cells, 0).enter(key, 0, 0)
    assert isinstance(Rates(cells, 0).enter(key, 0, 0), Standing)


def test_a_key_without_limits_is_never_stopped() -> None:
    rates = Rates(table(), 0)
    key = key_row(requests_per_minute=0, tokens_per_minute=0)
    assert all(isinstance(rates.enter(key, 10**9, 0), Standing) for _ in range(100))


def test_leaving_twice_counts_once() -> None:
    rates = Rates(table(), 0)
    key = key_row(concurrency=1)
    rates.enter(key, 0, 0)
    rates.leave(key, 0, 0)
    rates.leave(key, 0, 0)
    rates.enter(key, 0, 0)
    assert isinstance(rates.enter(key, 0, 0), Exceeded)


def test_the_ratio_of_bytes_to_tokens_is_learned_by_model() -> None:
    ratios = Ratios()
    assert ratios.tokens("m", 90) == 90 * FIRST_RATIO[1] // FIRST_RATIO[0]
    ratios.learn("m", 1_000, 500)
    assert ratios.tokens("m", 90) == 45
    ratios.learn("m", 0, 10)
    for _ in range(10):
        ratios.learn("m", 3_000_000, 1_000_000)
    assert ratios.tokens("m", 90) in (29, 30)
