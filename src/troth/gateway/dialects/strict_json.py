"""Strict JSON: one UTF-8 object, each key once, bounded depth and numbers; nothing behind it.

The usual body is already in the form that our own encoder writes, and proves everything by being
equal to it. Any other body pays for a second, linear look at what stands outside its strings.
No error keeps the body: decoder errors are replaced, never chained.
"""

from itertools import accumulate
from typing import Final

import msgspec

from troth.gateway.dialects.known_fields import ALL
from troth.gateway.exchange import Fields, Json
from troth.kernel.errors import MalformedBody

MAX_DEPTH: Final = 128
MAX_DIGITS: Final = 32
MAX_STRINGS: Final = 500_000

_SMALL: Final = 4_096
_LARGE_FIELDS: Final = frozenset({"input", "messages", "system"})
_TOO_DEEP: Final = "The body is nested deeper than 128 levels."
_DIGITS: Final = bytes.maketrans(b"0123456789+-.eE", b"0" * 15)
_LONG_NUMBER: Final = b"0" * (MAX_DIGITS + 1)
_NOT_BRACKETS: Final = bytes(set(range(256)) - set(b"[]{}"))
_STEP: Final = {ord("["): 1, ord("{"): 1, ord("]"): -1, ord("}"): -1}

encode: Final = msgspec.json.Encoder().encode
_decode: Final = msgspec.json.Decoder().decode
_KEYS: Final = {name: encode(name) + b":" for name in ALL}


def read_object(body: bytes) -> tuple[Fields, dict[str, bytes]]:
    """Return the object and each of its fields as our encoder writes it.

    Of a large body the depth of `messages`, `system` and `input` is left to their readers, which
    look at every container in them anyway: counting brackets in 64 kB of text costs more than that.

    Raises:
        MalformedBody: not one strict JSON object.
    """
    is_small = len(body) <= _SMALL
    if is_small:
        _check_brackets(body, MAX_DEPTH)
    fields = _object_of(body)
    pieces = {name: encode(value) for name, value in fields.items()}
    if not is_small:
        for name, piece in pieces.items():
            if name not in _LARGE_FIELDS:
                _check_brackets(piece, MAX_DEPTH - 1)
    if _joined(pieces) != body:
        _check_foreign(body, fields)
    return fields, pieces


def check_depth(value: Json, left: int = MAX_DEPTH - 1) -> None:
    """Refuse a value below the top level that is nested too deep.

    Raises:
        MalformedBody: its containers reach more than 128 levels, the body's own included.
    """
    if left < 0:
        raise MalformedBody(None, _TOO_DEEP)
    inner = value.values() if type(value) is dict else value if type(value) is list else ()
    for item in inner:
        if type(item) is dict or type(item) is list:
            check_depth(item, left - 1)


def check_numbers(piece: bytes) -> None:
    """Refuse a number of more than 32 digits in a serialized value.

    Raises:
        MalformedBody: there is one.
    """
    if _LONG_NUMBER in piece.translate(_DIGITS):
        _check_long_numbers(_outside_strings(piece))


def _object_of(body: bytes) -> Fields:
    try:
        fields: Json = _decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, ValueError):
        fields = None
    if type(fields) is not dict:
        raise MalformedBody
    return fields


def _joined(pieces: dict[str, bytes]) -> bytes:
    parts = [(_KEYS.get(name) or encode(name) + b":") + piece for name, piece in pieces.items()]
    return b"{" + b",".join(parts) + b"}"


def _check_foreign(body: bytes, fields: Fields) -> None:
    """Refuse doubled keys and long numbers in a body that parsed but is not in our form."""
    outside = _outside_strings(body)
    _check_long_numbers(outside)
    if outside.count(b":") != _outside_strings(encode(fields)).count(b":"):
        raise MalformedBody(None, "The body names a key twice.")


def _outside_strings(text: bytes) -> bytes:
    """Return what stands outside the strings, each string's place left as one `"`.

    Of text that is not JSON the result is arbitrary; the decoder refuses such text.
    """
    if b"\\" in text:
        text = text.replace(b"\\\\", b"").replace(b'\\"', b"")
    if text.count(b'"') > 2 * MAX_STRINGS:
        raise MalformedBody(None, "The body holds too many strings.")
    return b'"'.join(text.split(b'"')[::2])


def _check_brackets(text: bytes, most: int) -> None:
    """Refuse text whose brackets nest too deep; what has few brackets needs no closer look."""
    if text.count(b"[") + text.count(b"{") <= most:
        return
    brackets = _outside_strings(text).translate(None, _NOT_BRACKETS)
    if max(accumulate(map(_STEP.__getitem__, brackets)), default=0) > most:
        raise MalformedBody(None, _TOO_DEEP)


def _check_long_numbers(outside: bytes) -> None:
    if _LONG_NUMBER in outside.translate(_DIGITS):
        raise MalformedBody(None, "The body holds a number of more than 32 digits.")
