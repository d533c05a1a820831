"""Every page's links lead somewhere, and the README promises only what is there."""

import re
from pathlib import Path
from urllib.parse import unquote

import pytest

from tests.structure.source import ROOT, tracked_files

LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
README_LINES = 120


def pages() -> list[str]:
    return [path for path in tracked_files() if path.endswith(".md")]


def anchors(text: str) -> set[str]:
    plain = [re.sub(r"[^\w\- ]", "", heading.lower()) for heading in HEADING.findall(text)]
    return {heading.strip().replace(" ", "-") for heading in plain}


def dead_links(page: Path, text: str) -> list[str]:
    """List links of a page that lead to no file, or to no heading of one."""
    dead = []
    for link in LINK.findall(text):
        target, _, anchor = unquote(link).partition("#")
        if target.startswith(("http://", "https://", "mailto:")):
            continue
        file = page.parent / target if target else page
        if not file.exists() or (anchor and anchor not in anchors(file.read_text("utf-8"))):
            dead.append(f"{page.name}: {link}")
    return dead


def make_targets(text: str) -> set[str]:
    return set(re.findall(r"^([a-z-]+):.*## ", text, re.MULTILINE))


@pytest.mark.parametrize("page", pages())
def test_every_link_of_a_page_leads_somewhere(page: str) -> None:
    path = ROOT / page
    assert dead_links(path, path.read_text("utf-8")) == []


def test_a_planted_dead_link_is_found(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("# One\n[a](#one) [b](#two) [c](page.md#one) [d](gone.md)", encoding="utf-8")
    found = dead_links(page, page.read_text("utf-8"))
    assert found == ["page.md: #two", "page.md: gone.md"]


def test_the_readme_fits_its_length() -> None:
    assert len((ROOT / "README.md").read_text("utf-8").splitlines()) <= README_LINES


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md", "docs/start.md"])
def test_every_make_command_of_a_page_is_a_target(page: str) -> None:
    named = set(
        re.findall(r"(?:^|`)make ([a-z-]+)", (ROOT / page).read_text("utf-8"), re.MULTILINE)
    )
    targets = make_targets((ROOT / "Makefile").read_text("utf-8"))
    assert named
    assert named - targets == set()


def test_the_listed_targets_are_there() -> None:
    targets = make_targets((ROOT / "Makefile").read_text("utf-8"))
    assert {"run", "demo", "test", "check", "bench", "bench-peers", "docs", "clean"} <= targets


def test_every_decision_is_listed_and_whole() -> None:
    folder = ROOT / "docs" / "decisions"
    listed = (folder / "README.md").read_text("utf-8")
    parts = ("## Context", "## Decision", "## Consequences", "## Alternatives", "## The check")
    for page in folder.glob("[0-9]*.md"):
        text = page.read_text("utf-8")
        assert page.name in listed
        assert [part for part in parts if part not in text] == []
        assert text.startswith(f"# {page.name[:4]}: ")


@pytest.mark.parametrize("page", [page for page in pages() if page.startswith("docs/")])
def test_every_file_that_a_page_names_is_there(page: str) -> None:
    text = (ROOT / page).read_text("utf-8")
    named = re.findall(r"`((?:tests|src|docs|bench|requirements)/[\w./-]+\w)`", text)
    assert [name for name in named if not (ROOT / name).exists()] == []
    within = re.findall(r"`((?:kernel|gateway|wire|server|catalog|ledger|store)/[\w/]+\.py)`", text)
    assert [name for name in within if not (ROOT / "src/troth" / name).exists()] == []
