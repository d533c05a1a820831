"""Stage 2. What is asked? Reads the body in its client dialect; what comes out is checked."""

from typing import Final

from troth.catalog.model import Endpoint
from troth.gateway.dialects import ANTHROPIC_MESSAGES, OPENAI_CHAT, OPENAI_EMBEDDINGS, ClientDialect
from troth.gateway.exchange import Ask
from troth.kernel.content import Content
from troth.kernel.errors import UnsupportedMediaType
from troth.wire import Head

DIALECTS: Final[dict[Endpoint, ClientDialect]] = {
    "chat": OPENAI_CHAT,
    "embeddings": OPENAI_EMBEDDINGS,
    "messages": ANTHROPIC_MESSAGES,
}
_JSON: Final = b"application/json"


def check_head(head: Head) -> None:
    """Refuse by the head what the body could not mend.

    Raises:
        UnsupportedMediaType: an encoding other than identity, or a type other than JSON.
    """
    headers = head.headers
    encoding = headers.get(b"content-encoding")
    if encoding is not None and encoding.lower() != b"identity":
        raise UnsupportedMediaType
    kind = headers.get(b"content-type")
    if kind is not None and kind != _JSON and kind.partition(b";")[0].strip().lower() != _JSON:
        raise UnsupportedMediaType


def receive(endpoint: Endpoint, body: Content) -> Ask:
    """Return the request as its dialect read it.

    Raises:
        BadRequest: one of its leaves, naming the field and never quoting its value.
        RefusedByPolicy: the request needs content to be kept.
    """
    return DIALECTS[endpoint].read(body.open())
