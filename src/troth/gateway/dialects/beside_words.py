"""What an upstream tells beside its words, as the published document has it or not at all.

Upstreams add fields here and leave others out; clients that read strictly would fail at either.
"""

import msgspec

_KEYS = frozenset({"content", "refusal"})


class _Token(msgspec.Struct):
    token: str
    logprob: float
    bytes: list[int] | None = None


class _Ranked(_Token):
    top_logprobs: list[_Token] = []


class Logprobs(msgspec.Struct):
    """How likely the tokens of a choice were."""

    content: list[_Ranked] | None = None
    refusal: list[_Ranked] | None = None


class _Place(msgspec.Struct):
    start_index: int
    end_index: int
    url: str
    title: str


class Annotation(msgspec.Struct, tag_field="type", tag="url_citation"):
    """Where on the web something was found."""

    url_citation: _Place


def logprobs_of(value: object) -> Logprobs | None:
    """Return log probabilities with every field that belongs to them."""
    if type(value) is not dict or value.keys().isdisjoint(_KEYS):
        return None
    try:
        return msgspec.convert(value, Logprobs)
    except msgspec.ValidationError:
        return None


def annotations_of(value: object) -> list[Annotation] | None:
    """Return annotations of the published kind."""
    try:
        return msgspec.convert(value, list[Annotation])
    except msgspec.ValidationError:
        return None
