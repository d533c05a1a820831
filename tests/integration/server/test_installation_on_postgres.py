"""An installation with its books in PostgreSQL: the same promises, and the database's faults."""

from collections.abc import Iterator
from itertools import count
from pathlib import Path

import psycopg
import pytest

from tests.builders.command_line import CommandLine
from tests.builders.installation import Installed, Told, end, installed
from tests.builders.postgres_cluster import Cluster, running
from tests.journeys.patience import wait_until
from troth.kernel.errors import Misconfigured
from troth.kernel.ids import system_entropy
from troth.kernel.secret import Secret
from troth.server import database
from troth.server.settings import DataSettings, ServerSettings, Settings, StoreSettings
from troth.server.sockets import alone_in
from troth.store import engine

CREDIT_NUSD = 5 * 10**9
PASSWORD = "not-to-be-seen"
_NUMBERS = count(1)


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with running() as cluster:
        yield cluster


@pytest.fixture
def url(cluster: Cluster) -> str:
    return cluster.url(f"house_{next(_NUMBERS)}")


@pytest.fixture
def house(url: str, tmp_path: Path) -> Iterator[Installed]:
    with installed(tmp_path / "data", 2, store_url=url) as one:
        yield one


def charged(url: str) -> dict[str, int]:
    """Return all charges in the database, by request."""
    with psycopg.connect(url) as connection:
        rows = connection.execute("SELECT request, charged FROM usage").fetchall()
    return {f"req_{bytes(request).hex()}": amount for request, amount in rows}


def refused(folder: Path, url: str) -> str:
    """Return why an installation does not start."""
    settings = Settings(
        server=ServerSettings(bind="127.0.0.1:0", control_bind="127.0.0.1:0"),
        data=DataSettings(str(folder)),
        store=StoreSettings(Secret(url)),
    )
    with alone_in(settings.run_folder), pytest.raises(Misconfigured) as caught:
        Installed(settings).supervisor.run()
    return caught.value.problem


def asked(house: Installed, key: str, times: int) -> dict[str, int]:
    """Ask; return what each answered request said it cost."""
    told = [house.ask(key, max_tokens=5) for _ in range(times)]
    assert {one.status for one in told} == {200}
    return {one.request: one.cost_nusd for one in told}


def test_charges_survive_killed_and_replaced_processes(house: Installed, url: str) -> None:
    key = house.organization("acme")
    costs = asked(house, key, 6)
    for pid in (*house.supervisor.pids, house.supervisor.control_pid):
        end(pid)
    wait_until(lambda: len(house.events("ChildReady")) == 6, 20, "all are back")
    costs |= asked(house, key, 6)
    house.supervisor.reload()  # the next owner of the database waits for the one before
    wait_until(lambda: len(house.events("RolledOver")) == 1, 30, "it has rolled over")
    costs |= asked(house, key, 6)
    wait_until(lambda: charged(url) == costs, 20, "all is posted")
    assert house.wallet("acme").posted_nusd == CREDIT_NUSD - sum(costs.values())
    assert not (house.settings.folder / "troth.db").exists()


def test_a_database_that_dies_loses_and_doubles_nothing(tmp_path: Path) -> None:
    with running() as own:
        url = own.url("books")
        with installed(tmp_path / "data", store_url=url) as house:
            key = house.organization("acme")
            costs = asked(house, key, 4)
            own.kill()
            away: list[Told] = [house.ask(key, max_tokens=5) for _ in range(20)]
            assert {one.status for one in away} <= {200, 503}  # what was lent is still spent
            own.start()

            def is_back() -> bool:
                away.append(house.ask(key, max_tokens=5))
                return away[-1].status == 200

            wait_until(is_back, 20, "answers come again")
            costs |= {one.request: one.cost_nusd for one in away if one.status == 200}
            wait_until(lambda: charged(url) == costs, 20, "all is posted")
            assert house.wallet("acme").posted_nusd == CREDIT_NUSD - sum(costs.values())
            assert house.get(house.control_port, "/readyz")[0] == 200


def test_a_database_has_one_owner(house: Installed, url: str, tmp_path: Path) -> None:
    assert "belongs to another process" in refused(tmp_path / "other", url)
    assert house.get(house.api_port, "/readyz")[0] == 200


def test_journals_of_another_database_stop_the_start(url: str, tmp_path: Path) -> None:
    journal = tmp_path / "data" / "journal" / "0"
    journal.mkdir(parents=True)
    (journal / "00-1.journal").write_bytes(b"charges of other books")
    (tmp_path / "data" / "deployment").write_bytes(bytes(16))
    assert "charges that belong to another database" in refused(tmp_path / "data", url)
    (journal / "00-1.journal").unlink()
    with installed(tmp_path / "data", store_url=url):
        named = (tmp_path / "data" / "deployment").read_bytes()
    with psycopg.connect(url) as connection:
        assert connection.execute("SELECT id FROM deployment").fetchall() == [(named,)]


@pytest.fixture
def troth(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> CommandLine:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TROTH_SERVER__BIND", "127.0.0.1:0")
    monkeypatch.setenv("TROTH_SERVER__CONTROL_BIND", "127.0.0.1:0")
    monkeypatch.setenv("TROTH_SERVER__ERASE_ON_FREE", "false")
    return CommandLine(tmp_path, capfd)


def test_the_command_line_works_with_it(troth: CommandLine, url: str) -> None:
    secret = url.replace("troth@", f"troth:{PASSWORD}@")
    (troth.folder / "database.url").write_text(secret + "\n", "utf-8")
    (troth.folder / "troth.toml").write_text('[store]\nurl_file = "database.url"\n', "utf-8")
    assert "there is no installation" in troth.run("org", "list").err
    assert troth.run("init").code == 0
    assert troth.run("org", "create", "Ada").code == 0
    assert "Ada" in troth.run("org", "list").out
    said = troth.run("doctor")
    assert (said.code, said.out) == (0, "")
    shown = troth.run("config", "show").out
    assert "store.url" in shown
    assert PASSWORD not in shown
    assert not (troth.folder / "troth-data" / "troth.db").exists()


@pytest.mark.parametrize(
    ("url", "cause"),
    [
        ("postgresql://troth:not-to-be-seen@127.0.0.1:1/books", "does not answer"),
        ("postgresql://troth:not-to-be-seen@nowhere.invalid/books", "a host name that nobody"),
        ("postgresql://troth:not to-be-seen@/", "is not well formed"),
        ("mysql://troth:not-to-be-seen@127.0.0.1/books", "must be like"),
    ],
)
def test_a_database_that_cannot_be_used_is_named_without_its_address(
    troth: CommandLine, monkeypatch: pytest.MonkeyPatch, url: str, cause: str
) -> None:
    monkeypatch.setenv("TROTH_STORE__URL", url)
    for command in ("doctor", "serve"):
        said = troth.run(command)
        assert said.code in {1, 2}
        told = said.out + said.err
        assert cause in told
        assert "seen" not in told


def test_a_database_that_does_not_exist_is_named(
    troth: CommandLine, monkeypatch: pytest.MonkeyPatch, cluster: Cluster
) -> None:
    monkeypatch.setenv("TROTH_STORE__URL", f"postgresql://troth@127.0.0.1:{cluster.port}/nothing")
    said = troth.run("doctor")
    assert said.code == 1
    assert "does not know the database or the user" in said.out


def test_an_owner_that_left_lets_the_next_in(url: str) -> None:
    for _ in range(3):
        engine.open(url, is_alone=True).close()
    first = engine.open(url, is_alone=True)
    with pytest.raises(Misconfigured, match="belongs to another process"):
        engine.open(url, is_alone=True)
    first.close()
    engine.open(url, is_alone=True).close()


def test_the_deployment_s_name_stays(url: str, tmp_path: Path) -> None:
    store = engine.open(url)
    names = {database.deployment(store, tmp_path, system_entropy) for _ in range(3)}
    store.close()
    assert len(names) == 1
