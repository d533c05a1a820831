"""A model under its public name: what it can do and how much it can take."""

from typing import Final, Literal

import msgspec

Feature = Literal[
    "tools",
    "json_schema",
    "logprobs",
    "logit_bias",
    "many_choices",
    "image_input",
    "audio_input",
    "file_input",
    "audio_output",
    "reasoning",
    "token_arrays",
    "dimensions",
]
"""What a request may need of a model; without it the request is refused, not bent."""

Endpoint = Literal["chat", "messages", "embeddings"]


IMAGE_TOKENS: Final = 4_096
"""What one image counts at most where nobody says otherwise."""


class Model(msgspec.Struct, frozen=True):
    """A public name. Lengths in tokens; `created_at` in unix seconds.

    `image_tokens` is the most that one image can count, `page_tokens` that of a page, 0 if unknown.
    """

    name: str
    owner: str
    created_at: int
    context_length: int
    max_output: int
    endpoints: frozenset[Endpoint]
    features: frozenset[Feature] = frozenset()
    title: str = ""
    normalizing: bool = False
    dimensions: int = 0
    hidden_reasoning: bool = False
    image_tokens: int = IMAGE_TOKENS
    page_tokens: int = 0
