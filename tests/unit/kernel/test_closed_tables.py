"""Closed tables: TOML to structs, and where in the text a fault stands."""

import msgspec
import pytest

from troth.kernel.closed_tables import (
    Path,
    dotted,
    into,
    known_keys,
    line_of,
    node_at,
    parse,
)
from troth.kernel.errors import Misconfigured
from troth.kernel.secret import Secret


class Inner(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    count: int
    word: str = ""
    secret: Secret = Secret("")
    more: dict[str, int] = {}


class Outer(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    named: dict[str, Inner] = {}
    listed: tuple[Inner, ...] = ()
    either: Inner | None = None


TEXT = """
[named."a.b"]
count = 1

[named.c]
count = 2   # two
word = 'x'

[[listed]]
count = 3
[[listed]]
count = 4
"""


def read(text: str) -> Outer:
    def where(path: Path) -> str:
        return f"file:{line_of(text, path)}"

    return into(Outer, parse("file", text), where)


def test_a_whole_text_is_read() -> None:
    outer = read(TEXT)
    assert outer.named["a.b"].count == 1
    assert [inner.count for inner in outer.listed] == [3, 4]


@pytest.mark.parametrize(
    ("path", "line"),
    [
        (("named", "a.b", "count"), 3),
        (("named", "c", "word"), 7),
        (("named", "c", "nothing"), 5),
        (("listed", "1", "count"), 12),
        (("elsewhere",), 0),
    ],
)
def test_a_path_has_a_line(path: Path, line: int) -> None:
    assert line_of(TEXT, path) == line


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("count = 1", "cuont = 1", "file:3: unknown key 'named.\"a.b\".cuont'. Did you mean"),
        ("count = 1", "", "file:2: 'named.\"a.b\".count' is missing. Add it."),
        ("count = 2", "count = 'two'", "file:6: 'named.c.count': expected `int`, got `str`."),
        ("count = 4", "count = 4.5", "file:12: 'listed.1.count': expected `int`, got `float`."),
        ("word = 'x'", "secret = 5", "file:7: 'named.c.secret': expected a string."),
        ("word = 'x'", "zzzzzz = 5", "file:7: unknown key 'named.c.zzzzzz'. Remove it."),
        ("count = 4", "count = 4\nmore = { a = 1, b = 'x' }", "file:13: 'listed.1.more.b': exp"),
        ("[named.c]", "[named.c", "file: not valid TOML"),
    ],
)
def test_a_fault_names_its_line(old: str, new: str, said: str) -> None:
    with pytest.raises(Misconfigured) as caught:
        read(TEXT.replace(old, new))
    assert said in caught.value.problem


def test_a_fault_in_a_table_that_may_be_absent_is_named() -> None:
    with pytest.raises(Misconfigured, match=r"file:3: unknown key 'either\.wrod'. Did you mean"):
        read("[either]\ncount = 1\nwrod = ''\n")


def test_a_place_has_a_type() -> None:
    assert known_keys(Outer, ("either",)) == ["count", "word", "secret", "more"]
    assert known_keys(Outer, ("listed", "0", "more")) == []
    assert isinstance(node_at(Outer, ("either", "count")), msgspec.inspect.IntType)
    assert node_at(Outer, ("either", "count", "no")) is None


def test_a_text_stands_for_a_number_only_where_it_may() -> None:
    table = parse("file", 'named = { a = { count = "7" } }')
    assert into(Outer, table, dotted, strict=False).named["a"].count == 7
    with pytest.raises(Misconfigured):
        into(Outer, table, dotted)


def test_a_secret_is_never_repeated_in_a_fault() -> None:
    with pytest.raises(Misconfigured) as caught:
        read('[named.a]\ncount = "swordfish"\nsecret = "swordfish"\n')
    assert "swordfish" not in caught.value.problem
