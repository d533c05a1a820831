"""Which offering answers: health of upstreams now; classifying and choosing come later."""

from troth.routing.health import Breaker, Health, RetryBudget

__all__ = ["Breaker", "Health", "RetryBudget"]
