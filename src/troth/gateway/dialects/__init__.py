"""Client dialects: what a request says, what an answer looks like, and errors in each.

`clients` holds the dialects as objects: they turn a body into an `Ask`. `compose` writes the
request to an upstream; `rendering` turns its answer into the client's. Same dialect on both sides
goes straight, unlike ones go through `troth.providers.conversation`.
"""

from troth.gateway.dialects.clients import (
    ANTHROPIC_MESSAGES,
    OPENAI_CHAT,
    OPENAI_EMBEDDINGS,
    ClientDialect,
)
from troth.gateway.dialects.compose import compose, dropped, unsupported
from troth.gateway.dialects.models_list import model_body, models_body
from troth.gateway.dialects.rendering import rendering

__all__ = [
    "ANTHROPIC_MESSAGES",
    "OPENAI_CHAT",
    "OPENAI_EMBEDDINGS",
    "ClientDialect",
    "compose",
    "dropped",
    "model_body",
    "models_body",
    "rendering",
    "unsupported",
]
