"""The usage object of each dialect, written from the one vector; costs without a float.

A cost is printed from integer nano-USD as a JSON number with nine decimals.
"""

from troth.kernel.money import usd
from troth.kernel.quantities import NOTHING, Quantities, tokens_in, tokens_out


def openai_usage(used: Quantities, cost_nusd: int) -> bytes:
    """Return OpenAI's usage object with `cost` in USD."""
    prompt, completion = tokens_in(used), tokens_out(used)
    cached = used.cache_read
    return (
        b'{"prompt_tokens":%d,"completion_tokens":%d,"total_tokens":%d,'
        b'"prompt_tokens_details":{"cached_tokens":%d,"audio_tokens":%d},'
        b'"completion_tokens_details":{"reasoning_tokens":%d,"audio_tokens":%d,'
        b'"accepted_prediction_tokens":0,"rejected_prediction_tokens":0},"cost":%b}'
    ) % (
        prompt,
        completion,
        prompt + completion,
        cached,
        used.input_audio,
        used.reasoning,
        used.output_audio,
        usd(cost_nusd).encode(),
    )


def embeddings_usage(used: Quantities, cost_nusd: int) -> bytes:
    """Return the usage object of an embeddings answer with `cost` in USD."""
    prompt = tokens_in(used)
    return b'{"prompt_tokens":%d,"total_tokens":%d,"cost":%b}' % (
        prompt,
        prompt,
        usd(cost_nusd).encode(),
    )


def anthropic_usage(used: Quantities | None) -> bytes:
    """Return Anthropic's usage object, whole, as an answer has it."""
    known = used or NOTHING
    written = known.cache_write_5m + known.cache_write_1h
    return (
        b'{"input_tokens":%d,"cache_creation_input_tokens":%d,"cache_read_input_tokens":%d,'
        b'"cache_creation":{"ephemeral_5m_input_tokens":%d,"ephemeral_1h_input_tokens":%d},'
        b'"output_tokens":%d,"output_tokens_details":{"thinking_tokens":%d},'
        b'"server_tool_use":null,"service_tier":"standard","inference_geo":null,"speed":null}'
    ) % (
        _uncached(known),
        written,
        known.cache_read,
        known.cache_write_5m,
        known.cache_write_1h,
        tokens_out(known),
        known.reasoning,
    )


def anthropic_delta_usage(used: Quantities) -> bytes:
    """Return the usage object of a stream's `message_delta`: true and cumulative."""
    return (
        b'{"input_tokens":%d,"cache_creation_input_tokens":%d,"cache_read_input_tokens":%d,'
        b'"output_tokens":%d,"output_tokens_details":{"thinking_tokens":%d},'
        b'"server_tool_use":null}'
    ) % (
        _uncached(used),
        used.cache_write_5m + used.cache_write_1h,
        used.cache_read,
        tokens_out(used),
        used.reasoning,
    )


def _uncached(used: Quantities) -> int:
    """Return Anthropic's input count, which leaves out what the cache served or took."""
    return used.input + used.input_audio + used.input_image
