"""What a supervisor lets the command line know: who it is, and how its last roll-over went."""

import os
from contextlib import suppress
from pathlib import Path

import msgspec

from troth.server.parts import BULLETINS, Part


class Standing(msgspec.Struct, frozen=True):
    """`count` rises with each roll-over that ended; `problem` says why the last one failed."""

    pid: int
    count: int
    problem: str = ""


class Bulletin:
    """The file in the run folder that says so."""

    def __init__(self, run_folder: str, part: Part) -> None:
        self._file = Path(run_folder) / BULLETINS[part]
        self._count = -1

    def post(self, problem: str = "") -> None:
        """Say that everything stands as it was planned, or what went wrong."""
        self._count += 1
        said = msgspec.json.encode(Standing(os.getpid(), self._count, problem))
        coming = self._file.with_suffix(".coming")
        with suppress(OSError):  # a full disk must not end a supervisor
            coming.write_bytes(said)
            coming.replace(self._file)

    def take_down(self) -> None:
        """Say nothing more."""
        with suppress(OSError):
            self._file.unlink(missing_ok=True)


def standing(run_folder: Path, part: Part = "all") -> Standing | None:
    """Return what the supervisor of a folder's part says, None when there is none."""
    try:
        return msgspec.json.decode((run_folder / BULLETINS[part]).read_bytes(), type=Standing)
    except (OSError, msgspec.MsgspecError):
        return None
