"""Stage 2. What is asked? Reads the body in its client dialect; what comes out is checked."""

from hashlib import blake2b
from typing import Final

from troth.catalog.model import Endpoint
from troth.gateway.dialects import ANTHROPIC_MESSAGES, OPENAI_CHAT, OPENAI_EMBEDDINGS, ClientDialect
from troth.gateway.dialects.anthropic_messages import read_to_count
from troth.gateway.dialects.strict_json import encode
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
_CACHE_KEY: Final = "prompt_cache_key"
_HASH_BYTES: Final = 16
_DIGEST_BYTES: Final = 32


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


def receive(
    endpoint: Endpoint, body: Content, org: str, hint_key: bytes, *, counts: bool = False
) -> Ask:
    """Return the request as its dialect read it; what the caller named is hashed from here on.

    With `counts` only its tokens are asked for, and its answer needs no bound.

    Raises:
        BadRequest: one of its leaves, naming the field and never quoting its value.
        RefusedByPolicy: the request needs content to be kept.
    """
    read = read_to_count if counts else DIALECTS[endpoint].read
    ask = read(body.open())
    body.release()  # the request may take as long as a stream
    if ask.plain is None and _CACHE_KEY in ask.fields:
        _hash_cache_key(ask, org, hint_key)
    return ask


def digest_of(endpoint: Endpoint, body: Content) -> bytes:
    """Return a hash of what is asked: for memory, and for keyed hashes, never to be kept."""
    return blake2b(body.open(), digest_size=_DIGEST_BYTES, person=endpoint.encode()).digest()


def _hash_cache_key(ask: Ask, org: str, hint_key: bytes) -> None:
    """Put a keyed hash in the place of the cache key: no two organizations share one."""
    given = ask.fields[_CACHE_KEY]
    assert isinstance(given, str)
    said = f"{org} {given}".encode()
    hashed = blake2b(said, key=hint_key, digest_size=_HASH_BYTES, person=b"cache key").hexdigest()
    ask.fields[_CACHE_KEY] = hashed
    ask.encoded[_CACHE_KEY] = encode(hashed)
