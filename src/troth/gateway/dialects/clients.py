"""The client dialects as objects: how each reads a request and says that something is wrong."""

from typing import Final, Protocol

from troth.gateway.dialects import anthropic_messages, envelopes, openai_chat, openai_embeddings
from troth.gateway.exchange import Ask
from troth.kernel.errors import TrothError


class ClientDialect(Protocol):
    """A dialect in which clients speak to us."""

    @property
    def name(self) -> str:
        """The dialect's name."""
        ...

    def read(self, body: bytes) -> Ask:
        """Return the request that a body holds.

        Raises:
            BadRequest: malformed JSON, a missing or wrong field.
            RefusedByPolicy: a field that needs content at rest.
        """
        ...

    def error_body(
        self, error: TrothError, status: int, request_id: str, *, shows_wallet: bool = False
    ) -> bytes:
        """Return the error envelope; `shows_wallet` adds what is available to a 402."""
        ...


class _OpenAi:
    """What OpenAI's endpoints have in common."""

    __slots__ = ()

    def error_body(
        self,
        error: TrothError,
        status: int,
        request_id: str,  # noqa: ARG002 - the other dialect's envelope names it
        *,
        shows_wallet: bool = False,
    ) -> bytes:
        """Return the error envelope."""
        return envelopes.openai_error(error, status, shows_wallet=shows_wallet)


class OpenAiChat(_OpenAi):
    """`POST /v1/chat/completions`."""

    __slots__ = ()
    name: Final = "openai_chat"
    read = staticmethod(openai_chat.read)


class OpenAiEmbeddings(_OpenAi):
    """`POST /v1/embeddings`."""

    __slots__ = ()
    name: Final = "openai_embeddings"
    read = staticmethod(openai_embeddings.read)


class AnthropicMessages:
    """`POST /v1/messages`."""

    __slots__ = ()
    name: Final = "anthropic_messages"
    read = staticmethod(anthropic_messages.read)

    def error_body(
        self, error: TrothError, status: int, request_id: str, *, shows_wallet: bool = False
    ) -> bytes:
        """Return the error envelope."""
        return envelopes.anthropic_error(error, status, request_id, shows_wallet=shows_wallet)


OPENAI_CHAT: Final = OpenAiChat()
OPENAI_EMBEDDINGS: Final = OpenAiEmbeddings()
ANTHROPIC_MESSAGES: Final = AnthropicMessages()
