"""Each plane stands on those below it, and the contracts that say so can fail."""

import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.structure.source import ROOT, SRC

CONTRACTS = frozenset(
    (
        "planes",
        "content-has-no-store",
        "gateway-process-has-no-database",
        "ledger-knows-money-only",
        "control-slices",
        "edge-commits",
        "no-cycles",
    )
)


def contracts() -> dict[str, dict[str, object]]:
    document = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    return {item["id"]: item for item in document["tool"]["importlinter"]["contracts"]}


def lint(tree: Path) -> subprocess.CompletedProcess[str]:
    """Run the contracts over a tree that holds `src` and `pyproject.toml`."""
    command = [str(Path(sys.executable).parent / "lint-imports"), "--no-cache"]
    environment = {"PYTHONPATH": str(tree / "src"), "PATH": os.defpath, "COLUMNS": "200"}
    return subprocess.run(
        command, cwd=tree, env=environment, capture_output=True, text=True, check=False
    )


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(SRC / "troth", tmp_path / "src" / "troth", ignore=ignored)
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def test_every_contract_stands() -> None:
    assert set(contracts()) >= CONTRACTS


def test_no_contract_has_an_exception() -> None:
    assert [name for name, contract in contracts().items() if "ignore_imports" in contract] == []


def test_every_contract_is_kept(copied: Path) -> None:
    result = lint(copied)
    assert result.returncode == 0, result.stdout


PLANTED = {
    "the database in the wire": ("wire/planted.py", "import sqlite3"),
    "a spool in the gateway": ("gateway/planted.py", "import tempfile"),
    "the store in a stage": ("gateway/planted.py", "from troth import store"),
    "a hidden import": ("wire/planted.py", "def f():\n    import subprocess"),
    "a look up": ("kernel/planted.py", "from troth import server"),
    "a model in the ledger": ("ledger/planted.py", "from troth import catalog"),
    "the books in a shard": ("ledger/shard/planted.py", "from troth.ledger import books"),
    "the desk in the link": ("server/link.py", "from troth.server import desk"),
    "a slice looking up": ("control/accounts/planted.py", "from troth.control import keys"),
    "an engine in a slice": ("control/keys/planted.py", "from troth.store import engine"),
    "a circle": ("kernel/clock.py", "from troth.kernel import ids"),
    "a folder without a place": ("extras/__init__.py", "x = 1"),
}


@pytest.mark.parametrize(("path", "text"), PLANTED.values(), ids=PLANTED)
def test_a_planted_import_breaks_a_contract(copied: Path, path: str, text: str) -> None:
    planted = copied / "src" / "troth" / path
    planted.parent.mkdir(exist_ok=True)
    planted.write_text(f'"""Planted."""\n\n{text}\n', encoding="utf-8")
    result = lint(copied)
    assert result.returncode == 1
    assert "BROKEN" in result.stdout or "not exhaustive" in result.stdout, result.stdout
