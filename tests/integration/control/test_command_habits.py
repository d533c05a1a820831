"""What every command has: named installations, a question before the worst, completion."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.builders.command_line import CommandLine
from troth import __version__
from troth.control.accounts import Organization

MAIN = "from troth.cli.main import main; main()"


@pytest.fixture
def troth(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> CommandLine:
    """Two installations, each with its organization, and names for both."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "home"))
    line = CommandLine(tmp_path, capsys)
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        monkeypatch.chdir(tmp_path / name)
        assert line.run("init").code == 0
        assert line.run("org", "create", name.title()).code == 0
    named = tmp_path / "home" / "troth" / "profiles.toml"
    named.parent.mkdir(parents=True)
    named.write_text(
        f'[one]\nconfig = "{tmp_path}/one/troth.toml"\n[two]\nconfig = "../../two/troth.toml"\n',
        "utf-8",
    )
    monkeypatch.chdir(tmp_path)
    return line


def names(troth: CommandLine, *flags: str) -> list[str]:
    return [each.name for each in troth.ask(list[Organization], "org", "list", *flags)]


def test_a_profile_names_an_installation(
    troth: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert names(troth, "--profile", "one") == ["One"]
    assert names(troth, "--profile", "two") == ["Two"]
    monkeypatch.setenv("TROTH_PROFILE", "two")
    assert names(troth) == ["Two"]
    assert names(troth, "--config", str(troth.folder / "one" / "troth.toml")) == ["One"]
    monkeypatch.setenv("TROTH_CONFIG", str(troth.folder / "one" / "troth.toml"))
    assert names(troth) == ["One"]
    assert "two" in troth.run("config", "profiles").out


def test_a_profile_that_is_none_is_told(troth: CommandLine) -> None:
    said = troth.run("org", "list", "--profile", "three")
    assert said.code == 2
    assert "there is no profile 'three'" in said.err
    assert "one, two" in said.err
    said = troth.run("org", "list", "--profile", "one", "--config", "one/troth.toml")
    assert "give one of them" in said.err
    (troth.folder / "home" / "troth" / "profiles.toml").write_text("one = 1\n", "utf-8")
    assert "'one' must be a table" in troth.run("org", "list", "--profile", "one").err


def at_a_terminal(folder: Path, *arguments: str, types: bytes) -> tuple[int, str]:
    """Run a command with a terminal on all sides; return its exit code and what it showed."""
    ours, theirs = os.openpty()
    running = subprocess.Popen(
        [sys.executable, "-c", MAIN, *arguments],
        cwd=folder,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
    )
    os.close(theirs)
    os.write(ours, types)
    shown = b""
    try:
        while piece := os.read(ours, 4_096):
            shown += piece
    except OSError:  # the other side has closed
        pass
    os.close(ours)
    return running.wait(60), shown.decode()


def test_a_person_is_asked_before_what_cannot_be_taken_back(troth: CommandLine) -> None:
    folder = troth.folder / "one"
    code, shown = at_a_terminal(folder, "org", "freeze", "One", types=b"n\n")
    assert code == 1
    assert "Refuse every request of One from now on? [y/N]" in shown
    config = ("--config", str(folder / "troth.toml"))
    assert "frozen" not in troth.run("org", "list", *config).out
    assert at_a_terminal(folder, "org", "freeze", "One", types=b"y\n")[0] == 0
    assert "frozen" in troth.run("org", "list", *config).out
    assert troth.run("org", "thaw", "One", *config).code == 0
    assert troth.run("org", "freeze", "One", "--yes", *config).code == 0


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_shell_is_told_how_to_complete(troth: CommandLine, shell: str) -> None:
    said = troth.run("completion", shell)
    assert said.code == 0
    assert "_TROTH_COMPLETE" in said.out


def test_commands_are_completed() -> None:
    words = {"_TROTH_COMPLETE": "bash_complete", "COMP_WORDS": "troth ke", "COMP_CWORD": "1"}
    done = subprocess.run(
        [sys.executable, "-c", MAIN],
        env=words,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.split() == ["plain,keys"]


def test_the_version_is_told_as_everywhere() -> None:
    for flag in ("--version", "-V"):
        said = program(flag)
        assert (said.returncode, said.stdout) == (0, f"troth {__version__}\n")


def program(*arguments: str, folder: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run `troth` as a program of its own."""
    command = [sys.executable, "-c", MAIN, *arguments]
    return subprocess.run(
        command, cwd=folder, capture_output=True, text=True, timeout=60, check=False
    )


def test_what_the_machine_refuses_is_no_fault_of_troth(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    said = program("init", "--config", "file/troth.toml", folder=tmp_path)
    assert said.returncode == 2
    assert said.stderr == "Error: file: File exists.\n"


def test_init_writes_any_name_of_a_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    odd = "a\"b\\c{d}'é"
    line = CommandLine(tmp_path, capsys)
    assert line.run("init", "--data", odd).code == 0
    assert (tmp_path / odd / "run").is_dir()
    assert line.run("org", "create", "Ada").code == 0


def test_a_wrong_word_names_those_that_may_stand(troth: CommandLine) -> None:
    said = troth.run("config", "check", "--profile", "one")
    assert said.code == 0
    (troth.folder / "one" / "troth.toml").write_text('[providers.x]\nkind = "openia"\n', "utf-8")
    said = troth.run("config", "check", "--profile", "one")
    assert said.code == 2
    assert "must be one of: anthropic, deepinfra, " in said.err
    assert "Did you mean 'openai'?" in said.err
