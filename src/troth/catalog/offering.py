"""An offering is a model at an upstream, with price and region; an upstream is an address."""

from typing import Literal

import msgspec

from troth.catalog.model import Feature, Model
from troth.catalog.price import Sheet

Dialect = Literal["openai", "anthropic", "simulated"]
Cancel = Literal["stops", "bills_full"]
DataTerm = Literal["no_collection", "no_retention"]
"""What holds for a prompt at an upstream: nobody trains on it or keeps it to do so; nobody keeps it
at all beyond the request."""


Quirk = Literal[
    "answers_in_reasoning",
    "developer_as_system",
    "limit_max_completion_tokens",
    "limit_max_tokens",
    "no_image_urls",
    "no_stream_usage",
    "no_tool_choice",
    "no_turn_names",
    "no_zero_temperature",
    "odd_events",
]
"""What an offering does otherwise than its provider's other ones; `providers.quirks` heeds it."""


class Upstream(msgspec.Struct, frozen=True):
    """An address of a provider. Comes from configuration only; durations in milliseconds.

    `provider` picks the table of deviations (`openai`, `groq`, `llamacpp`, ...); `base_path` has
    no slash at its end; `credential` names the secret that the snapshot carries. `data_terms` hold
    for all that is sent there.
    """

    id: str
    provider: str
    dialect: Dialect
    scheme: Literal["http", "https"]
    host: str
    port: int
    base_path: str
    region: str = ""
    connect_ms: int = 3_000
    tls_ms: int = 5_000
    first_byte_ms: int = 60_000
    buffered_ms: int = 600_000
    between_ms: int = 60_000
    whole_ms: int = 1_800_000
    data_terms: frozenset[DataTerm] = frozenset()


class Offering(msgspec.Struct, frozen=True):
    """What can be bought: `model` served by `upstream` under the name `upstream_model`.

    `exact` offerings send events that already fit the published schema and are relayed as bytes.
    `lacks` narrows the model's features at this upstream; `extra_fields` are request fields that
    it takes beyond the published document. `embedding_batch` is how many inputs of embeddings it
    takes in a call: 0 for any number, None for what its provider is known to take. `quirks` is what
    it does otherwise than its provider.
    """

    model: Model
    upstream: Upstream
    upstream_model: str
    sale: Sheet
    cost: Sheet
    exact: bool = False
    cancel: Cancel = "bills_full"
    lacks: frozenset[Feature] = frozenset()
    extra_fields: frozenset[str] = frozenset()
    reasoning_inside: bool = True
    embedding_batch: int | None = None
    quirks: frozenset[Quirk] = frozenset()
