"""The management API itself: who calls, what a fault says, what gateways are told."""

import os
import socket
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path

import msgspec
import pytest

from troth.cli.client import Client, Found, Refused, Unreachable
from troth.control import audit
from troth.server.management import application
from troth.server.management_socket import ManagementServer
from troth.server.office import Office, Told
from troth.server.shown import Changed, ShownKey, State
from troth.store.transaction import Locked


class Gateways:
    """Gateways that note what they are told, and answer as they are set to."""

    def __init__(self) -> None:
        self.told: list[tuple[tuple[str, ...], tuple[str, ...]]] = []
        self.answer = Told(confirmed=2)

    def refresh(self, public_ids: Sequence[str], orgs: Sequence[str]) -> Told:
        self.told.append((tuple(public_ids), tuple(orgs)))
        return self.answer


@pytest.fixture
def gateways() -> Gateways:
    return Gateways()


@pytest.fixture
def client(office: Office, gateways: Gateways, tmp_path: Path) -> Iterator[Client]:
    served = msgspec.structs.replace(office, gateways=gateways)
    path = tmp_path / "m.sock"
    with closing(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)) as listener:
        listener.bind(str(path))
        listener.listen()
        server = ManagementServer(application(served), listener)
        server.start()
        yield Client(path)
        server.stop()


def test_a_change_names_the_uid_of_its_caller(client: Client, office: Office) -> None:
    client.post("organizations", body={"name": "Ada"})
    with office.store.read() as tx:
        (entry,) = audit.recent(tx, 9)
    assert entry.uid == os.getuid()
    assert entry.at_ms == office.clock.now_ms()


def test_gateways_are_told_after_each_change(client: Client, gateways: Gateways) -> None:
    client.post("organizations", body={"name": "R&D / Lab"})
    made = msgspec.json.decode(
        client.post("organizations", "R&D / Lab", "keys", body={"name": "k"}), type=ShownKey
    )
    client.post("keys", made.ref, "revoke")
    public_id = made.prefix.removeprefix("sk-troth-")
    assert gateways.told == [
        ((), (made.organization,)),
        ((public_id,), ()),
        ((public_id,), ()),
    ]


def test_a_silent_gateway_is_named(client: Client, gateways: Gateways) -> None:
    client.post("organizations", body={"name": "Ada"})
    gateways.answer = Told(confirmed=1, silent=(1,), until_ms=1_800_000_030_000)
    changed = msgspec.json.decode(client.post("organizations", "Ada", "freeze"), type=Changed)
    assert not changed.is_in_force
    assert (changed.silent, changed.until_ms) == ((1,), 1_800_000_030_000)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"name": "x" * 101}, "'name': give 1 to 100 printable characters"),
        ({"name": "a", "sekret": "swordfish"}, "'sekret': Extra inputs are not permitted"),
        ({"name": 7}, "'name': Input should be a valid string"),
        ({}, "'': Field required"),
    ],
)
def test_a_fault_names_the_field_and_never_the_value(
    client: Client, body: dict[str, str | int], said: str
) -> None:
    with pytest.raises(Refused) as caught:
        client.post("organizations", body=body)
    assert said in caught.value.message
    assert "swordfish" not in caught.value.message
    assert "xxx" not in caught.value.message


def test_the_state_tells_what_is_there(client: Client) -> None:
    client.post("organizations", body={"name": "Ada"})
    state = msgspec.json.decode(client.get("state"), type=State)
    assert (state.organizations, state.live_keys, state.is_serving) == (1, 0, False)
    assert "simulated" in state.models


def test_an_altered_list_of_changes_is_a_finding(client: Client, office: Office) -> None:
    client.post("organizations", body={"name": "Ada"})
    with office.store.write() as tx:
        tx.execute(
            "INSERT INTO audit_entry (n, at, uid, action, subject, other, amount, prev_hash, hash)"
            " SELECT n + 1, at, uid, action, subject, other, amount, hash, hash FROM audit_entry"
        )
    with pytest.raises(Found, match="audit entries are what they were"):
        client.post("ledger", "verify")


def test_a_busy_database_is_worth_another_try(office: Office, tmp_path: Path) -> None:
    class Busy:
        dialect = office.store.dialect

        def write(self) -> None:
            raise Locked

        read = write

    path = tmp_path / "b.sock"
    served = msgspec.structs.replace(office, store=Busy())
    with closing(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)) as listener:
        listener.bind(str(path))
        listener.listen()
        server = ManagementServer(application(served), listener)
        server.start()
        with pytest.raises(Unreachable, match="The database is busy"):
            Client(path).get("organizations")
        server.stop()


def test_nobody_answers_on_a_socket_that_is_gone(tmp_path: Path) -> None:
    with pytest.raises(Unreachable, match="FileNotFoundError"):
        Client(tmp_path / "gone.sock").get("state")
