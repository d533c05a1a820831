"""The usage vector: one set of disjoint classes for every dialect and provider.

A token, second, image or character is counted in exactly one class.
"""

from typing import Final

import msgspec


class Quantities(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """What one request used. All are integers >= 0; tokens unless the name says otherwise.

    Where it is written, classes of which nothing was used are left out.
    `input` is uncached text; `output` excludes `reasoning` and audio; `audio_ms` is in
    milliseconds; `characters` are those of speech input; `requests` counts calls priced per call.
    """

    input: int = 0
    cache_read: int = 0
    cache_write_5m: int = 0
    cache_write_1h: int = 0
    input_audio: int = 0
    input_image: int = 0
    output: int = 0
    reasoning: int = 0
    output_audio: int = 0
    images: int = 0
    audio_ms: int = 0
    characters: int = 0
    requests: int = 0
    searches: int = 0


class Uneven(Quantities, frozen=True, gc=False):
    """A vector whose parts, as the upstream told them, did not fit its totals: cut to fit."""


class InputOnly(Quantities, frozen=True, gc=False):
    """What an upstream told believably of the input alone: nothing is known of the output."""


class OutputOnly(Quantities, frozen=True, gc=False):
    """What an upstream told believably of the output alone: nothing is known of the input."""


def joined(given: Quantities, made: Quantities) -> Quantities:
    """Return one plain vector: input as the first tells it, output as the second does."""
    return Quantities(
        given.input,
        given.cache_read,
        given.cache_write_5m,
        given.cache_write_1h,
        given.input_audio,
        given.input_image,
        made.output,
        made.reasoning,
        made.output_audio,
    )


CLASSES: Final = Quantities.__struct_fields__
INPUT_CLASSES: Final = (
    "input",
    "cache_read",
    "cache_write_5m",
    "cache_write_1h",
    "input_audio",
    "input_image",
)
OUTPUT_CLASSES: Final = ("output", "reasoning", "output_audio")

NOTHING: Final = Quantities()


def tokens_in(used: Quantities) -> int:
    """Return all input tokens, cached or not."""
    return (
        used.input
        + used.cache_read
        + used.cache_write_5m
        + used.cache_write_1h
        + used.input_audio
        + used.input_image
    )


def tokens_out(used: Quantities) -> int:
    """Return all output tokens, shown or not."""
    return used.output + used.reasoning + used.output_audio
