"""The catalog of the journeys: a model for each fault, at one provider of each dialect.

A public name is what the mock provider does: `cut-4` is cut after four events, `claude-cut-4` the
same at the provider that speaks the Anthropic dialect.
"""

from collections.abc import Iterable

import msgspec

INPUT_NUSD = 1_000
CACHED_NUSD = 100
OUTPUT_NUSD = 20_000
"""Prices of a token in the journeys, in nano-USD."""

PRICE = '{ input = "1", cache_read = "0.1", output = "20" }'
FEATURES = ("tools", "json_schema", "logprobs", "many_choices", "image_input", "file_input")
STATUSES = (400, 401, 403, 404, 408, 409, 422, 429, 500, 502, 503, 529)
FAULTS = (
    *(f"err-{status}" for status in STATUSES),
    *(f"err-{status}+joined" for status in STATUSES),
    *(f"err-{status}+bare" for status in (400, 401, 403, 429, 500)),
    *(f"leak-{status}" for status in (400, 401, 403, 422, 500, 503)),
    *(
        "fail-1",
        "fail-3",
        "no-such",
        "ctx",
        "slow-1000",
        "slow-3000",
        "slow-30000",
        "drip-50",
        "drip-200",
    ),
    *("reset", "hang", "cut-0", "cut-4", "stop-4", "undone", "overload-4", "short"),
    *("nousage", "usage-negative", "usage-absurd", "usage-text", "usage-float"),
    *("cached-3", "reason-5", "cached-3+reason-5", "words-3", "words-50", "words-2000", "fill"),
    *("echo", "echo+cut-4", "echo+drip-50", "echo+nousage", "garbage", "nochoice", "null"),
    *("wrongtype", "huge-500", "bigevent-5000", "gzip", "bomb-64", "endless", "headers-80"),
    *("redirect", "torn-1", "torn-2", "torn-3", "joined", "bare", "badjson", "echo+slow-1000"),
)


class Row(msgspec.Struct, frozen=True):
    """One model of the catalog."""

    name: str
    provider: str
    upstream_model: str
    endpoints: tuple[str, ...] = ("chat", "messages")
    features: tuple[str, ...] = FEATURES
    context_length: int = 100_000
    max_output: int = 4_096
    dimensions: int = 0
    offerings: tuple[tuple[str, str], ...] = ()
    cancel: str = "stops"
    embedding_batch: int = 0

    def toml(self) -> str:
        """Return the table of this model."""
        lines = [
            f'[models."{self.name}"]',
            f'provider = "{self.provider}"',
            f'upstream_model = "{self.upstream_model}"',
            f"endpoints = {listed(self.endpoints)}",
            f"features = {listed(self.features)}",
            f"context_length = {self.context_length}",
            f"max_output = {self.max_output}",
            f'cancel = "{self.cancel}"',
            f"price = {PRICE}",
        ]
        if self.embedding_batch:
            lines.append(f"embedding_batch = {self.embedding_batch}")
        if self.dimensions:
            lines.append(f"dimensions = {self.dimensions}")
        for provider, model in self.offerings:
            lines += [
                f'[[models."{self.name}".offerings]]',
                f'provider = "{provider}"',
                f'upstream_model = "{model}"',
                f"price = {PRICE}",
            ]
        return "\n".join(lines) + "\n"


def listed(words: Iterable[str]) -> str:
    """Return a list of strings as TOML."""
    return "[" + ", ".join(f'"{word}"' for word in words) + "]"


def rows() -> list[Row]:
    """Return every model of the journeys."""
    embedding = Row(
        "embed",
        "twin",
        "twin-embed",
        endpoints=("embeddings",),
        features=("dimensions", "token_arrays"),
        dimensions=16,
        max_output=1,
    )
    found = [Row("chat", "twin", "twin-chat"), Row("claude", "twin-claude", "twin-claude")]
    found += [Row(fault, "twin", fault) for fault in FAULTS]
    found += [Row(f"claude-{fault}", "twin-claude", fault) for fault in FAULTS]
    found += [
        embedding,
        msgspec.structs.replace(embedding, name="embed-echo", upstream_model="leak-500"),
        msgspec.structs.replace(embedding, name="embed-by-two", embedding_batch=2),
        Row("as-openai", "twin-openai", "twin-as-openai"),
        Row("maker/chat:large", "twin", "twin-chat"),
        Row("bills-full", "twin", "words-50+drip-20", cancel="bills_full"),
        Row("one-of-two", "twin", "reset", offerings=(("twin-claude", "words-3"),)),
        Row("second-is-free", "twin", "err-429", offerings=(("twin-claude", "words-3"),)),
    ]
    return found


def providers(twin: str) -> str:
    """Return the tables of the providers: the one server, once in each dialect."""
    return (
        f'[providers.twin]\nkind = "vllm"\nurl = "{twin}/v1"\napi_key = "the-operators-own-key"\n'
        f'[providers.twin-openai]\nkind = "openai"\nurl = "{twin}/v1"\n'
        'api_key = "the-operators-third-key"\nshipped_models = false\n'
        f'[providers.twin-claude]\nkind = "anthropic"\nurl = "{twin}/v1"\n'
        'api_key = "the-operators-other-key"\nshipped_models = false\n'
    )
