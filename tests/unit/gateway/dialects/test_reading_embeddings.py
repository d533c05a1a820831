import msgspec
import pytest

from troth.gateway.dialects import OPENAI_EMBEDDINGS
from troth.gateway.exchange import Ask
from troth.kernel.errors import BadRequest


def read(**fields: object) -> Ask:
    return OPENAI_EMBEDDINGS.read(msgspec.json.encode({"model": "m", **fields}))


def test_strings_and_token_lists_are_counted() -> None:
    assert read(input="abc").size.text_bytes == 3
    many = read(input=["é", "b"], dimensions=8, encoding_format="base64", user="u")
    assert (many.size.text_bytes, many.size.messages) == (3, 2)
    assert many.needs == {"dimensions"}
    assert "user" not in many.fields
    tokens = read(input=[1, 2, 3])
    assert (tokens.size.tokens, tokens.size.messages) == (3, 1)
    assert tokens.needs == {"token_arrays"}
    assert read(input=[[1], [2, 3]]).size.tokens == 3


@pytest.mark.parametrize(
    ("value", "param"),
    [
        (None, "input"),
        ("", "input"),
        ([], "input"),
        ({}, "input"),
        ([""], "input"),
        ([[]], "input[0]"),
        ([1, "a"], "input"),
        ([-1], "input"),
        (["a", 1], "input[1]"),
        (["a"] * 2049, "input"),
    ],
)
def test_wrong_inputs_are_refused(value: object, param: str) -> None:
    with pytest.raises(BadRequest) as caught:
        read(input=value)
    assert caught.value.param == param
