"""A roll-over: everything is replaced, and nobody who asks meanwhile is refused."""

import http.client
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import msgspec
import pytest

from tests.builders.callers import Load
from tests.builders.installation import ASK, Installed, end, installed
from tests.journeys.patience import Stopwatch, wait_until
from troth.kernel.errors import Misconfigured
from troth.ledger.shard import JOURNAL_SUFFIX
from troth.server import assemble
from troth.server.bulletin import standing
from troth.server.settings import ServerSettings, Settings
from troth.server.supervisor import Plan

ROLL_OVERS = 100
CREDIT_NUSD = 500 * 10**9


@pytest.fixture
def house(tmp_path: Path) -> Iterator[Installed]:
    with installed(tmp_path / "data", gateways=2) as one:
        yield one


def pids(house: Installed) -> list[int]:
    return [house.supervisor.control_pid, *house.supervisor.pids]


def rolled(house: Installed) -> None:
    """Ask for a roll-over and wait for its end."""
    count = len(house.events("RolledOver"))
    house.supervisor.reload()
    wait_until(lambda: len(house.events("RolledOver")) > count, 30, "it has rolled over")


def journals(house: Installed) -> list[Path]:
    return list((house.settings.folder / "journal").rglob(f"*{JOURNAL_SUFFIX}"))


def test_nobody_is_refused_in_a_roll_over_and_no_charge_is_lost(house: Installed) -> None:
    key = house.organization("acme", "500")
    former = pids(house)
    load = Load(house, key)

    def trouble() -> None:
        alone = Plan(assemble.installation(house.settings), with_control=False)
        house.supervisor._plan = lambda: alone
        rolled(house)
        load.wait_for_more()
        whole = Plan(alone.installation, with_control=True)
        house.supervisor._plan = lambda: whole
        rolled(house)
        load.wait_for_more()

    load.beside(trouble)
    assert load.broken == 0
    assert {one.status for one in load.told} == {200}
    assert not set(pids(house)) & set(former)
    owed = CREDIT_NUSD - sum(load.costs.values())
    wait_until(lambda: house.wallet("acme").posted_nusd == owed, 20, "all is posted")
    changed = house.manage("POST", f"/keys/{key[9:21]}/revoke")
    assert (changed.is_in_force, changed.silent) == (True, ())
    assert {house.ask(key, max_tokens=1).status for _ in range(8)} == {401}


@pytest.mark.prove
def test_a_hundred_roll_overs_under_load_break_nothing(
    house: Installed, figures: Callable[[str], None]
) -> None:
    key = house.organization("acme", "500")
    load = Load(house, key, callers=3)
    installation = assemble.installation(house.settings)

    def trouble() -> None:
        for number in range(ROLL_OVERS):
            plan = Plan(installation, with_control=number % 10 == 0)
            house.supervisor._plan = lambda plan=plan: plan  # type: ignore[misc]
            rolled(house)

    watch = Stopwatch()
    load.beside(trouble)
    answers = Counter(one.status for one in load.told)
    figures(
        f"{ROLL_OVERS} roll-overs in {watch.seconds:.0f} s under load: answers {dict(answers)},"
        f" {load.broken} broken connections"
    )
    assert load.broken == 0
    assert set(answers) == {200}
    assert all(one.text for one in load.told)
    owed = CREDIT_NUSD - sum(load.costs.values())
    wait_until(lambda: house.wallet("acme").posted_nusd == owed, 20, "all is posted")


def test_streams_and_connections_that_stand_are_ended_in_order(tmp_path: Path) -> None:
    with installed(tmp_path / "data") as house, ExitStack() as stack:
        key = house.organization("acme")
        streams = [
            stack.enter_context(closing(house.begin(key, stream=True, max_tokens=60)))
            for _ in range(4)
        ]
        kept = stack.enter_context(
            closing(http.client.HTTPConnection("127.0.0.1", house.api_port, timeout=20))
        )
        headers = {"authorization": f"Bearer {key}", "content-type": "application/json"}
        for _ in range(2):
            kept.request("POST", "/v1/chat/completions", msgspec.json.encode(ASK), headers)
            assert kept.getresponse().read()
        rolled(house)
        kept.request("POST", "/v1/chat/completions", msgspec.json.encode(ASK), headers)
        answer = kept.getresponse()
        assert (answer.status, answer.headers["connection"]) == (200, "close")
        assert answer.read()
        assert [one.end().text.endswith(b"data: [DONE]\n\n") for one in streams] == [True] * 4
        wait_until(lambda: len(house.events("ChildEnded")) == 2, 20, "the old ones have ended")
        assert all(b'"status":0' in line for line in house.events("ChildEnded"))
        assert len({file.parent for file in journals(house)}) == 1


def test_what_cannot_start_leaves_the_old_serving(house: Installed, tmp_path: Path) -> None:
    key = house.organization("acme")
    file = str(tmp_path / "none.pem")
    server = msgspec.structs.replace(house.settings.server, tls_certificate=file, tls_key=file)
    wrong = msgspec.structs.replace(house.settings, server=server)
    plan = Plan(assemble.installation(wrong), with_control=False)
    house.supervisor._plan = lambda: plan
    former = pids(house)
    house.supervisor.reload()
    wait_until(lambda: len(house.events("RollOverFailed")) == 1, 30, "it is given up")
    told = standing(house.settings.run_folder)
    assert told is not None
    assert "none.pem" in told.problem
    assert pids(house) == former
    assert house.ask(key, max_tokens=1).status == 200
    wait_until(lambda: len(house.events("ChildEnded")) == 1, 20, "the new one has ended")


def test_a_mute_gateway_gets_no_new_connections(house: Installed) -> None:
    key = house.organization("acme")
    victim = house.supervisor.pids[0]
    os.kill(victim, signal.SIGSTOP)
    try:
        wait_until(lambda: house.supervisor._served == [1], 20, "it is passed over")
        watch = Stopwatch()
        assert {house.ask(key, max_tokens=1).status for _ in range(30)} == {200}
        assert watch.seconds < 10
    finally:
        end(victim)
    wait_until(lambda: house.supervisor._served == [0, 1], 20, "all are served again")


def test_journals_of_slots_where_nobody_stands_are_settled(tmp_path: Path) -> None:
    program = (
        "import os, sys\n"
        "from pathlib import Path\n"
        "from tests.builders.installation import installed\n"
        "with installed(Path(sys.argv[1]), gateways=3) as house:\n"
        "    key = house.organization('acme')\n"
        "    for _ in range(9): house.ask(key, max_tokens=5)\n"
        "    supervisor = house.supervisor\n"
        "    for pid in (*supervisor.pids, supervisor.control_pid, os.getpid()):\n"
        "        os.kill(pid, 9)\n"
    )
    folder = tmp_path / "data"
    subprocess.run([sys.executable, "-c", program, str(folder)], check=False)
    held = {file.parent.name for file in folder.glob(f"journal/*/*{JOURNAL_SUFFIX}")}
    assert held == {"0", "1", "2"}
    with installed(folder) as house:

        def are_settled() -> bool:
            return {file.parent.name for file in journals(house)} == {"0"}

        wait_until(are_settled, 20, "the others' journals are settled")


# --- what it goes to -----------------------------------------------------------------------------


def planned(settings: Settings, found: Settings) -> Plan:
    return assemble.Planner(settings, lambda: found).plan()


def settings_of(folder: Path) -> Settings:
    text = msgspec.json.encode({"server": {}, "data": {"folder": str(folder)}})
    return msgspec.json.decode(text, type=Settings)


def test_control_is_replaced_when_something_changed(tmp_path: Path) -> None:
    settings = settings_of(tmp_path)
    assert not planned(settings, settings).with_control
    server = ServerSettings(drain_seconds=3)
    assert planned(settings, msgspec.structs.replace(settings, server=server)).with_control


@pytest.mark.parametrize(
    ("server", "name"),
    [
        (ServerSettings(bind="127.0.0.1:1"), "server.bind"),
        (ServerSettings(gateways=2), "server.gateways"),
    ],
)
def test_what_only_a_restart_can_change_is_named(
    tmp_path: Path, server: ServerSettings, name: str
) -> None:
    settings = settings_of(tmp_path)
    with pytest.raises(Misconfigured, match=f"'{name}' changes with a restart only"):
        planned(settings, msgspec.structs.replace(settings, server=server))
    other = settings_of(tmp_path / "other")
    with pytest.raises(Misconfigured, match=r"'data\.folder'"):
        planned(settings, other)
