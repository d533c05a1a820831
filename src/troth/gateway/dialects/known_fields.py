"""Which fields of a request are read, which are forwarded, which name state that nobody keeps.

The lists are closed: a field that stands in none of them has no effect and is only counted.
"""

from typing import Final

CHAT: Final = frozenset(
    {
        "audio",
        "frequency_penalty",
        "function_call",
        "functions",
        "logit_bias",
        "logprobs",
        "max_completion_tokens",
        "max_tokens",
        "messages",
        "modalities",
        "model",
        "n",
        "parallel_tool_calls",
        "prediction",
        "presence_penalty",
        "prompt_cache_key",
        "prompt_cache_options",
        "prompt_cache_retention",
        "reasoning_effort",
        "response_format",
        "seed",
        "service_tier",
        "stop",
        "stream",
        "stream_options",
        "temperature",
        "tool_choice",
        "tools",
        "top_logprobs",
        "top_p",
        "verbosity",
    }
)

EMBEDDINGS: Final = frozenset({"dimensions", "encoding_format", "input", "model"})

MESSAGES: Final = frozenset(
    {
        "cache_control",
        "max_tokens",
        "messages",
        "model",
        "output_config",
        "output_format",
        "service_tier",
        "speed",
        "stop_sequences",
        "stream",
        "system",
        "temperature",
        "thinking",
        "tool_choice",
        "tools",
        "top_k",
        "top_p",
    }
)

SAMPLING: Final = frozenset(
    {
        "chat_template_kwargs",
        "min_p",
        "min_tokens",
        "reasoning",
        "reasoning_format",
        "repetition_penalty",
        "top_a",
        "top_k",
        "typical_p",
    }
)
"""Fields beyond the published document that an offering may add."""

SILENT: Final = frozenset({"metadata", "safety_identifier", "store", "user"})
"""Known fields that say who asks or ask to keep: accepted, without effect, not told."""

TOLD: Final = frozenset(
    {
        "context_management",
        "diagnostics",
        "inference_geo",
        "models",
        "moderation",
        "prompt_cache_key",
        "provider",
        "user_profile_id",
        "web_search_options",
        "workspace_id",
    }
)
"""Known fields without effect here; the answer names them. Of `provider`, two have one."""

STATEFUL: Final = frozenset({"container", "conversation", "mcp_servers", "previous_response_id"})
"""Fields that need content at rest, whatever they hold."""

STATEFUL_TOOLS: Final = frozenset({"code_interpreter", "file_search", "mcp"})

ALL: Final = CHAT | EMBEDDINGS | MESSAGES | SAMPLING | SILENT | TOLD
