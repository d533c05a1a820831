"""Only the data plane is async: one color of function everywhere else."""

import ast

import pytest

from tests.structure.source import Module, imports, is_within, module_of, own_modules

ASYNC_PLACES = (
    "troth.wire",
    "troth.providers",
    "troth.gateway",
    "troth.server.gateway_process",
    "troth.server.link",
    "troth.server.purses",  # the link's wallet: waits for a lease
    "troth.server.money_line",  # and for money that running requests have
    "troth.server.names",  # asks the desk
    "troth.server.keeper",  # and for the journal's disk
    "troth.server.listener",
    "troth.server.control_port",  # health and metrics through the wire
)
LOOPS = ("asyncio", "uvloop", "anyio", "trio")
COLORED = (ast.AsyncFunctionDef, ast.AsyncFor, ast.AsyncWith, ast.Await)


def async_outside(module: Module) -> list[str]:
    if is_within(module.name, ASYNC_PLACES):
        return []
    spoken = [module.at(node) for node in ast.walk(module.tree) if isinstance(node, COLORED)]
    loops = [module.at(node) for node, name in imports(module) if is_within(name, LOOPS)]
    return spoken + loops


def test_async_stays_in_the_data_plane() -> None:
    assert [fault for module in own_modules() for fault in async_outside(module)] == []


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("async def f() -> None: ...", 1),
        ("async def f() -> None:\n    await g()", 2),
        ("import asyncio", 1),
        ("from asyncio import sleep", 1),
        ("import asyncio_like", 0),
    ],
)
def test_planted_async_is_found(text: str, count: int) -> None:
    assert len(async_outside(module_of(text, "troth.control.keys"))) == count
    assert async_outside(module_of(text, "troth.wire.pool")) == []
