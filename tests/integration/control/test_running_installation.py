"""The command line beside a running installation: the same acts, in force at once."""

import csv
import http.client
import os
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import msgspec
import pytest

from tests.builders.command_line import CommandLine
from troth.cli.serve import Addresses
from troth.control.usage import Receipt, Total, date_of
from troth.kernel.clock import SystemClock
from troth.proof.twin import upstream
from troth.server.shown import ShownKey, ShownStatus, ShownWallet, Verified
from troth.server.status_page import StatusPage

ASK = b'{"model": "simulated", "messages": [{"role": "user", "content": "Hello"}]}'


class Running:
    """`troth serve --json` on free ports, in a fresh folder."""

    def __init__(self, folder: Path) -> None:
        program = "from troth.cli.main import main; main()"
        free = ("--bind", "127.0.0.1:0", "--control-bind", "127.0.0.1:0")
        with (folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-c", program, "serve", "--json", *free],
                cwd=folder,
                stdout=subprocess.PIPE,
                stderr=log,
            )
        assert self.process.stdout is not None
        said = self.process.stdout.readline()
        assert said, (folder / "log").read_text("utf-8")
        self.addresses = msgspec.json.decode(said, type=Addresses)

    def ask(
        self, key: str, path: str = "/v1/chat/completions", body: bytes = ASK
    ) -> tuple[int, str]:
        """Send a request; return status and request id."""
        where = urlsplit(self.addresses.api)
        connection = http.client.HTTPConnection(where.netloc, timeout=20)
        headers = {"authorization": f"Bearer {key}", "content-type": "application/json"}
        connection.request("POST", path, body, headers)
        response = connection.getresponse()
        response.read()
        connection.close()
        return response.status, response.headers["x-request-id"] or ""

    def stop(self) -> int:
        """End it in order; return its exit code."""
        self.process.send_signal(signal.SIGTERM)
        assert self.process.stdout is not None
        self.process.stdout.close()
        return self.process.wait(40)


@pytest.fixture
def troth(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> CommandLine:
    monkeypatch.chdir(tmp_path)
    return CommandLine(tmp_path, capsys)


@pytest.fixture
def running(troth: CommandLine) -> Iterator[Running]:
    started = Running(troth.folder)
    yield started
    if started.process.poll() is None:
        started.stop()


def test_a_fresh_installation_answers_with_its_first_key(
    troth: CommandLine, running: Running
) -> None:
    first = running.addresses.first
    assert first is not None
    status, request = running.ask(first.key)
    assert status == 200
    listed: list[Receipt] = []
    for _ in range(50):
        listed = troth.ask(list[Receipt], "receipts", "list", first.organization)
        if listed:
            break
    assert [receipt.id for receipt in listed] == [request]
    receipt = troth.ask(Receipt, "receipts", "show", request)
    shown = troth.run("receipts", "show", request).out
    assert f"{receipt.charged_usd} USD" in shown
    assert "for output" in shown
    assert "rounded down once" in shown
    assert ", proved" in shown
    chosen = (
        first.organization,
        "--posted",
        date_of(receipt.posting.day if receipt.posting else 0),
    )
    (exported,) = troth.ask(list[Receipt], "receipts", "export", *chosen)
    assert (exported.id, exported.charged_nusd) == (request, receipt.charged_nusd)
    (row,) = csv.DictReader(troth.run("receipts", "export", *chosen).out.splitlines())
    assert (row["receipt"], row["charged_usd"]) == (request, receipt.charged_usd)
    (total,) = troth.ask(list[Total], "usage", "show", "--by", "model")
    assert (total.group, total.charged_nusd) == ("simulated", receipt.charged_nusd)
    wallet = troth.ask(ShownWallet, "wallet", "show", first.organization)
    assert wallet.posted_nusd == 5_000_000_000 - receipt.charged_nusd
    assert troth.ask(Verified, "ledger", "verify").problems == []
    assert running.stop() == 0


def test_a_change_is_in_force_when_the_command_ends(troth: CommandLine, running: Running) -> None:
    made = troth.ask(ShownKey, "keys", "create", "first")
    assert running.ask(made.text)[0] == 200
    assert troth.run("org", "freeze", "first").code == 0
    assert running.ask(made.text)[0] == 403
    assert troth.run("org", "thaw", "first").code == 0
    assert running.ask(made.text)[0] == 200
    assert troth.run("keys", "revoke", made.ref).code == 0
    assert running.ask(made.text)[0] == 401


def test_a_running_installation_measures_itself_and_shows_it(
    troth: CommandLine, running: Running
) -> None:
    since = ""
    deadline_ns = SystemClock().monotonic_ns() + 20 * 10**9
    while not since and SystemClock().monotonic_ns() < deadline_ns:
        since = troth.ask(ShownStatus, "status", "show").page.measured_since
    assert since
    where = urlsplit(running.addresses.control)
    connection = http.client.HTTPConnection(where.netloc, timeout=20)
    connection.request("GET", "/status.json")
    answer = connection.getresponse()
    page = msgspec.json.decode(answer.read(), type=StatusPage)
    connection.close()
    assert (answer.status, answer.headers["content-type"]) == (200, "application/json")
    assert (page.maintenance, page.is_maintenance_excluded) == ([], False)
    assert "Up now" in troth.run("status", "show").err


def test_only_the_owner_reaches_management(troth: CommandLine, running: Running) -> None:
    run = troth.folder / "troth-data" / "run"
    assert stat.S_IMODE((run / "control.sock").stat().st_mode) == 0o600
    assert (run / "control.sock").stat().st_uid == os.getuid()
    assert stat.S_IMODE(run.parent.stat().st_mode) == 0o700
    said = troth.run("doctor")
    assert (said.code, said.out) == (0, ""), said.out
    assert running.process.poll() is None


def test_a_folder_is_served_once(troth: CommandLine, running: Running) -> None:
    said = troth.run("serve", "--bind", "127.0.0.1:0", "--control-bind", "127.0.0.1:0")
    assert said.code == 2
    assert "another process serves out of" in said.err
    assert running.process.poll() is None


def test_the_second_start_gives_no_key(troth: CommandLine, running: Running) -> None:
    assert running.stop() == 0
    again = Running(troth.folder)
    try:
        assert again.addresses.first is None
    finally:
        assert again.stop() == 0


def test_a_reload_reads_the_settings_anew(troth: CommandLine, running: Running) -> None:
    first = running.addresses.first
    assert first is not None
    file = troth.folder / "troth.toml"
    file.write_text(
        '[models.other]\nprovider = "simulated"\nupstream_model = "simulated"\n'
        'context_length = 1000\nmax_output = 100\nprice = { input = "1", output = "2" }\n'
        '[providers.simulated]\nkind = "simulated"\n',
        "utf-8",
    )
    assert running.ask(first.key, "/v1/models/other")[0] != 200
    said = troth.run("reload")
    assert (said.code, "New processes serve" in said.err) == (0, True), said.err
    assert "other" in troth.run("models", "list").out
    assert running.ask(first.key)[0] == 200
    file.write_text("[server]\ngateways = 2\n", "utf-8")
    said = troth.run("reload")
    assert said.code == 2
    assert "'server.gateways' changes with a restart only" in said.err
    file.write_text("[server]\ngatways = 2\n", "utf-8")
    assert "gatways" in troth.run("reload").err
    assert running.ask(first.key)[0] == 200
    assert running.stop() == 0


def test_a_reload_of_nothing_says_so(troth: CommandLine) -> None:
    said = troth.run("reload")
    assert said.code == 3
    assert "nothing serves out of" in said.err


def test_doctor_knows_what_the_running_installation_knows(
    troth: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    with upstream.running(SystemClock()) as provider:
        settings = f'[providers.openai]\nkind = "openai"\nurl = "{provider}/v1"\n'
        (troth.folder / "troth.toml").write_text(settings, "utf-8")
        monkeypatch.setenv("OPENAI_API_KEY", "bad-key")
        running = Running(troth.folder)
        monkeypatch.delenv("OPENAI_API_KEY")
        try:
            assert troth.run("doctor").code == 0
            first = running.addresses.first
            assert first is not None
            body = ASK.replace(b"simulated", first.model.encode())
            assert running.ask(first.key, body=body)[0] == 502
            clock = SystemClock()
            until = clock.now_ms() + 10_000
            while not (said := troth.run("doctor").out):  # counts come each second
                assert clock.now_ms() < until
            assert f"'openai' refuses what is asked for '{first.model}'" in said
            assert "providers.openai.api_key" in said
        finally:
            running.stop()
