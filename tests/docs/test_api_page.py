"""The API page lists every path and every header of ours that the gateway knows."""

import re

import pytest

from tests.structure.source import ROOT, own_modules
from troth.gateway.endpoints.table import find
from troth.kernel.errors import TrothError

PAGE = (ROOT / "docs" / "reference" / "api.md").read_text("utf-8")
ROUTES = re.findall(r"^\| (GET|POST) \| `([^`]+)` \|", PAGE, re.MULTILINE)
HEADER = re.compile(r'b"(x-(?:troth|ratelimit|should)-[a-z-]+)"')
READ_ONLY = frozenset(("x-troth-metadata", "x-troth-route", "x-troth-upstream-key"))


def sent_headers() -> set[str]:
    """Return the headers of ours that the gateway's source names."""
    texts = [module.text for module in own_modules() if module.name.startswith("troth.gateway")]
    return {name for text in texts for name in HEADER.findall(text)} - READ_ONLY


def documented(name: str) -> bool:
    stem, _, last = name.rpartition("-")
    if name.startswith("x-ratelimit-"):
        return f"-{stem.rpartition('-')[2]}-" in PAGE and last in PAGE
    return f"`{name}`" in PAGE


@pytest.mark.parametrize(("method", "path"), ROUTES)
def test_a_documented_path_is_served(method: str, path: str) -> None:
    found = find(method, path.replace("{id}", "x"), is_anthropic=False)
    assert not isinstance(found, TrothError)


def test_every_served_path_is_documented() -> None:
    table = next(m for m in own_modules() if m.name == "troth.gateway.endpoints.table")
    paths = set(re.findall(r'"(/v1/[a-z/]+[a-z]|/[a-z]+z)"', table.text))
    assert paths
    assert paths - {path for _, path in ROUTES} == set()


def test_every_header_of_ours_is_documented() -> None:
    assert sent_headers()
    assert {name for name in sent_headers() if not documented(name)} == set()
