"""Start, pin and end the processes of a run. Nothing is ended that was not started here."""

import contextlib
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from bench.harness.places import ROOT

GATEWAY_CORE = 0
BENCH_CORE = 1 if (os.cpu_count() or 1) > 1 else 0
SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class NotReady(Exception):
    """A process ended or stayed silent where it should have answered."""


class Started:
    """A process in a session of its own, with its children.

    What it writes goes to a file; standard output is kept for `line` and `rest` where `is_read`.
    """

    def __init__(
        self,
        argv: Sequence[str | Path],
        folder: Path,
        *,
        variables: Mapping[str, str] | None = None,
        core: int = GATEWAY_CORE,
        is_read: bool = False,
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        log = folder / f"{Path(argv[0]).name}.log"
        self.log = log.relative_to(ROOT)
        pinned = ["taskset", "--cpu-list", str(core), "env"]
        values = [f"{name}={value}" for name, value in (variables or {}).items()]
        with log.open("wb") as sink:
            self._process = subprocess.Popen(  # noqa: S603 (our own list, no shell)
                [*pinned, *values, *(str(part) for part in argv)],
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE if is_read else sink,
                stderr=sink,
                start_new_session=True,
            )
        self.pid = self._process.pid

    def line(self) -> bytes:
        """Return the next line of standard output; what is never read may not be much."""
        assert self._process.stdout is not None
        return self._process.stdout.readline()

    def rest(self, seconds: float) -> bytes:
        """Wait for the end and return standard output."""
        try:
            out, _ = self._process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            self.stop()
            raise NotReady(f"{self.log.stem} did not end in {seconds:.0f} s") from None
        if self._process.returncode:
            raise NotReady(f"{self.log.stem} ended with {self._process.returncode}; see {self.log}")
        return out

    def is_running(self) -> bool:
        """Whether the first process still lives."""
        return self._process.poll() is None

    def stop(self, seconds: float = 10.0) -> None:
        """Ask the process to end, then end the session that it led."""
        if self.is_running():
            self._process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(seconds)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()


def run(argv: Sequence[str | Path], folder: Path, seconds: float = 600) -> str:
    """Run a program to its end and return its standard output."""
    done = subprocess.run(  # noqa: S603 (our own list, no shell)
        [str(part) for part in argv],
        cwd=folder,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=seconds,
        check=False,
    )
    if done.returncode:
        tail = done.stderr.decode(errors="replace")[-2000:].replace(str(ROOT), ".")
        raise NotReady(f"{Path(argv[0]).name} ended with {done.returncode}: {tail}")
    return done.stdout.decode(errors="replace")


def free_port() -> int:
    """Return a port of the loopback that nobody listens on just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def wait_until(is_ready: Callable[[], bool], what: str, seconds: float = 60.0) -> float:
    """Ask every 10 ms until it is so; return how many seconds it took."""
    start = time.perf_counter()
    while not is_ready():
        if time.perf_counter() - start > seconds:
            raise NotReady(f"{what} was not ready after {seconds:.0f} s")
        time.sleep(0.01)
    return time.perf_counter() - start


def ready(started: Started, is_ready: Callable[[], bool], what: str, seconds: float = 60) -> float:
    """Wait until a started process answers; end it when it does not, or ended by itself."""
    try:
        taken = wait_until(lambda: is_ready() or not started.is_running(), what, seconds)
    except NotReady:
        started.stop()
        raise
    if not started.is_running():
        started.stop()
        raise NotReady(f"{what} ended while it started; see {started.log}")
    return taken


def answers(port: int, path: str = "/") -> bool:
    """Whether an HTTP server on the loopback answers this path with 200 or any 4xx."""
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1) as link:
        link.settimeout(2)
        link.sendall(
            f"GET {path} HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n\r\n".encode()
        )
        status = link.recv(16)[9:10]
        return status in {b"2", b"4"}
    return False


def tree(root: int) -> list[int]:
    """Return a process and all that descend from it, the root first."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            with contextlib.suppress(OSError, IndexError):
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
                children.setdefault(int(fields[1]), []).append(int(entry.name))
    found, waiting = [], [root]
    while waiting:
        pid = waiting.pop()
        found.append(pid)
        waiting += children.get(pid, [])
    return found


def command_of(pid: int) -> str:
    """Return a process's command line, its parts joined by spaces."""
    with contextlib.suppress(OSError):
        return (
            Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        )
    return ""


def pin(pid: int, core: int) -> None:
    """Move every thread of a process to one core."""
    with contextlib.suppress(OSError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            with contextlib.suppress(OSError):
                os.sched_setaffinity(int(task.name), {core})
