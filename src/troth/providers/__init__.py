"""How to speak to each upstream: requests, errors, usage.

Read `provider` (the table of deviations), then `conversation` (the neutral form between dialects).
A provider is data and small pure functions; no wire code lives here.
"""

from troth.providers.errors import (
    failure_of,
    is_retriable,
    refuses_us,
    retry_after_ms,
)
from troth.providers.request import UpstreamRequest

__all__ = [
    "UpstreamRequest",
    "failure_of",
    "is_retriable",
    "refuses_us",
    "retry_after_ms",
]
