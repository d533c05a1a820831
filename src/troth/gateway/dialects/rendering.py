"""Chooses what turns an upstream's answer into the client's: client dialect by upstream dialect."""

from troth.catalog.offering import Offering
from troth.gateway.dialects.chat_whole import ChatWhole
from troth.gateway.dialects.embeddings_whole import EmbeddingsWhole
from troth.gateway.dialects.form_stream import stream_kind
from troth.gateway.dialects.messages_stream import MessagesStream
from troth.gateway.dialects.messages_whole import MessagesWhole
from troth.gateway.dialects.misplaced import chat_stream_kind, messages_stream_kind
from troth.gateway.dialects.translated_whole import ChatFromMessagesWhole, MessagesFromChatWhole
from troth.gateway.exchange import Ask, Rendering
from troth.kernel.ids import made_at_ms, text


def rendering(ask: Ask, offering: Offering, raw: bytes) -> Rendering:
    """Return the rendering of one answer; `raw` are the request's sixteen bytes."""
    if ask.endpoint == "embeddings":
        return EmbeddingsWhole(ask, offering)
    if ask.endpoint == "messages":
        return _for_messages(ask, offering, raw)
    return _for_chat(ask, offering, raw)


def _for_chat(ask: Ask, offering: Offering, raw: bytes) -> Rendering:
    if not ask.streamed and offering.upstream.dialect != "anthropic":
        return ChatWhole(ask, offering, raw)
    answer_id, created_at = f"chatcmpl-{raw.hex()}", made_at_ms(raw) // 1000
    if offering.upstream.dialect == "anthropic":
        kind = stream_kind(ask, offering) if ask.streamed else ChatFromMessagesWhole
        return kind(ask, offering, answer_id, created_at)
    return chat_stream_kind(ask, offering)(ask, offering, answer_id, created_at)


def _for_messages(ask: Ask, offering: Offering, raw: bytes) -> Rendering:
    answer_id, request_id = f"msg_{raw.hex()}", text("req", raw)
    if offering.upstream.dialect == "anthropic":
        if ask.streamed:
            return MessagesStream(offering, answer_id, request_id)
        return MessagesWhole(offering, answer_id)
    if ask.streamed:
        return messages_stream_kind(ask, offering)(ask, offering, answer_id, request_id)
    return MessagesFromChatWhole(ask, offering, raw)
