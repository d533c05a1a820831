"""A slice of the control plane is entered by its front door; the ledger has two."""

import pytest

from tests.structure.source import Module, imports, is_within, module_of, own_modules

LEDGER_DOORS = ("troth.ledger.shard", "troth.ledger.books")
SILLS = frozenset(  # what passes through a door, for both sides
    ("troth.ledger.shard.messages", "troth.control.billing.ports")
)


def _house(name: str) -> str:
    """Return the package whose inside a name belongs to, or nothing."""
    parts = name.split(".")
    inside = len(parts) > 3 and parts[0] == "troth" and parts[1] in {"control", "ledger"}
    return ".".join(parts[:3]) if inside else ""


def back_doors(module: Module, known: frozenset[str]) -> list[str]:
    """List imports of a module inside a slice from outside of it."""
    faults = []
    for node, name in imports(module):
        target = name if name in known else name.rpartition(".")[0]
        house = _house(target)
        insiders = "troth.ledger" if house.startswith("troth.ledger") else house
        if house and target in known - SILLS and not is_within(module.name, (insiders,)):
            faults.append(f"{module.at(node)}: {target} is behind {house}")
    return faults


def strange_doors(module: Module) -> list[str]:
    """List imports of the ledger that enter by neither of its doors."""
    if module.name.startswith("troth.ledger"):
        return []
    return [
        f"{module.at(node)}: {name}"
        for node, name in imports(module)
        if name.startswith("troth.ledger") and not name.startswith(LEDGER_DOORS)
    ]


def test_slices_are_entered_by_their_front_door() -> None:
    known = frozenset(module.name for module in own_modules())
    assert [fault for module in own_modules() for fault in back_doors(module, known)] == []


def test_the_ledger_has_two_doors() -> None:
    assert [fault for module in own_modules() for fault in strange_doors(module)] == []


KNOWN = frozenset(
    (
        "troth.control.keys",
        "troth.control.keys.repository",
        "troth.ledger.shard",
        "troth.ledger.shard.journal",
        "troth.ledger.shard.messages",
    )
)


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("from troth.control import keys", 0),
        ("from troth.control.keys import issue", 0),
        ("from troth.control.keys import repository", 1),
        ("from troth.control.keys.repository import find", 1),
        ("import troth.control.keys.repository", 1),
        ("from troth.ledger.shard.journal import Journal", 1),
        ("from troth.ledger.shard import Journal", 0),
        ("from troth.ledger.shard.messages import LeaseAsk", 0),
    ],
)
def test_a_planted_back_door_is_found(text: str, count: int) -> None:
    assert len(back_doors(module_of(text, "troth.server.desk"), KNOWN)) == count


def test_a_slice_may_read_its_own_rooms() -> None:
    inside = module_of("from troth.control.keys import repository", "troth.control.keys.service")
    assert back_doors(inside, KNOWN) == []


def test_the_books_may_read_what_a_shard_wrote() -> None:
    books = module_of(
        "from troth.ledger.shard.journal import Journal", "troth.ledger.books.posting"
    )
    assert back_doors(books, KNOWN) == []


def test_a_planted_third_door_of_the_ledger_is_found() -> None:
    assert len(strange_doors(module_of("from troth import ledger\nimport troth.ledger.shard"))) == 1
