"""An upstream's usage turned to the one vector of disjoint classes, or to None when not believable.

OpenAI's prompt count includes cached tokens, Anthropic's does not. A number that is no integer,
negative or absurd makes that side unknown: it is never a credit and never a drain.
"""

from typing import Final

import msgspec

from troth.kernel.quantities import Quantities, Uneven

MOST: Final = 2**31 - 1
"""No request of today's models comes near; what is above is a fault of the upstream."""


class PromptDetails(msgspec.Struct, frozen=True, gc=False):
    """The parts of OpenAI's prompt count."""

    cached_tokens: int | None = None
    audio_tokens: int | None = None
    cache_write_tokens: int | None = None


class CompletionDetails(msgspec.Struct, frozen=True, gc=False):
    """The parts of OpenAI's completion count."""

    reasoning_tokens: int | None = None
    audio_tokens: int | None = None


class OpenAiUsage(msgspec.Struct, frozen=True):
    """OpenAI's usage object."""

    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    total_tokens: int | None = None
    prompt_tokens_details: PromptDetails | None = None
    completion_tokens_details: CompletionDetails | None = None


class CacheCreation(msgspec.Struct, frozen=True, gc=False):
    """Anthropic's cache writes by how long they live."""

    ephemeral_5m_input_tokens: int | None = None
    ephemeral_1h_input_tokens: int | None = None


class OutputDetails(msgspec.Struct, frozen=True, gc=False):
    """The part of Anthropic's output that was thinking."""

    thinking_tokens: int | None = None


class AnthropicUsage(msgspec.Struct, frozen=True):
    """Anthropic's usage object; in a stream its last values count, for they are cumulative."""

    input_tokens: int | None = None
    output_tokens: int | None = None
    cache_creation_input_tokens: int | None = None
    cache_read_input_tokens: int | None = None
    cache_creation: CacheCreation | None = None
    output_tokens_details: OutputDetails | None = None


_OPENAI: Final = msgspec.json.Decoder(OpenAiUsage).decode
_ANTHROPIC: Final = msgspec.json.Decoder(AnthropicUsage).decode
_FAULTS: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


def openai_quantities(usage: bytes, *, reasoning_inside: bool) -> Quantities | None:
    """Return the vector of OpenAI's usage object, as bytes; None when it is not believable."""
    try:
        return of_openai(_OPENAI(usage), reasoning_inside=reasoning_inside)
    except _FAULTS:
        return None


def anthropic_merged(known: AnthropicUsage, usage: bytes) -> AnthropicUsage:
    """Return a stream's counts so far: each event's values replace those before.

    A 0 replaces nothing, for some upstreams send it for what they do not repeat; but where an event
    is the first to tell of the cache, an input of 0 says that the cache held all of the prompt.
    An event whose usage is not believable makes the totals unknown.
    """
    try:
        new = _ANTHROPIC(usage)
    except _FAULTS:
        return msgspec.structs.replace(known, output_tokens=None)
    told = {
        name: value
        for name in new.__struct_fields__
        if (value := getattr(new, name)) or (value is not None and getattr(known, name) is None)
    }
    if new.input_tokens == 0 and _tells_of_cache(new) and not _tells_of_cache(known):
        told["input_tokens"] = 0
    return msgspec.structs.replace(known, **told) if told else known


def _tells_of_cache(usage: AnthropicUsage) -> bool:
    return bool(usage.cache_read_input_tokens or usage.cache_creation_input_tokens)


def anthropic_quantities(usage: bytes) -> Quantities | None:
    """Return the vector of Anthropic's usage object, as bytes; None when it is not believable."""
    try:
        return of_anthropic(_ANTHROPIC(usage))
    except _FAULTS:
        return None


def embeddings_quantities(usage: bytes) -> Quantities | None:
    """Return the vector of an embeddings answer's usage object; None when not believable."""
    try:
        return of_embeddings(_OPENAI(usage))
    except _FAULTS:
        return None


def of_openai(usage: OpenAiUsage, *, reasoning_inside: bool) -> Quantities | None:
    """Return the vector; None when a total is missing or not believable.

    `reasoning_inside` tells that the completion count includes reasoning.
    """
    prompt, completion = usage.prompt_tokens, usage.completion_tokens
    if prompt is None or completion is None or not _believable(prompt, completion):
        return None
    details, made = usage.prompt_tokens_details, usage.completion_tokens_details
    if _is_plain(details, made):
        return Quantities(prompt, output=completion)
    cached, audio, written = _prompt_parts(details, prompt)
    thought, spoken = _completion_parts(made, completion, reasoning_inside=reasoning_inside)
    cut = (cached, audio, written, spoken, thought)
    kind = Quantities if cut == _told(details, made) else Uneven
    return kind(
        input=prompt - cached - written - audio,
        cache_read=cached,
        cache_write_5m=written,
        input_audio=audio,
        output=completion - spoken - (thought if reasoning_inside else 0),
        reasoning=thought,
        output_audio=spoken,
    )


def of_anthropic(usage: AnthropicUsage) -> Quantities | None:
    """Return the vector; None when a total is missing or not believable."""
    prompt, completion = usage.input_tokens, usage.output_tokens
    if prompt is None or completion is None or not _believable(prompt, completion):
        return None
    read = _part(usage.cache_read_input_tokens, MOST)
    written = _part(usage.cache_creation_input_tokens, MOST)
    long = 0
    split = usage.cache_creation
    if split is not None:
        long = _part(split.ephemeral_1h_input_tokens, written or MOST)
        written = written or long + _part(split.ephemeral_5m_input_tokens, MOST)
    thought = 0
    if usage.output_tokens_details is not None:
        thought = _part(usage.output_tokens_details.thinking_tokens, completion)
    kind = Quantities if _fits(usage, completion) else Uneven
    return kind(
        input=prompt,
        cache_read=read,
        cache_write_5m=written - long,
        cache_write_1h=long,
        output=completion - thought,
        reasoning=thought,
    )


def of_embeddings(usage: OpenAiUsage) -> Quantities | None:
    """Return the vector of an embeddings answer, which has input only."""
    prompt = usage.prompt_tokens
    return Quantities(prompt) if prompt is not None and _believable(prompt, 0) else None


def _is_plain(details: PromptDetails | None, made: CompletionDetails | None) -> bool:
    """Tell whether all tokens are plain text: the usual answer, and no parts to take apart."""
    read = details is None or not (
        details.cached_tokens or details.audio_tokens or details.cache_write_tokens
    )
    return read and (made is None or not (made.reasoning_tokens or made.audio_tokens))


def _told(
    details: PromptDetails | None, made: CompletionDetails | None
) -> tuple[int, int, int, int, int]:
    """Return OpenAI's parts as they were told: cached, audio, written, spoken, thought."""
    read, written = details or PromptDetails(), made or CompletionDetails()
    return (
        read.cached_tokens or 0,
        read.audio_tokens or 0,
        read.cache_write_tokens or 0,
        written.audio_tokens or 0,
        written.reasoning_tokens or 0,
    )


def _fits(usage: AnthropicUsage, completion: int) -> bool:
    """Tell whether Anthropic's parts are counts, and no more than what they are parts of."""
    split = usage.cache_creation or CacheCreation()
    made = usage.output_tokens_details or OutputDetails()
    short, long = split.ephemeral_5m_input_tokens or 0, split.ephemeral_1h_input_tokens or 0
    written, thought = usage.cache_creation_input_tokens or 0, made.thinking_tokens or 0
    counts = (short, long, written, usage.cache_read_input_tokens or 0, thought)
    is_split = bool(written and (short or long))
    return (
        all(0 <= count <= MOST for count in counts)
        and thought <= completion
        and (not is_split or short + long == written)
    )


def _believable(prompt: int, completion: int) -> bool:
    return 0 <= prompt <= MOST and 0 <= completion <= MOST


def _part(count: int | None, whole: int) -> int:
    """Return a part that fits its whole: none below 0, none above it."""
    return min(max(count or 0, 0), whole)


def _prompt_parts(details: PromptDetails | None, prompt: int) -> tuple[int, int, int]:
    if details is None:
        return 0, 0, 0
    cached = _part(details.cached_tokens, prompt)
    audio = _part(details.audio_tokens, prompt - cached)
    return cached, audio, _part(details.cache_write_tokens, prompt - cached - audio)


def _completion_parts(
    details: CompletionDetails | None, completion: int, *, reasoning_inside: bool
) -> tuple[int, int]:
    if details is None:
        return 0, 0
    spoken = _part(details.audio_tokens, completion)
    most = completion - spoken if reasoning_inside else MOST
    return _part(details.reasoning_tokens, most), spoken
