"""Errors are part of the API: each is mapped, documented and says what to do."""

import inspect
from collections.abc import Iterator

import pytest

from docs.generate import leaves
from tests.structure.source import ROOT
from troth.gateway.refuse import STATUSES
from troth.kernel import errors

INTERNAL = frozenset((errors.Misconfigured, errors.InvariantBroken))
ALL = tuple(dict.fromkeys(leaves(errors.TrothError)))


def nearest(kind: type[errors.TrothError]) -> type[errors.TrothError]:
    """Return the class whose status an error takes."""
    return next(above for above in kind.__mro__ if above in STATUSES)


def unmapped(kinds: tuple[type[errors.TrothError], ...]) -> list[str]:
    """List errors that a caller would get as an unexplained 500."""
    return [
        kind.__name__
        for kind in kinds
        if nearest(kind) is errors.TrothError and kind not in INTERNAL
    ]


def annotations_of(kind: type[errors.TrothError]) -> Iterator[str]:
    """Yield the types of what an error is made from."""
    for parameter in inspect.signature(kind.__init__).parameters.values():
        if parameter.name != "self" and parameter.kind is not parameter.VAR_KEYWORD:
            yield str(getattr(parameter.annotation, "__name__", parameter.annotation))


def test_every_error_has_a_status() -> None:
    assert unmapped(ALL) == []


def test_a_planted_error_without_a_status_is_found() -> None:
    planted = type("Planted", (errors.TrothError,), {"__module__": __name__})
    assert unmapped((planted,)) == ["Planted"]


def test_an_error_of_elsewhere_is_no_part_of_the_tree() -> None:
    planted = type("Planted", (errors.InvalidValue,), {"__module__": __name__})
    assert planted not in set(leaves(errors.TrothError))
    assert tuple(dict.fromkeys(leaves(errors.TrothError))) == ALL


def test_every_code_is_documented() -> None:
    page = (ROOT / "docs" / "reference" / "errors.md").read_text("utf-8")
    assert [kind.code for kind in ALL if f"| `{kind.code}` |" not in page] == []


@pytest.mark.parametrize("kind", ALL, ids=lambda kind: kind.__name__)
def test_an_error_speaks_in_whole_sentences(kind: type[errors.TrothError]) -> None:
    assert kind.code.replace("_", "").isalnum()
    assert kind.sentence[0].isupper()
    assert kind.sentence.endswith((".", "{}"))


@pytest.mark.parametrize("kind", ALL, ids=lambda kind: kind.__name__)
def test_an_error_is_made_from_scalars_only(kind: type[errors.TrothError]) -> None:
    assert set(annotations_of(kind)) <= {"str", "int", "bool", "str | None"}
