"""Chooses what turns an upstream's answer into the client's: client dialect by upstream dialect."""

from troth.catalog.offering import Offering
from troth.gateway.dialects.chat_stream import ChatStream
from troth.gateway.dialects.chat_whole import ChatWhole
from troth.gateway.dialects.clients import ClientDialect
from troth.gateway.dialects.embeddings_whole import EmbeddingsWhole
from troth.gateway.exchange import Ask, Rendering


def rendering(
    _dialect: ClientDialect, ask: Ask, offering: Offering, request_id: str, created_at: int
) -> Rendering:
    """Return the rendering of one answer; `created_at` in unix seconds."""
    digits = request_id.partition("_")[2]
    if ask.endpoint == "embeddings":
        return EmbeddingsWhole(ask, offering)
    answer_id = f"chatcmpl-{digits}"
    if ask.streamed:
        return ChatStream(ask, offering, answer_id, created_at)
    return ChatWhole(ask, offering, answer_id, created_at)
