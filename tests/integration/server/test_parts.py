"""Gateways and control apart: two supervisors over one folder are one installation."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import httpx2
import msgspec
import pytest

from tests.journeys.patience import wait_until
from tests.journeys.raw_http import hello, post
from troth.cli.serve import Addresses
from troth.proof.twin.children import free_port

TROTH = str(Path(sys.executable).with_name("troth"))
CREDIT_NUSD = 5 * 10**9


class Part:
    """One `troth serve`, by its role."""

    def __init__(self, folder: Path, role: str) -> None:
        command = [TROTH, "serve", "--role", role, "--config", "troth.toml", "--json"]
        self._log = (folder / f"{role}.log").open("ab")
        self.process = subprocess.Popen(
            command, cwd=folder, stdout=subprocess.PIPE, stderr=self._log, stdin=subprocess.DEVNULL
        )

    def stands(self) -> Addresses:
        """Wait until it says where it serves."""
        out: IO[bytes] | None = self.process.stdout
        assert out is not None
        return msgspec.json.decode(out.readline(), type=Addresses)

    def end(self) -> int:
        """End it in order."""
        self.process.send_signal(signal.SIGTERM)
        status = self.process.wait(40)
        assert self.process.stdout is not None
        self.process.stdout.close()
        self._log.close()
        return status


@contextmanager
def part(folder: Path, role: str) -> Iterator[Part]:
    one = Part(folder, role)
    try:
        yield one
    finally:
        if one.process.poll() is None:
            one.end()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "troth.toml").write_text(
        f'[server]\nbind = "127.0.0.1:{free_port()}"\ncontrol_bind = "127.0.0.1:{free_port()}"\n'
        '[data]\nfolder = "data"\n',
        encoding="utf-8",
    )
    return tmp_path


def refused(folder: Path, role: str) -> str:
    """Return why another one of a role cannot start here."""
    command = [TROTH, "serve", "--role", role, "--config", "troth.toml"]
    run = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert run.returncode == 2
    return run.stderr


def posted(folder: Path) -> int:
    """Return what the first organization's wallet has, as management says."""
    transport = httpx2.HTTPTransport(uds=str(folder / "data" / "run" / "control.sock"))
    with httpx2.Client(transport=transport, base_url="http://control") as client:
        found: dict[str, int] = client.get("/organizations/first/wallet").json()
    return found["posted_nusd"]


def test_gateways_outlive_control_and_lose_no_charge(folder: Path) -> None:
    ask = hello("simulated", max_tokens=5)
    with part(folder, "gateway") as gateway:
        with part(folder, "control") as control:
            shown = control.stands()
            assert shown.api == ""
            first = shown.first
            assert first is not None
            at = gateway.stands()
            assert (at.control, at.first) == ("", None)
            costs = [cost(at.api, first.key)]
            assert "another process serves out of" in refused(folder, "gateway")
            assert "another process serves out of" in refused(folder, "all")
            assert control.end() == 0
        costs += [cost(at.api, first.key) for _ in range(3)]
        with part(folder, "control") as control:
            control.stands()
            owed = CREDIT_NUSD - sum(costs)
            wait_until(lambda: posted(folder) == owed, 20, "what was charged alone is posted")
            assert post(at.api, first.key, ask).status == 200
            renewed = subprocess.run(
                [TROTH, "reload", "--config", "troth.toml"], cwd=folder, check=False
            )
            assert renewed.returncode == 0
            assert post(at.api, first.key, ask).status == 200
            assert gateway.end() == 0


def cost(address: str, key: str) -> int:
    """Return what a request cost."""
    reply = post(address, key, hello("simulated", max_tokens=5))
    assert reply.status == 200, reply.raw
    return int(reply.headers["x-troth-cost-nusd"])
