"""One word, one meaning: the glossary is the list, and the code keeps to it."""

import ast
import re
from collections.abc import Iterator

import pytest

from tests.structure.source import ROOT, Module, module_of, own_modules

GLOSSARY = ROOT / "docs" / "glossary.md"
_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")


def rows(text: str) -> list[list[str]]:
    """Return the cells of the table's rows, its head left out."""
    lines = [line for line in text.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def refused_words(text: str) -> frozenset[str]:
    """Return what the glossary refuses as an identifier."""
    return frozenset(word for row in rows(text) for word in re.findall(r"`(\w+)`", row[2]))


def defined(module: Module) -> Iterator[tuple[ast.AST, str]]:
    """Yield each name that a module gives to something, and its own."""
    yield module.tree, module.name.rpartition(".")[2]
    for node in ast.walk(module.tree):
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                yield node, node.name
            case ast.arg():
                yield node, node.arg
            case ast.Name(ctx=ast.Store()):
                yield node, node.id
            case ast.Attribute(ctx=ast.Store()):
                yield node, node.attr
            case ast.alias(asname=str() as name):
                yield node, name
            case _:
                pass


def singular(word: str) -> str:
    """Return a word without its plural's s; `holds` is the verb: a rule holds."""
    return word if word == "holds" else word.removesuffix("s")


def strange_words(module: Module, refused: frozenset[str]) -> list[str]:
    """List names of a module that hold a refused word; a legal hold is one word."""
    faults = []
    for node, name in defined(module):
        words = [word.lower() for word in _WORDS.findall(name)]
        plain = " ".join(words).replace("legal hold", "").split()
        meant = {singular(word) for word in plain} | set(plain)
        faults += [f"{module.at(node)}: {name}" for _ in meant & refused]
    return faults


def test_the_glossary_refuses_words() -> None:
    refused = refused_words(GLOSSARY.read_text(encoding="utf-8"))
    assert {"tenant", "payload", "worker", "hold"} <= refused


def test_every_row_of_the_glossary_is_whole() -> None:
    table = rows(GLOSSARY.read_text(encoding="utf-8"))
    assert [row for row in table if len(row) != 3 or not row[0] or not row[1]] == []


def test_no_word_stands_twice_in_the_glossary() -> None:
    words = [
        word.strip()
        for row in rows(GLOSSARY.read_text(encoding="utf-8"))
        for word in re.split("[;,]", row[0])
    ]
    assert {word for word in words if words.count(word) > 1} <= {"usage record"}


def test_the_code_keeps_to_the_glossary() -> None:
    refused = refused_words(GLOSSARY.read_text(encoding="utf-8"))
    faults = [fault for module in own_modules() for fault in strange_words(module, refused)]
    assert faults == []


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("tenant_id = 1", 1),
        ("class TeamRow: ...", 1),
        ("def f(payload): ...", 1),
        ("self.workers = 1", 1),
        ("import uvicorn as backend", 1),
        ("threshold = 1", 0),
        ("legal_hold = 1", 0),
        ("rule_holds = 1", 0),
        ("x.payload()", 0),
    ],
)
def test_a_planted_word_is_found(text: str, count: int) -> None:
    refused = frozenset(("tenant", "team", "payload", "worker", "backend", "hold"))
    assert len(strange_words(module_of(text), refused)) == count
