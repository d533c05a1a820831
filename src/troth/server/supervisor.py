"""Starts the processes, keeps them standing, ends them in order. Reads no request, no database.

A child that falls is replaced on the same socket, so what waits in its queue is served; until then
new connections are led to the others. A roll-over replaces all of them, each before it ends. When
the supervisor ends, however it ends, the children's life lines close and they drain.
"""

import selectors
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Final

import msgspec

from troth.kernel.clock import Clock
from troth.kernel.errors import Misconfigured
from troth.kernel.ids import system_entropy
from troth.kernel.log import Log
from troth.server.bulletin import Bulletin
from troth.server.child import Child
from troth.server.crew import GRACE_MS, Crew
from troth.server.hardening import erases
from troth.server.log_lines import (
    ChildEnded,
    ChildReady,
    ChildSilent,
    ChildStarted,
    Draining,
    RolledOver,
    RollOverBegan,
    RollOverFailed,
    Stopped,
)
from troth.server.log_lines import Serving as ServingLine
from troth.server.places import Installation
from troth.server.sockets import NOWHERE, Address, Sockets, address_of
from troth.server.steering import steer

_MS: Final = 1_000_000
_TICK_SECONDS: Final = 0.5
_SILENT_MS: Final = 20_000
_START_MS: Final = 60_000
_WAKE: Final = b"."


class Standing(msgspec.Struct, frozen=True):
    """Everything answers, where; port 0 stands for what does not run here.

    `is_erasing`: all gateways saw their freed memory overwritten.
    """

    api: Address
    control: Address
    gateways: int
    after_ms: int
    is_erasing: bool


class Plan(msgspec.Struct, frozen=True):
    """What a roll-over goes to. `with_control`: not only the gateways are to be replaced."""

    installation: Installation
    with_control: bool


class Supervisor:
    """Runs until it is asked to stop or a child cannot start at all."""

    def __init__(
        self,
        installation: Installation,
        sockets: Sockets,
        clock: Clock,
        log: Log,
        *,
        on_standing: Callable[[Standing], None],
        plan: Callable[[], Plan] | None = None,
    ) -> None:
        """`on_standing` is called once, when everything answers for the first time.

        `plan` says at each roll-over what to run now, or why it cannot (Misconfigured); without it
        the same is run anew.
        """
        self._clock = clock
        self._log = log
        self._sockets = sockets
        self._on_standing = on_standing
        self._plan = plan or (lambda: Plan(installation, with_control=True))
        self._drain_seconds = installation.serving.drain_seconds
        self._began_ns = clock.monotonic_ns()
        self._rolled_ns = 0
        self._has_stood = False
        self._is_stopping = False
        self._is_asked = False
        self._killed = 0
        self._served: list[int] = []
        self._wake, self._waker = socket.socketpair()
        self._wake.settimeout(0)
        self._waker.settimeout(0)
        self._selector = selectors.DefaultSelector()
        self._crew = Crew(installation, sockets, clock)
        self._bulletin = Bulletin(installation.run_folder, installation.part)

    @property
    def pids(self) -> list[int]:
        """The gateways' process numbers by socket, 0 for one that is down."""
        return [gateway.pid for gateway in self._crew.gateways]

    @property
    def control_pid(self) -> int:
        """The control process's number, 0 when it is down."""
        return self._crew.control.pid

    def stop(self) -> None:
        """Ask for an orderly end; may be called from a signal handler or another thread."""
        self._is_stopping = True
        self._wake_up()

    def reload(self) -> None:
        """Ask for a roll-over; may be called from a signal handler or another thread."""
        self._is_asked = True
        self._wake_up()

    def _wake_up(self) -> None:
        with suppress(OSError):  # it has ended, or was woken often
            self._waker.send(_WAKE)

    def run(self) -> None:
        """Start everything and keep it standing until `stop`; then drain, and return.

        Raises:
            Misconfigured: a child could not start, with its reason.
        """
        self._selector.register(self._wake, selectors.EVENT_READ)
        self._bulletin.post()
        try:
            while not self._is_stopping:
                self._start_due()
                self._turn()
                self._replace_silent()
                self._announce()
                self._roll()
                self._steer()
        finally:
            self._end()
            self._bulletin.take_down()
            self._selector.close()
            self._wake.close()
            self._waker.close()

    def _start_due(self) -> None:
        now_ns = self._clock.monotonic_ns()
        for child in self._crew.wanted:
            if child.pid or child.due_ns > now_ns:
                continue
            line = child.start()
            self._selector.register(line, selectors.EVENT_READ, child)
            place = child.place
            self._log.write(ChildStarted(place.role, place.slot, child.pid, child.attempt))

    def _turn(self) -> None:
        """Wait for signs, at most until the next child is due."""
        now_ns = self._clock.monotonic_ns()
        due = [child.due_ns - now_ns for child in self._crew.wanted if not child.pid]
        seconds = min([_TICK_SECONDS, *(max(0, ns) / 1e9 for ns in due)])
        for key, _ in self._selector.select(seconds):
            child = key.data
            if isinstance(child, Child):
                self._hear(child)
            else:
                self._wake.recv(64)

    def _hear(self, child: Child) -> None:
        was_ready = child.is_ready
        is_linked = child.hear()
        place = child.place
        if child.is_ready and not was_ready:
            self._log.write(ChildReady(place.role, place.slot, child.age_ms))
        if is_linked or child.line is None:
            return
        self._selector.unregister(child.line)
        age_ms = child.age_ms
        child.reap()
        self._log.write(ChildEnded(place.role, place.slot, child.status, age_ms))
        self._crew.ended(child)
        if child.problem and not child.was_ready and not self._has_stood:
            raise Misconfigured(child.problem)

    def _replace_silent(self) -> None:
        """End who says nothing any more, and who does not end by himself."""
        patience_ms = self._drain_seconds * 1_000 + GRACE_MS
        for child in self._crew.everyone:
            if child.draining_ms > patience_ms and child.pid:
                self._killed += 1
                child.kill()
            elif child.pid and child.silent_ms > (_SILENT_MS if child.is_ready else _START_MS):
                self._log.write(ChildSilent(child.place.role, child.place.slot))
                child.kill()

    def _steer(self) -> None:
        """Lead new connections to sockets where somebody accepts."""
        served = self._crew.served
        if self._has_stood and served != self._served:
            steer(self._sockets.slots, served)
            self._served = served

    def _roll(self) -> None:
        """Begin a roll-over that was asked for, and go on with one that is under way."""
        crew = self._crew
        if self._is_asked and self._has_stood and not crew.is_rolling:
            self._is_asked = False
            self._begin_to_roll()
        if not crew.advance():
            return
        self._bulletin.post(crew.problem)
        if crew.problem:
            self._log.write(RollOverFailed())
        else:
            self._log.write(RolledOver((self._clock.monotonic_ns() - self._rolled_ns) // _MS))

    def _begin_to_roll(self) -> None:
        try:
            plan = self._plan()
        except Misconfigured as wrong:
            self._bulletin.post(wrong.problem)
            self._log.write(RollOverFailed())
            return
        self._rolled_ns = self._clock.monotonic_ns()
        self._log.write(RollOverBegan(plan.with_control))
        planned_seconds = plan.installation.serving.drain_seconds
        self._drain_seconds = max(self._drain_seconds, planned_seconds)
        self._crew.begin(plan.installation, with_control=plan.with_control)

    def _announce(self) -> None:
        if self._has_stood or not self._crew.is_standing:
            return
        self._has_stood = True
        after_ms = (self._clock.monotonic_ns() - self._began_ns) // _MS
        is_erasing = self._is_erasing_proved()
        slots = self._sockets.slots
        standing = Standing(
            api=address_of(slots[0]) if slots else NOWHERE,
            control=address_of(self._sockets.port),
            gateways=len(self._crew.posts),
            after_ms=after_ms,
            is_erasing=is_erasing,
        )
        self._log.write(ServingLine(standing.gateways, after_ms, is_erasing))
        self._on_standing(standing)

    def _is_erasing_proved(self) -> bool:
        """Tell whether all gateways saw their freed memory overwritten, and the check can see.

        The same check must find residue here, where nothing overwrites it: one that finds none
        anywhere proves nothing.
        """
        return all(gateway.is_erasing for gateway in self._crew.gateways) and not erases(
            system_entropy
        )

    def _end(self) -> None:
        """Drain the gateways, then control: it takes their last postings."""
        self._log.write(Draining(self._drain_seconds))
        self._sockets.close()
        self._drain(self._crew.attending)
        self._drain(self._crew.everyone)
        self._log.write(Stopped(self._killed))

    def _drain(self, children: list[Child]) -> None:
        for child in children:
            child.drain()
        deadline_ns = self._clock.monotonic_ns() + (self._drain_seconds * 1_000 + GRACE_MS) * _MS
        while any(child.pid for child in children):
            left_ns = deadline_ns - self._clock.monotonic_ns()
            if left_ns <= 0:
                for child in children:
                    self._killed += 1 if child.pid else 0
                    child.kill()
                deadline_ns += GRACE_MS * _MS
            for key, _ in self._selector.select(max(0.0, min(left_ns / 1e9, _TICK_SECONDS))):
                if isinstance(key.data, Child):
                    self._hear_last(key.data)

    def _hear_last(self, child: Child) -> None:
        try:
            self._hear(child)
        except Misconfigured:
            return


@contextmanager
def signals_heard(supervisor: Supervisor) -> Iterator[None]:
    """Let SIGTERM and SIGINT ask the supervisor to stop, and SIGHUP to roll over."""

    def asked(number: int, frame: FrameType | None) -> None:
        del frame
        if number == signal.SIGHUP:
            supervisor.reload()
        else:
            supervisor.stop()

    numbers = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
    former = {number: signal.signal(number, asked) for number in numbers}
    try:
        yield
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)
