"""The code that a new process would run: whether it changed, whether it understands this one."""

import hashlib
import subprocess
import sys
from pathlib import Path
from typing import Final

import msgspec

from troth.kernel.errors import Misconfigured
from troth.server.handover import ControlHandover, GatewayHandover, Sign
from troth.server.messages import BUILD

_PACKAGE: Final = Path(__file__).parents[1]
_TOLD: Final = "from troth.server.code_on_disk import form; print(form())"
_PATIENCE_SECONDS: Final = 30


def fingerprint() -> str:
    """Return a digest of names, sizes and times of this package's files."""
    digest = hashlib.sha256()
    for file in sorted(_PACKAGE.rglob("*.py")):
        found = file.stat()
        digest.update(f"{file}\0{found.st_size}\0{found.st_mtime_ns}\0".encode())
    return digest.hexdigest()


def form() -> str:
    """Return a digest of all that processes of an installation say to each other."""
    digest = hashlib.sha256(BUILD.encode())
    for kind in (GatewayHandover, ControlHandover, Sign):
        digest.update(msgspec.json.encode(msgspec.json.schema(kind), order="sorted"))
    return digest.hexdigest()


def check_understood() -> None:
    """Ask the code on disk whether its processes can stand beside this one's.

    Raises:
        Misconfigured: they cannot, or it does not run.
    """
    command = [sys.executable, "-P", "-s", "-c", _TOLD]
    try:
        told = subprocess.run(  # noqa: S603 - our own interpreter
            command,
            env={},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_PATIENCE_SECONDS,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        raise Misconfigured("the code on disk does not run: restore it, or restart") from None
    if told.stdout.decode().strip() != form():
        raise Misconfigured(
            "the code on disk is a version whose processes cannot stand beside those that run: "
            "restart 'troth serve'"
        )
