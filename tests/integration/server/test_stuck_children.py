"""Children that do not do as they are told: who is stuck is ended, and what runs goes on."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from tests.builders.installation import Installed, end, installed
from tests.journeys.patience import wait_until
from troth.server import assemble
from troth.server.bulletin import standing
from troth.server.supervisor import Plan


@pytest.fixture
def hasty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Installed]:
    """An installation that gives up on its children sooner than one that is used."""
    for name in ("supervisor.GRACE_MS", "crew.GRACE_MS"):
        monkeypatch.setattr(f"troth.server.{name}", 500)
    monkeypatch.setattr("troth.server.supervisor._SILENT_MS", 5_000)
    with installed(tmp_path / "data", gateways=2, drain_seconds=1) as house:
        yield house


def test_a_child_that_says_nothing_is_replaced(hasty: Installed) -> None:
    key = hasty.organization("acme")
    victim = hasty.supervisor.pids[0]
    os.kill(victim, signal.SIGSTOP)
    wait_until(lambda: len(hasty.events("ChildSilent")) == 1, 20, "it is seen to be silent")
    wait_until(lambda: hasty.supervisor.pids[0] not in {0, victim}, 20, "it is replaced")
    wait_until(lambda: hasty.supervisor._served == [0, 1], 20, "all are served again")
    assert {hasty.ask(key, max_tokens=1).status for _ in range(8)} == {200}


def test_a_child_that_does_not_leave_is_ended(hasty: Installed) -> None:
    key = hasty.organization("acme")
    victim = hasty.supervisor.pids[0]
    os.kill(victim, signal.SIGSTOP)
    hasty.supervisor.reload()
    wait_until(lambda: len(hasty.events("RolledOver")) == 1, 30, "it has rolled over")
    ended = f'"pid":{victim}'.encode()
    wait_until(lambda: not Path(f"/proc/{victim}").exists(), 20, "the stuck one is gone")
    assert any(ended in line for line in hasty.events("ChildStarted"))
    assert {hasty.ask(key, max_tokens=1).status for _ in range(8)} == {200}


def test_a_stop_ends_who_does_not_end_by_himself(hasty: Installed) -> None:
    victim = hasty.supervisor.pids[1]
    os.kill(victim, signal.SIGSTOP)
    try:
        hasty.stop()
        assert not Path(f"/proc/{victim}").exists()
        (last,) = hasty.events("Stopped")
        assert b'"killed":1' in last
    finally:
        end(victim)


def test_control_that_cannot_start_leaves_the_old_one_s_place(hasty: Installed) -> None:
    key = hasty.organization("acme")
    good = assemble.installation(hasty.settings)
    bad = msgspec.structs.replace(good, database="sqlite:////nowhere/at/all/troth.db")
    hasty.supervisor._plan = lambda: Plan(bad, with_control=True)
    former = hasty.supervisor.control_pid
    hasty.supervisor.reload()
    wait_until(lambda: len(hasty.events("RollOverFailed")) == 1, 30, "it is given up")
    told = standing(hasty.settings.run_folder)
    assert told is not None
    assert "/nowhere/at/all/troth.db cannot be opened" in told.problem
    wait_until(lambda: hasty.supervisor.control_pid not in {0, former}, 20, "control is back")
    wait_until(lambda: hasty.get(hasty.control_port, "/readyz")[0] == 200, 20, "it is ready")
    assert {hasty.ask(key, max_tokens=1).status for _ in range(8)} == {200}
    assert hasty.manage("GET", "/organizations/acme/wallet").posted_nusd > 0
