"""What is written by `make docs` is what the code says now, and help is there at once."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from docs.generate import PAGES, REFERENCE
from tests.structure.source import ROOT
from troth.cli.main import COMMANDS

TROTH = Path(sys.executable).parent / "troth"
COMMAND = re.compile(r"^(?:\$ )?(?:\.venv/bin/)?troth ([a-z]+)", re.MULTILINE)
BLOCK = re.compile(r"```sh\n(.*?)```", re.DOTALL)
SPOKEN = re.compile(r"`troth ([a-z]+)[^`]*`")


@pytest.mark.parametrize("name", PAGES)
def test_a_generated_page_is_current(name: str) -> None:
    assert (REFERENCE / name).read_text("utf-8") == PAGES[name](), "run 'make docs'"


def test_every_command_that_a_page_names_exists() -> None:
    named = set()
    for page in [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]:
        text = page.read_text("utf-8")
        named |= set(SPOKEN.findall(text))
        named |= {name for block in BLOCK.findall(text) for name in COMMAND.findall(block)}
    assert named
    assert named - set(COMMANDS) == set()


def test_help_imports_nothing_heavy() -> None:
    probe = "import sys, troth.cli.main; print(*sorted(sys.modules), sep='\\n')"
    run = subprocess.run(
        [sys.executable, "-c", probe],
        env={"PATH": os.defpath},
        capture_output=True,
        text=True,
        check=True,
    )
    heavy = {"rich", "fastapi", "pydantic", "uvloop", "sqlite3", "asyncio", "msgspec", "ssl"}
    assert set(run.stdout.split()) & heavy == set()


def test_help_lists_every_command() -> None:
    run = subprocess.run([TROTH, "--help"], capture_output=True, text=True, check=True)
    assert [name for name in COMMANDS if f"  {name} " not in run.stdout] == []
