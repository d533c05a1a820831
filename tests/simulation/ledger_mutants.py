"""Small faults planted in the ledger's own source, one at a time, and whether its tests notice.

Run as `python -m tests.simulation.ledger_mutants COVERAGE.json COUNT SEED`: it draws COUNT faults
of all that can be planted, runs the tests that reach the line of each in a process of its own, and
prints one JSON object. It must not import the ledger itself: each child does, with its fault.
"""

import ast
import os
import random  # noqa: TID251 - seeded: which faults
import resource
import signal
import sys
from collections.abc import Iterator, Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import spec_from_loader
from pathlib import Path
from types import ModuleType

import hypothesis  # noqa: F401 - loaded once, before the children are forked
import msgspec
import psycopg  # noqa: F401
import pytest
from typing_extensions import override

ROOT = Path(__file__).parents[2]
LEDGER = "src/troth/ledger"
CPU_SECONDS = 30
WALL_SECONDS = 300
COMPARISONS: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq, ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.In: ast.NotIn, ast.NotIn: ast.In,
}  # fmt: skip
OPERATIONS: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.FloorDiv, ast.FloorDiv: ast.Mult,
    ast.Mod: ast.FloorDiv,
}  # fmt: skip
WORDS = {"min": "max", "max": "min", "any": "all", "all": "any"}
SQL = (
    (" + ", " - "), (" - ", " + "), (" <> ", " = "), (" < ", " <= "), (" > ", " >= "),
    (" <= ", " < "), (" >= ", " > "), (" AND ", " OR "), (" DESC", " ASC"),
)  # fmt: skip
_PRELOADED = "ignore::pytest.PytestAssertRewriteWarning"
SQL_WORDS = ("SELECT ", "UPDATE ", "INSERT ", "DELETE ", " WHERE ", " AND ", "ORDER BY")


class Mutant(msgspec.Struct, frozen=True):
    """A fault: the n-th that can be planted in a file, on which line, and what it does."""

    file: str
    number: int
    line: int
    change: str


class Outcome(msgspec.Struct, frozen=True):
    """How many faults there are, were planted and were noticed.

    Those that were not, in words, and those whose tests never ended, which are noticed by that.
    """

    known: int
    planted: int
    noticed: int
    endless: list[str]
    survivors: list[str]


class Planter(ast.NodeTransformer):
    """Counts the faults of a file, and plants the one whose number is wanted.

    Faults lie in functions and in SQL. A constant beside them is a setting, such as how long a
    segment is: a test of its value would only repeat it. Nor is planted what leaves everything as
    it was: None in place of False (True in its place is another fault), and the `strict` of `zip`,
    which looks for lengths that differ where they cannot.
    """

    def __init__(self, wanted: int = -1) -> None:
        self.wanted = wanted
        self.found: list[tuple[int, str]] = []
        self.line = 0
        self.depth = 0

    def plants(self, change: str) -> bool:
        """Note a place; tell whether to change it."""
        self.found.append((self.line, change))
        return len(self.found) - 1 == self.wanted

    @override
    def visit(self, node: ast.AST) -> ast.AST:
        """Remember the statement: coverage counts by its first line."""
        if isinstance(node, ast.stmt):
            self.line = node.lineno
        found: ast.AST = super().visit(node)
        return found

    @override
    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        self.depth += 1
        self.generic_visit(node)
        self.depth -= 1
        return node

    @override
    def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:
        keywords, node.keywords = node.keywords, []  # `frozen` and the like are no code
        self.generic_visit(node)
        node.keywords = keywords
        return node

    @override
    def visit_Expr(self, node: ast.Expr) -> ast.AST:
        return node if isinstance(node.value, ast.Constant) else self.generic_visit(node)

    @override
    def visit_Assert(self, node: ast.Assert) -> ast.AST:
        return node  # for the type checker; `invariant` is what counts

    @override
    def visit_Compare(self, node: ast.Compare) -> ast.AST:
        for index, kind in enumerate(node.ops):
            other = COMPARISONS[type(kind)]
            if self.plants(f"{type(kind).__name__} to {other.__name__}"):
                node.ops[index] = other()
        return self.generic_visit(node)

    @override
    def visit_BinOp(self, node: ast.BinOp) -> ast.AST:
        other = OPERATIONS.get(type(node.op)) if self.depth else None
        if other and self.plants(f"{type(node.op).__name__} to {other.__name__}"):
            node.op = other()
        return self.generic_visit(node)

    @override
    def visit_AugAssign(self, node: ast.AugAssign) -> ast.AST:
        other = OPERATIONS.get(type(node.op))
        if other and self.plants(f"{type(node.op).__name__} to {other.__name__} in place"):
            node.op = other()
        return self.generic_visit(node)

    @override
    def visit_BoolOp(self, node: ast.BoolOp) -> ast.AST:
        if self.plants("and to or, or to and"):
            node.op = ast.Or() if isinstance(node.op, ast.And) else ast.And()
        return self.generic_visit(node)

    @override
    def visit_UnaryOp(self, node: ast.UnaryOp) -> ast.AST:
        if isinstance(node.op, ast.Not | ast.USub) and self.plants("without its sign"):
            return self.generic_visit(node.operand)
        return self.generic_visit(node)

    @override
    def visit_Return(self, node: ast.Return) -> ast.AST:
        is_bare = node.value is None or (
            isinstance(node.value, ast.Constant)
            and (node.value.value is None or node.value.value is False)
        )
        if not is_bare and self.plants("return None"):
            node.value = ast.Constant(None)
            return node
        return self.generic_visit(node)

    @override
    def visit_keyword(self, node: ast.keyword) -> ast.AST:
        return node if node.arg == "strict" else self.generic_visit(node)

    @override
    def visit_Call(self, node: ast.Call) -> ast.AST:
        if isinstance(node.func, ast.Name):
            other = WORDS.get(node.func.id)
            if other and self.plants(f"{node.func.id} to {other}"):
                node.func.id = other
        return self.generic_visit(node)

    @override
    def visit_Constant(self, node: ast.Constant) -> ast.AST:
        for change, value in _changes(node.value):
            is_code = self.depth > 0 or isinstance(value, str)
            if is_code and self.plants(change):
                return ast.copy_location(ast.Constant(value), node)
        return node


def _changes(value: object) -> Iterator[tuple[str, bool | int | str]]:
    """Yield what else a constant could be."""
    if isinstance(value, bool):
        yield f"{value} to {not value}", not value
    elif isinstance(value, int):
        yield f"{value} to {value + 1}", value + 1
    elif isinstance(value, str) and any(word in value for word in SQL_WORDS):
        for old, new in SQL:
            for at in _places(value, old):
                changed = value[:at] + new + value[at + len(old) :]
                yield f"{old.strip()} to {new.strip()} in SQL at {at}", changed


def _places(text: str, part: str) -> Iterator[int]:
    at = text.find(part)
    while at >= 0:
        yield at
        at = text.find(part, at + 1)


def mutants(file: Path) -> list[Mutant]:
    """Return all faults that can be planted in a file."""
    planter = Planter()
    planter.visit(ast.parse(file.read_text("utf-8")))
    path = str(file.relative_to(ROOT))
    return [Mutant(path, n, line, change) for n, (line, change) in enumerate(planter.found)]


class Changed(Loader, MetaPathFinder):
    """Gives one module with a fault in it; all others come from where they always do."""

    def __init__(self, mutant: Mutant) -> None:
        self.path = ROOT / mutant.file
        self.name = mutant.file.removeprefix("src/").removesuffix(".py").replace("/", ".")
        self.mutant = mutant

    @override
    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        return spec_from_loader(name, self, origin=str(self.path)) if name == self.name else None

    @override
    def exec_module(self, module: ModuleType) -> None:
        tree = ast.parse(self.path.read_text("utf-8"))
        Planter(self.mutant.number).visit(tree)
        exec(compile(ast.fix_missing_locations(tree), self.path, "exec"), module.__dict__)  # noqa: S102


class Region(msgspec.Struct):
    """What coverage says of a file: each line's tests."""

    contexts: dict[str, list[str]]


class Covered(msgspec.Struct):
    """What coverage wrote, as far as it is read here."""

    files: dict[str, Region]


def nodes(tests: Sequence[str]) -> list[str]:
    """Return the tests of coverage's contexts as pytest names them, the quickest files first."""
    known = []
    for test in tests:
        module, _, function = test.rpartition(".")
        if function.startswith("test_"):
            known.append(f"{module.replace('.', '/')}.py::{function}")
    return sorted(known, key=lambda node: (not node.startswith("tests/unit"), node))


def is_noticed(mutant: Mutant, tests: list[str]) -> int:
    """Run the tests that reach a fault in a child; return 1 for noticed, 2 when it never ended."""
    if not tests:
        return 0
    child = os.fork()
    if child:
        status = os.waitpid(child, 0)[1]
        if os.WIFSIGNALED(status):
            return 2
        return int(os.WEXITSTATUS(status) != 0)
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS))
    signal.alarm(WALL_SECONDS)
    with Path(os.devnull).open("w") as nowhere:
        os.dup2(nowhere.fileno(), 1)
        os.dup2(nowhere.fileno(), 2)
    sys.meta_path.insert(0, Changed(mutant))
    options = ["-x", "-q", "-p", "no:cacheprovider", "-k", "not postgresql", "-W", _PRELOADED]
    code = 1
    try:
        code = int(pytest.main([*options, *tests]))
    finally:
        os._exit(0 if code == 0 else 1)


def measure(covered: Covered, count: int, seed: int) -> Outcome:
    """Plant `count` faults drawn by `seed` (all of them for 0), and count who is noticed."""
    every = [each for file in sorted((ROOT / LEDGER).rglob("*.py")) for each in mutants(file)]
    drawn = random.Random(seed).sample(every, count) if count else every  # noqa: S311
    sound = Mutant(drawn[0].file, -1, 0, "nothing")
    if is_noticed(sound, all_tests(covered.files[sound.file].contexts)):
        raise SystemExit("the tests fail without a fault")
    noticed = 0
    endless: list[str] = []
    survivors: list[str] = []
    for mutant in drawn:
        lines = covered.files[mutant.file].contexts if mutant.file in covered.files else {}
        found = is_noticed(mutant, nodes(lines.get(str(mutant.line), [])) or all_tests(lines))
        noticed += found > 0
        words = f"{mutant.file}:{mutant.line} {mutant.change}"
        if found == 2:
            endless.append(words)
        elif not found:
            survivors.append(words)
    return Outcome(len(every), len(drawn), noticed, endless, survivors)


def all_tests(lines: dict[str, list[str]]) -> list[str]:
    """Return every test that reaches a file: for lines that run when it is imported."""
    return nodes(sorted({test for tests in lines.values() for test in tests}))


if __name__ == "__main__":
    found = msgspec.json.decode(Path(sys.argv[1]).read_bytes(), type=Covered)
    result = measure(found, int(sys.argv[2]), int(sys.argv[3]))
    sys.stdout.buffer.write(msgspec.json.encode(result))
