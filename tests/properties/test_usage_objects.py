"""Usage objects that nobody should send: whatever stands in them, counts stay counts.

A stream tells the same as a whole answer, no class falls below nothing, a side is the upstream's
own total or unknown, and what is unknown of one side leaves the other as it was told.
"""

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from troth.kernel.quantities import InputOnly, OutputOnly, Quantities, tokens_in, tokens_out
from troth.providers.counting import (
    MOST,
    AnthropicUsage,
    anthropic_merged,
    anthropic_quantities,
    begun,
    of_anthropic,
    openai_quantities,
)

COUNT = st.one_of(
    st.integers(0, 5_000),
    st.integers(-5, 5),
    st.sampled_from([MOST, MOST + 1, 10**18, 10**30, -(10**30)]),
    st.none(),
    st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from(["7", "", True, [], {}, [1], {"a": 1}]),
)


def parts(*names: str) -> st.SearchStrategy[object]:
    known = st.dictionaries(st.sampled_from([*names, "other"]), COUNT, max_size=4)
    return st.one_of(known, known, COUNT)


OPENAI = st.fixed_dictionaries(
    {},
    optional={
        "prompt_tokens": COUNT,
        "completion_tokens": COUNT,
        "total_tokens": COUNT,
        "cached_tokens": COUNT,
        "prompt_cache_hit_tokens": COUNT,
        "prompt_tokens_details": parts("cached_tokens", "audio_tokens", "cache_write_tokens"),
        "completion_tokens_details": parts("reasoning_tokens", "audio_tokens"),
        "cost": COUNT,
    },
)
ANTHROPIC = st.fixed_dictionaries(
    {},
    optional={
        "input_tokens": COUNT,
        "output_tokens": COUNT,
        "cache_creation_input_tokens": COUNT,
        "cache_read_input_tokens": COUNT,
        "cache_creation": parts("ephemeral_5m_input_tokens", "ephemeral_1h_input_tokens"),
        "output_tokens_details": parts("thinking_tokens"),
        "server_tool_use": parts("web_search_requests"),
    },
)
Usage = dict[str, object]


def streamed(first: Usage, last: Usage) -> Quantities | None:
    """Return what a stream of these two events comes to."""
    known = begun(anthropic_merged(AnthropicUsage(), msgspec.json.encode(first)))
    return of_anthropic(anthropic_merged(known, msgspec.json.encode(last)))


def check(found: Quantities | None, read: object, made: object) -> None:
    """Hold a vector to the totals it was told with; `read` is None where it has no total."""
    if found is None:
        return
    assert min(msgspec.structs.astuple(found)) >= 0
    if isinstance(found, OutputOnly):
        assert tokens_in(found) == 0
    elif read is not None:
        assert tokens_in(found) == read
    if isinstance(found, InputOnly):
        assert tokens_out(found) == 0
    else:
        assert tokens_out(found) == made


@given(OPENAI, st.booleans())
def test_openai_s_sides_are_its_totals_or_unknown(usage: Usage, inside: bool) -> None:  # noqa: FBT001
    found = openai_quantities(msgspec.json.encode(usage), reasoning_inside=inside)
    if not inside and found is not None and found.reasoning:
        return  # beside the completion count, which has no total for both
    check(found, usage.get("prompt_tokens"), usage.get("completion_tokens"))


@given(ANTHROPIC)
def test_anthropic_s_sides_are_its_totals_or_unknown(usage: Usage) -> None:
    found = anthropic_quantities(msgspec.json.encode(usage))
    check(found, None, usage.get("output_tokens"))
    if found is not None and not isinstance(found, OutputOnly):
        assert found.input == usage["input_tokens"]


@given(ANTHROPIC)
def test_a_stream_that_says_twice_what_a_whole_message_says_tells_the_same(usage: Usage) -> None:
    whole = anthropic_quantities(msgspec.json.encode(usage))
    assert streamed(usage, usage) == whole
    assert streamed({}, usage) == whole


@given(OPENAI, OPENAI)
def test_what_stands_on_one_side_changes_nothing_on_the_other(one: Usage, other: Usage) -> None:
    """The output of an object is the same beside any input."""
    outputs = []
    for beside in (one, other):
        mixed = {name: each for name, each in beside.items() if not name.startswith("completion")}
        mixed |= {name: each for name, each in one.items() if name.startswith("completion")}
        found = openai_quantities(msgspec.json.encode(mixed), reasoning_inside=True)
        is_told = found is not None and not isinstance(found, InputOnly)
        outputs.append((found.output, found.reasoning) if found is not None and is_told else None)
    assert outputs[0] == outputs[1]
