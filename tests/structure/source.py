"""The tree as the structure tests read it: syntax trees, never imports."""

import ast
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import msgspec

ROOT = Path(__file__).resolve().parents[2]
SRC = ROOT / "src"


class Module(msgspec.Struct, frozen=True):
    """One file of Python: its dotted name, its path from the root, its text, its tree."""

    name: str
    path: str
    text: str
    tree: ast.Module

    def at(self, node: ast.AST) -> str:
        """Return `path:line` of a node of this module."""
        return f"{self.path}:{getattr(node, 'lineno', 1)}"


def module_of(text: str, name: str = "troth.kernel.planted") -> Module:
    """Return a module that stands nowhere: the planted fault of a checker's own test."""
    return Module(name, "src/" + name.replace(".", "/") + ".py", text, ast.parse(text))


def _read(path: Path, base: Path) -> Module:
    text = path.read_text(encoding="utf-8")
    parts = path.relative_to(base).with_suffix("").parts
    name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
    return Module(name, str(path.relative_to(ROOT)), text, ast.parse(text))


@cache
def own_modules() -> tuple[Module, ...]:
    """Return every module of `src/troth`, by name."""
    paths = sorted((SRC / "troth").rglob("*.py"))
    return tuple(_read(path, SRC) for path in paths)


@cache
def suite_modules() -> tuple[Module, ...]:
    """Return every module of `tests`."""
    return tuple(_read(path, ROOT) for path in sorted((ROOT / "tests").rglob("*.py")))


@cache
def tracked_files() -> tuple[str, ...]:
    """Return the paths of all files that are kept, or are about to be."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listing = subprocess.run(command, cwd=ROOT, capture_output=True, check=True)
    names = sorted(set(listing.stdout.decode().split("\0")) - {""})
    return tuple(name for name in names if (ROOT / name).is_file())


def is_within(name: str, places: Iterator[str] | frozenset[str] | tuple[str, ...]) -> bool:
    """Tell whether a dotted name is one of the places or lies beneath one."""
    return any(name == place or name.startswith(place + ".") for place in places)


def imports(module: Module) -> Iterator[tuple[ast.stmt, str]]:
    """Yield each imported dotted name with its statement; `from a import b` yields `a.b`."""
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node, alias.name
        elif isinstance(node, ast.ImportFrom):
            for alias in node.names:
                yield node, f"{node.module}.{alias.name}"


def own_imports(module: Module, known: frozenset[str]) -> set[str]:
    """Return the modules of ours that a module imports, itself left out."""
    found = set()
    for _, name in imports(module):
        if is_within(name, ("troth",)):
            found.add(name if name in known else name.rpartition(".")[0])
    return found - {module.name}


def functions(module: Module) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    """Yield every function, methods and inner ones too."""
    for node in ast.walk(module.tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node
