"""How to speak to each upstream: requests, errors, usage.

Read `provider` (the table of deviations), then `conversation` (the neutral form between dialects).
A provider is data and small pure functions; no wire code lives here.
"""

from troth.providers.errors import (
    PROVIDER,
    failure_of,
    is_retriable,
    refuses_us,
    retry_after_ms,
)
from troth.providers.provider import Provider, provider_of
from troth.providers.request import UpstreamRequest, heading

__all__ = [
    "PROVIDER",
    "Provider",
    "UpstreamRequest",
    "failure_of",
    "heading",
    "is_retriable",
    "provider_of",
    "refuses_us",
    "retry_after_ms",
]
