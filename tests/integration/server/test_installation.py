"""A whole installation: what it serves, tells and survives."""

import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from tests.builders.callers import Load
from tests.builders.installation import Installed, end, installed
from tests.journeys.patience import Stopwatch, wait_until
from troth.ledger.shard import records

CREDIT_NUSD = 5 * 10**9


@pytest.fixture
def house(tmp_path: Path) -> Iterator[Installed]:
    with installed(tmp_path / "data", gateways=2) as one:
        yield one


def charged(house: Installed) -> dict[str, int]:
    """Return all charges in the database, by request."""
    connection = sqlite3.connect(house.settings.folder / "troth.db")
    rows = connection.execute("SELECT request, charged FROM usage").fetchall()
    connection.close()
    return {f"req_{request.hex()}": amount for request, amount in rows}


def settled(house: Installed, name: str) -> None:
    """Wait until nothing of a wallet is lent any more."""
    wait_until(lambda: house.wallet(name).held_nusd == 0, 40, "the leases are back")


def test_an_answer_costs_what_its_receipt_says(house: Installed) -> None:
    key = house.organization("acme")
    told = house.ask(key, max_tokens=5)
    assert told.status == 200
    wait_until(lambda: told.request in charged(house), 5, "the charge is posted")
    assert charged(house) == {told.request: told.cost_nusd}
    assert house.wallet("acme").posted_nusd == CREDIT_NUSD - told.cost_nusd


def test_a_revoked_key_is_refused_everywhere_before_management_answers(house: Installed) -> None:
    key = house.organization("acme")
    assert all(house.ask(key, max_tokens=1).status == 200 for _ in range(8))
    watch = Stopwatch()
    changed = house.manage("POST", f"/keys/{key[9:21]}/revoke")
    assert watch.seconds < 2
    assert changed.is_in_force
    assert changed.silent == ()
    assert [house.ask(key, max_tokens=1).status for _ in range(8)] == [401] * 8


def test_gateways_share_a_key_s_rates_and_a_restart_forgets_none(house: Installed) -> None:
    key = house.organization("acme", requests_per_minute=12)
    statuses = [house.ask(key, max_tokens=1).status for _ in range(24)]
    assert 12 <= statuses.count(200) <= 16  # one comes back each five seconds
    assert statuses.count(429) == 24 - statuses.count(200)
    for slot in (0, 1):
        end(house.supervisor.pids[slot])
    wait_until(lambda: len(house.events("ChildReady")) == 5, 20, "the gateways are back")
    again = [house.ask(key, max_tokens=1).status for _ in range(12)]
    assert again.count(200) < 12


def test_a_journal_of_another_installation_is_set_aside_and_told(
    house: Installed, capfd: pytest.CaptureFixture[str]
) -> None:
    key = house.organization("acme")
    assert house.ask(key, max_tokens=1).status == 200
    slot = min(house.settings.folder.glob("journal/*"))
    foreign = slot / f"{'ab' * 16}-000001.journal"
    foreign.write_bytes(records.header(bytes(16), b"\xab" * 16, 1))
    end(house.supervisor.pids[0])
    wait_until(lambda: len(house.events("ChildReady")) == 4, 20, "the gateway is back")
    assert '"event":"JournalSetAside","slot":0,"files":1' in capfd.readouterr().err
    assert (foreign.exists(), foreign.with_suffix(".aside").exists()) == (False, True)


def test_a_killed_gateway_loses_and_doubles_no_charge(house: Installed) -> None:
    key = house.organization("acme")
    load = Load(house, key)

    def trouble() -> None:
        for slot in (0, 1, 0):
            end(house.supervisor.pids[slot])
            load.wait_for_more()

    load.beside(trouble)
    settled(house, "acme")
    posted = charged(house)
    assert {request: posted[request] for request in load.costs} == load.costs
    assert house.wallet("acme").posted_nusd == CREDIT_NUSD - sum(posted.values())
    assert len(house.events("ChildStarted")) == 3 + 3


def test_a_killed_control_process_breaks_no_request_and_loses_no_charge(house: Installed) -> None:
    key = house.organization("acme", "500")
    load = Load(house, key)

    def trouble() -> None:
        victim = house.supervisor.control_pid
        end(victim)
        wait_until(lambda: len(house.events("ChildReady")) == 4, 20, "control is back")

    load.beside(trouble)
    assert {one.status for one in load.told} <= {200, 503}  # 503: the lease was dry for a second
    assert load.told[-1].status == 200
    assert load.broken == 0
    settled(house, "acme")
    assert load.costs.items() <= charged(house).items()


def test_a_draining_installation_finishes_its_streams(tmp_path: Path) -> None:
    with installed(tmp_path / "data") as house, ExitStack() as stack:
        key = house.organization("acme")
        streams = [
            stack.enter_context(closing(house.begin(key, stream=True, max_tokens=60)))
            for _ in range(4)
        ]
        house.stop()
        assert [one.end().text.endswith(b"data: [DONE]\n\n") for one in streams] == [True] * 4
        assert b'"status":0' in house.events("ChildEnded")[0]
        assert len(charged(house)) == 4
        assert list((house.settings.folder / "journal").rglob("*.journal")) == []


def test_metrics_tell_what_was_served_and_survive_a_restart(house: Installed) -> None:
    key = house.organization("acme")
    for _ in range(6):
        house.ask(key, max_tokens=1)
    mark = 'model="simulated",provider="simulated",reason="length",status="2xx"} '

    def counted() -> float:
        lines = [line for line in house.metrics().splitlines() if mark in line]
        return sum(float(line.rpartition(" ")[2]) for line in lines)

    wait_until(lambda: counted() == 6, 5, "reports come")
    end(house.supervisor.pids[0])
    wait_until(lambda: len(house.events("ChildReady")) == 4, 20, "the gateway is back")
    wait_until(lambda: "troth_gateway_restarts_total 1.0" in house.metrics(), 5, "it is seen")
    assert counted() == 6
    assert key[9:21] not in house.metrics()


def test_health_is_told_on_both_ports(house: Installed) -> None:
    for port in (house.api_port, house.control_port):
        assert house.get(port, "/healthz") == (200, b"ok\n")
        assert house.get(port, "/readyz") == (200, b"ok\n")
    assert house.get(house.control_port, "/nothing")[0] == 404


def test_children_see_nothing_of_the_environment(
    house: Installed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-planted")
    end(house.supervisor.pids[0])
    wait_until(lambda: len(house.events("ChildReady")) == 4, 20, "the gateway is back")
    for pid in (house.supervisor.control_pid, *house.supervisor.pids):
        environment = Path(f"/proc/{pid}/environ").read_bytes()
        assert b"PATH" not in environment
        assert b"sk-planted" not in environment
        limits = Path(f"/proc/{pid}/limits").read_text(encoding="ascii")
        assert limits.partition("Max core file size")[2].split()[:2] == ["0", "0"]


def test_gateways_erase_what_they_free(tmp_path: Path) -> None:
    with installed(tmp_path / "data") as house:
        assert b'"erases_on_free":true' in house.events("Serving")[0]
    with installed(tmp_path / "plain", erase_on_free=False) as house:
        assert b'"erases_on_free":false' in house.events("Serving")[0]
