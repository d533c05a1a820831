"""Nothing that is kept names a machine, a registry or work left undone."""

import re

import pytest

from tests.structure.source import ROOT, tracked_files

REGISTRIES = (
    r"py" + r"pi\.org",
    r"python" + r"hosted\.org",
    r"registry\.npm" + r"js\.org",
    r"crates" + r"\.io",
    r"proxy\.go" + r"lang\.org",
    r"deb\.deb" + r"ian\.org",
    r"repo[0-9]*\.mav" + r"en\.",
)
MACHINE_PATHS = (
    r"(?<![\w.])/wo" + r"rk/",
    r"(?<![\w.])/ro" + r"ot/",
    r"(?<![\w.])/tm" + r"p/\w",
    r"(?<![\w.])/ho" + r"me/\w",
    r"(?<![\w.])/Us" + r"ers/\w",
)
UNFINISHED = (r"\bFIX" + r"ME\b", r"\bXX" + r"X\b", r"<<<" + r"<<<< ")
SECRETS = (r"-----BEGIN [A-Z ]*PRIV" + r"ATE KEY-----",)
REFUSED = re.compile("|".join(REGISTRIES + MACHINE_PATHS + UNFINISHED + SECRETS))
FOREIGN = frozenset(("LICENSE",))


def stains(path: str, text: str) -> list[str]:
    """List the lines of a text that name what no kept file may name."""
    lines = enumerate(text.splitlines(), 1)
    return [f"{path}:{number}" for number, line in lines if REFUSED.search(line)]


def test_no_kept_file_names_a_machine_a_registry_or_undone_work() -> None:
    texts = {
        path: (ROOT / path).read_text(encoding="utf-8", errors="replace")
        for path in tracked_files()
        if path not in FOREIGN
    }
    assert [stain for path, text in texts.items() for stain in stains(path, text)] == []


def test_no_kept_file_is_larger_than_a_megabyte() -> None:
    sizes = {path: (ROOT / path).stat().st_size for path in tracked_files()}
    assert {path: size for path, size in sizes.items() if size > 1_000_000} == {}


@pytest.mark.parametrize(
    "line",
    [
        "see https://py" + "pi.org/simple",
        "cd /wo" + "rk/main",
        "open('/tm" + "p/x')",
        "# FIX" + "ME",
        "/ho" + "me/someone/x",
    ],
)
def test_a_planted_stain_is_found(line: str) -> None:
    assert stains("planted", f"clean\n{line}\n") == ["planted:2"]


@pytest.mark.parametrize("line", ["src/troth/ro" + "ot/x", "/proc/self/status", "run/control.sock"])
def test_a_clean_line_is_let_through(line: str) -> None:
    assert stains("planted", line) == []
