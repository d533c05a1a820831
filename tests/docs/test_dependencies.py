"""A direct dependency is written down with its reason, and installed from a hashed list."""

import re
import tomllib

import pytest

from tests.structure.source import ROOT

REQUIREMENTS = ROOT / "requirements"
MOST = 25


def names(requirements: list[str]) -> set[str]:
    """Return the bare names of requirements."""
    return {re.split(r"[\[<>=;]", item)[0].strip().lower() for item in requirements}


def project() -> dict[str, list[str]]:
    """Return the requirements of the project by extra; the empty name is the project itself."""
    table = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    return {"": table["dependencies"], **table["optional-dependencies"]}


def pinned(path: str) -> set[str]:
    """Return the names that a hashed list pins."""
    lines = (REQUIREMENTS / path).read_text("utf-8").splitlines()
    return names([line for line in lines if re.match(r"[a-z0-9]", line)])


def test_every_direct_dependency_is_written_down() -> None:
    page = (ROOT / "docs/decisions/0006-dependencies.md").read_text("utf-8")
    rows = {line.split("|")[1].strip() for line in page.splitlines() if line.startswith("|")}
    assert names(project()[""]) - rows == set()
    for extra in set(project()) - {""}:
        for name in names(project()[extra]):
            assert re.search(rf"^\| {extra} \| {name}\b", page, re.MULTILINE), name


def test_there_are_few_direct_dependencies() -> None:
    assert len(project()[""]) <= MOST


@pytest.mark.parametrize(
    ("extra", "path"),
    [
        ("", "run.txt"),
        ("demo", "demo.txt"),
        ("pdf", "pdf.txt"),
        ("postgres", "postgres.txt"),
        ("stripe", "stripe.txt"),
        ("vat", "vat.txt"),
        ("", "dev.txt"),
    ],
)
def test_the_lists_hold_what_the_project_needs(extra: str, path: str) -> None:
    assert names(project()[extra]) - pinned(path) == set()


@pytest.mark.parametrize("path", sorted(file.name for file in REQUIREMENTS.glob("*.txt")))
def test_every_pinned_package_has_a_hash(path: str) -> None:
    text = (REQUIREMENTS / path).read_text("utf-8").replace("\\\n", " ")
    entries = [line for line in text.splitlines() if re.match(r"[a-z0-9]", line)]
    assert entries
    assert [entry.split()[0] for entry in entries if "--hash=sha256:" not in entry] == []
    assert [line for line in text.splitlines() if line.startswith("-")] == []


@pytest.mark.parametrize(
    "path", ["run.txt", "demo.txt", "pdf.txt", "postgres.txt", "stripe.txt", "vat.txt"]
)
def test_every_list_is_a_part_of_the_developers_list(path: str) -> None:
    whole = (REQUIREMENTS / "dev.txt").read_text("utf-8")
    part = (REQUIREMENTS / path).read_text("utf-8")
    versions = {line.split(" \\")[0] for line in part.splitlines() if "==" in line}
    assert {line for line in versions if line not in whole} == set()
