"""A function fits a screen, a file a sitting, and its name says what it does."""

import ast
import re
from collections.abc import Callable
from graphlib import CycleError, TopologicalSorter

import pytest

from tests.structure.source import (
    Module,
    functions,
    module_of,
    own_imports,
    own_modules,
    suite_modules,
)

Rule = Callable[[Module], list[str]]

FUNCTION_LINES = 60
FILE_LINES = 400
TEST_FILE_LINES = 500
FAN_OUT = 12
WIRING = frozenset(  # where planes meet: each calls the others and does nothing else
    (
        "troth.gateway.pipeline",
        "troth.server.assemble",
        "troth.server.control_process",
        "troth.server.desk",
        "troth.server.gateway_process",
    )
)
REFUSED_NAMES = frozenset(("utils", "helpers", "common", "misc", "manager", "base", "data", "info"))
UNFINISHED = re.compile(r"\b(?:FIX" + "ME|TO" + r"DO|XX" + r"X)\b")


def long_functions(module: Module) -> list[str]:
    return [
        f"{module.at(node)}: {node.name} has {lines} lines"
        for node in functions(module)
        if (lines := (node.end_lineno or node.lineno) - node.lineno + 1) > FUNCTION_LINES
    ]


def long_files(module: Module) -> list[str]:
    most = TEST_FILE_LINES if module.path.startswith("tests/") else FILE_LINES
    lines = module.text.count("\n")
    return [f"{module.path}: {lines} lines"] if lines > most else []


def refused_names(module: Module) -> list[str]:
    parts = set(module.name.split("."))
    return [f"{module.path}: {name}" for name in sorted(parts & REFUSED_NAMES)]


def globals_used(module: Module) -> list[str]:
    return [module.at(node) for node in ast.walk(module.tree) if isinstance(node, ast.Global)]


def hidden_imports(module: Module) -> list[str]:
    if module.name.startswith("troth.cli"):
        return []
    return [
        module.at(inner)
        for function in functions(module)
        for inner in ast.walk(function)
        if isinstance(inner, ast.Import | ast.ImportFrom)
    ]


def unfinished(module: Module) -> list[str]:
    lines = enumerate(module.text.splitlines(), 1)
    return [f"{module.path}:{number}" for number, line in lines if UNFINISHED.search(line)]


def undescribed(module: Module) -> list[str]:
    is_test = module.path.startswith("tests/")  # its name and its tests' names are sentences
    return [] if is_test or ast.get_docstring(module.tree) else [module.path]


def wide_fans(modules: tuple[Module, ...]) -> list[str]:
    known = frozenset(module.name for module in modules)
    return [
        f"{module.path}: imports {len(fan)} modules of ours"
        for module in modules
        if module.name not in WIRING and len(fan := own_imports(module, known)) > FAN_OUT
    ]


def circles(modules: tuple[Module, ...]) -> list[str]:
    known = frozenset(module.name for module in modules)
    graph = {module.name: own_imports(module, known) for module in modules}
    try:
        tuple(TopologicalSorter(graph).static_order())
    except CycleError as error:
        return [str(name) for name in error.args[1]]
    return []


RULES: tuple[Rule, ...] = (
    long_functions,
    long_files,
    refused_names,
    globals_used,
    hidden_imports,
    unfinished,
    undescribed,
)


@pytest.mark.parametrize("rule", RULES)
def test_every_file_keeps_its_shape(rule: Rule) -> None:
    assert [fault for module in own_modules() + suite_modules() for fault in rule(module)] == []


def test_no_file_knows_more_than_twelve_others() -> None:
    assert wide_fans(own_modules()) == []


def test_no_imports_run_in_a_circle() -> None:
    assert circles(own_modules()) == []


PLANTED: tuple[tuple[Rule, Module], ...] = (
    (long_functions, module_of("def f():\n" + "    x = 1\n" * FUNCTION_LINES)),
    (long_files, module_of("x = 1\n" * (FILE_LINES + 1))),
    (refused_names, module_of("", "troth.wire.utils")),
    (globals_used, module_of("def f():\n    global x\n    x = 1\n")),
    (hidden_imports, module_of("def f():\n    import ssl\n")),
    (unfinished, module_of("x = 1  # FIX" + "ME later\n")),
    (undescribed, module_of("x = 1\n")),
)


@pytest.mark.parametrize(("rule", "planted"), PLANTED, ids=[rule.__name__ for rule in RULES])
def test_a_planted_fault_of_shape_is_found(rule: Rule, planted: Module) -> None:
    assert len(rule(planted)) == 1


def test_a_planted_fan_and_a_planted_circle_are_found() -> None:
    wide = [module_of("", f"troth.kernel.m{number}") for number in range(FAN_OUT + 1)]
    hub = module_of("\n".join(f"import {module.name}" for module in wide), "troth.kernel.hub")
    assert len(wide_fans((*wide, hub))) == 1

    left = module_of("from troth.kernel import right", "troth.kernel.left")
    right = module_of("from troth.kernel.left import x", "troth.kernel.right")
    assert set(circles((left, right))) == {"troth.kernel.left", "troth.kernel.right"}
