"""Starts the processes, keeps them standing, ends them in order. Reads no request, no database.

A child that falls is replaced on the same socket, so what waits in its queue is served. When the
supervisor ends, however it ends, the children's life lines close and they drain.
"""

import selectors
import signal
import socket
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from types import FrameType
from typing import Final

import msgspec

from troth.catalog.load import Catalog
from troth.kernel.clock import Clock
from troth.kernel.errors import Misconfigured
from troth.kernel.ids import system_entropy
from troth.kernel.log import Log
from troth.server.child import Child, Place
from troth.server.handover import AlertTerms, ControlHandover, GatewayHandover, Serving
from troth.server.hardening import ERASING, erases
from troth.server.log_lines import (
    ChildEnded,
    ChildReady,
    ChildSilent,
    ChildStarted,
    Draining,
    Role,
    Stopped,
)
from troth.server.log_lines import Serving as ServingLine
from troth.server.payment_settings import PaymentTerms
from troth.server.settings import KeySettings
from troth.server.sockets import Address, Sockets, address_of

_MS: Final = 1_000_000
_TICK_SECONDS: Final = 0.5
_SILENT_MS: Final = 20_000
_START_MS: Final = 60_000
_GRACE_MS: Final = 5_000
_PLAIN: Final[Mapping[str, str]] = {"LC_ALL": "C.UTF-8", "PYTHONUTF8": "1"}
"""A child's whole environment: nothing is inherited, so nothing in it can be a secret."""


class Installation(msgspec.Struct, frozen=True):
    """What to run. `credentials` by upstream go to the control process over its life line."""

    database: str
    data_folder: str
    run_folder: str
    credentials: Mapping[str, str]
    catalog: Catalog
    warnings: tuple[str, ...]
    key_defaults: KeySettings
    notice_days: int
    serving: Serving
    payments: PaymentTerms | None = None
    alerts: AlertTerms = AlertTerms()


class Standing(msgspec.Struct, frozen=True):
    """Everything answers, where. `is_erasing`: all gateways saw their freed memory overwritten."""

    api: Address
    control: Address
    gateways: int
    after_ms: int
    is_erasing: bool


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
    ) -> None:
        """`on_standing` is called once, when everything answers for the first time."""
        self._clock = clock
        self._log = log
        self._sockets = sockets
        self._on_standing = on_standing
        self._drain_seconds = installation.serving.drain_seconds
        self._began_ns = clock.monotonic_ns()
        self._has_stood = False
        self._is_stopping = False
        self._killed = 0
        self._wake, self._waker = socket.socketpair()
        self._wake.settimeout(0)
        self._waker.settimeout(0)
        self._selector = selectors.DefaultSelector()
        self._control = Child(_control_place(installation, sockets), clock)
        self._gateways = [
            Child(_gateway_place(installation, sockets, slot), clock)
            for slot in range(len(sockets.slots))
        ]

    @property
    def pids(self) -> list[int]:
        """The gateways' process numbers by slot, 0 for one that is down."""
        return [gateway.pid for gateway in self._gateways]

    @property
    def control_pid(self) -> int:
        """The control process's number, 0 when it is down."""
        return self._control.pid

    def stop(self) -> None:
        """Ask for an orderly end; may be called from a signal handler or another thread."""
        self._is_stopping = True
        self._waker.send(b".")

    def run(self) -> None:
        """Start everything and keep it standing until `stop`; then drain, and return.

        Raises:
            Misconfigured: a child could not start, with its reason.
        """
        self._selector.register(self._wake, selectors.EVENT_READ)
        try:
            while not self._is_stopping:
                self._start_due()
                self._turn()
                self._replace_silent()
                self._announce()
        finally:
            self._end()
            self._selector.close()
            self._wake.close()
            self._waker.close()

    def _children(self) -> list[Child]:
        return [self._control, *self._gateways]

    def _start_due(self) -> None:
        now_ns = self._clock.monotonic_ns()
        for child in self._children():
            if child.pid or child.due_ns > now_ns:
                continue
            line = child.start()
            self._selector.register(line, selectors.EVENT_READ, child)
            place = child.place
            self._log.write(ChildStarted(place.role, place.slot, child.pid, child.attempt))

    def _turn(self) -> None:
        """Wait for signs, at most until the next child is due."""
        now_ns = self._clock.monotonic_ns()
        due = [child.due_ns - now_ns for child in self._children() if not child.pid]
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
        if child.problem and not child.was_ready:
            raise Misconfigured(child.problem)

    def _replace_silent(self) -> None:
        for child in self._children():
            patience_ms = _SILENT_MS if child.is_ready else _START_MS
            if child.pid and child.silent_ms > patience_ms:
                self._log.write(ChildSilent(child.place.role, child.place.slot))
                child.kill()

    def _announce(self) -> None:
        if self._has_stood or not all(child.is_ready for child in self._children()):
            return
        self._has_stood = True
        after_ms = (self._clock.monotonic_ns() - self._began_ns) // _MS
        is_erasing = self._is_erasing_proved()
        standing = Standing(
            api=address_of(self._sockets.slots[0]),
            control=address_of(self._sockets.port),
            gateways=len(self._gateways),
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
        return all(gateway.is_erasing for gateway in self._gateways) and not erases(system_entropy)

    def _end(self) -> None:
        """Drain the gateways, then control: it takes their last postings."""
        self._log.write(Draining(self._drain_seconds))
        self._sockets.close()
        self._drain(self._gateways)
        self._drain([self._control])
        self._log.write(Stopped(self._killed))

    def _drain(self, children: list[Child]) -> None:
        for child in children:
            child.drain()
        deadline_ns = self._clock.monotonic_ns() + (self._drain_seconds * 1_000 + _GRACE_MS) * _MS
        while any(child.pid for child in children):
            left_ns = deadline_ns - self._clock.monotonic_ns()
            if left_ns <= 0:
                for child in children:
                    self._killed += 1 if child.pid else 0
                    child.kill()
                deadline_ns += _GRACE_MS * _MS
            for key, _ in self._selector.select(max(0.0, min(left_ns / 1e9, _TICK_SECONDS))):
                if isinstance(key.data, Child):
                    self._hear_last(key.data)

    def _hear_last(self, child: Child) -> None:
        try:
            self._hear(child)
        except Misconfigured:
            return


def _environment(serving: Serving) -> dict[str, str]:
    return {**_PLAIN, **ERASING} if serving.erase_on_free else dict(_PLAIN)


def _gateway_place(installation: Installation, sockets: Sockets, slot: int) -> Place:
    listener = sockets.slots[slot].fileno()
    handover = GatewayHandover(
        slot=slot,
        slots=len(sockets.slots),
        listener=listener,
        rates=sockets.rates,
        desk_socket=f"{installation.run_folder}/desk.sock",
        journal_directory=f"{installation.data_folder}/journal/{slot}",
        serving=installation.serving,
    )
    return Place(
        Role.GATEWAY,
        slot,
        "troth.server.gateway_process",
        handover,
        (listener, sockets.rates),
        _environment(installation.serving),
    )


def _control_place(installation: Installation, sockets: Sockets) -> Place:
    descriptors = (
        sockets.desk.fileno(),
        sockets.management.fileno(),
        sockets.port.fileno(),
    )
    handover = ControlHandover(
        database=installation.database,
        data_directory=installation.data_folder,
        desk=descriptors[0],
        management=descriptors[1],
        port=descriptors[2],
        slots=len(sockets.slots),
        credentials=dict(installation.credentials),
        serving=installation.serving,
        catalog=installation.catalog,
        warnings=list(installation.warnings),
        key_defaults=installation.key_defaults,
        notice_days=installation.notice_days,
        payments=installation.payments,
        alerts=installation.alerts,
    )
    return Place(
        Role.CONTROL, 0, "troth.server.control_process", handover, descriptors, dict(_PLAIN)
    )


@contextmanager
def signals_stop(supervisor: Supervisor) -> Iterator[None]:
    """Let SIGTERM and SIGINT ask the supervisor to stop; a second one changes nothing."""

    def asked(number: int, frame: FrameType | None) -> None:
        del number, frame
        supervisor.stop()

    former = {number: signal.signal(number, asked) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)
