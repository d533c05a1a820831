"""One place in the installation and the process that holds it now: started, watched, replaced."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from typing import Final

import msgspec

from troth.kernel.clock import Clock
from troth.server.handover import (
    Alive,
    ControlHandover,
    Failed,
    GatewayHandover,
    Ready,
    SignReader,
    give,
)
from troth.server.log_lines import Role

_MS: Final = 1_000_000
_FIRST_BACK_OFF_MS: Final = 100
_LONGEST_BACK_OFF_MS: Final = 5_000
_STANDS_AFTER_MS: Final = 10_000
_READ_BYTES: Final = 65_536
_REAP_SECONDS: Final = 5
_HAND_OVER_SECONDS: Final = 5


class Place(msgspec.Struct, frozen=True):
    """What stands in one place: the module to run, what it is handed and what it inherits."""

    role: Role
    slot: int
    module: str
    handover: GatewayHandover | ControlHandover
    descriptors: tuple[int, ...]
    environment: Mapping[str, str]


class Child:
    """The process in a place. Not running, then starting, then ready; ended when it was reaped."""

    def __init__(self, place: Place, clock: Clock, *, is_held: bool = False) -> None:
        """`is_held`: it gets its settings only with `go`, and may load its code before."""
        self.place = place
        self.is_held = is_held
        self.has_spoken = False
        self.line: socket.socket | None = None
        self.is_ready = False
        self.is_erasing = False
        self.was_ready = False
        self.problem = ""
        self.status = 0
        self.attempt = 0
        self.due_ns = 0
        self.started_ns = 0
        self.heard_ns = 0
        self.drained_ns = 0
        self._clock = clock
        self._process: subprocess.Popen[bytes] | None = None
        self._reader = SignReader()

    @property
    def pid(self) -> int:
        """The process's number, 0 when there is none."""
        return self._process.pid if self._process is not None else 0

    @property
    def age_ms(self) -> int:
        """How long ago the process was started."""
        return (self._clock.monotonic_ns() - self.started_ns) // _MS

    @property
    def silent_ms(self) -> int:
        """How long ago it gave a sign of life."""
        return (self._clock.monotonic_ns() - self.heard_ns) // _MS

    @property
    def draining_ms(self) -> int:
        """How long ago it was asked to end; 0 when it was not."""
        return (self._clock.monotonic_ns() - self.drained_ns) // _MS if self.drained_ns else 0

    @property
    def has_fallen(self) -> bool:
        """Whether it was started and is not running."""
        return self.attempt > 0 and not self.pid

    def start(self) -> socket.socket:
        """Start the process; return the supervisor's end of its life line."""
        ours, theirs = socket.socketpair()
        place = self.place
        with theirs:
            self._process = subprocess.Popen(  # noqa: S603 - our own interpreter and module
                [sys.executable, "-P", "-s", "-m", place.module, str(theirs.fileno())],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                env=dict(place.environment),
                pass_fds=(theirs.fileno(), *place.descriptors),
                process_group=0,
            )
        ours.settimeout(0)
        self._reader = SignReader()
        self.line = ours
        self.is_ready = self.has_spoken = False
        if not self.is_held:
            self.go()
        self.attempt += 1
        self.drained_ns = 0
        self.started_ns = self.heard_ns = self._clock.monotonic_ns()
        return ours

    def go(self) -> None:
        """Hand the process its settings."""
        self.is_held = False
        if self.line is None:
            return
        self.line.settimeout(_HAND_OVER_SECONDS)
        with suppress(OSError):  # it fell before it read them: its line closes, and we hear that
            give(self.line, self.place.handover)
        self.line.settimeout(0)

    def hear(self) -> bool:
        """Read what the process says; return False when it has hung up."""
        if self.line is None:
            return False
        try:
            data = self.line.recv(_READ_BYTES)
        except BlockingIOError:
            return True
        except OSError:
            return False
        self.heard_ns = self._clock.monotonic_ns()
        for sign in self._reader.feed(data):
            self.has_spoken = True
            match sign:
                case Ready(is_erasing):
                    self.is_ready = self.was_ready = True
                    self.is_erasing = is_erasing
                case Failed(problem):
                    self.problem = problem
                case Alive():
                    pass
        return bool(data)

    def drain(self) -> None:
        """Ask the process to end when its work has."""
        self.drained_ns = self._clock.monotonic_ns()
        if self.line is not None:
            with suppress(OSError):
                self.line.shutdown(socket.SHUT_WR)

    def kill(self) -> None:
        """End the process now."""
        if self._process is not None:
            with suppress(ProcessLookupError):
                os.kill(self._process.pid, signal.SIGKILL)

    def reap(self) -> None:
        """Note how the process ended, and when the next may start: later each time it falls."""
        if self._process is None:
            return
        try:
            self.status = self._process.wait(_REAP_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()
            self.status = self._process.wait()
        if self.line is not None:
            self.line.close()
        self.line = self._process = None
        if self.is_ready and self.age_ms >= _STANDS_AFTER_MS:
            self.attempt = 0
        wait_ms = 0
        if self.attempt > 1:
            wait_ms = min(_LONGEST_BACK_OFF_MS, _FIRST_BACK_OFF_MS << min(self.attempt - 2, 10))
        self.is_ready = False
        self.due_ns = self._clock.monotonic_ns() + wait_ms * _MS
