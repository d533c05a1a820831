"""The money core stays small enough to be read whole."""

import ast
import io
import tokenize

import pytest

from tests.structure.source import Module, module_of, own_modules

LINES = 2_000
_SILENT = frozenset(
    (
        tokenize.COMMENT,
        tokenize.DEDENT,
        tokenize.ENDMARKER,
        tokenize.INDENT,
        tokenize.NEWLINE,
        tokenize.NL,
    )
)


def code_lines(module: Module) -> int:
    """Count the lines that are neither blank nor comment nor a string standing alone."""
    lines: set[int] = set()
    for token in tokenize.generate_tokens(io.StringIO(module.text).readline):
        if token.type not in _SILENT:
            lines.update(range(token.start[0], token.end[0] + 1))
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            lines.difference_update(range(node.lineno, (node.end_lineno or node.lineno) + 1))
    return len(lines)


def test_the_ledger_is_small() -> None:
    counted = {
        module.path: code_lines(module)
        for module in own_modules()
        if module.name.startswith("troth.ledger")
    }
    assert len(counted) > 20
    assert sum(counted.values()) <= LINES, counted


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("x = 1\n", 1),
        ('"""Says what it is."""\n\n\ndef f() -> int:\n    """And this."""\n    return 1\n', 2),
        ("x = [\n    1,  # one\n    # two\n    2,\n]\n", 4),
        ('x = """a\nb\n"""\n', 3),
    ],
)
def test_lines_of_code_are_counted(text: str, count: int) -> None:
    assert code_lines(module_of(text)) == count
