"""An upstream's usage turned to the one vector of disjoint classes, or to None when not believable.

OpenAI's prompt count includes cached tokens, Anthropic's does not. A number that is no integer,
negative or absurd makes that side unknown, and that side alone: it is never a credit and never a
drain.
"""

from collections.abc import Callable, Iterable
from typing import Final, TypeVar

import msgspec

from troth.kernel.quantities import InputOnly, OutputOnly, Quantities, Uneven

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
    """OpenAI's usage object, and two names that others give to what their cache served."""

    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    prompt_tokens_details: PromptDetails | None = None
    completion_tokens_details: CompletionDetails | None = None
    cached_tokens: int | None = None
    prompt_cache_hit_tokens: int | None = None


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
_FIELDS: Final = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_FAULTS: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
_OPENAI_MADE: Final = frozenset({"completion_tokens", "completion_tokens_details"})
_ANTHROPIC_MADE: Final = frozenset({"output_tokens", "output_tokens_details"})
_Usage = TypeVar("_Usage", OpenAiUsage, AnthropicUsage)


def _read(decode: Callable[[bytes], _Usage], usage: bytes, made: Iterable[str]) -> _Usage:
    """Return a usage object; where it does not decode, what is sound of input and of output.

    `made` are the fields of the output.

    Raises:
        msgspec.DecodeError, UnicodeDecodeError, RecursionError: it is no object at all.
    """
    try:
        return decode(usage)
    except _FAULTS:
        fields = _FIELDS(usage)
    kept: dict[str, msgspec.Raw] = {}
    for side in (fields.keys() & made, fields.keys() - made):
        told = {name: fields[name] for name in side}
        try:
            decode(msgspec.json.encode(told))
        except _FAULTS:
            continue
        kept |= told
    return decode(msgspec.json.encode(kept))


def openai_quantities(usage: bytes, *, reasoning_inside: bool) -> Quantities | None:
    """Return the vector of OpenAI's usage object, as bytes; None when it is not believable."""
    try:
        told = _read(_OPENAI, usage, _OPENAI_MADE)
    except _FAULTS:
        return None
    return of_openai(told, reasoning_inside=reasoning_inside)


def anthropic_merged(known: AnthropicUsage, usage: bytes) -> AnthropicUsage:
    """Return a stream's counts so far: each event's values replace those before.

    A 0 replaces nothing, for some upstreams send it for what they do not repeat; but where an event
    is the first to tell of the cache, an input of 0 says that the cache held all of the prompt.
    An event whose usage cannot be read makes the output unknown, unless that side of it can.
    """
    try:
        new = _ANTHROPIC(usage)
    except _FAULTS:
        known = begun(known)
        try:
            new = _read(_ANTHROPIC, usage, _ANTHROPIC_MADE)
        except _FAULTS:
            return known
    told = {
        name: value
        for name in new.__struct_fields__
        if (value := getattr(new, name)) or (value is not None and getattr(known, name) is None)
    }
    if new.input_tokens == 0 and _tells_of_cache(new) and not _tells_of_cache(known):
        told["input_tokens"] = 0
    return msgspec.structs.replace(known, **told) if told else known


def begun(usage: AnthropicUsage) -> AnthropicUsage:
    """Return what a stream's first event tells: of the output it cannot know, whatever it says."""
    return msgspec.structs.replace(usage, output_tokens=None, output_tokens_details=None)


def _tells_of_cache(usage: AnthropicUsage) -> bool:
    return bool(usage.cache_read_input_tokens or usage.cache_creation_input_tokens)


def anthropic_quantities(usage: bytes) -> Quantities | None:
    """Return the vector of Anthropic's usage object, as bytes; None when it is not believable."""
    try:
        told = _read(_ANTHROPIC, usage, _ANTHROPIC_MADE)
    except _FAULTS:
        return None
    return of_anthropic(told)


def embeddings_quantities(usage: bytes) -> Quantities | None:
    """Return the vector of an embeddings answer's usage object; None when not believable."""
    try:
        return of_embeddings(_read(_OPENAI, usage, _OPENAI_MADE))
    except _FAULTS:
        return None


def of_openai(usage: OpenAiUsage, *, reasoning_inside: bool) -> Quantities | None:
    """Return the vector, one side of it where the other's total is missing or not believable.

    None when neither is. `reasoning_inside` tells that the completion count includes reasoning.
    """
    prompt, completion = _total(usage.prompt_tokens), _total(usage.completion_tokens)
    details, made = _prompt_details(usage), usage.completion_tokens_details
    if prompt is None or completion is None:
        if prompt is not None:
            given = OpenAiUsage(prompt, 0, details)
            return _alone(InputOnly, of_openai(given, reasoning_inside=reasoning_inside))
        if completion is not None:
            answered = OpenAiUsage(0, completion, None, made)
            return _alone(OutputOnly, of_openai(answered, reasoning_inside=reasoning_inside))
        return None
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
    """Return the vector, one side of it where the other's total is missing or not believable.

    None when neither is.
    """
    prompt, completion = _total(usage.input_tokens), _total(usage.output_tokens)
    if prompt is None or completion is None:
        if prompt is not None:
            given = msgspec.structs.replace(usage, output_tokens=0, output_tokens_details=None)
            return _alone(InputOnly, of_anthropic(given))
        if completion is not None:
            made = AnthropicUsage(0, completion, output_tokens_details=usage.output_tokens_details)
            return _alone(OutputOnly, of_anthropic(made))
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
    prompt = _total(usage.prompt_tokens)
    return None if prompt is None else Quantities(prompt)


def _alone(kind: type[InputOnly | OutputOnly], found: Quantities | None) -> Quantities | None:
    return None if found is None else kind(*msgspec.structs.astuple(found))


def _prompt_details(usage: OpenAiUsage) -> PromptDetails | None:
    """Return the parts of the prompt, with what others tell of their cache beside them."""
    details = usage.prompt_tokens_details
    beside = usage.prompt_cache_hit_tokens or usage.cached_tokens
    if not beside or (details is not None and details.cached_tokens):
        return details
    return msgspec.structs.replace(details or PromptDetails(), cached_tokens=beside)


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


def _total(count: int | None) -> int | None:
    """Return a total that can be believed."""
    return count if count is not None and 0 <= count <= MOST else None


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
