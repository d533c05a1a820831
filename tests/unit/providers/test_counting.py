import msgspec
import pytest

from troth.kernel.quantities import (
    InputOnly,
    OutputOnly,
    Quantities,
    Uneven,
    joined,
    tokens_in,
    tokens_out,
)
from troth.providers.counting import (
    AnthropicUsage,
    anthropic_merged,
    anthropic_quantities,
    embeddings_quantities,
    openai_quantities,
)


def openai(*, inside: bool = True, **usage: object) -> Quantities | None:
    return openai_quantities(msgspec.json.encode(usage), reasoning_inside=inside)


def test_openai_s_prompt_count_includes_what_the_cache_served() -> None:
    used = openai(
        prompt_tokens=100,
        completion_tokens=50,
        prompt_tokens_details={"cached_tokens": 60, "audio_tokens": 5, "cache_write_tokens": 10},
        completion_tokens_details={"reasoning_tokens": 20, "audio_tokens": 3},
    )
    assert used == Quantities(
        input=25,
        cache_read=60,
        cache_write_5m=10,
        input_audio=5,
        output=27,
        reasoning=20,
        output_audio=3,
    )
    assert tokens_in(used) == 100
    assert tokens_out(used) == 50


def test_reasoning_may_stand_outside_the_completion_count() -> None:
    details = {"reasoning_tokens": 20}
    used = openai(
        inside=False, prompt_tokens=1, completion_tokens=5, completion_tokens_details=details
    )
    assert used == Quantities(input=1, output=5, reasoning=20)


def test_parts_never_exceed_their_whole_nor_fall_below_nothing() -> None:
    used = openai(
        prompt_tokens=10,
        completion_tokens=5,
        prompt_tokens_details={"cached_tokens": 99, "audio_tokens": -4},
        completion_tokens_details={"reasoning_tokens": 99},
    )
    assert isinstance(used, Uneven)
    assert joined(used, used) == Quantities(cache_read=10, reasoning=5)


def test_anthropic_s_input_count_excludes_the_cache() -> None:
    usage = {
        "input_tokens": 10,
        "output_tokens": 9,
        "cache_read_input_tokens": 100,
        "cache_creation_input_tokens": 30,
        "cache_creation": {"ephemeral_5m_input_tokens": 10, "ephemeral_1h_input_tokens": 20},
        "output_tokens_details": {"thinking_tokens": 4},
    }
    assert anthropic_quantities(msgspec.json.encode(usage)) == Quantities(
        input=10, cache_read=100, cache_write_5m=10, cache_write_1h=20, output=5, reasoning=4
    )
    assert anthropic_quantities(b'{"input_tokens":1,"output_tokens":2}') == Quantities(1, output=2)


@pytest.mark.parametrize(
    "usage",
    [
        b"null",
        b"5",
        b"{}",
        b"{",
        b'{"prompt_tokens":1,',
        b'{"prompt_tokens":-1,"completion_tokens":-1,"input_tokens":-1,"output_tokens":-1}',
        b'{"prompt_tokens":0.5,"completion_tokens":1e18,"input_tokens":0.5,"output_tokens":1e18}',
        b'{"prompt_tokens":"1","completion_tokens":[],"input_tokens":"1","output_tokens":{}}',
        b'{"prompt_tokens":2147483648,"input_tokens":100000000000000000000000}',
    ],
)
def test_what_is_not_believable_is_unknown(usage: bytes) -> None:
    assert openai_quantities(usage, reasoning_inside=True) is None
    assert anthropic_quantities(usage) is None


NONSENSE = [b"-1", b'"1"', b"null", b"0.5", b"1e18", b"true", b"[]", b"1" + b"0" * 30]


@pytest.mark.parametrize("nonsense", NONSENSE)
def test_a_total_that_is_not_believable_leaves_the_other_side_as_it_was_told(
    nonsense: bytes,
) -> None:
    """Where one side of a usage object is absurd, the other side's classes are still charged."""
    prompt = b'{"prompt_tokens":9,"prompt_tokens_details":{"cached_tokens":4},'
    one = prompt + b'"completion_tokens":%b}' % nonsense
    assert openai_quantities(one, reasoning_inside=True) == InputOnly(input=5, cache_read=4)
    made = b'"completion_tokens":7,"completion_tokens_details":{"reasoning_tokens":3}}'
    other = b'{"prompt_tokens":%b,' % nonsense + made
    assert openai_quantities(other, reasoning_inside=True) == OutputOnly(output=4, reasoning=3)
    given = b'{"input_tokens":9,"cache_read_input_tokens":4,"output_tokens":%b}' % nonsense
    assert anthropic_quantities(given) == InputOnly(input=9, cache_read=4)
    made = b'"output_tokens":7,"output_tokens_details":{"thinking_tokens":3}}'
    assert anthropic_quantities(b'{"input_tokens":%b,' % nonsense + made) == OutputOnly(
        output=4, reasoning=3
    )


@pytest.mark.parametrize(
    "details", [b"[]", b"7", b'{"cached_tokens":"4"}', b'{"cached_tokens":.5}']
)
def test_parts_that_cannot_be_read_make_their_side_unknown_and_no_other(details: bytes) -> None:
    usage = b'{"prompt_tokens":9,"prompt_tokens_details":%b,"completion_tokens":7}' % details
    found = openai_quantities(usage, reasoning_inside=True)
    assert found == (None if details.endswith(b".5}") else OutputOnly(output=7))


def test_what_is_no_count_of_ours_is_passed_over() -> None:
    usage = b'{"prompt_tokens":9,"completion_tokens":7,"total_tokens":"many","cost":-0.5}'
    assert openai_quantities(usage, reasoning_inside=True) == Quantities(9, output=7)


@pytest.mark.parametrize("name", ["prompt_cache_hit_tokens", "cached_tokens"])
def test_what_the_cache_served_has_several_names(name: str) -> None:
    """Some OpenAI-style upstreams tell of their cache beside the details, or there and in them."""
    expected = Quantities(input=40, cache_read=60, output=5)
    for details in (None, {}, {"cached_tokens": 0}, {"cached_tokens": 60}):
        usage = {"prompt_tokens": 100, "completion_tokens": 5, name: 60}
        told = msgspec.json.encode({**usage, "prompt_tokens_details": details})
        assert openai_quantities(told, reasoning_inside=True) == expected


def test_embeddings_have_input_only() -> None:
    assert embeddings_quantities(b'{"prompt_tokens":4,"total_tokens":4}') == Quantities(4)
    assert embeddings_quantities(b'{"prompt_tokens":-4}') is None
    assert embeddings_quantities(b"[]") is None


def test_a_stream_s_later_counts_replace_the_earlier() -> None:
    known = anthropic_merged(AnthropicUsage(), b'{"input_tokens":5,"output_tokens":1}')
    known = anthropic_merged(known, b'{"input_tokens":0,"output_tokens":9}')
    assert (known.input_tokens, known.output_tokens) == (5, 9)
    assert anthropic_merged(AnthropicUsage(), b'{"output_tokens":0}').output_tokens == 0
    assert anthropic_merged(known, b"{}") is known
    assert anthropic_merged(known, b'{"output_tokens":"9"}').output_tokens is None


def test_details_of_one_side_leave_the_other_whole() -> None:
    used = openai(prompt_tokens=5, completion_tokens=2, prompt_tokens_details={"cached_tokens": 1})
    assert used == Quantities(input=4, cache_read=1, output=2)


@pytest.mark.parametrize(
    ("prompt", "completion"),
    [
        ({"cached_tokens": 11}, {}),
        ({"cached_tokens": -1}, {}),
        ({"cached_tokens": 6, "audio_tokens": 5}, {}),
        ({"cached_tokens": 6, "cache_write_tokens": 5}, {}),
        ({}, {"reasoning_tokens": 6}),
        ({}, {"audio_tokens": -2}),
        ({}, {"audio_tokens": 3, "reasoning_tokens": 3}),
    ],
)
def test_openai_s_parts_that_do_not_fit_are_cut_and_told(
    prompt: dict[str, int], completion: dict[str, int]
) -> None:
    used = openai(
        prompt_tokens=10,
        completion_tokens=5,
        prompt_tokens_details=prompt,
        completion_tokens_details=completion,
    )
    assert isinstance(used, Uneven)
    assert (tokens_in(used), tokens_out(used)) == (10, 5)
    assert min(msgspec.structs.astuple(used)) >= 0


@pytest.mark.parametrize(
    "told",
    [
        {"cache_read_input_tokens": -1},
        {"cache_creation_input_tokens": -1},
        {"output_tokens_details": {"thinking_tokens": 6}},
        {"cache_creation_input_tokens": 9, "cache_creation": {"ephemeral_5m_input_tokens": 8}},
        {
            "cache_creation_input_tokens": 9,
            "cache_creation": {"ephemeral_5m_input_tokens": 1, "ephemeral_1h_input_tokens": 9},
        },
    ],
)
def test_anthropic_s_parts_that_do_not_fit_are_cut_and_told(told: dict[str, object]) -> None:
    used = anthropic_quantities(
        msgspec.json.encode({"input_tokens": 10, "output_tokens": 5, **told})
    )
    assert isinstance(used, Uneven)
    assert tokens_out(used) == 5
    assert tokens_in(used) == 10 + max(0, used.cache_write_5m + used.cache_write_1h)
    assert min(msgspec.structs.astuple(used)) >= 0


@pytest.mark.parametrize(
    "told",
    [
        {"cache_creation_input_tokens": 9, "cache_creation": {"ephemeral_5m_input_tokens": 9}},
        {"cache_creation_input_tokens": 9, "cache_creation": {"ephemeral_5m_input_tokens": 0}},
        {"cache_creation": {"ephemeral_1h_input_tokens": 4}},
        {"cache_read_input_tokens": 400, "output_tokens_details": {"thinking_tokens": 5}},
    ],
)
def test_parts_that_fit_are_no_anomaly(told: dict[str, object]) -> None:
    used = anthropic_quantities(
        msgspec.json.encode({"input_tokens": 10, "output_tokens": 5, **told})
    )
    assert type(used) is Quantities
