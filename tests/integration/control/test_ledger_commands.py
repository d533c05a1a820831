"""`troth ledger`: verify, export, and a restored copy compared with a head kept elsewhere."""

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, cast

import pytest

from tests.builders.command_line import CommandLine
from troth.cli import ledger_file
from troth.server.shown import Verified

if TYPE_CHECKING:
    from troth.cli.client import Client


@pytest.fixture
def troth(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> CommandLine:
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("TROTH_")]:  # noqa: TID251
        monkeypatch.delenv(name)
    line = CommandLine(tmp_path, capsys)
    assert line.run("init").code == 0
    assert line.run("org", "create", "Ada").code == 0
    assert line.run("wallet", "credit", "Ada", "5").code == 0
    return line


def head_of(troth: CommandLine) -> str:
    (head,) = troth.ask(Verified, "ledger", "verify").heads
    return f"{head.desk}:{head.n}:{head.hash}"


def test_an_exported_file_agrees_and_a_changed_one_does_not(troth: CommandLine) -> None:
    said = troth.run("ledger", "export", "ledger.jsonl")
    assert said.code == 0
    file = troth.folder / "ledger.jsonl"
    assert file.stat().st_mode & 0o777 == 0o600
    checked = troth.run("ledger", "verify", "--file", "ledger.jsonl")
    assert (checked.code, "agrees" in checked.out) == (0, True)
    file.write_bytes(file.read_bytes().replace(b'"paid"', b'"gift"'))
    checked = troth.run("ledger", "verify", "--file", "ledger.jsonl")
    assert (checked.code, "Problem:" in checked.err) == (1, True)


def test_an_export_replaces_a_file_only_when_told_to(troth: CommandLine) -> None:
    file = troth.folder / "ledger.jsonl"
    file.write_bytes(b"kept")
    said = troth.run("ledger", "export", "ledger.jsonl")
    assert (said.code, "--force" in said.err, file.read_bytes()) == (2, True, b"kept")
    assert troth.run("ledger", "export", "ledger.jsonl", "--force").code == 0
    assert troth.run("ledger", "verify", "--file", "ledger.jsonl").code == 0
    assert file.stat().st_mode & 0o777 == 0o600


class Broken:
    """A client whose line breaks after the first page."""

    def get(self, *path: str, **_: int) -> bytes:
        """Return the first page only."""
        if path[-1] != "export":
            raise ConnectionError
        return b'{"t":"ledger","open_day":1}\n'


def test_nothing_is_left_of_an_export_that_breaks_off(tmp_path: Path) -> None:
    file = tmp_path / "ledger.jsonl"
    file.write_bytes(b"kept")
    with pytest.raises(ConnectionError):
        ledger_file.write(cast("Client", Broken()), file)
    assert list(tmp_path.iterdir()) == [file]
    assert file.read_bytes() == b"kept"


def test_a_copy_restored_too_old_is_told_from_the_kept_head(troth: CommandLine) -> None:
    data = troth.folder / "troth-data"
    early = head_of(troth)
    shutil.copytree(data, troth.folder / "copy", ignore=shutil.ignore_patterns("*.sock"))
    assert troth.run("wallet", "credit", "Ada", "7").code == 0
    late = head_of(troth)
    assert troth.run("ledger", "verify", "--expect-head", early, "--expect-head", late).code == 0
    restored = ("ledger", "verify", "--data", "copy")
    assert troth.run(*restored, "--expect-head", early).code == 0
    said = troth.run(*restored, "--expect-head", late)
    assert (said.code, "what came after is lost" in said.err) == (1, True)
    foreign = late[: late.rindex(":") + 1] + "0" * 64
    said = troth.run("ledger", "verify", "--expect-head", foreign)
    assert (said.code, "another history" in said.err) == (1, True)


@pytest.mark.parametrize("head", ["", "1", "1:2", "a:1:" + "0" * 64, "0:1:" + "G" * 64, "0:1:0"])
def test_what_is_no_head_is_refused(troth: CommandLine, head: str) -> None:
    said = troth.run("ledger", "verify", "--expect-head", head)
    assert (said.code, "DESK:NUMBER:HASH" in said.err) == (2, True)


def test_a_folder_that_is_not_there_is_told_as_such(troth: CommandLine) -> None:
    file = str(troth.folder / "none" / "ledger.jsonl")
    said = troth.run("ledger", "export", file)
    assert (said.code, "No such file or directory" in said.err) == (2, True)
    assert "fault of Troth" not in said.err


def test_a_head_that_no_chain_can_have_is_refused(troth: CommandLine) -> None:
    for head in (f"{10**20}:1", f"0:{10**20}"):
        said = troth.run("ledger", "verify", "--expect-head", f"{head}:{'0' * 64}")
        assert (said.code, "less than or equal to" in said.err) == (2, True)
