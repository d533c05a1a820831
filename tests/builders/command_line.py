"""Runs the command line in this process, over a folder of its own."""

from pathlib import Path
from typing import TypeVar

import msgspec
import pytest

from troth.cli.main import run

Shape = TypeVar("Shape")


class Said(msgspec.Struct, frozen=True):
    """What a command printed, and its exit code."""

    code: int
    out: str
    err: str


class CommandLine:
    """`troth` in a folder; `--config` and `--data` come from what lies there."""

    def __init__(self, folder: Path, capture: pytest.CaptureFixture[str]) -> None:
        self.folder = folder
        self._capture = capture

    def run(self, *arguments: str) -> Said:
        """Run a command."""
        self._capture.readouterr()
        code = run(list(arguments))
        out, err = self._capture.readouterr()
        return Said(code, out, err)

    def ask(self, shape: type[Shape], *arguments: str) -> Shape:
        """Run a command that must succeed, and return its JSON as a shape."""
        said = self.run(*arguments, "--json")
        assert said.code == 0, said.err
        return msgspec.json.decode(said.out, type=shape)
