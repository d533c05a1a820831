"""One place and its processes: handed over to, heard, drained, replaced later and later."""

import signal
from pathlib import Path
from selectors import EVENT_READ, DefaultSelector

import pytest

from tests.journeys.patience import wait_until
from troth.kernel.clock import ManualClock
from troth.server.child import Child, Place
from troth.server.handover import GatewayHandover, Serving
from troth.server.log_lines import Role

READS = """
import socket, sys
from troth.server.handover import Alive, Failed, GatewayHandover, Ready, take, tell
line = socket.socket(fileno=int(sys.argv[1]))
handover = take(line, GatewayHandover)
"""
SERVES = READS + "tell(line, Alive())\ntell(line, Ready(True))\nline.recv(1)\n"
FAILS = READS + "tell(line, Failed(handover.desk_socket))\nsys.exit(78)\n"
FALLS = "raise SystemExit(3)\n"
HANGS = READS + "import time\nwhile True: time.sleep(9)\n"
HANDOVER = GatewayHandover(
    slot=0,
    slots=1,
    listener=-1,
    rates=-1,
    hint_key=bytes(32),
    desk_socket="the desk",
    journal_directory="",
    serving=Serving(),
)


def child(folder: Path, program: str, clock: ManualClock) -> Child:
    (folder / "a_child.py").write_text(program, encoding="ascii")
    environment = {"PYTHONPATH": str(folder)}
    return Child(Place(Role.GATEWAY, 0, "a_child", HANDOVER, (), environment), clock)


def hear(one: Child) -> bool:
    """Wait for a sign of the child; False when it has hung up."""
    assert one.line is not None
    with DefaultSelector() as selector:
        selector.register(one.line, EVENT_READ)
        assert selector.select(20)
    return one.hear()


def test_a_child_serves_until_it_is_drained(tmp_path: Path) -> None:
    one = child(tmp_path, SERVES, ManualClock())
    one.start()
    while not one.is_ready:
        assert hear(one)
    assert one.is_erasing
    assert one.pid > 0
    one.drain()
    assert not hear(one)
    one.reap()
    assert (one.status, one.pid, one.is_ready) == (0, 0, False)
    assert not one.hear()


def test_a_child_says_why_it_cannot_start(tmp_path: Path) -> None:
    one = child(tmp_path, FAILS, ManualClock())
    one.start()
    while hear(one):
        pass
    one.reap()
    assert one.problem == "the desk"
    assert one.status == 78


def test_a_child_that_falls_again_and_again_is_replaced_later_and_later(tmp_path: Path) -> None:
    clock = ManualClock()
    one = child(tmp_path, FALLS, clock)
    waits = []
    for _ in range(5):
        one.start()
        assert not hear(one)
        one.reap()
        waits.append((one.due_ns - clock.monotonic_ns()) // 1_000_000)
    assert waits == [0, 100, 200, 400, 800]
    assert one.status == 3


def test_a_child_that_stood_for_long_is_replaced_at_once(tmp_path: Path) -> None:
    clock = ManualClock()
    one = child(tmp_path, SERVES, clock)
    for _ in range(3):
        one.start()
        while not one.is_ready:
            assert hear(one)
        clock.advance(20_000)
        one.kill()
        while hear(one):
            pass
        one.reap()
        assert one.status == -signal.SIGKILL
        assert one.due_ns == clock.monotonic_ns()


def test_silence_is_measured_since_the_last_sign(tmp_path: Path) -> None:
    clock = ManualClock()
    one = child(tmp_path, HANGS, clock)
    one.start()
    clock.advance(21_000)
    assert one.silent_ms == one.age_ms == 21_000
    one.kill()
    wait_until(lambda: not one.hear(), 10, "it has ended")
    one.reap()


def test_a_child_that_does_not_end_when_its_line_is_cut_is_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("troth.server.child._REAP_SECONDS", 0.05)
    one = child(tmp_path, HANGS, ManualClock())
    one.start()
    one.reap()
    assert one.status == -signal.SIGKILL
