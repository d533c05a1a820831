"""Content and secrets refuse every way out but the one that is named."""

import copy
from collections.abc import Callable

import msgspec
import pytest

from troth.kernel.content import Content
from troth.kernel.refusing import Refusing, Unprintable
from troth.kernel.secret import Secret

CLOSED = [Content([b"a prompt"]), Secret("a key")]
WAYS_OUT: list[Callable[[Refusing], object]] = [
    repr,
    str,
    lambda value: f"{value}",
    lambda value: f"{value!r:>5}",
    lambda value: value.__bytes__(),
    lambda value: [*value],
    lambda value: value == value,  # noqa: PLR0124
    hash,
    copy.copy,
    copy.deepcopy,
    lambda value: value.__reduce_ex__(4),
    lambda value: value.__getstate__(),
]


@pytest.mark.parametrize("value", CLOSED, ids=["content", "secret"])
@pytest.mark.parametrize("way", WAYS_OUT, ids=map(str, range(len(WAYS_OUT))))
def test_a_closed_value_refuses_to_be_shown_compared_copied_or_kept(
    value: Refusing, way: Callable[[Refusing], object]
) -> None:
    with pytest.raises(Unprintable):
        way(value)


@pytest.mark.parametrize("value", CLOSED, ids=["content", "secret"])
def test_a_closed_value_cannot_be_serialized(value: Refusing) -> None:
    with pytest.raises(TypeError):
        msgspec.json.encode(value)
    with pytest.raises(TypeError):
        msgspec.msgpack.encode(value)


def test_content_joins_its_parts_when_it_is_opened() -> None:
    assert Content([b"one ", b"two"]).open() == b"one two"
    assert Content([b"one"]).open() == b"one"
    assert Content([]).open() == b""
    assert Content([b"one ", b"two"]).size == 7


def test_released_content_is_gone_and_not_empty() -> None:
    content = Content([b"one"])
    content.release()
    with pytest.raises(AttributeError, match="_parts"):
        content.open()


def test_a_secret_is_revealed_by_name_only() -> None:
    assert Secret("a key").reveal() == "a key"
    assert Secret("").is_empty
    assert not Secret("a key").is_empty
