"""Clients that need an environment of their own: run there, as programs, over HTTP."""

import subprocess
from pathlib import Path

import pytest

from tests.journeys.serving import House, Key

ROOT = Path(__file__).resolve().parents[2]
SCRIPTS = Path(__file__).with_name("clients")


ENVIRONMENTS = {"older.py": "clients-old", "built_upon.py": "clients"}


@pytest.mark.parametrize("script", ENVIRONMENTS)
def test_a_client_works_unmodified(house: House, key: Key, tmp_path: Path, script: str) -> None:
    environment = ENVIRONMENTS[script]
    python = ROOT / ".venvs" / environment / "bin" / "python"
    if not python.exists():
        pytest.skip(f"'make test' installs {environment}")
    empty = house.key(credit_usd="0")
    command = [str(python), str(SCRIPTS / script), house.address, key.text, empty.text]
    run = subprocess.run(
        command,
        cwd=tmp_path,
        env={"HOME": str(tmp_path), "NO_PROXY": "*"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert run.returncode == 0, run.stderr[-3_000:]
    assert run.stdout.endswith("fine\n")
