"""What both publishers promise about answers, in our own words: strict, and closed.

A field without a default must be there. A field that a shape does not name must not be: what is
ours stands apart, in `ours`. The official clients' own models are laxer (they take what lacks a
field, and what has one more); a test compares the names of both.
"""

from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, UnsetType

Whole = Annotated[int, msgspec.Meta(ge=0)]
Ours = dict[str, object]
FinishReason = Literal["stop", "length", "tool_calls", "content_filter", "function_call"]
StopReason = Literal[
    "end_turn",
    "max_tokens",
    "stop_sequence",
    "tool_use",
    "pause_turn",
    "refusal",
    "model_context_window_exceeded",
]


class Shape(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An object whose fields are all known. Tags stand in unions only: alone they may be absent."""


# --- OpenAI -----------------------------------------------------------------------------


class PromptDetails(Shape, frozen=True):
    cached_tokens: Whole
    audio_tokens: Whole


class CompletionDetails(Shape, frozen=True):
    reasoning_tokens: Whole
    audio_tokens: Whole
    accepted_prediction_tokens: Whole
    rejected_prediction_tokens: Whole


class CompletionUsage(Shape, frozen=True):
    prompt_tokens: Whole
    completion_tokens: Whole
    total_tokens: Whole
    prompt_tokens_details: PromptDetails
    completion_tokens_details: CompletionDetails
    cost: float  # ours

    def __post_init__(self) -> None:
        """Hold what the numbers say of each other."""
        if self.total_tokens != self.prompt_tokens + self.completion_tokens:
            raise ValueError("the total is no sum")
        if self.prompt_tokens_details.cached_tokens > self.prompt_tokens:
            raise ValueError("more was cached than there was")


class TopLogprob(Shape, frozen=True):
    token: str
    logprob: float
    bytes: list[Annotated[int, msgspec.Meta(ge=0, le=255)]] | None


class TokenLogprob(TopLogprob, frozen=True):
    top_logprobs: list[TopLogprob]


class Logprobs(Shape, frozen=True):
    content: list[TokenLogprob] | None
    refusal: list[TokenLogprob] | None


class Function(Shape, frozen=True):
    name: str
    arguments: str


class FunctionCall(Shape, frozen=True, tag_field="type", tag="function"):
    id: str
    function: Function


class Custom(Shape, frozen=True):
    name: str
    input: str


class CustomCall(Shape, frozen=True, tag_field="type", tag="custom"):
    id: str
    custom: Custom


class UrlCitation(Shape, frozen=True):
    start_index: Whole
    end_index: Whole
    url: str
    title: str


class Annotation(Shape, frozen=True):
    type: Literal["url_citation"]
    url_citation: UrlCitation


class Message(Shape, frozen=True):
    role: Literal["assistant"]
    content: str | None
    refusal: str | None
    tool_calls: (
        Annotated[list[FunctionCall | CustomCall], msgspec.Meta(min_length=1)] | UnsetType
    ) = UNSET
    function_call: Function | UnsetType = UNSET
    annotations: list[Annotation] | UnsetType = UNSET
    reasoning: str | UnsetType = UNSET  # this and the next two: where they were asked for
    reasoning_content: str | UnsetType = UNSET
    reasoning_details: list[object] | UnsetType = UNSET


class Choice(Shape, frozen=True):
    index: Whole
    message: Message
    logprobs: Logprobs | None
    finish_reason: FinishReason


class Completion(Shape, frozen=True):
    object: Literal["chat.completion"]
    id: str
    created: Whole
    model: str
    choices: Annotated[list[Choice], msgspec.Meta(min_length=1)]
    usage: CompletionUsage
    service_tier: str | UnsetType | None = UNSET
    system_fingerprint: str | UnsetType | None = UNSET


class FunctionPiece(Shape, frozen=True):
    name: str | UnsetType = UNSET
    arguments: str | UnsetType = UNSET


class CallPiece(Shape, frozen=True):
    index: Whole
    id: str | UnsetType = UNSET
    type: Literal["function"] | UnsetType = UNSET
    function: FunctionPiece | UnsetType = UNSET


class Delta(Shape, frozen=True):
    role: Literal["assistant"] | UnsetType = UNSET
    content: str | UnsetType | None = UNSET
    refusal: str | UnsetType | None = UNSET
    tool_calls: list[CallPiece] | UnsetType = UNSET
    reasoning: str | UnsetType = UNSET  # this and the next two: where they were asked for
    reasoning_content: str | UnsetType = UNSET
    reasoning_details: list[object] | UnsetType = UNSET


class ChunkChoice(Shape, frozen=True):
    index: Whole
    delta: Delta
    finish_reason: FinishReason | None
    logprobs: Logprobs | None = None


class Chunk(Shape, frozen=True):
    object: Literal["chat.completion.chunk"]
    id: str
    created: Whole
    model: str
    choices: list[ChunkChoice]
    usage: CompletionUsage | UnsetType | None = UNSET
    service_tier: str | UnsetType | None = UNSET
    system_fingerprint: str | UnsetType | None = UNSET


class Vector(Shape, frozen=True):
    object: Literal["embedding"]
    index: Whole
    embedding: list[float] | str


class EmbeddingsUsage(Shape, frozen=True):
    prompt_tokens: Whole
    total_tokens: Whole
    cost: float  # ours


class Embeddings(Shape, frozen=True):
    object: Literal["list"]
    data: list[Vector]
    model: str
    usage: EmbeddingsUsage


class Model(Shape, frozen=True):
    object: Literal["model"]
    id: str
    created: Whole
    owned_by: str
    name: str  # this and what follows: as OpenRouter has it
    context_length: Whole
    architecture: dict[str, list[str]]
    pricing: Ours
    top_provider: dict[str, int | None]
    supported_parameters: list[str]
    x_troth: Ours


class Models(Shape, frozen=True):
    object: Literal["list"]
    data: list[Model]


class Error(Shape, frozen=True):
    message: Annotated[str, msgspec.Meta(min_length=1)]
    type: str
    param: str | None
    code: str | None
    x_troth: Ours | UnsetType = UNSET


class ErrorEnvelope(Shape, frozen=True):
    error: Error


# --- Anthropic --------------------------------------------------------------------------


class CacheCreation(Shape, frozen=True):
    ephemeral_5m_input_tokens: Whole
    ephemeral_1h_input_tokens: Whole


class OutputDetails(Shape, frozen=True):
    thinking_tokens: Whole


class DeltaUsage(Shape, frozen=True):
    input_tokens: Whole
    cache_creation_input_tokens: Whole
    cache_read_input_tokens: Whole
    output_tokens: Whole
    output_tokens_details: OutputDetails
    server_tool_use: None


class Usage(DeltaUsage, frozen=True):
    cache_creation: CacheCreation
    service_tier: Literal["standard", "priority", "batch"]
    inference_geo: str | None
    speed: Literal["standard", "fast"] | None


class TextBlock(Shape, frozen=True, tag_field="type", tag="text"):
    text: str
    citations: list[object]


class DirectCaller(Shape, frozen=True):
    type: Literal["direct"]


class ToolUseBlock(Shape, frozen=True, tag_field="type", tag="tool_use"):
    id: Annotated[str, msgspec.Meta(pattern="^[a-zA-Z0-9_-]+$")]
    name: str
    input: dict[str, object]
    caller: DirectCaller


class ThinkingBlock(Shape, frozen=True, tag_field="type", tag="thinking"):
    thinking: str
    signature: str


class RedactedBlock(Shape, frozen=True, tag_field="type", tag="redacted_thinking"):
    data: str


Block = TextBlock | ToolUseBlock | ThinkingBlock | RedactedBlock


class MessageAnswer(Shape, frozen=True):
    type: Literal["message"]
    id: str
    role: Literal["assistant"]
    model: str
    content: list[Block]
    stop_reason: StopReason
    stop_sequence: str | None
    stop_details: None
    container: None
    usage: Usage


class BegunMessage(Shape, frozen=True):
    type: Literal["message"]
    id: str
    role: Literal["assistant"]
    model: str
    content: Annotated[list[Block], msgspec.Meta(max_length=0)]
    stop_reason: None
    stop_sequence: None
    stop_details: None
    container: None
    usage: Usage


class MessageStart(Shape, frozen=True, tag_field="type", tag="message_start"):
    message: BegunMessage


class BlockStart(Shape, frozen=True, tag_field="type", tag="content_block_start"):
    index: Whole
    content_block: Block


class TextDelta(Shape, frozen=True, tag_field="type", tag="text_delta"):
    text: str


class InputDelta(Shape, frozen=True, tag_field="type", tag="input_json_delta"):
    partial_json: str


class ThinkingDelta(Shape, frozen=True, tag_field="type", tag="thinking_delta"):
    thinking: str


class SignatureDelta(Shape, frozen=True, tag_field="type", tag="signature_delta"):
    signature: str


class BlockDelta(Shape, frozen=True, tag_field="type", tag="content_block_delta"):
    index: Whole
    delta: TextDelta | InputDelta | ThinkingDelta | SignatureDelta


class BlockStop(Shape, frozen=True, tag_field="type", tag="content_block_stop"):
    index: Whole


class EndDelta(Shape, frozen=True):
    stop_reason: StopReason
    stop_sequence: str | None
    stop_details: None
    container: None


class MessageDelta(Shape, frozen=True, tag_field="type", tag="message_delta"):
    delta: EndDelta
    usage: DeltaUsage


class MessageStop(Shape, frozen=True, tag_field="type", tag="message_stop"):
    pass


class Ping(Shape, frozen=True, tag_field="type", tag="ping"):
    pass


MessageEvent = (
    MessageStart | BlockStart | BlockDelta | BlockStop | MessageDelta | MessageStop | Ping
)


class TokensCount(Shape, frozen=True):
    input_tokens: Whole


class Supported(msgspec.Struct, frozen=True):
    supported: bool


class ModelInfo(Shape, frozen=True):
    type: Literal["model"]
    id: str
    display_name: str
    created_at: str
    lifecycle: Literal["active", "deprecated", "retired"]
    deprecated_at: str | None
    retires_at: str | None
    line: str | None
    max_input_tokens: Whole | None
    max_tokens: Whole | None
    capabilities: dict[str, Supported]


class ModelPage(Shape, frozen=True):
    data: list[ModelInfo]
    has_more: bool
    first_id: str | None
    last_id: str | None


class AnthropicInner(Shape, frozen=True):
    type: Literal[
        "invalid_request_error",
        "authentication_error",
        "billing_error",
        "permission_error",
        "not_found_error",
        "conflict_error",
        "request_too_large",
        "rate_limit_error",
        "timeout_error",
        "api_error",
        "overloaded_error",
    ]
    message: Annotated[str, msgspec.Meta(min_length=1)]
    x_troth: Ours | UnsetType = UNSET


class AnthropicError(Shape, frozen=True):
    type: Literal["error"]
    error: AnthropicInner
    request_id: str
