"""Every field and role that the official clients can send has its place in our closed lists."""

from typing import get_args, get_type_hints

import pytest
from anthropic import types as claude
from anthropic.types import message_count_tokens_params, message_create_params
from openai.types import chat, embedding_create_params
from openai.types.chat import completion_create_params

from troth.gateway.dialects import anthropic_parts, known_fields, openai_parts

PLACED = known_fields.SILENT | known_fields.TOLD | known_fields.STATEFUL
ROLES = ("System", "Developer", "User", "Assistant", "Tool", "Function")
BLOCKS = {
    "text": claude.TextBlockParam,
    "image": claude.ImageBlockParam,
    "document": claude.DocumentBlockParam,
    "search_result": claude.SearchResultBlockParam,
    "tool_use": claude.ToolUseBlockParam,
    "tool_result": claude.ToolResultBlockParam,
    "thinking": claude.ThinkingBlockParam,
    "redacted_thinking": claude.RedactedThinkingBlockParam,
}
LEFT_OUT = {"toolset_name", "transformations"}
"""What belongs to tools that a provider runs, or changes an image there: counted, not sent."""


@pytest.mark.parametrize(
    ("params", "known"),
    [
        (completion_create_params.CompletionCreateParamsBase, known_fields.CHAT),
        (embedding_create_params.EmbeddingCreateParams, known_fields.EMBEDDINGS),
        (message_create_params.MessageCreateParamsBase, known_fields.MESSAGES),
        (message_count_tokens_params.MessageCountTokensParams, known_fields.MESSAGES),
    ],
)
def test_a_request_s_fields_are_known(params: type, known: frozenset[str]) -> None:
    assert params.__annotations__.keys() - known - PLACED == set()


@pytest.mark.parametrize("role", ROLES)
def test_a_chat_turn_s_fields_are_known(role: str) -> None:
    params = getattr(chat, f"ChatCompletion{role}MessageParam")
    assert params.__annotations__.keys() - openai_parts._FIELDS[role.lower()] == set()


@pytest.mark.parametrize(("kind", "params"), BLOCKS.items())
def test_a_block_s_fields_are_known(kind: str, params: type) -> None:
    left = params.__annotations__.keys() - anthropic_parts._FIELDS[kind]
    assert left <= LEFT_OUT


def test_the_roles_of_messages_are_known() -> None:
    roles = {
        get_args(get_type_hints(param)["role"])[0]
        for param in (
            claude.UserMessageParam,
            claude.AssistantMessageParam,
            claude.SystemMessageParam,
        )
    }
    assert roles == set(anthropic_parts._ROLES)
