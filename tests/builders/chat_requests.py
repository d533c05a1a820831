"""Plain chat requests: bytes of one, values of any, and how they are read field by field."""

from hypothesis import strategies as st

from troth.gateway.dialects import openai_chat
from troth.gateway.exchange import Ask

TURN = b'{"role":"user","content":"hi"}'


def body(*fields: bytes, turns: bytes = TURN) -> bytes:
    """Return a request with more fields, or other turns."""
    return b"{" + b",".join((b'"model":"m"', b'"messages":[' + turns + b"]", *fields)) + b"}"


def long_way(text: bytes) -> Ask:
    """Read a request as if it were not plain: an unknown field makes sure of that."""
    asked = openai_chat.read(text[:-1] + b',"no_such_field":1}')
    assert asked.plain is None
    asked.unknown_count -= 1
    return asked


numbers = st.one_of(st.integers(0, 1), st.floats(0, 1, allow_nan=False))
texts = st.text(st.characters(codec="utf-8"), max_size=20)
plain_requests = st.fixed_dictionaries(
    {
        "model": st.just("m"),
        "messages": st.lists(
            st.fixed_dictionaries(
                {"role": st.sampled_from(("system", "user", "assistant")), "content": texts}
            ),
            min_size=1,
            max_size=4,
        ),
    },
    optional={
        "stream": st.booleans(),
        "stream_options": st.fixed_dictionaries({"include_usage": st.booleans()}),
        "max_tokens": st.integers(1, 10_000),
        "max_completion_tokens": st.integers(1, 10_000),
        "temperature": numbers,
        "top_p": numbers,
        "stop": st.one_of(texts, st.lists(texts, max_size=4)),
        "seed": st.integers(-(2**63), 2**63 - 1),
        "frequency_penalty": numbers,
        "presence_penalty": numbers,
    },
)
