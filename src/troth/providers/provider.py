"""What each provider's OpenAI-style API takes and lacks: data, one row a provider.

Written from their published documents and from running those that can run here. A provider that
is not in the table is treated as the plainest: what only some understand is not sent to it.
"""

from typing import Final, Literal

import msgspec

from troth.catalog.model import Feature

LimitField = Literal["max_tokens", "max_completion_tokens"]

_OPENAI_ONLY: Final = frozenset(
    {
        "prediction",
        "prompt_cache_key",
        "prompt_cache_options",
        "prompt_cache_retention",
        "service_tier",
        "verbosity",
    }
)
_TOLD_REASONING: Final = frozenset({"reasoning", "reasoning_content", "reasoning_details"})
_SPEECH: Final[frozenset[Feature]] = frozenset({"audio_input", "audio_output"})


class Provider(msgspec.Struct, frozen=True):
    """One provider's deviations from the published chat document.

    `lacks` refuses a request, `drops` are hints that are left out and told. `message_drops` are
    fields of turns that the provider calls an error. `exact_base64` providers send embeddings in
    base64 when asked; `embedding_batch` is how many inputs they take in a call, 0 for any number.
    With thinking off, `answers_in_reasoning` providers may put the whole answer into the field for
    reasoning.
    """

    name: str
    limit_field: LimitField = "max_tokens"
    lacks: frozenset[Feature] = frozenset()
    drops: frozenset[str] = _OPENAI_ONLY
    message_drops: frozenset[str] = frozenset()
    has_developer: bool = False
    has_tool_choice: bool = True
    takes_zero_temperature: bool = True
    takes_stream_options: bool = True
    takes_cache_control: bool = False
    takes_image_urls: bool = True
    exact_base64: bool = False
    embedding_batch: int = 0
    answers_in_reasoning: bool = False


_ROWS: Final = (
    Provider(
        "openai",
        limit_field="max_completion_tokens",
        drops=frozenset(),
        message_drops=_TOLD_REASONING,
        has_developer=True,
        exact_base64=True,
        embedding_batch=2_048,
    ),
    Provider(
        "groq",
        limit_field="max_completion_tokens",
        lacks=_SPEECH.union(("logprobs", "logit_bias", "many_choices", "file_input")),
        drops=_OPENAI_ONLY - {"service_tier"},
        message_drops=_TOLD_REASONING | {"name"},
        has_developer=True,
        takes_zero_temperature=False,
    ),
    Provider("deepinfra", lacks=_SPEECH, embedding_batch=1_024),
    Provider(
        "openrouter",
        drops=_OPENAI_ONLY - {"verbosity", "prediction"},
        has_developer=True,
        takes_cache_control=True,
    ),
    Provider("llamacpp", lacks=frozenset({"file_input", "audio_output"})),
    Provider(
        "vllm",
        lacks=frozenset({"audio_output"}),
        drops=_OPENAI_ONLY | {"parallel_tool_calls"},
        exact_base64=True,
        answers_in_reasoning=True,
    ),
    Provider(
        "ollama",
        lacks=_SPEECH.union(("logit_bias", "many_choices", "token_arrays", "file_input")),
        drops=_OPENAI_ONLY | {"parallel_tool_calls"},
        has_tool_choice=False,
        takes_image_urls=False,
    ),
    Provider("simulated", drops=frozenset(), has_developer=True, exact_base64=True),
    Provider("anthropic", takes_cache_control=True),
)
PROVIDERS: Final = {row.name: row for row in _ROWS}
PLAIN: Final = Provider("plain")


def provider_of(name: str) -> Provider:
    """Return the provider's row, or the plainest."""
    return PROVIDERS.get(name, PLAIN)
