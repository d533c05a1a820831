"""The planes that touch content have no way to a file, and content is opened in few places."""

import ast

import pytest

from tests.structure.source import Module, functions, is_within, module_of, own_modules

CONTENT_PLANES = ("troth.wire", "troth.providers", "troth.routing", "troth.gateway")
JOURNAL = frozenset(("troth.ledger.shard.journal", "troth.ledger.shard.replay"))
CONTENT_OPENED = frozenset(
    (
        "troth.gateway.receive.receive",
        "troth.gateway.receive.digest_of",  # of what its caller named, to a hash in memory
        "troth.server.webhooks.submit",  # a notice
    )
)
SECRETS_REVEALED = frozenset(
    (
        "troth.control.keys.issue",
        "troth.control.keys.rows",
        "troth.providers.request",
        "troth.server.alert_terms",
        "troth.server.assemble",
        "troth.server.database",
        "troth.server.link",
        "troth.server.management.accounts",
        "troth.server.payment_settings",
    )
)
WRITERS = frozenset(
    (
        "write_text",
        "write_bytes",
        "read_text",
        "read_bytes",
        "touch",
        "mkdir",
        "mkfifo",
        "mknod",
        "memfd_create",
        "sendfile",
        "fdopen",
    )
)
FILE_MODULES = frozenset(("os", "io", "codecs", "gzip", "mmap"))
SYSCALLS = frozenset(("open", "write", "pwrite", "mmap"))


def _is_file_call(node: ast.Call) -> bool:
    target = node.func
    if isinstance(target, ast.Name):
        return target.id in {"open", "print"}
    if not isinstance(target, ast.Attribute):
        return False
    if target.attr in WRITERS:
        return True
    of_module = isinstance(target.value, ast.Name) and target.value.id in FILE_MODULES
    return of_module and target.attr in SYSCALLS


def file_calls(module: Module) -> list[str]:
    """List calls that open, write or print, in a place that may not."""
    is_shard = is_within(module.name, ("troth.ledger.shard",)) and module.name not in JOURNAL
    if not is_shard and not is_within(module.name, CONTENT_PLANES):
        return []
    calls = [node for node in ast.walk(module.tree) if isinstance(node, ast.Call)]
    return [module.at(node) for node in calls if _is_file_call(node)]


def openings(module: Module, verb: str) -> list[str]:
    """List the functions of a module that call `.verb()` without arguments on a value."""
    found = []
    for outer in functions(module):
        for node in ast.walk(outer):
            if not isinstance(node, ast.Call) or node.args or node.keywords:
                continue
            if isinstance(node.func, ast.Attribute) and node.func.attr == verb:
                found.append(f"{module.name}.{outer.name}")
    return found


def test_the_content_planes_reach_no_file() -> None:
    assert [fault for module in own_modules() for fault in file_calls(module)] == []


def test_content_is_opened_where_it_is_listed() -> None:
    found = {place for module in own_modules() for place in openings(module, "open")}
    assert found == CONTENT_OPENED


def test_secrets_are_revealed_where_it_is_listed() -> None:
    found = {module.name for module in own_modules() if openings(module, "reveal")}
    assert found == SECRETS_REVEALED


def test_a_planted_opening_is_found() -> None:
    planted = module_of("def peek(body):\n    return body.open()\n", "troth.gateway.relay")
    assert openings(planted, "open") == ["troth.gateway.relay.peek"]


@pytest.mark.parametrize(
    "text",
    [
        "f = open('x')",
        "import os\nos.open('x', 0)",
        "p.write_bytes(b'')",
        "print('x')",
        "import mmap\nmmap.mmap(-1, 1)",
    ],
)
def test_a_planted_file_is_found(text: str) -> None:
    assert len(file_calls(module_of(text, "troth.gateway.relay"))) == 1
    assert len(file_calls(module_of(text, "troth.ledger.shard.shard"))) == 1
    assert file_calls(module_of(text, "troth.ledger.shard.journal")) == []
