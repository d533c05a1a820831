import pytest

from troth.gateway.dialects.strict_json import check_depth, check_numbers, encode, read_object
from troth.kernel.errors import MalformedBody


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b'"a"',
        b"null",
        b"{",
        b"{}x",
        b"{}{}",
        b"\xef\xbb\xbf{}",
        '{"a":1}'.encode("utf-16"),
        b'{"a":NaN}',
        b'{"a":Infinity}',
        b'{"a":-Infinity}',
        b'{"a":1e400}',
        b'{"a":"\xff"}',
        b'{"a":"\xed\xa0\x80"}',
        b'{"a":"\\ud800"}',
        b'{"\\udfff":1}',
        b'{"a":"\x01"}',
        b'{"a":01}',
        b"{'a':1}",
        b'{"a":1,}',
        b'{"a":1,"a":1}',
        b'{"a": {"b": 1, "b": 2}}',
        b'{"a":{"b":1,"\\u0062":2}}',
        b'{"a":[{"b":[{"c":1,"d":2,"c":3}]}]}',
        b'{"a":1,"\\u0061":2}',
        b'{"a": ' + b"1" * 33 + b"}",
        b'{"a": 0.' + b"1" * 40 + b"}",
        b'{"a":' + b"[" * 128 + b"]" * 128 + b"}",
        b"[" * 5_000,
        b'{"a":' * 2_000,
        b'{"a": [' + b'"",' * 600_000 + b'""]}',
    ],
)
def test_what_is_no_strict_object_is_refused_without_its_text(body: bytes) -> None:
    with pytest.raises(MalformedBody) as caught:
        read_object(body)
    error = caught.value
    assert error.__cause__ is None
    assert error.__context__ is None
    assert error.args == ("invalid_json",)


@pytest.mark.parametrize(
    "body",
    [
        b"{}",
        b'{"a":1}',
        b' { "a" : [ 1.50 , 2E3, true , null ] } \r\n',
        b'{"a":"\\u0041\\/\\"\\\\\\\\\\"","b":"{\\":\\"}"}',
        b'{"a":"\\ud83d\\ude00"}',
        b'{"a": {"b": 1}, "b": {"b": 1}}',
        b'{"a":' + b"[" * 127 + b"]" * 127 + b"}",
        b'{"a":"' + b"[{" * 500 + b'"}',
        b'{"a": "' + b"1" * 100 + b'"}',
        b'{"a":"\\u0000\x7f data: [DONE]"}',
    ],
)
def test_strict_objects_are_read_and_written_anew(body: bytes) -> None:
    fields, pieces = read_object(body)
    assert {name: encode(value) for name, value in fields.items()} == pieces
    assert read_object(encode(fields))[0] == fields


def test_numbers_of_33_digits_are_refused_in_our_own_form_too() -> None:
    check_numbers(b'{"a":"' + b"1" * 50 + b'"}')
    check_numbers(b'{"a":' + b"1" * 32 + b"}")
    with pytest.raises(MalformedBody):
        check_numbers(b'{"a":' + b"1" * 33 + b"}")


def nested(levels: int) -> bytes:
    return b"[" * levels + b"]" * levels


@pytest.mark.parametrize("filling", [b"", b" " * 5_000])
def test_depth_is_bounded_in_small_and_large_bodies(filling: bytes) -> None:
    read_object(b'{"tools":' + filling + nested(127) + b"}")
    with pytest.raises(MalformedBody):
        read_object(b'{"tools":' + filling + nested(128) + b"}")


def test_depth_of_a_value_counts_its_containers() -> None:
    check_depth(read_object(b'{"input":' + nested(127) + b"}")[0]["input"], 126)
    deep = read_object(b'{"input":' + nested(127) + b',"x":"' + b" " * 5_000 + b'"}')[0]
    with pytest.raises(MalformedBody):
        check_depth(deep["input"], 125)
    with pytest.raises(MalformedBody):
        check_depth({"a": {"b": [1, "[", {}]}}, 2)
