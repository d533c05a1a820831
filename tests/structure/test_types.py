"""What is kept, logged or sent between processes has no room for content."""

import ast
from collections.abc import Iterator

import pytest

from tests.structure.source import ROOT, Module, is_within, module_of, own_modules

CONTENT_PLANES = ("troth.wire", "troth.providers", "troth.gateway", "troth.proof", "troth.kernel")
CLOSED_KINDS = frozenset(("Count", "Milliseconds", "Nusd", "Status", "Flag", "Ref", "int", "bool"))
KEPT_SCALARS = frozenset(("str", "int", "bool", "tuple", "Quantities", "Attempt"))
USAGE_RECORD = "troth.kernel.usage_record"


def named(annotation: ast.expr) -> set[str]:
    """Return the names that an annotation is made of."""
    return {node.id for node in ast.walk(annotation) if isinstance(node, ast.Name)}


def fields(node: ast.ClassDef) -> Iterator[tuple[str, set[str]]]:
    """Yield each field of a class with the names its type is made of."""
    for item in node.body:
        if isinstance(item, ast.AnnAssign) and isinstance(item.target, ast.Name):
            names = named(item.annotation)
            if "ClassVar" not in names and "Final" not in names:
                yield item.target.id, names


def classes(module: Module) -> Iterator[tuple[ast.ClassDef, set[str]]]:
    """Yield each class with the names of its bases."""
    for node in ast.walk(module.tree):
        if isinstance(node, ast.ClassDef):
            yield node, {ast.unparse(base).rpartition(".")[2] for base in node.bases}


def codes(modules: tuple[Module, ...]) -> frozenset[str]:
    """Return the names of all closed lists of codes."""
    return frozenset(
        node.name for module in modules for node, bases in classes(module) if "Code" in bases
    )


def open_events(module: Module, closed: frozenset[str]) -> list[str]:
    """List fields of log events whose type could hold a sentence."""
    return [
        f"{module.at(node)}: {node.name}.{name}"
        for node, bases in classes(module)
        if "Event" in bases and module.name != "troth.wire.events"
        for name, types in fields(node)
        if not types <= closed | CLOSED_KINDS
    ]


def content_fields(module: Module) -> list[str]:
    """List fields outside the content planes that hold content."""
    if is_within(module.name, CONTENT_PLANES):
        return []
    return [
        f"{module.at(node)}: {node.name}.{name}"
        for node, _ in classes(module)
        for name, types in fields(node)
        if "Content" in types
    ]


def test_no_log_event_has_room_for_a_sentence() -> None:
    closed = codes(own_modules())
    assert [fault for module in own_modules() for fault in open_events(module, closed)] == []


def test_no_type_outside_the_content_planes_holds_content() -> None:
    assert [fault for module in own_modules() for fault in content_fields(module)] == []


def test_the_usage_record_is_the_documented_closed_list() -> None:
    module = next(module for module in own_modules() if module.name == USAGE_RECORD)
    kept = next(node for node, _ in classes(module) if node.name == "UsageRecord")
    page = (ROOT / "docs" / "reference" / "usage-record.md").read_text("utf-8")
    written = {line.split("`")[1] for line in page.splitlines() if line.startswith("| `")}
    assert written == {name for name, _ in fields(kept)}


def test_the_usage_record_is_made_of_scalars_and_codes() -> None:
    module = next(module for module in own_modules() if module.name == USAGE_RECORD)
    allowed = KEPT_SCALARS | codes((module,))
    faults = [
        f"{node.name}.{name}"
        for node, bases in classes(module)
        if "Struct" in bases
        for name, types in fields(node)
        if not types <= allowed
    ]
    assert faults == []


@pytest.mark.parametrize(
    ("annotation", "count"),
    [("str", 1), ("bytes", 1), ("dict[str, Count]", 1), ("Count", 0), ("Reason", 0)],
)
def test_a_planted_open_event_is_found(annotation: str, count: int) -> None:
    planted = module_of(f"class Refused(Event, frozen=True):\n    why: {annotation}\n")
    assert len(open_events(planted, frozenset(("Reason",)))) == count


def test_a_planted_content_field_is_found() -> None:
    text = "class Row(Struct):\n    body: Content | None\n"
    assert len(content_fields(module_of(text, "troth.control.usage.model"))) == 1
    assert content_fields(module_of(text, "troth.gateway.exchange")) == []
