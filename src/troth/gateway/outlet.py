"""An offering with what is worked out once for it, so that no request works it out again."""

from typing import Final

import msgspec

from troth.catalog.offering import DataTerm, Offering
from troth.gateway.ports import Credentials
from troth.kernel.errors import invariant
from troth.providers import Provider, heading
from troth.providers.data_terms import told
from troth.providers.quirks import row_of
from troth.routing import Breaker, Health, RetryBudget
from troth.wire import Deadlines

MOST: Final = 4_096
"""More than a catalog holds: past it, outlets of catalogs that were replaced are dropped."""


class Outlet(msgspec.Struct, frozen=True):
    """One way to an answer: an offering, its provider's deviations, and how its upstream fares.

    `headings` are the heads of requests by path, up to their length; `model` begins a body, `limit`
    comes before its number of tokens; `told` names model and provider in an answer's head.
    `charges_calls` tells that a call has a price of its own. `batch` is how many inputs of
    embeddings go in a call, 0 for any number.
    """

    offering: Offering
    provider: Provider
    headings: dict[str, bytes]
    model: bytes
    limit: bytes
    told: bytes
    streamed: Deadlines
    buffered: Deadlines
    charges_calls: bool
    breaker: Breaker
    budget: RetryBudget
    batch: int


class Outlets:
    """The outlets of one process. A new catalog brings new offerings, and so new outlets."""

    __slots__ = ("_credentials", "_health", "_made")

    def __init__(self, credentials: Credentials, health: Health) -> None:
        self._credentials = credentials
        self._health = health
        self._made: dict[int, Outlet] = {}

    def of(self, offering: Offering) -> Outlet:
        """Return an offering's outlet."""
        found = self._made.get(id(offering))
        if found is None:
            if len(self._made) >= MOST:
                self._made.clear()
            found = self._made[id(offering)] = self._make(offering)
        return found  # which holds the offering: no other can have its id

    def _make(self, offering: Offering) -> Outlet:
        upstream = offering.upstream
        credential = self._credentials.of(upstream)
        provider = row_of(offering)
        paths = ("/chat/completions", "/messages", "/messages/count_tokens", "/embeddings")
        rest = (upstream.between_ms, upstream.whole_ms)
        batch = offering.embedding_batch
        return Outlet(
            offering=offering,
            provider=provider,
            headings={path: heading(upstream, path, credential) for path in paths},
            model=beginning(offering),
            limit=b',"%b":' % provider.limit_field.encode(),
            told=_told(offering.model.name, upstream.provider),
            streamed=Deadlines(upstream.connect_ms, upstream.tls_ms, upstream.first_byte_ms, *rest),
            buffered=Deadlines(upstream.connect_ms, upstream.tls_ms, upstream.buffered_ms, *rest),
            charges_calls=offering.sale.is_priced("requests")
            or offering.cost.is_priced("requests"),
            breaker=self._health.breaker(upstream.id, offering.upstream_model),
            budget=self._health.budget(upstream.provider),
            batch=provider.embedding_batch if batch is None else batch,
        )


def beginning(offering: Offering, terms: frozenset[DataTerm] = frozenset()) -> bytes:
    """Return how a body begins: the model's name there, and the terms that hold for the prompt."""
    name = msgspec.json.encode(offering.upstream_model)
    return b'{"model":%b%b' % (name, told(offering, terms))


def _told(model: str, provider: str) -> bytes:
    invariant(f"{model}{provider}".isprintable(), "a catalog's names fit a header")
    return f"x-troth-model: {model}\r\nx-troth-provider: {provider}\r\n".encode()
